"""Is the blog ready to be learnt from? What there is, what was left out, what to mend; before any training.

Reads   data/raw/posts.jsonl, data/raw/discarded.jsonl
Writes  artifacts/data/report.html   a page with charts, no script, nothing from elsewhere
        artifacts/data/report.json   the same numbers
Run     make report
"""

import _path

import argparse
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import atomic_open, read_jsonl, write_json
from blogtwin.hints import make_command
from blogtwin.paths import ARTIFACTS_DIR, EVAL_DIR, RAW_DIR

DATA = ARTIFACTS_DIR / "data"


def show(facts: dict) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="is the blog ready?", title_justify="left", show_header=False)
    for name, value in facts["table"]:
        table.add_row(name, escape(value))
    Console().print(table)
    echo(facts["verdict"])
    for hint in facts["hints"]:
        echo(f"  - {hint}")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = load_params()
    posts, left = read_jsonl(RAW_DIR / "posts.jsonl"), read_jsonl(RAW_DIR / "discarded.jsonl")
    from corpus.report import corpus_statistics, render_html

    facts = corpus_statistics(posts, left, params)
    write_json(DATA / "report.json", {k: v for k, v in facts.items() if k != "samples"})
    with atomic_open(DATA / "report.html") as file:
        file.write(render_html(facts))
    show(facts)
    echo(
        f"wrote {DATA / 'report.html'} and {DATA / 'report.json'}: open {(Path.cwd() / DATA / 'report.html').as_uri()}"
    )
    card = EVAL_DIR / "report.html"
    echo(
        f"the scorecard of the twin: {(Path.cwd() / card).as_uri()}"
        if card.is_file()
        else f"the scorecard of the twin, {card}, is not there yet: `{make_command('all')}` makes it"
    )


if __name__ == "__main__":
    run_cli(main)
