"""From a text to the counts on which its style is compared. Counts only: no text can be read back from them.

A text is cut into segments of 50 words, and each is counted separately, so that any text, also one shipped as counts,
can be cut to any multiple of 50 words: style scores of texts of different lengths can't be compared.
"""

import functools
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer, HashingVectorizer

from blogtwin.text.markdown import extract_prose
from blogtwin.text.stopwords import CONTRACTIONS
from blogtwin.text.tokens import tokenise_words as plain_words

SEGMENT_WORDS = 50
MAX_WORDS = 500  # of a window: longer ones tell little more, and few posts have them
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
FEATURE_FAMILIES = ("masked", "function", "topic")
FUNCTION_WORDS = ENGLISH_STOP_WORDS | CONTRACTIONS
PUNCTUATION = list(".,;:!?()\"'-—/*&")
FINGERPRINT_WORDS, FINGERPRINT_SAMPLING = 8, 64  # one in 64 of all runs of 8 words


def mask_content_words(text: str) -> str:
    """Every letter of a word that is no function word becomes *, every digit # (text distortion, Stamatatos 2017);
    white space is collapsed."""

    def mask(match: re.Match) -> str:
        word = match[0]
        return word if word.lower() in FUNCTION_WORDS else re.sub(r"[^\W\d_]", "*", word)

    masked = re.sub(r"\d", "#", WORD.sub(mask, text))
    return " ".join(masked.split())


@functools.cache
def vectorisers() -> dict[str, tuple[Any, Callable[[str], str]]]:
    """{family: (vectorizer, preprocessing of a segment)}. Hashed, so that no vocabulary has to be shipped."""
    characters = HashingVectorizer(
        analyzer="char", ngram_range=(3, 5), n_features=2**18, alternate_sign=False, norm=None, lowercase=False
    )
    function = CountVectorizer(analyzer=_function_tokens, vocabulary=[*sorted(FUNCTION_WORDS), *PUNCTUATION])
    topic = HashingVectorizer(analyzer=_topic_tokens, n_features=2**16, alternate_sign=False, norm=None)
    return {"masked": (characters, mask_content_words), "function": (function, str), "topic": (topic, str)}


def _function_tokens(text: str) -> list[str]:
    words = [word.lower() for word in WORD.findall(text)]
    return [word for word in words if word in FUNCTION_WORDS] + [mark for mark in text if mark in PUNCTUATION]


def _topic_tokens(text: str) -> list[str]:
    words = [word.lower() for word in WORD.findall(text)]
    return [word for word in words if word not in FUNCTION_WORDS]


@dataclass(frozen=True)
class SegmentCounts:
    """`n` texts as counts, one row a segment. A text of fewer than 50 words has no segment."""

    counts: dict[str, sparse.csr_matrix]  # by feature family: (segments, features)
    owner: np.ndarray  # (segments,): the number of the text that a segment is of, ascending
    n: int

    @property
    def segments(self) -> np.ndarray:
        """(n,): how many segments each text has."""
        return np.bincount(self.owner, minlength=self.n)

    def aggregate(self, family: str, rows: list[np.ndarray]) -> sparse.csr_matrix:
        """(len(rows), features): for each array of segment numbers, the sum of their counts."""
        picked = np.concatenate(rows) if rows else np.zeros(0, int)
        target = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        ones = np.ones(len(picked), np.float32)
        selection = sparse.csr_matrix((ones, (target, picked)), shape=(len(rows), len(self.owner)))
        return (selection @ self.counts[family]).tocsr()

    def prefixes(self, segments: int) -> tuple[list[np.ndarray], np.ndarray]:
        """(segment numbers of the first `segments` of each text that has as many, numbers of those texts)."""
        starts = np.cumsum(self.segments) - self.segments
        long_enough = np.flatnonzero(self.segments >= segments)
        return [np.arange(starts[i], starts[i] + segments) for i in long_enough], long_enough

    def windows(self, segments: int) -> tuple[list[np.ndarray], np.ndarray]:
        """(segment numbers of each window of `segments` in a row, the number of its text); a shorter text is one
        window, and what is left after the last whole window is dropped."""
        rows, owner = [], []
        starts = np.cumsum(self.segments) - self.segments
        for i, n in enumerate(self.segments):
            if not n:
                continue
            for start in range(0, max(1, n - segments + 1), segments):
                rows.append(np.arange(starts[i] + start, starts[i] + min(n, start + segments)))
                owner.append(i)
        return rows, np.array(owner, int)


def count_features(
    texts: list[str], max_words: int = MAX_WORDS, families: tuple[str, ...] = FEATURE_FAMILIES
) -> SegmentCounts:
    """Count the prose of Markdown texts, at most `max_words` words of each; a last segment of fewer than 50 words is
    dropped."""
    segments, owner = [], []
    for i, text in enumerate(texts):
        tokens = extract_prose(text).split()[:max_words]
        for start in range(0, len(tokens) - SEGMENT_WORDS + 1, SEGMENT_WORDS):
            segments.append(" ".join(tokens[start : start + SEGMENT_WORDS]))
            owner.append(i)
    counts = {}
    for family in families:
        vectorizer, prepare = vectorisers()[family]
        rows = [prepare(s) for s in segments]
        if rows:
            counts[family] = vectorizer.transform(rows).astype(np.float32).tocsr()
        else:
            counts[family] = sparse.csr_matrix((0, _num_features(vectorizer)), dtype=np.float32)
    return SegmentCounts(counts, np.array(owner, int), len(texts))


def _num_features(vectorizer: Any) -> int:
    return getattr(vectorizer, "n_features", None) or len(vectorizer.vocabulary)


def fingerprint(texts: list[str]) -> np.ndarray:
    """Sorted checksums of one in 64 of the texts' runs of 8 words: two blogs that share many are by one author."""
    found = set()
    for text in texts:
        tokens = plain_words(text)
        for i in range(len(tokens) - FINGERPRINT_WORDS + 1):
            checksum = zlib.crc32(" ".join(tokens[i : i + FINGERPRINT_WORDS]).encode())
            if checksum % FINGERPRINT_SAMPLING == 0:
                found.add(checksum)
    return np.array(sorted(found), np.uint32)
