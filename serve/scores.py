"""Style, copying and topic of one text, by the scorecard's own measures.

In a process of its own, begun when it is first asked for: torch, scikit-learn and their threads would slow down the engine in
this one. It reads the author's posts once and answers in a fraction of a second after that.
"""

import asyncio
import functools
import math
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool


class Scores:
    """The process, begun anew when it dies."""

    def __init__(self):
        self.pool: ProcessPoolExecutor | None = None

    async def of(self, text: str, brief: str) -> dict:
        """{style, copied, on_topic, …} of a text that was asked for by `brief`; what can't be said is None, with a reason in `notes`."""
        for attempt in (1, 2):
            if self.pool is None:
                self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _quiet)
            try:
                return await asyncio.wrap_future(self.pool.submit(score, text, brief))
            except BrokenProcessPool:
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None


def _quiet() -> None:
    """Writing comes before scoring: this process steps back, and works with one thread."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this one
    os.nice(5)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


def score(text: str, brief: str) -> dict:
    """What a text scores; runs in the process of its own."""
    import numpy as np

    from _shared import UserError

    notes: list[str] = []
    found = {"style": None, "copied_words": None, "copied": None, "on_topic": None, "notes": notes}
    try:
        measures = _measures()
    except (UserError, OSError, KeyError, ValueError) as e:
        notes.append(f"not scored: {e}")
        return found
    copied = measures["copying"].measure(text)
    found |= {"copied_words": copied["run"], "copied": copied["copied"]}
    if measures["style"] is None:
        notes.append("style: too few held-out posts or other authors to measure it")
    else:
        style = _style(text, measures["style"])
        found["style"] = style if style is not None and math.isfinite(style) else None
        if found["style"] is None:
            notes.append("style: fewer than 100 words of prose")
    briefs = [brief, *(b for b in measures["briefs"] if b != brief)]
    if len(briefs) > 1 and text.strip():
        from eval import topic

        body = topic.body(brief, text)
        found["on_topic"] = round(float(topic.ranks(topic.by_meaning([body], briefs), np.zeros(1, int))[0]), 4)
    else:
        notes.append("topic: no other prompts to compare with")
    return found


@functools.cache
def _measures() -> dict:
    """Everything that depends on the author's posts alone."""
    from _shared import RAW, SPLIT, load_params, read_jsonl
    from eval import impostors, style
    from eval.copying import Copying
    from eval.features import SEGMENT, count

    params = load_params()
    splits = {name: read_jsonl(SPLIT / f"{name}.jsonl") for name in ("train", "valid", "test")}
    posts = {p["id"]: p for p in read_jsonl(RAW / "posts.jsonl")}
    training, held_out = _whole(splits["train"]), _whole(splits["test"] + splits["valid"])
    everybody = impostors.load()
    everybody = everybody.without(everybody.same_as([*training, *held_out]))
    author = count(held_out)
    enough = len(everybody.names) >= impostors.FEWEST_AUTHORS and (author.segments * SEGMENT >= 100).sum() >= 2
    asked = list(dict.fromkeys(e["post_id"] for e in splits["test"]))[: params.eval.prompts or None]
    return {
        "copying": Copying(training),
        "style": (style.opinion("masked", author, everybody, {}), _deciders(author, everybody), everybody.author) if enough else None,
        "briefs": [" ".join([posts[p]["title"], *posts[p]["tags"]]) for p in asked],
    }


def _whole(examples: list[dict]) -> list[str]:
    posts: dict[str, list[str]] = {}
    for example in examples:
        posts.setdefault(example["post_id"], []).append(example["output"])
    return ["\n\n".join(parts) for parts in posts.values()]


def _deciders(author, everybody) -> list:
    """The verifier of each fold, as style.opinion fits them: a text is heard by all."""
    import numpy as np

    from eval import style

    folds = min(style.FOLDS, len(everybody.names))
    own_rows, own_post = author.windows(style.WINDOW)
    other_rows, other_text = everybody.texts.windows(style.WINDOW)
    own, other = author.sums("masked", own_rows), everybody.texts.sums("masked", other_rows)
    found = []
    for fold in range(folds):
        learn_own, learn_other = own_post % folds != fold, everybody.author[other_text] % folds != fold
        labels = np.r_[np.ones(learn_own.sum(), bool), np.zeros(learn_other.sum(), bool)]
        found.append(style.characters(style.stacked([own[learn_own], other[learn_other]]), labels))
    return found


def _style(text: str, measures) -> float | None:
    """0: other bloggers, 1: the author; None for a text that is too short."""
    import numpy as np

    from eval import style
    from eval.features import LONGEST, SEGMENT, count

    said, deciders, person = measures
    texts = count([text], families=("masked",))
    length = min(int(texts.segments[0]), LONGEST // SEGMENT)
    if length < style.SHORTEST:
        return None
    counts = texts.sums("masked", [np.arange(length)])
    z = np.array([np.mean([decide(counts)[0] for decide in deciders])])
    people = [np.flatnonzero(person == p) for p in range(person.max() + 1)]
    return round(float(style.scale(said, np.arange(len(said.author)), people).score(z, np.array([length]))[0]), 4)
