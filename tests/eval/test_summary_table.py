"""The table that `make all` ends with."""

from rich.console import Console

from eval.summary_table import build_summary_table

BASE = {"likelihood": {"bits_per_byte": 1.234}, "style": {"masked": None}, "shape": {"words_median": 300}}


def rendered(scores: dict) -> list[str]:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(build_summary_table({"n": {"prompts": 7}, **scores}))
    return capture.get().splitlines()


def row(lines: list[str], title: str) -> list[str]:
    (line,) = (line for line in lines if title in line)
    return [cell.strip() for cell in line.split("│")[1:-1]]


def test_build_summary_table_has_a_column_for_each_system_and_no_figure_that_was_not_measured():
    lines = rendered({"author": BASE, "twin": {**BASE, "style": {"masked": 0.5}}, "base": BASE})
    assert "7 held-out posts" in lines[0]
    (head,) = (line for line in lines if "twin" in line and "you" in line and "base" in line)
    assert head.index("base") < head.index("twin") < head.index("you")
    assert row(lines, "bits per byte")[1:] == ["1.234"] * 3
    assert row(lines, "style: 0 other")[1:] == ["", "0.50", ""]
    assert row(lines, "│ words (median)")[1:] == ["300"] * 3


def test_build_summary_table_has_rows_on_notes_only_if_the_twin_wrote_from_notes():
    with_notes = {**BASE, "notes": {"kept": 0.5, "invented": 0.1}}
    assert not [line for line in rendered({"base": with_notes, "twin": BASE}) if "notes" in line]
    lines = rendered({"base": BASE, "twin": with_notes})
    assert row(lines, "facts kept")[1:] == ["", "50%"] and row(lines, "facts made up")[1:] == ["", "10%"]
