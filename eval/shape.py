"""Length, endings and repetition of what a voice writes."""

import statistics

from corpus.similar import words


def distinct(texts: list[str], n: int) -> float:
    """Distinct word n-grams over all word n-grams of the texts, each text by itself, averaged (Li et al. 2016): 1 is no repetition."""
    shares = []
    for text in texts:
        tokens = words(text)
        grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
        if grams:
            shares.append(len(set(grams)) / len(grams))
    return statistics.mean(shares) if shares else 0.0


def shape(texts: list[str]) -> dict:
    """Median words and distinct-2 and -4; the texts are cut to one length by the caller where that matters."""
    return {
        "words_median": round(statistics.median(len(t.split()) for t in texts)),
        "distinct_2": round(distinct(texts, 2), 4),
        "distinct_4": round(distinct(texts, 4), 4),
    }
