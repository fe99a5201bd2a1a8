"""Authorship verification: how far a system's texts are on the way from other people's posts to the author's own.

A verifier learns to tell the author's posts, which the language model was never trained on, from other people's posts:
logistic regression on TF-IDF of character 3- to 5-grams of the text with its topic words masked. Its decision values
are put on a scale where posts of people it was not trained on are 0 and the author's own left-out posts are 1:

    S = (z(text) − floor) / (author − floor)

each term measured at the length of the text. A second verifier sees function words and punctuation only. A third one
sees content words only: where it alone is high, the topic is right and not the style.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from eval.style.features import MAX_WORDS, SEGMENT_WORDS, SegmentCounts
from eval.style.impostors import Impostors

VERIFIER_NAMES = ("masked", "function")  # the verdict needs both; the third is only an alarm
WINDOW_SEGMENTS = 250 // SEGMENT_WORDS  # the verifier learns from windows of 250 words
MIN_SEGMENTS = 100 // SEGMENT_WORDS  # a text of fewer words is not scored
MAX_SEGMENTS = MAX_WORDS // SEGMENT_WORDS
NUM_FEATURES = 30_000
NUM_FOLDS = 6
NUM_BOOTSTRAP = 1000
# An author is measurable from here on: AUC of the verifier, low end of its interval, held-out posts and their words.
MIN_AUC, MIN_AUC_LOW, MIN_POSTS, MIN_POST_WORDS = 0.85, 0.75, 10, 250
DecisionFunction = Callable[[sparse.csr_matrix], np.ndarray]


def fit_char_verifier(counts: sparse.csr_matrix, own: np.ndarray) -> DecisionFunction:
    """Fit on (windows, features) counts, `own` true for the author's; returns counts → (rows,) decision values.

    The features are the NUM_FEATURES most frequent n-grams of those that stand in at least two windows.
    """
    by_column = counts.tocsc()
    repeated = np.flatnonzero(np.diff(by_column.indptr) >= 2)
    totals = np.asarray(by_column.sum(0)).ravel()[repeated]
    kept = np.sort(repeated[np.argsort(-totals, kind="stable")[:NUM_FEATURES]])
    tfidf = TfidfTransformer(sublinear_tf=True)
    model = LogisticRegression(C=100, class_weight="balanced", solver="liblinear", random_state=0)
    model.fit(tfidf.fit_transform(counts[:, kept]), own)
    return lambda rows: model.decision_function(tfidf.transform(rows[:, kept]))


def fit_function_word_verifier(counts: sparse.csr_matrix, own: np.ndarray) -> DecisionFunction:
    """As `fit_char_verifier`, on square roots of relative frequencies, standardised."""
    scaler = StandardScaler()
    model = LogisticRegression(C=0.05, class_weight="balanced", max_iter=500)
    model.fit(scaler.fit_transform(_root_frequencies(counts)), own)
    return lambda rows: model.decision_function(scaler.transform(_root_frequencies(rows)))


def _root_frequencies(counts: sparse.csr_matrix) -> np.ndarray:
    dense = counts.toarray()
    return np.sqrt(dense / np.maximum(dense.sum(1, keepdims=True), 1))


VERIFIERS = {"masked": fit_char_verifier, "function": fit_function_word_verifier, "topic": fit_char_verifier}


@dataclass
class VerifierScores:
    """Decision values z of one verifier; column n is for a text cut to n segments, nan where it is shorter."""

    author: np.ndarray  # (posts, lengths)
    others: np.ndarray  # (texts, lengths)
    # {name: (z, length in segments)}, each (texts,); z is nan for a text that is too short
    systems: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


def fit_verifiers(family: str, author: SegmentCounts, impostors: Impostors) -> list[DecisionFunction]:
    """One verifier for each fold, trained without the author's posts and the people of that fold."""
    folds = min(NUM_FOLDS, len(impostors.names))
    own_rows, own_post = author.windows(WINDOW_SEGMENTS)
    other_rows, other_text = impostors.texts.windows(WINDOW_SEGMENTS)
    own_counts = author.aggregate(family, own_rows)
    other_counts = impostors.texts.aggregate(family, other_rows)
    fitted = []
    for fold in range(folds):
        train_own = own_post % folds != fold
        train_other = impostors.author[other_text] % folds != fold
        counts = stack_counts([own_counts[train_own], other_counts[train_other]])
        is_own = np.r_[np.ones(train_own.sum(), bool), np.zeros(train_other.sum(), bool)]
        fitted.append(VERIFIERS[family](counts, is_own))
    return fitted


def cross_fit(
    family: str,
    author: SegmentCounts,
    impostors: Impostors,
    systems: dict[str, SegmentCounts],
    fitted: list[DecisionFunction] | None = None,
) -> VerifierScores:
    """Decision values of texts that the verifier was not trained on: posts and people are left out fold by fold, and a
    system's text is scored by every fold. `fitted`: the result of `fit_verifiers`, if the caller has it already."""
    others, lengths = impostors.texts, MAX_SEGMENTS + 1
    scores = VerifierScores(np.full((author.n, lengths), np.nan), np.full((others.n, lengths), np.nan))
    verifiers = fitted or fit_verifiers(family, author, impostors)
    for fold, decide in enumerate(verifiers):
        _fill_by_length(decide, family, author, np.arange(author.n) % len(verifiers) == fold, scores.author)
        _fill_by_length(decide, family, others, impostors.author % len(verifiers) == fold, scores.others)
    scores.systems = {name: score_texts(verifiers, family, texts) for name, texts in systems.items()}
    return scores


def score_texts(verifiers: list[DecisionFunction], family: str, texts: SegmentCounts) -> tuple[np.ndarray, np.ndarray]:
    """(z, length in segments) of each text, the mean over all folds; z is nan where a text is too short."""
    counts, length = _full_texts(texts, family)
    z = np.full(len(length), np.nan)
    if counts.shape[0]:
        z[length >= MIN_SEGMENTS] = np.mean([decide(counts) for decide in verifiers], 0)
    return z, length


def stack_counts(parts: list[sparse.csr_matrix]) -> sparse.csr_matrix:
    """Counts of several groups of texts, one below the other."""
    return sparse.vstack(parts).tocsr()


def _full_texts(texts: SegmentCounts, family: str) -> tuple[sparse.csr_matrix, np.ndarray]:
    """(counts of the texts that are long enough, segments of each text), at most MAX_WORDS words of each."""
    length = np.minimum(texts.segments, MAX_SEGMENTS)
    starts = np.cumsum(texts.segments) - texts.segments
    rows = [np.arange(starts[i], starts[i] + length[i]) for i in np.flatnonzero(length >= MIN_SEGMENTS)]
    return texts.aggregate(family, rows), length


def _fill_by_length(
    decide: DecisionFunction, family: str, texts: SegmentCounts, selected: np.ndarray, table: np.ndarray
) -> None:
    """Fill the `selected` rows of `table` with the decision values of each text's first 100, 150, … words."""
    for length in range(MIN_SEGMENTS, table.shape[1]):
        rows, numbers = texts.prefixes(length)
        picked = [i for i, number in enumerate(numbers) if selected[number]]
        if picked:
            table[numbers[picked], length] = decide(texts.aggregate(family, [rows[i] for i in picked]))


@dataclass(frozen=True)
class Scale:
    """Mean decision values by length in segments, (lengths,) each: of other people (S = 0) and of the author (S =
    1)."""

    floor: np.ndarray
    ceiling: np.ndarray

    def score(self, z: np.ndarray, length: np.ndarray) -> np.ndarray:
        """S of texts, from their decision values and lengths."""
        return (z - self.floor[length]) / (self.ceiling[length] - self.floor[length])


def fit_full_scale(scores: VerifierScores, person: np.ndarray) -> Scale:
    """From all of the author's posts and all other people, each person counting once; person[i] is who wrote text i.

    A length that fewer than half of the author's posts have takes the values of the nearest shorter one.
    """
    ceiling = _column_means(scores.author)
    floor = _column_means(np.array([_column_means(scores.others[own]) for own in _texts_by_person(person)]))
    nearest = _nearest_lengths(scores, floor, ceiling)
    return Scale(floor[nearest], ceiling[nearest]) if len(nearest) else Scale(floor * np.nan, ceiling * np.nan)


def _nearest_lengths(scores: VerifierScores, floor: np.ndarray, ceiling: np.ndarray) -> np.ndarray:
    """(lengths,): for each length the nearest one not longer at which enough of the author's posts can be measured;
    empty where there is none."""
    enough = (~np.isnan(scores.author)).sum(0) >= max(2, len(scores.author) / 2)
    usable = np.flatnonzero(enough & ~np.isnan(ceiling) & ~np.isnan(floor))
    if not len(usable):
        return usable
    return usable[np.clip(np.searchsorted(usable, np.arange(len(floor)), side="right") - 1, 0, None)]


def _texts_by_person(person: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(person == p) for p in range(person.max() + 1)]


def _column_means(rows: np.ndarray) -> np.ndarray:
    """Column means without nan; nan for a column of nothing else (np.nanmean would warn of it)."""
    known = ~np.isnan(rows)
    n = known.sum(0)
    return np.where(n > 0, np.where(known, rows, 0).sum(0) / np.maximum(n, 1), np.nan)


@dataclass(frozen=True)
class Scores:
    """S by one verifier, by system: 0 for other people, 1 for the author, without bounds."""

    texts: dict[str, np.ndarray]  # (n,) of each text
    mean: dict[str, float]
    draws: dict[str, np.ndarray]  # (NUM_BOOTSTRAP,) of the mean

    def interval(self, system: str) -> tuple[float, float]:
        """95 % interval of the mean."""
        return _percentile_interval(self.draws[system])

    def difference(self, one: str, other: str) -> tuple[float, float, float]:
        """(mean, low, high) of S(one) − S(other), over the same prompts, posts and people."""
        low, high = _percentile_interval(self.draws[one] - self.draws[other])
        return self.mean[one] - self.mean[other], low, high


def _percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the bootstrap draws that could be computed."""
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return float("nan"), float("nan")
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def style_scores(scores: VerifierScores, person: np.ndarray, seed: int = 0) -> Scores:
    """S of each system, with draws over prompts, held-out posts and other people (percentile bootstrap, all three
    resampled together). A draw is a row of a matrix: how often each prompt, post or person is drawn."""
    full_scale, random = fit_full_scale(scores, person), np.random.default_rng(seed)
    floor, ceiling = _draw_scales(scores, person, random)
    texts = {name: full_scale.score(z, length) for name, (z, length) in scores.systems.items()}
    prompts = {n: _draw_counts(random, n) for n in sorted({len(z) for z, _ in scores.systems.values()})}
    draws = {}
    for name, (z, length) in scores.systems.items():
        by_draw = (z - floor[:, length]) / (ceiling[:, length] - floor[:, length])
        draws[name] = _weighted_means(prompts[len(z)], by_draw)  # the same prompts for all systems
    return Scores(texts, {name: _mean(values) for name, values in texts.items()}, draws)


def _draw_scales(
    scores: VerifierScores, person: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(floor, ceiling) of each draw of the author's posts, of people, and of each person's texts; (draws, lengths)."""
    people = _texts_by_person(person)
    ceiling = _weighted_means(_draw_counts(random, len(scores.author))[..., None], scores.author)
    by_person = [_weighted_means(_draw_counts(random, len(own))[..., None], scores.others[own]) for own in people]
    floor = _weighted_means(_draw_counts(random, len(people))[..., None], np.stack(by_person, 1))
    full = [
        _column_means(np.array([_column_means(scores.others[own]) for own in people])),
        _column_means(scores.author),
    ]
    nearest = _nearest_lengths(scores, *full)
    return (floor[:, nearest], ceiling[:, nearest]) if len(nearest) else (floor * np.nan, ceiling * np.nan)


def _draw_counts(random: np.random.Generator, n: int) -> np.ndarray:
    """(NUM_BOOTSTRAP, n): how often each of n things is drawn when n are drawn with replacement."""
    return random.multinomial(n, np.full(n, 1 / n), NUM_BOOTSTRAP)


def _weighted_means(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Means over axis 1 of (draws, n, …) values or the same values for all draws, without nan; nan where nothing that
    was drawn is known."""
    known = ~np.isnan(values)
    total = (weights * known).sum(1)
    sums = (weights * np.where(known, values, 0)).sum(1)
    return np.where(total > 0, sums / np.maximum(total, 1), np.nan)


def reference_scores(scores: VerifierScores, person: np.ndarray) -> dict[str, np.ndarray]:
    """{"author": S of each left-out post, "others": S of each text of people that the verifier was not trained on},
    each at its greatest length; nan where too short."""
    scale, by_group = fit_full_scale(scores, person), {}
    for name, table in (("author", scores.author), ("others", scores.others)):
        length = np.where(np.isnan(table), -1, np.arange(table.shape[1])).max(1)
        values = np.full(len(table), np.nan)
        measured = length >= 0
        values[measured] = scale.score(table[measured, length[measured]], length[measured])
        by_group[name] = values
    return by_group


def _mean(values: np.ndarray) -> float:
    """The mean of the values that are no nan; nan if there are none."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def auc(scores: VerifierScores, person: np.ndarray, seed: int = 0) -> dict[str, float]:
    """How well left-out posts are told from posts of people that the verifier was not trained on, at the greatest
    length that most posts have: {auc, auc_lo, auc_hi (0.5 is chance, 1 always right), words (that length), posts (of
    250 words or more)}."""
    num_posts = (~np.isnan(scores.author)).sum(0)
    enough = num_posts >= max(2, len(scores.author) / 2)
    usable = [n for n in range(MIN_SEGMENTS, len(num_posts)) if enough[n] and not np.isnan(scores.others[:, n]).all()]
    if not usable:
        return {"auc": float("nan"), "auc_lo": float("nan"), "auc_hi": float("nan"), "words": 0, "posts": 0}
    length = usable[-1]
    own, other = scores.author[:, length], scores.others[:, length]
    writer = person[~np.isnan(other)]
    own, other = own[~np.isnan(own)], other[~np.isnan(other)]
    wins = _share_below(own, other)  # (posts, texts)
    random, people = np.random.default_rng(seed), np.unique(writer)
    drawn_people = _draw_counts(random, len(people))
    weights = np.zeros((NUM_BOOTSTRAP, len(other)))
    for column, one in enumerate(people):
        theirs = np.flatnonzero(writer == one)
        weights[:, theirs] = drawn_people[:, [column]] * _draw_counts(random, len(theirs))
    of_own = _draw_counts(random, len(own))
    draws = (of_own @ wins * weights).sum(1) / (of_own.sum(1) * weights.sum(1))
    low, high = np.percentile(draws, [2.5, 97.5])
    return {
        "auc": _auc(own, other),
        "auc_lo": float(low),
        "auc_hi": float(high),
        "words": length * SEGMENT_WORDS,
        "posts": int(num_posts[MIN_POST_WORDS // SEGMENT_WORDS]),
    }


def _share_below(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(own, other): 1 where the author's value is above the other one, ½ where they are equal, else 0."""
    return (own[:, None] > other) + 0.5 * (own[:, None] == other)


def _auc(own: np.ndarray, other: np.ndarray) -> float:
    """Mann and Whitney's U as a share, the value of scikit-learn's roc_auc_score."""
    return float(_share_below(own, other).mean())


def unmeasurable_reason(verifier: dict[str, float]) -> str:
    """Why an author's style can't be measured, from the result of `auc`; empty when it can."""
    if verifier["posts"] < MIN_POSTS:
        return (
            f"there are {verifier['posts']} held-out posts of {MIN_POST_WORDS} words or more, and {MIN_POSTS} are"
            " needed"
        )
    measured = f"an AUC of {verifier['auc']:.2f} (from {verifier['auc_lo']:.2f})"
    if not verifier["auc"] >= MIN_AUC:
        return f"your blog can't be told from others by these features: {measured}, and {MIN_AUC} is needed"
    if not verifier["auc_lo"] > MIN_AUC_LOW:
        return (
            f"it is not certain that your blog can be told from others: {measured}, and {MIN_AUC} (from {MIN_AUC_LOW})"
            " is needed"
        )
    return ""
