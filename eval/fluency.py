"""Is it alive: does one sentence lead to the next, does the text come round again and again, does it end, is each one
new?

None of these numbers is good or bad by itself: an author repeats too, and a loop is more coherent than any post. So
each is held against the author's own spread, on both sides (`reference_range`, `fraction_within`), at one length:
repetition and compression of a long text are not those of a short one. None of them sees whether what is said is true.
"""

import zlib

import numpy as np

from blogtwin.text.sentences import split_sentences
from blogtwin.text.tokens import tokenise_words

GRAM = 4  # words
CLOSING_MARKS = "\"'”’)]}*_»`~ \t\r\n"  # what may stand after the stop that ends a sentence
SENTENCE_ENDS = ".!?…。！？"


def fluency_metrics(texts: list[str]) -> dict[str, np.ndarray]:
    """Per text, (n,) each: `coherence_gain` and `adjacent` (cosines), `repetition_fraction` (share),
    `compression_ratio` (ratio), `capitalised_fraction` (share). Cut the texts alike first."""
    gain, adjacent = coherence_gain(texts)
    return {
        "order_gain": gain,
        "adjacent": adjacent,
        "repetition": np.array([repetition_fraction(t) for t in texts]),
        "compression": np.array([compression_ratio(t) for t in texts]),
        "capitals": np.array([capitalised_fraction(t) for t in texts]),
    }


def coherence_gain(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(gain, adjacent), (n,) each: mean cosine of neighbouring sentences less what it is when they stand in any order,
    and itself.

    No shuffling is needed: over all orders, neighbours are any two sentences of the text, so the mean over every
    shuffle is the mean of all pairs, (|Σv|² − n) / n(n − 1) for n unit vectors. A loop gains nothing, but one that
    follows an odd opening does: that is what `adjacent`, far above any post's, is for. A text of fewer than three
    sentences has no order: nan.
    """
    from blogtwin.models.embeddings import embed

    split = [split_sentences(t) for t in texts]
    vectors = embed([s for one in split for s in one]).astype(np.float64)
    ends = np.cumsum([len(one) for one in split], dtype=int)
    pairs = [
        _cosines(vectors[end - len(one) : end]) if len(one) > 2 else (np.nan, np.nan) for one, end in zip(split, ends)
    ]
    adjacent, any_order = np.array(pairs).reshape(-1, 2).T
    return adjacent - any_order, adjacent


def _cosines(v: np.ndarray) -> tuple[float, float]:
    """Mean cosine of neighbours, and of all pairs, of (n, 384) unit vectors."""
    n, total = len(v), v.sum(0)
    return (v[:-1] * v[1:]).sum(1).mean(), (total @ total - (v * v).sum()) / (n * (n - 1))


def repetition_fraction(text: str, n: int = GRAM) -> float:
    """Share of the word n-grams that stood in the text before: 0 none, near 1 a loop. 1 less this is distinct-n (Li et
    al. 2016)."""
    grams = _grams(text, n)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def compression_ratio(text: str) -> float:
    """Bytes after zlib over bytes before: prose of 250 words about 0.55, a loop under 0.1. nan for an empty text."""
    data = text.encode()
    return len(zlib.compress(data, 9)) / len(data) if data else float("nan")


def capitalised_fraction(text: str) -> float:
    """Share of the sentences that begin with a capital, among those that begin with a letter; nan if none does. Style
    scores hardly see case."""
    first = [s[0] for s in split_sentences(text) if s[0].isalpha()]
    return sum(c.isupper() for c in first) / len(first) if first else float("nan")


def is_truncated(text: str) -> bool:
    """Whether the text breaks off: its last sentence has no stop. Asked of the whole text, not of one that was cut."""
    return not text.rstrip(CLOSING_MARKS).endswith(tuple(SENTENCE_ENDS))


def diversity(texts: list[str]) -> dict[str, float]:
    """Is it always the same text? `jaccard`: mean over all pairs of the 4-grams shared; `same_opening`: share of texts
    whose first sentence another has too."""
    if len(texts) < 2:
        return {"jaccard": float("nan"), "same_opening": float("nan")}
    openings = [tuple(tokenise_words((split_sentences(t) or [""])[0])) for t in texts]
    return {
        "jaccard": _mean_jaccard([set(_grams(t, GRAM)) for t in texts]),
        "same_opening": float(np.mean([openings.count(o) > 1 for o in openings])),
    }


def _mean_jaccard(sets: list[set]) -> float:
    """Mean over all pairs, through one sparse product: hundreds of texts would be slow set by set."""
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


def _grams(text: str, n: int) -> list[tuple]:
    tokens = tokenise_words(text)
    return list(zip(*(tokens[i:] for i in range(n))))


def reference_range(real: np.ndarray) -> tuple[float, float]:
    """The 5th and 95th percentile of the author's own values: between them is what the author does. nan, nan if there
    are none."""
    known = np.asarray(real, float)[~np.isnan(np.asarray(real, float))]
    return tuple(map(float, np.percentile(known, [5, 95]))) if len(known) else (float("nan"), float("nan"))


def fraction_within(values: np.ndarray, band: tuple[float, float]) -> float:
    """Share of values inside the band, its ends included; of the author's own about 0.9. What can't be measured (nan)
    is outside."""
    values = np.asarray(values, float)
    if not len(values) or np.isnan(band).any():
        return float("nan")
    return float(((values >= band[0]) & (values <= band[1])).mean())
