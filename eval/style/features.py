"""A text → the counts that its style is compared on. Figures only: no text can be read back from them.

A text is cut into segments of 50 words, and each is counted by itself, so that any text, one shipped as figures too,
can be taken at any length that is a multiple of 50 words: style measured at two lengths can't be compared.
"""

import functools
import re
import zlib
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer, HashingVectorizer

from blogtwin.text.markdown import extract_prose
from blogtwin.text.stopwords import CONTRACTIONS
from blogtwin.text.tokens import tokenise_words as plain_words

SEGMENT_WORDS = 50  # words
MAX_WORDS = 500  # words of a window: more tells little more, and few posts have it
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
FEATURE_FAMILIES = ("masked", "function", "topic")
FUNCTION_WORDS = ENGLISH_STOP_WORDS | CONTRACTIONS
PUNCTUATION = list(".,;:!?()\"'-—/*&")
FINGERPRINT_WORDS, FINGERPRINT_SHARE = 8, 64  # one in 64 of all runs of 8 words


def mask_content_words(text: str) -> str:
    """Every letter of a word that is no function word → *, every digit → # (text distortion, Stamatatos 2017); spaces
    are folded."""
    text = WORD.sub(lambda m: m[0] if m[0].lower() in FUNCTION_WORDS else re.sub(r"[^\W\d_]", "*", m[0]), text)
    return " ".join(re.sub(r"\d", "#", text).split())


@functools.cache
def vectorisers() -> dict:
    """{family: (vectorizer, what is done to a segment first)}. Hashed, so that no vocabulary has to be shipped."""
    characters = HashingVectorizer(
        analyzer="char", ngram_range=(3, 5), n_features=2**18, alternate_sign=False, norm=None, lowercase=False
    )
    function = CountVectorizer(analyzer=_function_tokens, vocabulary=[*sorted(FUNCTION_WORDS), *PUNCTUATION])
    topic = HashingVectorizer(analyzer=_topic_tokens, n_features=2**16, alternate_sign=False, norm=None)
    return {"masked": (characters, mask_content_words), "function": (function, str), "topic": (topic, str)}


def _function_tokens(text: str) -> list[str]:
    return [w for w in (m.lower() for m in WORD.findall(text)) if w in FUNCTION_WORDS] + [
        c for c in text if c in PUNCTUATION
    ]


def _topic_tokens(text: str) -> list[str]:
    return [w for w in (m.lower() for m in WORD.findall(text)) if w not in FUNCTION_WORDS]


@dataclass(frozen=True)
class SegmentCounts:
    """Texts as counts: a row a segment, `owner` the number of the text it stands in, in order; `segments` how many each
    text has."""

    counts: dict  # family → (segments, features) csr matrix
    owner: np.ndarray
    n: int

    @property
    def segments(self) -> np.ndarray:
        return np.bincount(self.owner, minlength=self.n)

    def sums(self, family: str, rows: list[np.ndarray]) -> sparse.csr_matrix:
        """(len(rows), features): the counts of some segments together."""
        picked = np.concatenate(rows) if rows else np.zeros(0, int)
        which = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        choose = sparse.csr_matrix(
            (np.ones(len(picked), np.float32), (which, picked)), shape=(len(rows), len(self.owner))
        )
        return (choose @ self.counts[family]).tocsr()

    def beginnings(self, segments: int) -> tuple[list[np.ndarray], np.ndarray]:
        """(segment rows of the first `segments` of each text that has them, numbers of those texts)."""
        ends = np.cumsum(self.segments)
        long_enough = np.flatnonzero(self.segments >= segments)
        return [
            np.arange(ends[i] - self.segments[i], ends[i] - self.segments[i] + segments) for i in long_enough
        ], long_enough

    def windows(self, segments: int) -> tuple[list[np.ndarray], np.ndarray]:
        """(segment rows of all windows of `segments`, end to end, number of the text of each); a shorter text is one
        window."""
        rows, owner, ends = [], [], np.cumsum(self.segments)
        for i, n in enumerate(self.segments):
            first = ends[i] - n
            for start in range(0, max(1, n - segments + 1) if n else 0, segments):
                rows.append(np.arange(first + start, first + min(n, start + segments)))
                owner.append(i)
        return rows, np.array(owner, int)


def count_features(
    texts: list[str], longest: int = MAX_WORDS, families: tuple[str, ...] = FEATURE_FAMILIES
) -> SegmentCounts:
    """Markdown texts → their prose, at most `longest` words of each, counted; what is left over after the last 50 words
    is dropped."""
    segments, owner = [], []
    for i, text in enumerate(texts):
        tokens = extract_prose(text).split()[:longest]
        for start in range(0, len(tokens) - SEGMENT_WORDS + 1, SEGMENT_WORDS):
            segments.append(" ".join(tokens[start : start + SEGMENT_WORDS]))
            owner.append(i)
    counts = {}
    for family in families:
        vectorizer, prepare = vectorisers()[family]
        rows = [prepare(s) for s in segments]
        counts[family] = (
            vectorizer.transform(rows).astype(np.float32).tocsr()
            if rows
            else sparse.csr_matrix((0, _width(vectorizer)), dtype=np.float32)
        )
    return SegmentCounts(counts, np.array(owner, int), len(texts))


def _width(vectorizer) -> int:
    return getattr(vectorizer, "n_features", None) or len(vectorizer.vocabulary)


def fingerprint(texts: list[str]) -> np.ndarray:
    """Sorted checksums of one in 64 of the texts' runs of 8 words: two blogs that share many are one author's."""
    found = set()
    for text in texts:
        tokens = plain_words(text)
        for i in range(len(tokens) - FINGERPRINT_WORDS + 1):
            checksum = zlib.crc32(" ".join(tokens[i : i + FINGERPRINT_WORDS]).encode())
            if checksum % FINGERPRINT_SHARE == 0:
                found.add(checksum)
    return np.array(sorted(found), np.uint32)
