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
from blogtwin.console import run, say
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl, write_jsonl
from blogtwin.models.chat import TokenCounter
from blogtwin.paths import ARTIFACTS, PREPARED, RAW
from corpus.prepare import decides, prepare, preview


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preview", type=int, metavar="N", help="show N examples and write nothing")
    preview_n = parser.parse_args().preview
    params = load_params()
    posts = read_jsonl(RAW / "posts.jsonl")
    from blogtwin.cache import Remembered
    from blogtwin.models.registry import resolve

    base = resolve(params.train.base)
    if params.train.max_length > base.context:
        raise UserError(f"train.max_length is {params.train.max_length}, and {base.name} reads no more than {base.context} tokens: set train.max_length to {base.context} or less.")
    count = TokenCounter(base.tokenizer())

    with contextlib.nullcontext() if preview_n else Remembered(ARTIFACTS / "cache/cut.jsonl", *decides(params, base)) as remembered:
        rows = prepare(posts, params, count, max(0, preview_n or 0), remembered)
    if not rows:
        raise UserError(f"None of the {len(posts)} posts has text left after cleaning: look at {RAW / 'posts.jsonl'}.")
    if preview_n:
        preview(rows, {p["id"]: p["title"] for p in posts})
        return
    write_jsonl(PREPARED / "examples.jsonl", rows)
    from corpus.examples import whole_posts

    tasks = ", ".join(f"{n} {task}" for task, n in Counter(r["task"] for r in rows).most_common())
    written = len(whole_posts(rows))
    if silent := len(posts) - written:
        say(f"left out: {silent} posts with no words left after cleaning")
    say(f"wrote {PREPARED / 'examples.jsonl'}: {len(rows)} examples ({tasks}) of {written} posts")


if __name__ == "__main__":
    run(main)
