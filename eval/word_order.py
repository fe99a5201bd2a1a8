"""Word order: is a sentence in an order that English has, or are its words shuffled?

Content words are masked, so that topics don't count: “the *** of a ***”. What is left is compared with how often each
run of five characters stands in other people's posts, which the project has as counts (eval/style/impostors.py). A
sentence is measured against its own words in random orders: in its own order it is likelier, unless it was shuffled
itself. No model runs.
"""

import functools
import math
import random
import re
from collections.abc import Sequence

import numpy as np
from sklearn.utils import murmurhash3_32

from eval.style.features import SegmentCounts, mask_content_words
from eval.style.impostors import load_impostors

NGRAM_CHARS = 5  # with the context of one character less; the counts hold runs of 3 to 5
NUM_ORDERS = 24  # random orders of a sentence's words that it is measured against
WEIGHT, SHORTER_WEIGHT, SHORTER_PRIOR = 5.0, 20.0, 0.5  # of the smoothing, as counts
MIN_SENTENCE_WORDS = 5  # a shorter sentence has too few orders
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class WordOrder:
    """Scores the order of words by the counts of masked character runs.

    p(character | the four before it) is the rate of the run of five, smoothed with that of the run of four.
    """

    def __init__(self, counts: SegmentCounts) -> None:
        """`counts`: other people's texts."""
        self.totals = np.asarray(counts.counts["masked"].sum(0)).ravel()
        self._log_rate = functools.lru_cache(200_000)(self._compute_log_rate)

    def gain(self, sentence: str) -> float:
        """Nats per word by which the sentence's own order is likelier than the mean of random orders of its words; nan
        for a sentence of fewer than five words."""
        words = WORD.findall(sentence.replace("’", "'"))
        if len(words) < MIN_SENTENCE_WORDS:
            return math.nan
        masked = [_masked_word(word) for word in words]
        orders = random.Random(sentence)
        others = []
        for _ in range(NUM_ORDERS):
            shuffled = masked[:]
            orders.shuffle(shuffled)
            others.append(self._log_likelihood(shuffled))
        return (self._log_likelihood(masked) - sum(others) / NUM_ORDERS) / len(words)

    def mean_gain(self, sentences: Sequence[str]) -> float:
        """The mean over sentences, weighted by their words; nan where none has five."""
        found = [(self.gain(sentence), len(sentence.split())) for sentence in sentences]
        found = [(gain, words) for gain, words in found if not math.isnan(gain)]
        total = sum(words for _, words in found)
        return sum(gain * words for gain, words in found) / total if total else math.nan

    def _log_likelihood(self, masked: Sequence[str]) -> float:
        text = f". {' '.join(masked)}. "
        return sum(self._log_rate(text[i : i + NGRAM_CHARS]) for i in range(len(text) - NGRAM_CHARS + 1))

    def _compute_log_rate(self, run: str) -> float:
        """log p(last character | those before it), smoothed with the shorter context."""
        shorter = (self._count(run[1:]) + SHORTER_PRIOR) / (self._count(run[1:-1]) + SHORTER_WEIGHT)
        return math.log((self._count(run) + WEIGHT * shorter) / (self._count(run[:-1]) + WEIGHT))

    def _count(self, run: str) -> float:
        return float(self.totals[abs(murmurhash3_32(run, seed=0)) % len(self.totals)])


@functools.lru_cache(50_000)
def _masked_word(word: str) -> str:
    return mask_content_words(word).lower()


@functools.cache
def shipped_word_order(*without: str) -> WordOrder:
    """By the posts of the shipped authors but those named."""
    return WordOrder(load_impostors().excluding(set(without)).texts)
