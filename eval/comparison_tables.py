"""The tables that scripts/compare_runs.py prints."""

from typing import Any

from rich.console import Console
from rich.table import Table

from blogtwin.console import echo


def print_comparison(rows: list[dict[str, Any]], system: str, a: str, b: str) -> None:
    """The rows of `compare_runs`."""
    table = Table(title=f"{system}: {b} against {a}, {rows[0]['n']} prompts", title_justify="left")
    for heading in ("", "A", "B", "B − A, 95 %", "B is", "posts to tell"):
        table.add_column(heading, justify="left" if heading in ("", "B is") else "right")
    for row in rows:
        difference = f"{row['mean']:+.3f} \\[{row['lo']:+.3f}, {row['hi']:+.3f}]"
        posts = f"about {row['posts_to_tell']:,}" if row["posts_to_tell"] else ""
        table.add_row(row["title"], f"{row['a']:.3f}", f"{row['b']:.3f}", difference, row["verdict"], posts)
    Console().print(table)
    if all(row["verdict"] == "can't tell" for row in rows):
        echo("No difference can be told with so few prompts (eval.num_prompts: 0 uses every held-out post).")


def print_metrics_diff(rows: list[dict[str, Any]]) -> None:
    """The rows of `diff_metrics`, as Markdown, so that long names are never cut to the width of a terminal."""
    if not rows:
        echo("No figure differs from the last commit's.")
        return
    echo("| file | metric | last commit | workspace | change |")
    echo("| --- | --- | ---: | ---: | ---: |")
    for row in rows:
        old, new = row["old"], row["new"]
        change = f"{new - old:+.4g}" if _is_number(old) and _is_number(new) else ""
        cells = [row["path"], row["metric"], *(_cell(value) for value in (old, new)), change]
        echo(f"| {' | '.join(cells)} |")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
