"""The table that `make all` ends with."""

from rich.console import Console

from eval.summary_table import ROWS, build_summary_table

NOTES = [title for title, family, _, _ in ROWS if family == "notes"]


def scorecard(*families: str) -> dict:
    """A system's figures of these families, each 0.5."""
    return {family: {key: 0.5 for _, of, key, _ in ROWS if of == family} for family in families}


def rendered(scores: dict) -> list[str]:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(build_summary_table({"n": {"prompts": 7}, **scores}))
    return capture.get().splitlines()


def cells(lines: list[str], title: str) -> list[str]:
    (line,) = (line for line in lines if f"│ {title}" in line)
    return [cell.strip() for cell in line.split("│")[2:-1]]


def test_build_summary_table_has_a_column_for_each_system_and_leaves_out_what_was_not_measured():
    measured = scorecard("likelihood", "style")
    lines = rendered({"author": scorecard("style"), "twin": measured, "base": measured})
    assert "7 held-out posts" in lines[0]
    (head,) = (line for line in lines if "twin" in line and "you" in line and "base" in line)
    assert head.index("base") < head.index("twin") < head.index("you")
    assert cells(lines, "bits per byte") == ["0.500", "0.500", ""]
    assert cells(lines, "style: 0 other") == ["0.50"] * 3


def test_build_summary_table_has_rows_on_notes_only_if_the_twin_wrote_from_notes():
    lines = rendered({"base": scorecard("notes"), "twin": scorecard("style")})
    assert NOTES and not [title for title in NOTES for line in lines if title in line]
    lines = rendered({"base": scorecard("style"), "twin": scorecard("notes")})
    assert [cells(lines, title) for title in NOTES] == [["", "50%"]] * len(NOTES)
