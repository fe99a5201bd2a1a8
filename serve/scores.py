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
        """{style, copied, copied_from (the post's title), on_topic, …} of a text that was asked for by `brief`; what can't be said is None, with a reason in `notes`."""
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
    found = {"style": None, "copied_words": None, "copied": None, "copied_from": None, "on_topic": None, "notes": notes}
    try:
        measures = _measures()
    except (UserError, OSError, KeyError, ValueError) as e:
        notes.append(f"not scored: {e}")
        return found
    copied = measures["copying"].measure(text)
    found |= {"copied_words": copied["run"], "copied": copied["copied"]}
    if copied["run"]:
        found["copied_from"] = measures["titles"][copied["source"]]
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
    from corpus.examples import brief, openings, whole_posts
    from eval import impostors
    from eval.copying import Copying
    from eval.features import SEGMENT, count

    params = load_params()
    splits = {name: read_jsonl(SPLIT / f"{name}.jsonl") for name in ("train", "valid", "test")}
    posts = {p["id"]: p for p in read_jsonl(RAW / "posts.jsonl")}
    learnt = whole_posts(splits["train"])
    training, held_out = list(learnt.values()), list(whole_posts(splits["test"] + splits["valid"]).values())
    everybody = impostors.load()
    everybody = everybody.without(everybody.same_as([*training, *held_out]))
    author = count(held_out)
    enough = len(everybody.names) >= impostors.FEWEST_AUTHORS and (author.segments * SEGMENT >= 100).sum() >= 2
    asked = [e["post_id"] for e in openings(splits["test"], params.eval.prompts)]
    return {
        "copying": Copying(training),
        "titles": [posts[p]["title"] for p in learnt],
        "style": _measured(author, everybody) if enough else None,
        "briefs": [brief(posts[p]) for p in asked],
    }


def _measured(author, everybody) -> tuple:
    """The verifiers, and the scale that they are read on."""
    from eval import style

    verifiers = style.verifiers("masked", author, everybody)
    return verifiers, style.whole_scale(style.opinion("masked", author, everybody, {}, verifiers), everybody.author)


def _style(text: str, measures) -> float | None:
    """0: other bloggers, 1: the author; None for a text that is too short."""
    from eval import style
    from eval.features import count

    verifiers, scale = measures
    z, length = style.heard(verifiers, "masked", count([text], families=("masked",)))
    return round(float(scale.score(z, length)[0]), 4) if math.isfinite(z[0]) else None
