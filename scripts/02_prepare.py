"""Clean the posts and cut them into training examples.

Reads   data/raw/posts.jsonl, the file prepare.persona
Writes  data/prepared/examples.jsonl   one example per row; `output` is always the author's own words
        artifacts/cache/cut.jsonl      the examples of each post, so that the next run cuts only new posts
Run     python scripts/02_prepare.py
        python scripts/02_prepare.py --preview 3    prints examples, writes nothing
"""

import _path

import argparse
import contextlib

from blogtwin.config import load_params
from blogtwin.console import run_cli
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl, write_jsonl
from blogtwin.models.chat import TokenCounter
from blogtwin.paths import ARTIFACTS_DIR, PREPARED_DIR, RAW_DIR
from corpus.prepare import build_examples, cache_key, print_preview, print_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preview", type=int, metavar="N", help="print N examples and write nothing")
    preview = parser.parse_args().preview
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
    cut_posts = JsonCache(ARTIFACTS_DIR / "cache/cut.jsonl", *cache_key(params, base))
    with contextlib.nullcontext() if preview else cut_posts as cache:
        examples = build_examples(posts, params, TokenCounter(base.tokenizer()), max(0, preview or 0), cache)
    if not examples:
        raise UserError(f"None of the {len(posts)} posts has text left after cleaning: see {RAW_DIR / 'posts.jsonl'}.")
    if preview:
        print_preview(examples, {post["id"]: post["title"] for post in posts})
        return
    path = PREPARED_DIR / "examples.jsonl"
    write_jsonl(path, examples)
    print_summary(examples, len(posts), path)


if __name__ == "__main__":
    run_cli(main)
