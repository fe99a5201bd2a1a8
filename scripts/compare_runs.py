"""Two twins over the same held-out prompts: better, worse, or can't tell, and how many posts it would take to tell.

Reads   artifacts/eval/samples.jsonl of both sides
Run     python scripts/compare_runs.py A B     each a commit, an experiment's name, or a folder with a samples.jsonl; B
is the workspace if left out
        python scripts/compare_runs.py A B --voice five_shot
"""

import _path

import argparse

from blogtwin.console import echo, run_cli
from eval.compare_runs import compare_runs, load_samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B", nargs="?", default=".")
    parser.add_argument("--voice", default="twin", help="whose answers (default: the twin's)")
    options = parser.parse_args()
    from rich.console import Console
    from rich.table import Table

    rows = compare_runs(load_samples(options.a), load_samples(options.b), options.voice)
    table = Table(
        title=f"{options.voice}: {options.b} against {options.a}, {rows[0]['n']} prompts", title_justify="left"
    )
    for head in ("", "A", "B", "B − A, 95 %", "B is", "posts to tell"):
        table.add_column(head, justify="right" if head and head != "B is" else "left")
    for row in rows:
        posts = f"about {row['posts_to_tell']:,}" if row["posts_to_tell"] else ""
        table.add_row(
            row["title"],
            f"{row['a']:.3f}",
            f"{row['b']:.3f}",
            f"{row['mean']:+.3f} \\[{row['lo']:+.3f}, {row['hi']:+.3f}]",
            row["verdict"],
            posts,
        )
    Console().print(table)
    if all(row["verdict"] == "can't tell" for row in rows):
        echo("No difference can be told with so few prompts (eval.num_prompts: 0 asks for every held-out post).")


if __name__ == "__main__":
    run_cli(main)
