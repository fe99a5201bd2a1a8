"""Is the blog ready for training? Corpus statistics, what was skipped, and hints for params.yaml; before any training.

Reads   data/raw/posts.jsonl, data/raw/discarded.jsonl
Writes  artifacts/data/report.html   a page with charts; it runs no script and loads nothing
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

REPORT_DIR = ARTIFACTS_DIR / "data"


def print_statistics(statistics) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="is the blog ready?", title_justify="left", show_header=False)
    for name, value in statistics.summary:
        table.add_row(name, escape(value))
    Console().print(table)
    echo(statistics.verdict)
    for hint in statistics.hints:
        echo(f"  - {hint}")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = load_params()
    posts, discarded = read_jsonl(RAW_DIR / "posts.jsonl"), read_jsonl(RAW_DIR / "discarded.jsonl")
    from corpus.report import corpus_statistics, render_html

    statistics = corpus_statistics(posts, discarded, params)
    page, numbers, scorecard = REPORT_DIR / "report.html", REPORT_DIR / "report.json", EVAL_DIR / "report.html"
    write_json(numbers, statistics.to_json())
    with atomic_open(page) as file:
        file.write(render_html(statistics))
    print_statistics(statistics)
    echo(f"wrote {page} and {numbers}: open {(Path.cwd() / page).as_uri()}")
    if scorecard.is_file():
        echo(f"the twin's scorecard: {(Path.cwd() / scorecard).as_uri()}")
    else:
        echo(f"the twin's scorecard, {scorecard}, does not exist yet: `{make_command('all')}` creates it")


if __name__ == "__main__":
    run_cli(main)
