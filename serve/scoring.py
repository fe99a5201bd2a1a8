"""Style, copying and topic of one text, by the scorecard's own measures.

In a process of its own, begun when it is first asked for: torch, scikit-learn and their threads would slow down the
engine in this one. It reads the author's posts once and answers in a fraction of a second after that.
"""

import asyncio
import functools
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from serve.catalog import PROJECT


class ScoringWorker:
    """The process, begun anew when it dies."""

    def __init__(self):
        self.pool: ProcessPoolExecutor | None = None

    async def of(self, text: str, brief: str, folder: Path = PROJECT) -> dict:
        """{style, copied, copied_from (the post's title), on_topic, …} of a text that was asked for by `brief`, beside
        the posts of the project in `folder`; what can't be said is None, with a reason in `notes`."""
        for attempt in (1, 2):
            if self.pool is None:
                self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _lower_priority)
            pool = self.pool
            try:
                return await asyncio.wrap_future(pool.submit(score_text, text, brief, folder))
            except BrokenProcessPool:
                if self.pool is pool:  # else another text has begun it anew, and is being scored there
                    self.close()
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None


def _lower_priority() -> None:
    """Writing comes before scoring: this process steps back, and works with one thread."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this one
    os.nice(5)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


def score_text(text: str, brief: str, folder: Path = PROJECT) -> dict:
    """What a text scores; runs in the process of its own."""
    from blogtwin.errors import UserError

    notes: list[str] = []
    found = {"style": None, "copied_words": None, "copied": None, "copied_from": None, "on_topic": None, "notes": notes}
    try:
        single, titles = _author(folder)
    except (UserError, OSError, KeyError, ValueError) as e:
        notes.append(f"not scored: {e}")
        return found
    copied = single.copying.measure(text)
    found |= {"copied_words": copied["longest_copy"], "copied": copied["copied"]}
    if copied["longest_copy"]:
        found["copied_from"] = titles[copied["source"]]
    for name, value in (("style", single.style(text)), ("on_topic", single.on_topic(text, brief))):
        found[name] = None if value is None else round(value, 4)
    if found["style"] is None:
        notes.append(
            "style: fewer than 100 words of prose"
            if single.measurable
            else "style: too few held-out posts or other authors to measure it"
        )
    if found["on_topic"] is None:
        notes.append("topic: no other prompts to compare with")
    return found


@functools.lru_cache(3)
def _author(folder: Path) -> tuple:
    """(the measures, titles of the posts that were learnt from): all that depends on the author's posts alone."""
    from blogtwin.config import load_params
    from blogtwin.files import read_jsonl
    from blogtwin.paths import RAW_DIR, SPLIT_DIR
    from corpus.examples import first_parts, join_parts, post_topic
    from eval.text_scorer import TextScorer

    splits = {name: read_jsonl(folder / SPLIT_DIR / f"{name}.jsonl") for name in ("train", "valid", "test")}
    posts = {p["id"]: p for p in read_jsonl(folder / RAW_DIR / "posts.jsonl")}
    learnt, held_out = join_parts(splits["train"]), join_parts(splits["test"] + splits["valid"])
    asked = [e["post_id"] for e in first_parts(splits["test"], load_params(folder / "params.yaml").eval.num_prompts)]
    return TextScorer(list(learnt.values()), list(held_out.values()), [post_topic(posts[p]) for p in asked]), [
        posts[p]["title"] for p in learnt
    ]
