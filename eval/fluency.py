"""Fluency: does one sentence lead to the next, does the text repeat itself, does it end, and is each text new?

None of these numbers is good or bad by itself, because an author repeats too, and a loop is more coherent than any
post. So each is compared with the author's own range, on both sides (`reference_range`, `fraction_within`), at one
length: repetition and compression grow with the length of a text. None of them sees whether a text is true.
"""

import statistics
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from blogtwin.text.markdown import extract_prose
from blogtwin.text.sentences import split_sentences, truncate_words
from blogtwin.text.tokens import tokenise_words
from eval.gates import Count
from eval.rounding import round_metric, round_values

NGRAM_WORDS = 4
MIN_COMPARED_WORDS, MAX_COMPARED_WORDS = 60, 300  # the length that all texts are cut to lies between these
NUM_SCORED_TOKENS = 64  # of each text, under the base model
CLOSING_MARKS = "\"'”’)]}*_»`~ \t\r\n"  # what may stand after the stop that ends a sentence
SENTENCE_ENDS = ".!?…。！？"


def fluency_metrics(texts: list[str]) -> dict[str, np.ndarray]:
    """Per text, (n,) each: `coherence_gain` and `adjacent_similarity` (cosines, −1 to 1), `repetition` (share, 0 to 1),
    `compression` (ratio, 0 to 1), `capitalised_sentences` (share, 0 to 1). Cut the texts to one length first."""
    gain, adjacent = coherence_gain(texts)
    return {
        "coherence_gain": gain,
        "adjacent_similarity": adjacent,
        "repetition": np.array([repetition_fraction(t) for t in texts]),
        "compression": np.array([compression_ratio(t) for t in texts]),
        "capitalised_sentences": np.array([capitalised_fraction(t) for t in texts]),
    }


def coherence_gain(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(gain, adjacent similarity), (n,) each: the mean cosine of neighbouring sentences minus its mean over all orders
    of the sentences; and that mean cosine itself.

    No shuffling is needed: over all orders, any two sentences are neighbours equally often, so the mean over every
    shuffle is the mean of all pairs, (|Σv|² − n) / n(n − 1) for n unit vectors. A loop gains nothing, but a loop after
    a different opening does; its adjacent similarity is far above that of any post. A text of fewer than three
    sentences has no order: nan.
    """
    from blogtwin.models.embeddings import embed

    split = [split_sentences(t) for t in texts]
    vectors = embed([sentence for sentences in split for sentence in sentences]).astype(np.float64)
    pairs, start = [], 0
    for sentences in split:
        own = vectors[start : start + len(sentences)]
        pairs.append(_cosines(own) if len(sentences) > 2 else (np.nan, np.nan))
        start += len(sentences)
    adjacent, any_order = np.array(pairs).reshape(-1, 2).T
    return adjacent - any_order, adjacent


def _cosines(v: np.ndarray) -> tuple[float, float]:
    """Mean cosine of neighbours, and of all pairs, of (n, 384) unit vectors."""
    n, total = len(v), v.sum(0)
    adjacent = (v[:-1] * v[1:]).sum(1).mean()
    all_pairs = (total @ total - (v * v).sum()) / (n * (n - 1))
    return adjacent, all_pairs


def repetition_fraction(text: str, n: int = NGRAM_WORDS) -> float:
    """Share of the word n-grams that the text had before: 0 for none, near 1 for a loop. One minus this is distinct-n
    (Li et al. 2016)."""
    grams = _ngrams(text, n)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def compression_ratio(text: str) -> float:
    """Bytes after zlib over bytes before: prose of 250 words about 0.55, a loop under 0.1. nan for an empty text."""
    data = text.encode()
    return len(zlib.compress(data, 9)) / len(data) if data else float("nan")


def capitalised_fraction(text: str) -> float:
    """Share of the sentences that begin with a capital, among those that begin with a letter; nan if none does. The
    style scores hardly see case."""
    initials = [s[0] for s in split_sentences(text) if s[0].isalpha()]
    return sum(c.isupper() for c in initials) / len(initials) if initials else float("nan")


def is_truncated(text: str) -> bool:
    """True if the text breaks off: its last sentence has no full stop. Call it with the whole text, not with a cut
    one."""
    return not text.rstrip(CLOSING_MARKS).endswith(tuple(SENTENCE_ENDS))


def diversity(texts: list[str]) -> dict[str, float]:
    """Is it always the same text? `jaccard`: mean Jaccard similarity of the 4-grams over all pairs of texts (0 to 1);
    `same_opening`: share of the texts whose first sentence another text has too."""
    if len(texts) < 2:
        return {"jaccard": float("nan"), "same_opening": float("nan")}
    openings = [_opening(text) for text in texts]
    return {
        "jaccard": _mean_jaccard([set(_ngrams(t, NGRAM_WORDS)) for t in texts]),
        "same_opening": float(np.mean([openings.count(o) > 1 for o in openings])),
    }


def _opening(text: str) -> tuple[str, ...]:
    """The words of the first sentence."""
    sentences = split_sentences(text)
    return tuple(tokenise_words(sentences[0])) if sentences else ()


def _mean_jaccard(sets: list[set]) -> float:
    """Mean over all pairs, by one sparse product: hundreds of texts would be slow set by set."""
    from scipy.sparse import csr_array

    number = {gram: i for i, gram in enumerate(set().union(*sets))}
    columns = [number[gram] for one in sets for gram in one]
    sizes = np.array([len(one) for one in sets])
    holds = csr_array(
        (np.ones(len(columns)), columns, np.concatenate([[0], np.cumsum(sizes)])),
        shape=(len(sets), max(1, len(number))),
    )
    shared = (holds @ holds.T).toarray()
    union = sizes[:, None] + sizes - shared
    return float((shared / np.maximum(union, 1))[np.triu_indices(len(sets), 1)].mean())


def _ngrams(text: str, n: int) -> list[tuple]:
    tokens = tokenise_words(text)
    return list(zip(*(tokens[i:] for i in range(n))))


def reference_range(real: np.ndarray) -> tuple[float, float]:
    """The 5th and 95th percentile of the author's own values, the author's range; nan, nan if there are none."""
    values = np.asarray(real, float)
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [5, 95])
    return float(low), float(high)


def fraction_within(values: np.ndarray, band: tuple[float, float]) -> float:
    """Share of the values inside the band, its ends included; about 0.9 of the author's own. A value that can't be
    measured (nan) is outside."""
    values = np.asarray(values, float)
    if not len(values) or np.isnan(band).any():
        return float("nan")
    return float(_is_within(values, band).mean())


def _is_within(values: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    return (values >= band[0]) & (values <= band[1])


@dataclass
class FluencyComparison:
    """Figures of each system, and for the verdict how many of its texts are within the author's range, by measure."""

    by_system: dict[str, dict[str, float]]
    inside: dict[str, dict[str, Count]]  # {system: {measure: texts in the author's range}}
    words: int  # to which all texts were cut
    bands: dict[str, tuple[float, float]]  # {measure: the author's range}

    def count_inside(
        self, texts: list[str], base_bits_per_byte: Callable[[list[str], int], list[float]]
    ) -> dict[str, Count]:
        """{measure: how many of these texts are in the author's range}; they are cut to the same length."""
        values = _measure_groups({"more": _cut(texts, self.words)}, base_bits_per_byte)["more"]
        return {measure: _inside(measure, own, self.bands[measure]) for measure, own in values.items()}


def compare_fluency(
    texts: dict[str, list[str]],
    held_out: list[str],
    base_bits_per_byte: Callable[[list[str], int], list[float]],
) -> FluencyComparison:
    """All systems' `texts` against the author's `held_out` posts, cut to one length.

    `base_bits_per_byte(texts, tokens)` scores the first tokens of texts under the base model: word salad is unlikely.
    """
    lengths = [len(extract_prose(text).split()) for text in texts["twin"]]
    words = max(MIN_COMPARED_WORDS, min(MAX_COMPARED_WORDS, round(statistics.median(lengths))))
    groups = {name: _cut(group, words) for name, group in texts.items()}
    values = _measure_groups({**groups, "held_out": _cut(held_out, words)}, base_bits_per_byte)
    bands = {measure: reference_range(own) for measure, own in values["held_out"].items()}
    found = FluencyComparison({}, {}, words, bands)
    for name, group in groups.items():
        within = {measure: fraction_within(own, bands[measure]) for measure, own in values[name].items()}
        found.by_system[name] = {
            **{measure: _mean(own) for measure, own in values[name].items()},
            **{f"{measure}_within": round_metric(share) for measure, share in within.items()},
            **round_values(diversity(group)),
        }
        found.inside[name] = {measure: _inside(measure, own, bands[measure]) for measure, own in values[name].items()}
    return found


def _inside(measure: str, values: np.ndarray, band: tuple[float, float]) -> Count:
    """How many of the values are in the author's range; one that can't be measured is not."""
    # A model's own samples are always likelier to a model than a person's text: only above the band is word salad. An
    # empty text has no bits, and is none.
    is_inside = ~(values > band[1]) if measure == "bits_per_byte_of_base" else _is_within(values, band)
    return Count(int(is_inside.sum()), len(values))


def _cut(texts: list[str], words: int) -> list[str]:
    return [truncate_words(extract_prose(text), words) for text in texts]


def _measure_groups(
    groups: dict[str, list[str]], base_bits_per_byte: Callable[[list[str], int], list[float]]
) -> dict[str, dict[str, np.ndarray]]:
    """{group: {measure: (n,) values}}, with one pass over the texts of all groups: the models load once."""
    flat = [text for group in groups.values() for text in group]
    measures = fluency_metrics(flat)
    measures["bits_per_byte_of_base"] = np.array(base_bits_per_byte(flat, NUM_SCORED_TOKENS))
    values: dict[str, dict[str, np.ndarray]] = {}
    start = 0
    for name, group in groups.items():
        values[name] = {measure: own[start : start + len(group)] for measure, own in measures.items()}
        start += len(group)
    return values


def _mean(values: np.ndarray) -> float:
    """The mean of the values that could be measured, rounded; nan for none."""
    return float("nan") if np.isnan(values).all() else round_metric(np.nanmean(values))
