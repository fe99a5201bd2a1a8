"""How well twins on larger and larger base models draft from people's notes: a row for each base and blog.

Each twin is trained in a folder of its own, authors/ladder-<blog>-<base>. A row that is there is not made again, and
one that broke off goes on where it was.

Reads   tests/data/notes/<blog>/*.yaml; BLOGS=: a folder with a folder of posts for each blog but the sample
Writes  docs/ladder.jsonl, and its tables in docs/results.json; scripts/build_docs.py then fills the pages
Run     make ladder
        make ladder BASES="smollm2:135m qwen2.5-coder:0.5b" BLOGS=folder CASES=20 CANDIDATES=12
        make ladder AGAIN=1                 makes rows of other commits anew
        python scripts/ladder.py --tables   only writes the tables of the rows that are there
"""

import _path

import argparse
import json
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.files import atomic_open

RESULTS_FILE = Path("docs/results.json")
BASES = "smollm2:135m"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", default=BASES, help="names of registry.yaml or .gguf files, in a row")
    parser.add_argument("--blogs", type=Path, help="a folder with a folder of posts for each blog")
    parser.add_argument("--cases", type=int, default=0, help="sets of notes at most for each row; 0: all")
    parser.add_argument("--candidates", type=int, default=8, help="of each round of the search")
    parser.add_argument("--again", action="store_true", help="make rows of other commits anew")
    parser.add_argument("--tables", action="store_true", help="make no row")
    given = parser.parse_args()
    from eval.ladder import LADDER_FILE, load_rows
    from eval.ladder_run import climb, list_rungs
    from eval.ladder_tables import ladder_tables

    rungs = []
    if not given.tables:
        rungs = list_rungs(given.bases.replace(",", " ").split(), given.blogs, given.candidates, given.cases)
    try:
        climb(rungs, given.blogs, given.again)
    finally:  # also where a row could not be made: the others are there
        tables = json.loads(RESULTS_FILE.read_text(encoding="utf-8")) | ladder_tables(load_rows())
        with atomic_open(RESULTS_FILE) as file:
            file.write(json.dumps(tables, ensure_ascii=False, indent=1) + "\n")
        echo(f"wrote {LADDER_FILE} and {RESULTS_FILE}; now run `python scripts/build_docs.py`")


if __name__ == "__main__":
    run_cli(main)
