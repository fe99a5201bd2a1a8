"""The tables of README.md and docs/results.md: figures from docs/results.json, which scripts/update_results.py fills.

A table is {"title", "command", "machine", "commit", "date", "earlier_tree", "columns", "rows", "notes", "verdict"}. In
the table of the sample blog a row is {"label", "format", "metrics", "cells": {system: number, [value, low, high] or
pair}, "readme"}, so that it can be filled from artifacts/eval/metrics.json; in every other table it is a list of texts.
"""

import textwrap
from typing import Any

from blogtwin.errors import UserError
from blogtwin.reference_docs import LINE_WIDTH, markdown_table

FORMATS = {"decimal3": ".3f", "decimal2": ".2f", "percent": ".0%", "integer": ".0f"}
BOLD = "twin"


def render_table(table: dict[str, Any], readme: bool = False) -> str:
    """The table as Markdown; with `readme`, only the rows that are marked for README.md."""
    if isinstance(table["columns"], list):
        return markdown_table(table["columns"], table["rows"])
    rows = [row for row in table["rows"] if not readme or row.get("readme")]
    systems = list(table["columns"])
    cells = []
    for row in rows:
        figures = [_bold(name, format_cell(row["cells"].get(name), row["format"])) for name in systems]
        cells.append([row["label"], *figures])
    return markdown_table([table["title"], *table["columns"].values()], cells)


def render_source(table: dict[str, Any], notes: bool = True) -> str:
    """The command, machine, commit and date of the figures, and with `notes` what else the reader must know."""
    earlier = ", on an earlier version of the code" if table["earlier_tree"] else ""
    source = (
        f"Measured with `{table['command']}` on {table['machine']} (commit {table['commit']},"
        f" {table['date']}{earlier})."
    )
    return textwrap.fill(
        " ".join([source, *(table.get("notes", []) if notes else [])]),
        LINE_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )


def render_ladder(tables: dict[str, dict[str, Any]]) -> str:
    """Those of the tables that `make ladder` made, each under its title; a sentence where there are none."""
    parts = [
        f"{table['title']}\n\n{render_table(table)}\n\n{render_source(table)}"
        for name, table in tables.items()
        if name.startswith("ladder")
    ]
    return "\n\n".join(parts) or "Not measured yet: `make ladder`."


def render_verdict(table: dict[str, Any]) -> str:
    """The verdict of the run as a Markdown quotation; empty where there is none."""
    return textwrap.fill(
        table.get("verdict", ""), LINE_WIDTH, initial_indent="> ", subsequent_indent="> ", break_on_hyphens=False
    )


def format_cell(cell: float | list[float] | None, form: str) -> str:
    """One cell: a number, [value, low, high], or with the format `pair` two whole numbers."""
    if cell is None:
        return ""
    values = cell if isinstance(cell, list) else [cell]
    if form == "pair":
        return ", ".join(f"{value:.0f}" for value in values)
    value, *interval = [_number(one, form) for one in values]
    return f"{value} [{', '.join(interval)}]" if interval else value


def update_sample(
    table: dict[str, Any],
    metrics: dict[str, Any],
    training: dict[str, Any],
    parity: dict[str, Any],
    verdict: str,
    commit: str,
    date: str,
) -> dict[str, Any]:
    """The table of the sample blog with the figures of a finished run. Raises UserError when the scorecard has no value
    for one of the twin's."""
    rows = []
    for row in table["rows"]:
        cells = {system: _cell(metrics, system, row["metrics"]) for system in table["columns"]}
        rows.append({**row, "cells": cells})
    n, twin = metrics["n"], parity["twin"]
    notes = [
        (
            f"Exported against trained: mean |Δ log-probability| {twin['delta_to_twin']:.3f}, greedy agreement"
            f" {twin['agreement_with_twin']:.2f}."
        ),
        f"Exported against the base: {twin['delta_to_base']:.3f}.",
        (
            f"Training took {training['seconds']:.0f} s at {training['tokens_per_s']:.0f} tokens/s on"
            f" {training['device']} ({training['dtype']})."
        ),
    ]
    title = f"sample blog: {n['training_posts']} posts to learn from, {n['prompts']} held out and written again"
    return {
        **table,
        "title": title,
        "rows": rows,
        "verdict": verdict,
        "notes": notes,
        "commit": commit,
        "date": date,
        "earlier_tree": False,
    }


def _cell(metrics: dict[str, Any], system: str, keys: list[str]) -> float | list[float] | None:
    """A system's figure, with its interval where it has one; None where it has no such figure."""
    values = [_value(metrics.get(system, {}), key) for key in keys]
    if None in values:
        if system == BOLD:
            raise UserError(
                f"artifacts/eval/metrics.json has no {BOLD}.{keys[values.index(None)]}: correct `metrics` in"
                " docs/results.json."
            )
        return None
    interval = [_value(metrics[system], f"{keys[0]}{end}") for end in ("_lo", "_hi")]
    if len(values) > 1:
        return values
    return values[0] if None in interval else [*values, *interval]


def _value(metrics: dict[str, Any], key: str) -> Any:
    found: Any = metrics
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _number(value: float, form: str) -> str:
    return format(value, FORMATS[form]).replace("-", "−").replace("%", " %")


def _bold(system: str, text: str) -> str:
    return f"**{text}**" if text and system == BOLD else text
