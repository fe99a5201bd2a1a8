"""The tables of the ladder for docs/results.json, from which the pages are built: rates pooled over blogs, with the
95 % interval of the mean over drafts; what it costs; blog by blog; and a true draft of each base."""

import math
from collections.abc import Sequence
from typing import Any

from eval.draft_scores import summarise
from eval.ladder import AUTHOR, Row, fullest_rows, scores_of
from eval.results_tables import format_cell

RATES = ("fact_recall", "role_accuracy", "negation_accuracy", "unsupported_rate", "unsupported_rate_second")
HEADS = ("told", "in role", "denials", "beyond the notes, our rules", "beyond the notes, spaCy", "grey lines")
GREY = "own_words_rate"
WRITERS = {
    "drafter": "twin, with the search",
    "one_draft": "twin, one draft without it",
    "base_drafter": "the base, with the same search",
}
NORMAL_95 = 1.96
SEED = 7
Table = dict[str, Any]


def ladder_tables(rows: Sequence[Row]) -> dict[str, Table]:
    """{name in docs/results.json: table} of all rows, without tables that would be empty."""
    if not rows:
        return {}
    rows = fullest_rows(rows)
    bases = list(dict.fromkeys(row["base"] for row in rows))
    by_base = {base: [row for row in rows if row["base"] == base] for base in bases}
    tables = {
        "ladder": (
            "",
            ["from notes as people jot them", "sets, blogs", *HEADS, "style", "less one draft"],
            _sense(by_base),
        ),
        "ladder_cost": (
            "What it costs:",
            [
                *("base", "training, s", "tokens/s", "its memory", "a draft, s: median, p95"),
                *("its first paragraph, s: p95", "its memory", "one draft without the search, s: median"),
            ],
            _cost(by_base),
        ),
        "ladder_blogs": (
            "Blog by blog:",
            ["twin, with the search", "sets", *HEADS, "less one draft, style"],
            _blogs(rows),
        ),
        "ladder_drafts": (
            "A draft of each, which is the first and was not chosen:",
            ["base", "the first set of the sample's notes, written out"],
            _drafts(rows),
        ),
    }
    return {
        name: source_of(rows) | {"title": title, "columns": columns, "rows": lines}
        for name, (title, columns, lines) in tables.items()
        if lines
    }


def source_of(rows: Sequence[Row]) -> Table:
    """Command, machine, commit and date of the rows, as a table's source has them."""
    machines = dict.fromkeys(f"{row['cores']} cores ({row['cpu']})" for row in rows)
    return {
        "command": max((row["command"] for row in rows), key=len),
        "machine": " and ".join(machines),
        "commit": _listed(row["commit"] for row in rows),
        "date": max(row["date"] for row in rows),
        "earlier_tree": False,
        "notes": [
            f"Candidates a round of the search: {_listed(row['candidates'] for row in rows)}.",
            "Intervals are of the mean over drafts.",
        ],
    }


def pool_style(found: Sequence[dict[str, float]]) -> dict[str, Any]:
    """{style, style_rival, gain: [mean, low, high]} of several blogs' `style_difference`, weighted by their texts; the
    intervals are taken as normal. Empty where none has texts enough."""
    found = [one for one in found if one.get("style_gain_lo") is not None]
    texts = sum(one["style_texts"] for one in found)
    if not texts:
        return {}
    weights = [one["style_texts"] / texts for one in found]
    mean = {
        key: sum(weight * one[key] for weight, one in zip(weights, found, strict=True))
        for key in ("style", "style_rival", "style_gain")
    }
    errors = [(one["style_gain_hi"] - one["style_gain_lo"]) / 2 / NORMAL_95 for one in found]
    half = NORMAL_95 * math.sqrt(sum((w * error) ** 2 for w, error in zip(weights, errors, strict=True)))
    gain = mean["style_gain"]
    return {"style": mean["style"], "style_rival": mean["style_rival"], "gain": [gain, gain - half, gain + half]}


def _sense(by_base: dict[str, list[Row]]) -> list[list[str]]:
    lines = []
    for base, rows in by_base.items():
        single, rival = (pool_style([row["style"][name] for row in rows]) for name in ("one_draft", "base_drafter"))
        styles = {"drafter": single.get("style"), "one_draft": single.get("style_rival")}
        styles["base_drafter"] = rival.get("style_rival")
        for system, label in WRITERS.items():
            gain = single.get("gain") if system == "drafter" else None
            style = [format_cell(styles[system], "decimal2"), format_cell(gain, "decimal2")]
            lines.append([f"{base}: {label}", *_rates(rows, system), *style])
    widest = max(by_base.values(), key=lambda rows: sum(row["cases"] for row in rows))
    if scores_of(widest, AUTHOR):
        lines.append(["the author's own passages", *_rates(widest, AUTHOR), "1.00", ""])
    return lines


def _rates(rows: Sequence[Row], system: str) -> list[str]:
    """The cells `sets, blogs`, then each rate with its interval."""
    figures = summarise(scores_of(rows, system), SEED)
    cells = [_rate(figures, name, "decimal2") for name in RATES]
    grey = "" if system == AUTHOR else _rate(figures, GREY, "percent")
    return [f"{figures['n']}, {len(rows)}", *cells, grey]


def _rate(figures: dict[str, Any], name: str, form: str) -> str:
    if name not in figures:
        return ""
    values = [figures[name], figures[f"{name}_lo"], figures[f"{name}_hi"]]
    has_interval = not any(math.isnan(value) for value in values)
    return format_cell(values if has_interval and values[1] != values[2] else values[0], form)


def _cost(by_base: dict[str, list[Row]]) -> list[list[str]]:
    lines = []
    for base, rows in by_base.items():
        drafted, single = (summarise(scores_of(rows, name), SEED) for name in ("drafter", "one_draft"))
        trained = [row["training"] for row in rows]
        lines.append(
            [
                base,
                ", ".join(f"{one['seconds']:.0f}" for one in trained),
                f"{sum(one['tokens_per_s'] for one in trained) / len(trained):.0f}",
                f"{max(one['peak_memory_mb'] for one in trained) / 1024:.1f} GB",
                f"{drafted['seconds_median']:.0f}, {drafted['seconds_p95']:.0f}",
                f"{drafted['first_seconds_p95']:.0f}",
                f"{max(row['peak_mb']['drafter'] for row in rows) / 1024:.1f} GB",
                f"{single['seconds_median']:.0f}",
            ]
        )
    return lines


def _blogs(rows: Sequence[Row]) -> list[list[str]]:
    lines = []
    for row in rows:
        sets, *rates = _rates([row], "drafter")
        gain = pool_style([row["style"]["one_draft"]]).get("gain")
        lines.append([f"{row['base']} on {row['blog']}", sets.split(",")[0], *rates, format_cell(gain, "decimal2")])
    return lines


def _drafts(rows: Sequence[Row]) -> list[list[str]]:
    """A draft of each base, and before them the notes they were written from."""
    drafts = [row for row in rows if row["draft"]]
    notes = list(dict.fromkeys(row["draft"]["notes"] for row in drafts))
    lines = [["the notes", _in_a_cell(text)] for text in notes]
    return lines + [[row["base"], _in_a_cell(row["draft"]["draft"])] for row in drafts]


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def _listed(values: Any) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))
