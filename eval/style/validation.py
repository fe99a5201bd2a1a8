"""The style verifier validated on authors that it was not trained on."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blogtwin.errors import UserError

if TYPE_CHECKING:
    from scipy import sparse

    from eval.style.features import SegmentCounts

NUM_REFERENCES = (10, 20)  # reference posts of the author
MIN_TESTED = 5  # posts of the author, and of each other author
NUM_ROUNDS = 3  # draws of reference posts
NUM_FOLDS = 6  # of the other authors: those of one fold are unseen together
SHIPPED = "shipped"  # instead of a folder: the people of eval/style/impostors.npz
MAX_TRAINING_WORDS = 4000  # of each post
MAX_WINDOWS = 16  # of each of the other authors' posts
NUM_GROUPS, GROUP_TEXTS = 50, 5  # groups of texts that are scored together
TESTED_SEGMENTS = 10  # 500 words


def shipped_counts() -> "dict[str, SegmentCounts]":
    """{author: counts} of the people of eval/style/impostors.npz."""
    from eval.style.impostors import load_impostors

    people = load_impostors()
    return {name: people.excluding(set(people.names) - {name}).texts for name in people.names}


def folder_counts(folder: Path) -> "dict[str, SegmentCounts]":
    """{author: counts} of a folder with one folder of posts for each. Raises UserError for too few authors."""
    from eval.style.features import count_features
    from eval.style.impostors import MIN_AUTHORS, load_blogs

    posts = load_blogs(folder)
    if len(posts) < MIN_AUTHORS:
        raise UserError(
            f"{folder} has {len(posts)} authors with posts, and {MIN_AUTHORS} are needed: give a folder with one folder"
            " of posts for each author."
        )
    return {
        name: count_features(texts, max_words=MAX_TRAINING_WORDS, families=("masked",)) for name, texts in posts.items()
    }


def author_auc(
    name: str, k: int, blogs: "dict[str, SegmentCounts]", round_: int
) -> tuple[list[float], list[float], list[float]]:
    """(AUC, AUC of means of five texts, Brier score) of one author with `k` reference posts against each other author
    in turn, whom the verifier was not trained on: it is fitted once for each sixth of them."""
    from sklearn.metrics import roc_auc_score

    from eval.style import verification

    random = np.random.default_rng([round_, k, len(name)])
    own = blogs[name]
    order = random.permutation(np.flatnonzero(own.segments >= TESTED_SEGMENTS))
    reference, tested = order[:k], order[k:]
    rows, post = own.windows(verification.WINDOW_SEGMENTS)
    is_reference = np.isin(post, reference)
    own_counts = own.aggregate("masked", [row for row, used in zip(rows, is_reference, strict=True) if used])
    starts, numbers = own.prefixes(TESTED_SEGMENTS)
    own_tested = own.aggregate("masked", [starts[i] for i in np.flatnonzero(np.isin(numbers, tested))])
    others = [other for other in blogs if other != name]
    aucs, fives, briers = [], [], []
    for fold in range(min(NUM_FOLDS, len(others))):
        learnt = [_windows(blogs[other]) for i, other in enumerate(others) if i % NUM_FOLDS != fold]
        training = verification.stack_counts([own_counts, *learnt])
        labels = np.zeros(training.shape[0], bool)
        labels[: own_counts.shape[0]] = True
        decide = verification.fit_char_verifier(training, labels)
        z_own = decide(own_tested)
        for unseen in others[fold::NUM_FOLDS]:
            starts, _ = blogs[unseen].prefixes(TESTED_SEGMENTS)
            if len(starts) < MIN_TESTED:
                continue
            z_other = decide(blogs[unseen].aggregate("masked", starts))
            truth = np.r_[np.ones(len(z_own)), np.zeros(len(z_other))]
            aucs.append(roc_auc_score(truth, np.r_[z_own, z_other]))
            means = np.r_[_group_means(z_own, random), _group_means(z_other, random)]
            fives.append(roc_auc_score(np.repeat([1, 0], NUM_GROUPS), means))
            probability = 1 / (1 + np.exp(-np.r_[z_own, z_other]))
            briers.append(float(np.mean((probability - truth) ** 2)))
    return aucs, fives, briers


def _windows(texts: "SegmentCounts") -> "sparse.csr_matrix":
    """Counts of the first windows of each text."""
    from eval.style import verification

    rows, post = texts.windows(verification.WINDOW_SEGMENTS)
    seen: dict[int, int] = {}
    kept = []
    for row, number in zip(rows, post, strict=True):
        seen[number] = seen.get(number, 0) + 1
        if seen[number] <= MAX_WINDOWS:
            kept.append(row)
    return texts.aggregate("masked", kept)


def _group_means(z: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(NUM_GROUPS,) means of groups of five different texts."""
    size = min(GROUP_TEXTS, len(z))
    return np.array([random.choice(z, size, replace=False).mean() for _ in range(NUM_GROUPS)])


def validate(
    blogs: "dict[str, SegmentCounts]", track: Callable[[list[str], str], Iterable[str]]
) -> dict[str, dict[str, Any]]:
    """{"k10": {mean_auc, p5_auc, min_auc, five_auc, brier, authors}, "k20": …} over every author with enough long
    posts; a number of reference posts that nobody has is left out. `track(items, title)` shows progress. Raises
    UserError when no author has enough."""
    found: dict[str, dict[str, Any]] = {}
    for k in NUM_REFERENCES:
        authors = {}
        measurable = [
            name for name, texts in blogs.items() if (texts.segments >= TESTED_SEGMENTS).sum() >= k + MIN_TESTED
        ]
        for name in track(measurable, f"{k} reference posts"):
            rounds = [author_auc(name, k, blogs, i) for i in range(NUM_ROUNDS)]
            aucs, fives, briers = (np.concatenate([r[i] for r in rounds]) for i in range(3))
            authors[name] = {
                "auc": round(float(aucs.mean()), 4),
                "worst_pair": round(float(aucs.min()), 4),
                "five_auc": round(float(fives.mean()), 4),
                "brier": round(float(briers.mean()), 4),
            }
        if not authors:
            continue
        values = {key: np.array([a[key] for a in authors.values()]) for key in ("auc", "five_auc", "brier")}
        found[f"k{k}"] = {
            "mean_auc": round(float(values["auc"].mean()), 4),
            "p5_auc": round(float(np.percentile(values["auc"], 5)), 4),
            "min_auc": round(float(values["auc"].min()), 4),
            "brier": round(float(values["brier"].mean()), 4),
            "five_auc": round(float(values["five_auc"].mean()), 4),
            "authors": authors,
        }
    if not found:
        raise UserError(
            f"No author has {NUM_REFERENCES[0] + MIN_TESTED} posts of 500 words of prose: the verifier can't be"
            " validated on these blogs."
        )
    return found


def print_table(found: dict[str, dict[str, Any]]) -> None:
    """The result of `validate`, one row an author."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="the verifier on authors it was not trained on, 500 words", title_justify="left")
    for head in ("author", *(f"AUC, {k[1:]} posts" for k in found), *(f"five texts, {k[1:]}" for k in found)):
        table.add_column(head, justify="left" if head == "author" else "right")
    for name in sorted({n for one in found.values() for n in one["authors"]}):
        cells = [
            f"{one['authors'][name][key]:.3f}" if name in one["authors"] else ""
            for key in ("auc", "five_auc")
            for one in found.values()
        ]
        table.add_row(name, *cells)
    table.add_row("mean", *(f"{one[key]:.3f}" for key in ("mean_auc", "five_auc") for one in found.values()))
    Console().print(table)
