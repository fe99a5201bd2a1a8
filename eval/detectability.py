"""Can a classifier tell the texts from the author's? A classifier two-sample test, C2ST (Lopez-Paz & Oquab 2017).

An AUC of 0.5 is no better than guessing; 1 means every time. The texts of a small model are detected nearly every time,
which keeps the style score honest: a text can be nearer to one author than to others and still plainly be generated.
"""

import statistics
from typing import Any

import numpy as np

from blogtwin.text.sentences import truncate_words
from eval.rounding import round_metric

MIN_POSTS = 4  # on each side; with fewer than about ten the AUC still varies by 0.2 from sample to sample
MIN_COMPARED_WORDS = 20
NUM_FOLDS, NUM_REPEATS = 5, 5


def two_sample_auc(
    real: list[str], generated: list[str], pairs: list[int] | None = None, seed: int = 7
) -> dict[str, Any]:
    """{"auc", "n"}, and "reason" where auc is nan. n: posts on the smaller side; several texts of one prompt count as
    one.

    pairs[i] is the number of the real post on the same prompt as generated[i] (by default i); the two are tested
    together, so that a topic seen in training gives nothing away. Cut all texts to one length first.
    """
    pairs = list(range(len(generated))) if pairs is None else pairs
    assert len(pairs) == len(generated), "a pair for each generated text"
    n = min(len(real), len(set(pairs)))
    if n < MIN_POSTS:
        return {"auc": float("nan"), "n": n, "reason": f"{n} posts are too few to learn from: {MIN_POSTS} are needed"}
    coordinates = kernel_coordinates([*real, *generated])
    is_generated = np.repeat([0, 1], [len(real), len(generated)])
    groups = np.array([*range(len(real)), *pairs])
    folds = min(NUM_FOLDS, n)
    aucs = [pooled_auc(coordinates, is_generated, groups, folds, seed + k) for k in range(NUM_REPEATS)]
    return {"auc": float(np.mean(aucs)), "n": n}


def kernel_coordinates(texts: list[str]) -> np.ndarray:
    """(n, n) coordinates of the texts, with the distances of their TF-IDF vectors of character 3- to 5-grams.

    Fitted on all texts at once: no label is used, so nothing leaks. Logistic regression with an L2 penalty depends on
    its inputs only through their inner products, so n coordinates give what 10,000 features would, many times faster.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(
        analyzer="char", ngram_range=(3, 5), max_features=10000, sublinear_tf=True, lowercase=False, min_df=2
    ).fit_transform(texts)
    values, axes = np.linalg.eigh((vectors @ vectors.T).toarray())
    return axes * np.sqrt(values.clip(0))


def pooled_auc(coordinates: np.ndarray, is_generated: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> float:
    """AUC over all texts, each scored by a classifier that saw none of its group."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    scores = np.zeros(len(is_generated))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for training, test in splitter.split(coordinates, is_generated, groups):
        classifier = LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
        classifier.fit(coordinates[training], is_generated[training])
        scores[test] = classifier.decision_function(coordinates[test])
    return float(roc_auc_score(is_generated, scores))


def detectability_metrics(texts: dict[str, list[str]], models: list[str], seed: int) -> dict[str, float]:
    """{system: AUC of the two-sample test of its texts against the author's, cut to its median length}."""
    by_system = {}
    for name in models:
        lengths = [len(text.split()) for text in texts[name]]
        words = max(MIN_COMPARED_WORDS, round(statistics.median(lengths)))
        real = [truncate_words(text, words) for text in texts["author"]]
        generated = [truncate_words(text, words) for text in texts[name]]
        by_system[name] = round_metric(two_sample_auc(real, generated, seed=seed)["auc"])
    return by_system
