"""Coherence, repetition, endings and diversity on texts whose answer is known."""

import itertools
import math
import random

import numpy as np
import pytest

from blogtwin.models import embeddings
from blogtwin.text.sentences import split_sentences, truncate_words
from eval import fluency
from tests.support.operation_count import MORE, assert_linear, work
from tests.support.sample_corpus import posts


def test_sentences_leave_out_what_is_none():
    text = (
        "# The title\n\nIt held. (I know.) “Did it?” she said\nagain.\n\n1. one mm\n2. two\n\n> He\n> waited.\n\n```\nx"
        " = 1. y\n```\nDone. 今日は。はい"
    )
    assert split_sentences(text) == [
        "It held.",
        "(I know.)",
        "“Did it?”",
        "she said again.",
        "one mm",
        "two",
        "He waited.",
        "Done.",
        "今日は。",
        "はい",
    ]
    assert split_sentences("# only a heading\n\n…") == []
    assert (
        truncate_words("a  b\n\nc d", 3) == "a  b\n\nc"
        and truncate_words("a b", 9) == "a b"
        and truncate_words("", 3) == ""
    )


def test_order_gain_is_what_shuffling_would_give(monkeypatch):
    """The closed form is the mean over every order there is; same-minded neighbours gain, alternating ones lose."""
    vectors = {"a": np.eye(3)[0], "b": np.eye(3)[1], "c": np.eye(3)[2], "x": np.array([1, 1, 0]) / 2**0.5}
    monkeypatch.setattr(embeddings, "embed", lambda texts: np.array([vectors[t[0]] for t in texts]))
    (gain, smooth, restless), adjacent = fluency.coherence_gain(
        ["a. x. b. c.", "a. a. a. b. b. b.", "a. b. a. b. a. b."]
    )
    by_hand = [
        np.mean([vectors[p] @ vectors[q] for p, q in itertools.pairwise(order)])
        for order in itertools.permutations("axbc")
    ]
    assert adjacent[0] == pytest.approx(2 / 2**0.5 / 3)
    assert gain == pytest.approx(adjacent[0] - np.mean(by_hand))
    assert smooth > 0.3 and restless < -0.3
    assert np.isnan(fluency.coherence_gain(["a. b."])[0]) and fluency.coherence_gain([])[0].shape == (0,)


@pytest.fixture(scope="module")
def real():
    return [text for _, text in posts()][::2]


@pytest.fixture(scope="module")
def measured(real):
    return fluency.fluency_metrics(real)


@pytest.mark.slow
@pytest.mark.model
def test_posts_are_more_coherent_in_their_own_order(measured):
    assert np.mean(measured["coherence_gain"] > 0) > 0.9
    for values in measured.values():
        assert len(values) == 30 and fluency.fraction_within(values, fluency.reference_range(values)) > 0.85


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize("unit", ["words", "sentences"])
def test_shuffled_posts_lose_their_order(real, measured, unit):
    """Nonsense that the style scores hardly notice: most of it lies outside the author's band, and below."""
    rng = random.Random(1)

    def shuffle(text):
        parts = text.split() if unit == "words" else split_sentences(text)
        return " ".join(rng.sample(parts, len(parts)))

    gains = fluency.coherence_gain([shuffle(t) for t in real])[0]
    low, high = fluency.reference_range(measured["coherence_gain"])
    assert fluency.fraction_within(gains, (low, high)) < 0.6
    assert np.nanmedian(gains) < low < np.median(measured["coherence_gain"])


@pytest.mark.slow
@pytest.mark.model
def test_a_loop_is_outside_the_authors_band(real, measured):
    """More coherent than any post and yet no text: the yardstick has two ends."""
    bands = {name: fluency.reference_range(values) for name, values in measured.items()}
    loop = fluency.fluency_metrics([f"{s} " * (250 // len(s.split())) for t in real for s in split_sentences(t)[3:4]])
    for name in (
        "coherence_gain",
        "adjacent_similarity",
        "repetition",
        "compression",
    ):  # a loop may well begin its sentences as one should
        assert fluency.fraction_within(loop[name], bands[name]) == 0, name
    assert (
        loop["adjacent_similarity"].min() > bands["adjacent_similarity"][1]
        and loop["compression"].max() < bands["compression"][0]
    )


@pytest.mark.slow
@pytest.mark.model
def test_capitals_are_missed_where_an_author_writes_them(real, measured):
    """Style scores hardly see case; sentences that begin with a figure or a quotation are not counted."""
    assert (
        fluency.fraction_within(
            fluency.fluency_metrics([t.lower() for t in real[:5]])["capitalised_sentences"],
            fluency.reference_range(measured["capitalised_sentences"]),
        )
        == 0
    )
    assert fluency.capitalised_fraction("It held. 9 of them did. Then it broke. and so on.") == pytest.approx(2 / 3)
    assert math.isnan(fluency.capitalised_fraction("9 of 9. 3."))


@pytest.mark.slow
@pytest.mark.model
def test_a_loop_after_an_opening_shows_as_well(real, measured):
    """The gain may be deceived here (one sentence stands apart and all else together, as in no shuffle); the others are
    not."""
    late = fluency.fluency_metrics(
        [truncate_words(f"{split_sentences(t)[0]} " + f"{split_sentences(t)[3]} " * 250, 250) for t in real]
    )
    for name in ("adjacent_similarity", "repetition", "compression"):
        assert fluency.fraction_within(late[name], fluency.reference_range(measured[name])) <= 0.1, name


def test_repetition_and_compression_by_hand():
    assert fluency.repetition_fraction("one two three four five six") == 0
    assert fluency.repetition_fraction("It held. It held! it HELD") == pytest.approx(
        1 / 3
    )  # it held it held | held it held it | again
    assert fluency.repetition_fraction("a b a b a", n=2) == pytest.approx(0.5)
    assert fluency.repetition_fraction("three words only") == 0 and fluency.repetition_fraction("") == 0
    assert fluency.compression_ratio("It held again. " * 60) < 0.1 < 0.4 < fluency.compression_ratio(posts()[0][1])
    assert np.isnan(fluency.compression_ratio(""))


def test_unfinished_is_a_text_without_a_last_stop():
    assert not any(
        map(
            fluency.is_truncated,
            ["It held.", "Did it?", "“It held.”\n", "(I know.)", "*So there.*", "And then…", "はい。"],
        )
    )
    assert all(map(fluency.is_truncated, ["It held and", "It held. And then the", "Tools:", "“It", "", "9 of 9"]))
    whole = [text for _, text in posts(10_000)]
    assert not any(map(fluency.is_truncated, whole))
    assert np.mean([fluency.is_truncated(truncate_words(t, 100)) for t in whole]) > 0.7


def test_diversity_by_hand_and_of_real_posts():
    """a b c d e and a b c d f share one of three 4-grams; the other two pairs share none."""
    found = fluency.diversity(["One. a b c d e.", "one! a b c d f.", "Other words than these stand here."])
    one, two = {"oneabc", "abcd", "bcde"}, {"oneabc", "abcd", "bcdf"}
    assert found["jaccard"] == pytest.approx(len(one & two) / len(one | two) / 3)
    assert found["same_opening"] == pytest.approx(2 / 3)
    texts = [text for _, text in posts()]
    assert fluency.diversity(texts)["jaccard"] < 0.005 and fluency.diversity(texts)["same_opening"] == 0
    assert fluency.diversity([texts[0]] * 4) == {"jaccard": 1, "same_opening": 1}
    assert all(np.isnan(v) for v in fluency.diversity(["alone"]).values())
    assert fluency.diversity(["", ""]) == {"jaccard": 0, "same_opening": 1}


def test_band_has_two_ends_and_what_is_not_measured_is_outside():
    values = np.arange(101.0)
    assert fluency.reference_range(values) == (5, 95)
    assert fluency.reference_range([*values, np.nan]) == (5, 95)
    assert fluency.fraction_within([4, 5, 95, 96], (5, 95)) == 0.5
    assert fluency.fraction_within([50, np.nan], (5, 95)) == 0.5
    assert np.isnan(fluency.fraction_within([50], fluency.reference_range([np.nan]))) and np.isnan(
        fluency.fraction_within([], (5, 95))
    )


@pytest.mark.slow
@pytest.mark.model
def test_long_loops_cost_no_more_than_their_length(monkeypatch):
    """3,000 words of one sentence, and 3,000 without a stop: what a broken model writes must not hold up the scorecard.
    The encoder reads each different sentence once; twice the words, and twice the texts, are twice the work."""
    monkeypatch.setattr(embeddings, "_cache", {})
    asked, encode = [], embeddings._embed_batch
    monkeypatch.setattr(embeddings, "_embed_batch", lambda texts: (asked.extend(texts), encode(texts))[1])
    fluency.fluency_metrics(["It held again and again. " * 600, "it held again " * 1000] * 20)
    assert [text[:24] for text in asked] == ["It held again and again.", "it held again it held ag"]
    for sentence in ("It held again and again. ", "it held again "):
        assert_linear(
            lambda text: (
                fluency.repetition_fraction(text),
                fluency.capitalised_fraction(text),
                fluency.is_truncated(text),
            ),
            lambda size, s=sentence: s * (size // len(s)),
        )
    fluency.diversity([f"{i} " + "it held again " * 1000 for i in range(60)])
    few, many = (work(fluency.diversity, [f"{i} " + "it held again " * 50 for i in range(n)]) for n in (30, 60))
    assert many <= MORE * few
