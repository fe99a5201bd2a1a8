"""Clean the posts and cut them into training examples.

Reads   data/raw/posts.jsonl, the file that prepare.persona names
Writes  data/prepared/examples.jsonl   a row an example; `output` is always the author's own words
        artifacts/cache/cut.jsonl      what each post was cut into, so that the next time only new ones are
Run     python scripts/02_prepare.py
        python scripts/02_prepare.py --preview 3    shows examples, writes nothing
"""

import _path

import argparse
import contextlib
from collections import Counter

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl, write_jsonl
from blogtwin.models.chat import TokenCounter
from blogtwin.paths import ARTIFACTS_DIR, PREPARED_DIR, RAW_DIR
from corpus.prepare import build_examples, cache_key, print_preview


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preview", type=int, metavar="N", help="show N examples and write nothing")
    preview_n = parser.parse_args().preview
    params = load_params()
    posts = read_jsonl(RAW_DIR / "posts.jsonl")
    from blogtwin.cache import JsonCache
    from blogtwin.models.registry import resolve_base

    base = resolve_base(params.train.base)
    if params.train.max_length > base.context:
        raise UserError(
            f"train.max_length is {params.train.max_length}, and {base.name} reads no more than {base.context} tokens:"
            f" set train.max_length to {base.context} or less."
        )
    count = TokenCounter(base.tokenizer())

    with (
        contextlib.nullcontext()
        if preview_n
        else JsonCache(ARTIFACTS_DIR / "cache/cut.jsonl", *cache_key(params, base))
    ) as remembered:
        rows = build_examples(posts, params, count, max(0, preview_n or 0), remembered)
    if not rows:
        raise UserError(
            f"None of the {len(posts)} posts has text left after cleaning: look at {RAW_DIR / 'posts.jsonl'}."
        )
    if preview_n:
        print_preview(rows, {p["id"]: p["title"] for p in posts})
        return
    write_jsonl(PREPARED_DIR / "examples.jsonl", rows)
    from corpus.examples import join_parts

    tasks = ", ".join(f"{n} {task}" for task, n in Counter(r["task"] for r in rows).most_common())
    written = len(join_parts(rows))
    if silent := len(posts) - written:
        echo(f"left out: {silent} posts with no words left after cleaning")
    echo(f"wrote {PREPARED_DIR / 'examples.jsonl'}: {len(rows)} examples ({tasks}) of {written} posts")


if __name__ == "__main__":
    run_cli(main)
