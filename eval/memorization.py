"""How much of a text stands word for word in the posts that were trained on, beside how much an author repeats himself.

The limit on the longest copy is the 99th percentile of what 19 bloggers copy from themselves, over 442 held-out posts;
the 95th is 14 words.
"""

import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np

from blogtwin.text.sentences import truncate_words
from blogtwin.text.tokens import SHINGLE_WORDS, longest_match, ngram_index, tokenise_words
from eval.gates import Count
from eval.rounding import round_metric

MAX_COPY_WORDS = 40
MAX_COPIED_13GRAM_FRACTION = 0.03
MIN_SPAN_WORDS = 8


class CopyDetector:
    """The training posts, ready to be searched."""

    def __init__(self, posts: list[str]) -> None:
        self.sources = [tokenise_words(p) for p in posts]
        self.index = ngram_index(self.sources)

    def longest_match(self, text: str) -> tuple[int, str, int]:
        """(words of the longest run that stands in a training post, the run itself in lower case, number of the post;
        -1 for none)."""
        tokens = tokenise_words(text)
        length, start, source = longest_match(tokens, self.index, self.sources)
        return length, " ".join(tokens[start : start + length]), source

    def copied_spans(self, text: str, min_words: int = MIN_SPAN_WORDS) -> list[tuple[int, int, int]]:
        """Maximal runs of `min_words` or more that stand in a training post: (first word, words, number of the post),
        in order, none in another."""
        tokens = tokenise_words(text)
        spans: list[tuple[int, int, int]] = []
        i = 0
        while i <= len(tokens) - SHINGLE_WORDS:
            length, source = self._match_at(tokens, i)
            if length >= min_words:
                spans.append((i, length, source))
                i += length
            else:
                i += 1
        return spans

    def _match_at(self, tokens: list[str], i: int) -> tuple[int, int]:
        """(words, number of the post) of the longest run that begins at word `i`; (0, -1) for none."""
        longest, source = 0, -1
        for number, at in self.index.get(tuple(tokens[i : i + SHINGLE_WORDS]), ()):
            n, other = SHINGLE_WORDS, self.sources[number]
            while i + n < len(tokens) and at + n < len(other) and tokens[i + n] == other[at + n]:
                n += 1
            if n > longest:
                longest, source = n, number
        return longest, source

    def measure(self, text: str) -> dict[str, Any]:
        """{longest_copy, copied, source, copied_8gram_fraction, copied_13gram_fraction} of a text: the longest run in
        words, the run, the number of its post, and the shares (0 to 1) of the words that runs of 8 and of 13 cover."""
        words = max(1, len(tokenise_words(text)))
        spans = self.copied_spans(text)
        length, copied, source = self.longest_match(text)
        return {
            "longest_copy": length,
            "copied": copied,
            "source": source,
            "copied_8gram_fraction": sum(n for _, n, _ in spans) / words,
            "copied_13gram_fraction": sum(n for _, n, _ in spans if n >= 13) / words,
        }


def copy_summary(measured: list[dict[str, Any]]) -> dict[str, float]:
    """One system's numbers over its texts: words, and means of the fractions."""
    longest = [m["longest_copy"] for m in measured]
    return {
        "longest_copy_median": float(np.median(longest)),
        "longest_copy_max": int(max(longest)),
        "copied_8gram_fraction": round_metric(np.mean([m["copied_8gram_fraction"] for m in measured])),
        "copied_13gram_fraction": round_metric(np.mean([m["copied_13gram_fraction"] for m in measured])),
    }


def copy_limits(author: list[dict[str, Any]]) -> tuple[int, float]:
    """(longest run, share covered by runs of 13) from which a text copies too much: 40 words and 3 %, or what the
    author himself does where that is more."""
    longest = max((m["longest_copy"] for m in author), default=0)
    fraction = max((m["copied_13gram_fraction"] for m in author), default=0)
    return max(MAX_COPY_WORDS, longest + 1), max(MAX_COPIED_13GRAM_FRACTION, fraction)


def texts_over_limit(measured: list[dict[str, Any]], author: list[dict[str, Any]]) -> list[int]:
    """Numbers of the texts that copy more than is allowed."""
    longest, fraction = copy_limits(author)
    return [i for i, m in enumerate(measured) if m["longest_copy"] >= longest or m["copied_13gram_fraction"] > fraction]


@dataclass
class CopyMetrics:
    """Each system's summary, and what `CopyDetector.measure` gave for each of its texts."""

    by_system: dict[str, dict[str, float]]
    texts: dict[str, list[dict[str, Any]]]
    detector: CopyDetector

    def count_over_limit(self, texts: list[str]) -> Count:
        """How many of these texts copy more than the author repeats himself."""
        over = texts_over_limit([self.detector.measure(text) for text in texts], self.texts["author"])
        return Count(len(over), len(texts))

    def over_limit(self, system: str) -> int:
        """How many of a system's texts copy more than the author repeats himself."""
        return len(texts_over_limit(self.texts[system], self.texts["author"]))


def copy_metrics(texts: dict[str, list[str]], training: list[str]) -> CopyMetrics:
    """Texts of all systems searched for runs of `training` posts; the author's are cut to the twin's median length, so
    that longer posts have no more room to copy in."""
    detector = CopyDetector(training)
    length = median_words(texts["twin"])
    measured: dict[str, list[dict[str, Any]]] = {}
    for name, group in texts.items():
        shown = [truncate_words(text, length) for text in group] if name == "author" else group
        measured[name] = [detector.measure(text) for text in shown]
    found = CopyMetrics({}, measured, detector)
    for name in texts:
        found.by_system[name] = {**copy_summary(measured[name]), "over_limit": found.over_limit(name)}
    return found


def median_words(texts: list[str]) -> int:
    """Median length of the texts in words, 1 at least."""
    return round(statistics.median(len(text.split()) for text in texts)) or 1


def extraction_metrics(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """{system: {prefix_extraction_train, prefix_extraction_test, canary_bits, canary_bits_max}}, as far as collected.

    prefix_extraction: mean share (0 to 1) of a post's next 50 tokens that the system continues verbatim. canary_bits:
    exposure of the planted canaries.
    """
    by_system: dict[str, dict[str, float]] = {}
    for row in rows:
        found = {}
        if "prefix" in row and row["shares"]:
            found[f"prefix_extraction_{row['prefix']}"] = round_metric(statistics.mean(row["shares"]))
        if "canaries" in row:
            found["canary_bits"] = round_metric(statistics.mean(row["canaries"]))
            found["canary_bits_max"] = round_metric(max(row["canaries"]))
        if found:
            by_system.setdefault(row["system"], {}).update(found)
    return by_system
