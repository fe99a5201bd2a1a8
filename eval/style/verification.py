"""«Is it me?»: how far a voice's texts are on the way from other people's posts to the author's own.

A verifier is trained to tell the author's posts, which the language model was never trained on, from other people's
posts: logistic regression on TF-IDF of character 3- to 5-grams of the text with its topic masked. What it says of a
text is put on a scale where other people it has never seen are 0 and the author's own left-out posts are 1:

    S = (z(text) − floor) / (author − floor)

each term measured at the length of the text. A second opinion sees function words and punctuation only; a third one
sees nothing but content words: where it alone is high, it is the topic that is right, and not the voice.
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

WINDOW_WORDS = 250 // SEGMENT_WORDS  # the verifier learns from windows of 250 words
MIN_WORDS = 100 // SEGMENT_WORDS  # a text of fewer words tells nothing
NUM_FEATURES = 10_000
NUM_FOLDS = 6
NUM_BOOTSTRAP = 1000
MIN_AUC, MIN_AUC_LOW, MIN_POSTS, MIN_POST_WORDS = 0.85, 0.75, 10, 250  # an author is measurable from here on
DecisionFunction = Callable[[sparse.csr_matrix], np.ndarray]


def fit_char_verifier(counts: sparse.csr_matrix, own: np.ndarray) -> DecisionFunction:
    """Fit on (windows, features) counts, `own` true for the author's; returns counts → decision values."""
    by_column = counts.tocsc()
    often = np.flatnonzero(np.diff(by_column.indptr) >= 2)
    totals = np.asarray(by_column.sum(0)).ravel()[often]
    kept = np.sort(often[np.argsort(-totals, kind="stable")[:NUM_FEATURES]])
    tfidf = TfidfTransformer(sublinear_tf=True)
    model = LogisticRegression(C=100, class_weight="balanced", solver="liblinear", random_state=0)
    model.fit(tfidf.fit_transform(counts[:, kept]), own)
    return lambda rows: model.decision_function(tfidf.transform(rows[:, kept]))


def fit_function_word_verifier(counts: sparse.csr_matrix, own: np.ndarray) -> DecisionFunction:
    """The same on square roots of relative frequencies, standardised."""
    scaler = StandardScaler()
    model = LogisticRegression(C=0.05, class_weight="balanced", max_iter=500)
    model.fit(scaler.fit_transform(_frequencies(counts)), own)
    return lambda rows: model.decision_function(scaler.transform(_frequencies(rows)))


def _frequencies(counts: sparse.csr_matrix) -> np.ndarray:
    dense = counts.toarray()
    return np.sqrt(dense / np.maximum(dense.sum(1, keepdims=True), 1))


VERIFIERS = {"masked": fit_char_verifier, "function": fit_function_word_verifier, "topic": fit_char_verifier}


@dataclass
class VerifierScores:
    """What one verifier says, by length in segments: nan where a text is shorter.

    author: (posts, lengths); others: (texts, lengths); voices: {name: (z, length) of each text, nan when too short}.
    """

    author: np.ndarray
    others: np.ndarray
    voices: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


def fit_verifiers(family: str, author: SegmentCounts, impostors: Impostors) -> list[DecisionFunction]:
    """One for each fold, which has not learnt from the posts and the people of that number."""
    folds, found = min(NUM_FOLDS, len(impostors.names)), []
    own_rows, own_post = author.windows(WINDOW_WORDS)
    other_rows, other_text = impostors.texts.windows(WINDOW_WORDS)
    own_counts, other_counts = author.sums(family, own_rows), impostors.texts.sums(family, other_rows)
    for fold in range(folds):
        learn_own, learn_other = own_post % folds != fold, impostors.author[other_text] % folds != fold
        found.append(
            VERIFIERS[family](
                stack_scores([own_counts[learn_own], other_counts[learn_other]]),
                np.r_[np.ones(learn_own.sum(), bool), np.zeros(learn_other.sum(), bool)],
            )
        )
    return found


def cross_fit(
    family: str,
    author: SegmentCounts,
    impostors: Impostors,
    voices: dict[str, SegmentCounts],
    fitted: list[DecisionFunction] | None = None,
) -> VerifierScores:
    """Decision values of texts that the verifier did not learn from: posts and people are left out in turn, and a
    voice's text is heard by every fold. `fitted` are these `fit_verifiers`, where a caller has them."""
    others, lengths = impostors.texts, MAX_WORDS // SEGMENT_WORDS + 1
    said = VerifierScores(np.full((author.n, lengths), np.nan), np.full((others.n, lengths), np.nan))
    decides = fitted or fit_verifiers(family, author, impostors)
    for fold, decide in enumerate(decides):
        _by_length(decide, family, author, np.arange(author.n) % len(decides) == fold, said.author)
        _by_length(decide, family, others, impostors.author % len(decides) == fold, said.others)
    said.voices = {name: score_texts(decides, family, texts) for name, texts in voices.items()}
    return said


def score_texts(decides: list[DecisionFunction], family: str, texts: SegmentCounts) -> tuple[np.ndarray, np.ndarray]:
    """(z, length in segments) of each text, by all folds together; z is nan where a text is too short."""
    counts, length = _full_texts(texts, family)
    z = np.full(len(length), np.nan)
    if counts.shape[0]:
        z[length >= MIN_WORDS] = np.mean([decide(counts) for decide in decides], 0)
    return z, length


def stack_scores(parts: list[sparse.csr_matrix]) -> sparse.csr_matrix:
    return sparse.vstack(parts).tocsr()


def _full_texts(texts: SegmentCounts, family: str) -> tuple[sparse.csr_matrix, np.ndarray]:
    """(counts of the texts that are long enough, segments of each text), at most LONGEST words of each."""
    length = np.minimum(texts.segments, MAX_WORDS // SEGMENT_WORDS)
    ends = np.cumsum(texts.segments)
    rows = [
        np.arange(ends[i] - texts.segments[i], ends[i] - texts.segments[i] + length[i])
        for i in np.flatnonzero(length >= MIN_WORDS)
    ]
    return texts.sums(family, rows), length


def _by_length(
    decide: DecisionFunction, family: str, texts: SegmentCounts, these: np.ndarray, table: np.ndarray
) -> None:
    """Fill the rows `these` of `table` with the decision on each text's first 100, 150, … words."""
    for length in range(MIN_WORDS, table.shape[1]):
        rows, numbers = texts.beginnings(length)
        picked = [i for i, number in enumerate(numbers) if these[number]]
        if picked:
            table[numbers[picked], length] = decide(texts.sums(family, [rows[i] for i in picked]))


@dataclass(frozen=True)
class Scale:
    """Floor and ceiling by length, from resampled or whole people and posts."""

    floor: np.ndarray  # (lengths,)
    ceiling: np.ndarray

    def score(self, z: np.ndarray, length: np.ndarray) -> np.ndarray:
        return (z - self.floor[length]) / (self.ceiling[length] - self.floor[length])


def fit_scale(said: VerifierScores, posts: np.ndarray, texts: list[np.ndarray]) -> Scale:
    """From the author's `posts` (numbers, with repetition) and other people's `texts` (numbers, a list a person).

    Lengths that fewer than half of the posts have take the values of the longest one that they have.
    """
    ceiling, floor = _mean(said.author[posts]), _mean(np.array([_mean(said.others[t]) for t in texts]))
    enough = (~np.isnan(said.author)).sum(0) >= max(2, len(said.author) / 2)
    enough &= ~np.isnan(ceiling) & ~np.isnan(floor)
    usable = np.flatnonzero(enough)
    if len(usable) == 0:
        return Scale(np.full(len(floor), np.nan), np.full(len(floor), np.nan))
    nearest = usable[np.clip(np.searchsorted(usable, np.arange(len(floor)), side="right") - 1, 0, None)]
    return Scale(floor[nearest], ceiling[nearest])


def fit_full_scale(said: VerifierScores, person: np.ndarray) -> Scale:
    """From all posts and all people, each once."""
    return fit_scale(said, np.arange(len(said.author)), _people(person))


def _people(person: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(person == p) for p in range(person.max() + 1)]


def _mean(rows: np.ndarray) -> np.ndarray:
    """Column means without nan; nan for a column of nothing else."""
    there = ~np.isnan(rows)
    n = there.sum(0)
    return np.where(n > 0, np.where(there, rows, 0).sum(0) / np.maximum(n, 1), np.nan)


@dataclass(frozen=True)
class Scores:
    """S of the voices by one opinion: texts {voice: (n,)}, mean {voice: S}, and bootstrap draws {voice:
    (repetitions,)}."""

    texts: dict[str, np.ndarray]
    mean: dict[str, float]
    draws: dict[str, np.ndarray]

    def interval(self, voice: str) -> tuple[float, float]:
        return _middle(self.draws[voice])

    def difference(self, one: str, other: str) -> tuple[float, float, float]:
        """(mean, low, high) of S(one) − S(other), over the same prompts, posts and people."""
        return self.mean[one] - self.mean[other], *_middle(self.draws[one] - self.draws[other])


def _middle(draws: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the draws that could be made."""
    draws = draws[~np.isnan(draws)]
    return tuple(map(float, np.percentile(draws, [2.5, 97.5]))) if len(draws) else (float("nan"), float("nan"))


def style_scores(said: VerifierScores, person: np.ndarray, seed: int = 0) -> Scores:
    """S of each voice, with draws over prompts, held-out posts and other people (percentile bootstrap, all three
    resampled)."""
    people, whole = _people(person), fit_full_scale(said, person)
    texts = {name: whole.score(*heard) for name, heard in said.voices.items()}
    random, draws = np.random.default_rng(seed), {name: np.full(NUM_BOOTSTRAP, np.nan) for name in texts}
    counts = {len(z) for z, _ in said.voices.values()}
    for i in range(NUM_BOOTSTRAP):
        some = [people[p] for p in random.integers(0, len(people), len(people))]
        drawn = fit_scale(
            said, random.integers(0, len(said.author), len(said.author)), [random.choice(t, len(t)) for t in some]
        )
        prompts = {n: random.integers(0, n, n) for n in sorted(counts)}  # the same prompts for all voices
        for name, (z, length) in said.voices.items():
            picked = prompts[len(z)]
            draws[name][i] = _average(drawn.score(z[picked], length[picked]))
    return Scores(texts, {name: _average(values) for name, values in texts.items()}, draws)


def reference_scores(said: VerifierScores, person: np.ndarray) -> dict[str, np.ndarray]:
    """{"author": S of each left-out post, "others": S of each text of unseen people}, each at its greatest length; nan
    where too short."""
    whole, found = fit_full_scale(said, person), {}
    for name, table in (("author", said.author), ("others", said.others)):
        length = np.where(np.isnan(table), -1, np.arange(table.shape[1])).max(1)
        values = np.full(len(table), np.nan)
        some = length >= 0
        values[some] = whole.score(table[some, length[some]], length[some])
        found[name] = values
    return found


def _average(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def auc(said: VerifierScores, person: np.ndarray, seed: int = 0) -> dict:
    """How well left-out posts are told from unseen people, at the greatest length that most posts have: {auc, auc_lo,
    auc_hi, words, posts}."""
    have = (~np.isnan(said.author)).sum(0)
    usable = [
        n
        for n in range(MIN_WORDS, len(have))
        if have[n] >= max(2, len(said.author) / 2) and (~np.isnan(said.others[:, n])).any()
    ]
    if not usable:
        return {"auc": float("nan"), "auc_lo": float("nan"), "auc_hi": float("nan"), "words": 0, "posts": 0}
    length = usable[-1]
    own, other = said.author[:, length], said.others[:, length]
    own, who, other = own[~np.isnan(own)], person[~np.isnan(other)], other[~np.isnan(other)]
    random, draws, people = np.random.default_rng(seed), [], np.unique(who)
    for _ in range(NUM_BOOTSTRAP):
        drawn = np.concatenate(
            [random.choice(other[who == p], (who == p).sum()) for p in random.choice(people, len(people))]
        )
        draws.append(_auc(random.choice(own, len(own)), drawn))
    low, high = np.percentile(draws, [2.5, 97.5])
    return {
        "auc": _auc(own, other),
        "auc_lo": float(low),
        "auc_hi": float(high),
        "words": length * SEGMENT_WORDS,
        "posts": int(have[MIN_POST_WORDS // SEGMENT_WORDS]),
    }


def _auc(own: np.ndarray, other: np.ndarray) -> float:
    """Mann & Whitney's U, as a share: what scikit-learn's roc_auc_score gives, without the checks that cost a thousand
    draws ten seconds."""
    ordered = np.sort(other)
    return float(
        (np.searchsorted(ordered, own, "left") + np.searchsorted(ordered, own, "right")).mean() / (2 * len(other))
    )


def unmeasurable_reason(verifier: dict) -> str:
    """Why an author's style can't be measured; empty when it can."""
    if verifier["posts"] < MIN_POSTS:
        return (
            f"there are {verifier['posts']} held-out posts of {MIN_POST_WORDS} words or more, and {MIN_POSTS} are"
            " needed"
        )
    if not (verifier["auc"] >= MIN_AUC and verifier["auc_lo"] > MIN_AUC_LOW):
        return (
            f"the verifier tells the author's own posts from other people's with AUC {verifier['auc']:.2f} (from"
            f" {verifier['auc_lo']:.2f}), and {MIN_AUC} (from {MIN_AUC_LOW}) is needed"
        )
    return ""
