"""Can a machine tell the texts from the author's? A classifier two-sample test (Lopez-Paz & Oquab 2017).

An AUC of 0.5: no better than guessing; 1: every time. A small model's texts are told nearly every time, which keeps the
style score honest: a text can be nearer to one author than to others and still plainly be a machine's.
"""

import numpy as np

MIN_POSTS = 4  # posts a side; with fewer than about ten the figure still moves by 0.2 from sample to sample
FOLDS, REPEATS = 5, 5


def two_sample_auc(real: list[str], generated: list[str], pairs: list[int] | None = None, seed: int = 7) -> dict:
    """{"auc", "n"}, and "reason" where auc is nan. n: posts on the smaller side, several texts of one prompt counting
    once.

    pairs[i] is the number of the real post that generated[i] answers the prompt of (left out: its own number); they are
    tested together, so that a topic seen in training gives nothing away. Cut all texts to one length first.
    """
    pairs = list(range(len(generated))) if pairs is None else pairs
    assert len(pairs) == len(generated), "a pair for each generated text"
    n = min(len(real), len(set(pairs)))
    if n < MIN_POSTS:
        return {"auc": float("nan"), "n": n, "reason": f"{n} posts are too few to learn from: {MIN_POSTS} are needed"}
    places = kernel_coordinates([*real, *generated])
    machine = np.repeat([0, 1], [len(real), len(generated)])
    groups = np.array([*range(len(real)), *pairs])
    aucs = [pooled_auc(places, machine, groups, min(FOLDS, n), seed + k) for k in range(REPEATS)]
    return {"auc": float(np.mean(aucs)), "n": n}


def kernel_coordinates(texts: list[str]) -> np.ndarray:
    """(n, n) coordinates of the texts, with the distances of their TF-IDF vectors of character 3- to 5-grams.

    Fitted on all texts at once: it sees no label, so it can't tell one side from the other. Logistic regression with an
    L2 penalty knows its inputs by their inner products alone, so n coordinates give what 10,000 would, many times
    faster.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(
        analyzer="char", ngram_range=(3, 5), max_features=10000, sublinear_tf=True, lowercase=False, min_df=2
    ).fit_transform(texts)
    values, axes = np.linalg.eigh((vectors @ vectors.T).toarray())
    return axes * np.sqrt(values.clip(0))


def pooled_auc(places: np.ndarray, machine: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> float:
    """AUC over all texts, each judged by a classifier that saw none of its group."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    verdict = np.zeros(len(machine))
    for seen, unseen in StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(places, machine, groups):
        judge = LogisticRegression(C=10, class_weight="balanced", max_iter=1000).fit(places[seen], machine[seen])
        verdict[unseen] = judge.decision_function(places[unseen])
    return roc_auc_score(machine, verdict)
