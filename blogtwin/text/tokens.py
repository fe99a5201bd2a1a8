"""Word tokens for the search for copied text, and the longest run of them that two texts share."""

import re
from collections import defaultdict

SHINGLE_WORDS = 5  # length of the n-grams that find a match
WORD = re.compile(r"\w+(?:['’]\w+)*")


def tokenise_words(text: str) -> list[str]:
    """The words of a text, case-folded, without punctuation."""
    return WORD.findall(text.casefold())


NgramIndex = dict[tuple[str, ...], list[tuple[int, int]]]  # {n-gram: [(source number, position in words)]}


def longest_match(text: list[str], index: NgramIndex, sources: list[list[str]]) -> tuple[int, int, int]:
    """The longest run of words of `text` that occurs in a source: (length in words, start in text, source number).

    `index` is `ngram_index(sources)`. Without a run of SHINGLE_WORDS words the result is (0, 0, -1).
    """
    best = (0, 0, -1)
    for i in range(len(text) - SHINGLE_WORDS + 1):
        for source, start in index.get(tuple(text[i : i + SHINGLE_WORDS]), ()):
            n = SHINGLE_WORDS
            other = sources[source]
            if i and start and text[i - 1] == other[start - 1]:
                continue  # the rest of a run that was measured from its start
            while i + n < len(text) and start + n < len(other) and text[i + n] == other[start + n]:
                n += 1
            if n > best[0]:
                best = (n, i, source)
    return best


def ngram_index(sources: list[list[str]]) -> NgramIndex:
    """The positions of every run of SHINGLE_WORDS words in the sources."""
    index: NgramIndex = defaultdict(list)
    for number, source in enumerate(sources):
        for start in range(len(source) - SHINGLE_WORDS + 1):
            index[tuple(source[start : start + SHINGLE_WORDS])].append((number, start))
    return index
