"""Stems of English words (Snowball, also called Porter2): the same for “carry” and “carried”."""

import functools

import snowballstemmer

_stemmer = snowballstemmer.stemmer("english")


@functools.lru_cache(50_000)
def stem(word: str) -> str:
    """The stem of a word in small letters."""
    return _stemmer.stemWord(word)
