"""The style verifier tested on authors it never saw."""

import numpy as np

from blogtwin.errors import UserError

NUM_REFERENCES = (10, 20)
NUM_TESTED, NUM_ROUNDS, MAX_TRAINING_WORDS, NUM_WINDOWS, TEXTS_PER_GROUP = (
    5,
    3,
    4000,
    16,
    50,
)  # fewest posts tested; draws of reference posts; of each post; windows of each impostor's post; draws of five


def author_auc(name: str, k: int, blogs: dict, round_: int) -> tuple[list[float], list[float], list[float]]:
    """(AUC, AUC of means of five texts, Brier score) against each other author in turn, whom the verifier has not
    seen."""
    from sklearn.metrics import roc_auc_score

    from eval.style import verification

    random = np.random.default_rng([round_, k, len(name)])
    own, long = blogs[name], np.flatnonzero(blogs[name].segments >= 10)
    order = random.permutation(long)
    reference, tested = order[:k], order[k:]
    rows, post = own.windows(verification.WINDOW_WORDS)
    own_counts = own.sums("masked", [r for r, p in zip(rows, post, strict=True) if p in set(reference)])
    heads, numbers = own.beginnings(10)
    own_heads = own.sums("masked", [heads[i] for i in np.flatnonzero(np.isin(numbers, tested))])
    aucs, fives, briers = [], [], []
    for unseen in (other for other in blogs if other != name):
        heads, _ = blogs[unseen].beginnings(10)
        if len(heads) < NUM_TESTED:
            continue
        known = [_windows(blogs[other]) for other in blogs if other not in (name, unseen)]
        learnt = verification.stack_scores([own_counts, *known])
        labels = np.r_[np.ones(own_counts.shape[0], bool), np.zeros(learnt.shape[0] - own_counts.shape[0], bool)]
        decide = verification.fit_char_verifier(learnt, labels)
        z_own, z_other = decide(own_heads), decide(blogs[unseen].sums("masked", heads))
        truth = np.r_[np.ones(len(z_own)), np.zeros(len(z_other))]
        aucs.append(roc_auc_score(truth, np.r_[z_own, z_other]))
        fives.append(
            roc_auc_score(np.repeat([1, 0], TEXTS_PER_GROUP), np.r_[_means(z_own, random), _means(z_other, random)])
        )
        briers.append(float(np.mean((1 / (1 + np.exp(-np.r_[z_own, z_other])) - truth) ** 2)))
    return aucs, fives, briers


def _windows(texts):
    from eval.style import verification

    rows, post = texts.windows(verification.WINDOW_WORDS)
    seen: dict[int, int] = {}
    kept = []
    for row, number in zip(rows, post, strict=True):
        seen[number] = seen.get(number, 0) + 1
        if seen[number] <= NUM_WINDOWS:
            kept.append(row)
    return texts.sums("masked", kept)


def _means(z: np.ndarray, random) -> np.ndarray:
    """FIVE means of five different texts."""
    return np.array([random.choice(z, min(5, len(z)), replace=False).mean() for _ in range(TEXTS_PER_GROUP)])


def validate(blogs: dict, track) -> dict:
    """The figures of every author with enough long posts."""
    found = {}
    for k in NUM_REFERENCES:
        authors = {}
        for name in track(
            [n for n, texts in blogs.items() if (texts.segments >= 10).sum() >= k + NUM_TESTED], f"{k} reference posts"
        ):
            rounds = [author_auc(name, k, blogs, i) for i in range(NUM_ROUNDS)]
            aucs, fives, briers = (np.concatenate([r[i] for r in rounds]) for i in range(3))
            authors[name] = {
                "auc": round(float(aucs.mean()), 4),
                "worst_pair": round(float(aucs.min()), 4),
                "five_auc": round(float(fives.mean()), 4),
                "brier": round(float(briers.mean()), 4),
            }
        if not authors:
            raise UserError(
                f"No author has {k + NUM_TESTED} posts of 500 words of prose: the verifier can't be validated on these"
                f" blogs with {k} reference posts."
            )
        of = {key: np.array([a[key] for a in authors.values()]) for key in ("auc", "five_auc", "brier")}
        found[f"k{k}"] = {
            "mean_auc": round(float(of["auc"].mean()), 4),
            "min_auc": round(float(of["auc"].min()), 4),
            "brier": round(float(of["brier"].mean()), 4),
            "five_auc": round(float(of["five_auc"].mean()), 4),
            "authors": authors,
        }
    return found


def print_table(found: dict) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="the verifier on people it has not seen, 500 words", title_justify="left")
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
