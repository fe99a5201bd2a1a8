"""Split the examples by whole posts: train, valid, test. Near-duplicates, series and cross-posts stay together.

Posts that were split before stay in their split when others are added: scorecards stay comparable, and a twin that
continues training (train.warm_start) is never tested on a post it was trained on.

Reads   data/prepared/examples.jsonl, data/raw/posts.jsonl (titles), data/split/assignments.json (of the last run)
Writes  data/split/train.jsonl, valid.jsonl, test.jsonl, assignments.json
Run     python scripts/03_split.py            `--reset` forgets the earlier splits
"""

import _path

import argparse
import json

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import read_jsonl, to_jsonl, write_files
from blogtwin.paths import PREPARED_DIR, RAW_DIR, SPLIT_DIR
from corpus.split import ASSIGNMENTS_FILE, load_assignments, print_splits, split_corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reset", action="store_true", help="forget which split the posts were in")
    reset = parser.parse_args().reset
    params = load_params()
    examples = read_jsonl(PREPARED_DIR / "examples.jsonl")
    rows = {post["id"]: post for post in read_jsonl(RAW_DIR / "posts.jsonl")}
    splits = split_corpus(examples, rows, params.ingest.source, params.split, {} if reset else load_assignments())
    files = {SPLIT_DIR / f"{name}.jsonl": to_jsonl(some) for name, some in splits.examples.items()}
    write_files(files | {ASSIGNMENTS_FILE: [json.dumps(splits.assignments, ensure_ascii=False, indent=1)]})
    print_splits(splits)
    echo(f"wrote {SPLIT_DIR}/train.jsonl, valid.jsonl, test.jsonl")


if __name__ == "__main__":
    run_cli(main)
