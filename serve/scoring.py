"""Style, copying and topic of one text, by the scorecard's own measures.

This runs in a process of its own, started at the first request: torch and scikit-learn would hold up the requests in
this one. The process reads the author's posts once; after that it scores a text in a fraction of a
second.
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
    """The process, restarted when it dies."""

    def __init__(self):
        self.pool: ProcessPoolExecutor | None = None

    async def score(self, text: str, brief: str, folder: Path = PROJECT) -> dict:
        """Scores of a text that `brief` asked for, compared with the posts of the project in `folder`.

        {style, on_topic (0 to 1), copied_words (longest copied run), copied (its share of the text), copied_from (the
        post's title), notes}. A score that can't be computed is None, with the reason in `notes`.
        """
        for attempt in (1, 2):
            if self.pool is None:
                self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _lower_priority)
            pool = self.pool
            try:
                return await asyncio.wrap_future(pool.submit(score_text, text, brief, folder))
            except BrokenProcessPool:
                if self.pool is pool:  # else another request has restarted it already
                    self.close()
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None


def _lower_priority() -> None:
    """Generation comes before scoring: this process lowers its priority, and has one thread."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    os.nice(5)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


def score_text(text: str, brief: str, folder: Path = PROJECT) -> dict:
    """See ScoringWorker.score. Runs in the process of its own."""
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
    try:
        on_topic, no_topic = single.on_topic(text, brief), "no other prompts to compare with"
    except UserError as e:
        on_topic, no_topic = None, str(e)
    for name, value in (("style", single.style(text)), ("on_topic", on_topic)):
        found[name] = None if value is None else round(value, 4)
    if found["style"] is None:
        notes.append(
            "style: fewer than 100 words of prose"
            if single.measurable
            else "style: too few held-out posts or other authors to measure it"
        )
    if found["on_topic"] is None:
        notes.append(f"topic: {no_topic}")
    return found


@functools.lru_cache(3)
def _author(folder: Path) -> tuple:
    """(the scorer, titles of the training posts): everything that depends only on the author's posts."""
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
