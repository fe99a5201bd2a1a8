"""The tables that `dvc plots` draws, as TSV."""

from pathlib import Path

from blogtwin.paths import EVAL_DIR
from eval.scorecard import Scorecard


def plot_tables(card: Scorecard) -> dict[Path, list[str]]:
    """{path: lines} of likelihood.tsv, style.tsv, confusion.tsv and style_features.tsv."""
    likelihood = [(row["post"], f"{row['base']:.4f}", f"{row['twin']:.4f}") for row in card.by_post]
    style, features = [], []
    for sample in card.samples:
        for system, entry in sample.items():
            if isinstance(entry, dict) and entry["style"].get("masked") is not None:
                style.append((system, entry["style"]["masked"]))
    for system, metrics in card.metrics.items():
        for feature, distance in metrics.get("habits", {}).items():
            if feature != "within_half":
                features.append((feature, system, distance))
    return {
        EVAL_DIR / "likelihood.tsv": _tsv(("post", "base", "twin"), likelihood),
        EVAL_DIR / "style.tsv": _tsv(("system", "style"), style),
        EVAL_DIR / "confusion.tsv": _tsv(("actual", "predicted"), card.attributions),
        EVAL_DIR / "style_features.tsv": _tsv(("feature", "system", "distance"), features),
    }


def _tsv(columns: tuple[str, ...], rows: list[tuple]) -> list[str]:
    return ["\t".join(map(str, row)) + "\n" for row in (columns, *rows)]
