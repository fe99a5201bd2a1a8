"""A first style score: how near a text's habits are to the author's, on a scale where the base model is 0 and the author 1.

Letters of all but function words are masked (text distortion, Stamatatos 2017), so that topic says little; what is left,
punctuation, function words, word lengths, is compared as TF-IDF of character 3- to 5-grams with the author's training posts.
"""

import re

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

WORD = re.compile(r"[^\W\d_]+")


def distort(text: str) -> str:
    """Every letter of a word that is no function word → *, every digit → #; spaces are folded."""
    text = WORD.sub(lambda m: m[0] if m[0].lower() in ENGLISH_STOP_WORDS else "*" * len(m[0]), text)
    return " ".join(re.sub(r"\d", "#", text).split())


def similarities(texts: list[str], profile: list[str]) -> np.ndarray:
    """(len(texts),) cosine similarity of each text to the mean of `profile`, both distorted."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(3, 5), max_features=10000, sublinear_tf=True, lowercase=False, min_df=2)
    mean = np.asarray(vectorizer.fit_transform(map(distort, profile)).mean(0)).ravel()
    vectors = vectorizer.transform(map(distort, texts))
    norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(1)).ravel()) * np.linalg.norm(mean)
    return vectors @ mean / np.where(norms > 0, norms, 1)


def style_scores(voices: dict[str, list[str]], author: list[str], profile: list[str]) -> dict[str, np.ndarray]:
    """Per voice the score of each of its texts: 0 is the mean of voices["base"], 1 the mean of the author's held-out texts.

    `author` and the voices' texts are compared at the length given: cut them alike first (`same_length`).
    """
    raw = {name: similarities(texts, profile) for name, texts in {**voices, "author": author}.items()}
    floor, ceiling = raw["base"].mean(), raw["author"].mean()
    span = ceiling - floor
    return {name: (values - floor) / span if abs(span) > 1e-9 else np.full(len(values), np.nan) for name, values in raw.items()}


def same_length(text: str, words: int) -> str:
    """The first `words` words."""
    return " ".join(text.split()[:words])
