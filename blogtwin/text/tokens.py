"""Words as they are compared everywhere that looks for copies, and the longest run of them that two texts share."""

import re
from collections import defaultdict

SHINGLE_WORDS = 5  # words
WORD = re.compile(r"\w+(?:['’]\w+)*")


def tokenise_words(text: str) -> list[str]:
    """Words as compared everywhere that looks for copies: case folded, punctuation gone."""
    return WORD.findall(text.casefold())


def longest_match(text: list[str], seen: dict, sources: list[list[str]]) -> tuple[int, int, int]:
    """Longest run of words of `text` that stands in any source: (length, start in text, source number).

    `seen` is `ngram_index(sources)`; runs shorter than SHINGLE words count as 0.
    """
    best = (0, 0, -1)
    for i in range(len(text) - SHINGLE_WORDS + 1):
        for source, at in seen.get(tuple(text[i : i + SHINGLE_WORDS]), ()):
            n = SHINGLE_WORDS
            other = sources[source]
            if i and at and text[i - 1] == other[at - 1]:
                continue  # the rest of a run that was measured from its start
            while i + n < len(text) and at + n < len(other) and text[i + n] == other[at + n]:
                n += 1
            if n > best[0]:
                best = (n, i, source)
    return best


def ngram_index(sources: list[list[str]]) -> dict:
    """Where each run of SHINGLE words stands: {run: [(source number, position)]}."""
    places = defaultdict(list)
    for number, source in enumerate(sources):
        for at in range(len(source) - SHINGLE_WORDS + 1):
            places[tuple(source[at : at + SHINGLE_WORDS])].append((number, at))
    return places
