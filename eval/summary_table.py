"""The table that `make all` ends with: the figures that matter, a column for each system."""

from rich.table import Table

from eval.summary import LABELS

# (title, family and key in the scorecard, format)
ROWS = (
    ("bits per byte (lower is better)", "likelihood", "bits_per_byte", ".3f"),
    ("style: 0 other bloggers, 1 you", "style", "masked", ".2f"),
    ("  by function words alone", "style", "function", ".2f"),
    ("longest copy, words (median)", "copying", "longest_copy_median", ".0f"),
    ("on topic (1: always its own prompt)", "topic", "tfidf_auc", ".2f"),
    ("from notes: fact recall", "notes", "fact_recall", ".0%"),
    ("from notes: unsupported facts", "notes", "unsupported_rate", ".0%"),
    ("  by a second extractor", "notes", "unsupported_rate_second", ".0%"),
    ("from notes: numbers in their roles", "notes", "role_accuracy", ".0%"),
    ("finished by itself", "shape", "eos_rate", ".0%"),
    ("words (median)", "shape", "words_median", ".0f"),
)


def summary_rows(scores: dict) -> tuple[list[str], list[list[str]]]:
    """(names of the columns, rows of cells) of a scorecard (artifacts/eval/metrics.json).

    A figure that was not measured is left empty; the rows on notes are left out if the twin wrote nothing from notes.
    """
    systems = [name for name in LABELS if name in scores]
    rows = []
    for title, family, key, form in ROWS:
        if family == "notes" and "notes" not in scores["twin"]:
            continue
        values = [scores[name].get(family, {}).get(key) for name in systems]
        rows.append([title, *("" if value is None else format(value, form) for value in values)])
    return ["", *(LABELS[name] for name in systems)], rows


def build_summary_table(scores: dict) -> Table:
    """The table of a scorecard, for the terminal."""
    table = Table(title=f"your twin, on {scores['n']['prompts']} held-out posts", title_justify="left")
    columns, rows = summary_rows(scores)
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    for row in rows:
        table.add_row(*row)
    return table
