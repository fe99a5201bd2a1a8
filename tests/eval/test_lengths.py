"""Does the twin write as many words as it is asked for: prompts, the texts of a tiny model, and the figures."""

import math

import pytest

from blogtwin.models import registry
from blogtwin.models.length import requested_words
from blogtwin.sampling import SamplingParams
from eval import lengths

POSTS = [{"instruction": f"Write the post “{title}”.", "input": ""} for title in ("Rain", "The ladder")]


def row(system: str, words: int, end: str = "stop") -> dict:
    return {"system": system, "asked": 200, "words": words, "end": end, "text": ""}


def test_every_post_is_asked_for_in_each_length_as_the_engine_reads_it():
    prompts = lengths.length_prompts(POSTS, "You write.")
    assert [words for words, _ in prompts] == [*lengths.LENGTHS, *lengths.LENGTHS]
    assert all(requested_words(messages[-1]["content"]) == words for words, messages in prompts)


def test_the_figures_are_the_share_that_ends_and_the_median_error():
    rows = [row("told", 100), row("told", 200), row("told", 800, "length"), row("counted", 190), row("counted", 220)]
    figures = lengths.length_figures(rows)
    assert figures["told"] == {"n": 3, "ended": pytest.approx(2 / 3, abs=1e-4), "length_error": round(math.log(2), 4)}
    assert figures["counted"]["ended"] == 1
    assert figures["counted"]["length_error"] == pytest.approx((math.log(1.1) - math.log(0.95)) / 2, abs=1e-4)


@pytest.mark.slow
@pytest.mark.model
def test_counting_keeps_the_embedded_bases_texts_to_their_words(monkeypatch):
    """Left to itself, it writes far less or far more."""
    monkeypatch.setattr(lengths, "LENGTHS", (50, 70))
    base = registry.resolve_base("smollm2:135m")
    prompts = lengths.length_prompts(POSTS, "You write.")
    rows = lengths.write_texts(base.gguf, base.tokenizer(), prompts, SamplingParams(400, seed=3))
    assert [(r["system"], r["asked"]) for r in rows] == [(name, n) for name in lengths.SYSTEMS for n, _ in prompts]
    figures = lengths.length_figures(rows)
    assert figures["counted"]["ended"] == 1 and figures["counted"]["length_error"] <= 0.25, rows
    assert figures["counted"]["length_error"] < figures["told"]["length_error"]
