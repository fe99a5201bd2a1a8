"""Split the examples by whole posts: train, valid, test. Near-duplicates, series and cross-posts stay together.

Posts that were split before stay where they were when others are added, so that scorecards can be compared, and a twin that goes on
learning (train.warm_start) is tested on nothing it knows.

Reads   data/prepared/examples.jsonl, data/raw/posts.jsonl (titles), data/split/places.json (of the last time)
Writes  data/split/train.jsonl, valid.jsonl, test.jsonl, places.json
Run     python scripts/03_split.py            `--anew` forgets where posts were
"""

import _path

import argparse
import json

from blogtwin.config import load_params
from blogtwin.console import run, say
from blogtwin.files import json_lines, read_jsonl, write_texts
from blogtwin.paths import PREPARED, RAW, SPLIT
from corpus.split import PLACES, remembered, show, split_corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anew", action="store_true", help="forget where the posts were")
    anew = parser.parse_args().anew
    params = load_params()
    rows = read_jsonl(PREPARED / "examples.jsonl")
    raw = {post["id"]: post for post in read_jsonl(RAW / "posts.jsonl")}
    splits = split_corpus(rows, raw, params.ingest.source, params.split, {} if anew else remembered())
    tables = {SPLIT / f"{name}.jsonl": json_lines(rows) for name, rows in splits.examples.items()}
    write_texts(tables | {PLACES: [json.dumps(splits.memory, ensure_ascii=False, indent=1)]})
    show(splits)
    say(f"wrote {SPLIT}/train.jsonl, valid.jsonl, test.jsonl")


if __name__ == "__main__":
    run(main)
