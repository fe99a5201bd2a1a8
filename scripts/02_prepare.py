"""Clean the posts and cut them into training examples.

Reads   data/raw/posts.jsonl
Writes  data/prepared/examples.jsonl   a row an example; `output` is always the author's own words
Run     python scripts/02_prepare.py
        python scripts/02_prepare.py --preview 3    shows examples, writes nothing
"""

import argparse
from collections import Counter

from _shared import PREPARED, RAW, UserError, load_params, read_jsonl, run, say, write_jsonl


def prepare(posts: list[dict], params, count) -> list[dict]:
    """Examples of all posts. `count(text)` gives tokens."""
    from rich.progress import track

    from corpus.clean import clean
    from corpus.examples import examples
    from corpus.redact import redact

    rows = []
    blocks = {kind: getattr(params.prepare, kind) for kind in ("code", "quotes", "tables", "embeds")}
    for post in track(posts, "preparing examples", transient=True):
        text = clean(post["text"], params.prepare.links, blocks)
        if params.prepare.redact:
            post, text = {**post, "title": redact(post["title"]), "tags": [redact(t) for t in post["tags"]]}, redact(text)
        rows += examples(post, text, count, params.train.max_length, params.prepare.context_tokens, params.prepare.seed)
    return rows


def preview(rows: list[dict], n: int) -> None:
    for row in rows[:: max(1, len(rows) // n)][:n]:
        say(f"── {row['id']}  {row['task']}  part {row['part']} of {row['parts']}  {row['date'] or 'no date'}")
        say(f"ASKED   {row['instruction']}" + (f"\n        {row['input']}" if row["input"] else ""))
        say(f"WROTE   {row['output']}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preview", type=int, metavar="N", help="show N examples and write nothing")
    preview_n = parser.parse_args().preview
    params = load_params()
    posts = read_jsonl(RAW / "posts.jsonl")
    from train.base import resolve

    tokenizer = resolve(params.train.base).tokenizer()
    rows = prepare(posts, params, lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]))
    if not rows:
        raise UserError(f"None of the {len(posts)} posts has text left after cleaning: look at {RAW / 'posts.jsonl'}.")
    if preview_n:
        preview(rows, preview_n)
        return
    write_jsonl(PREPARED / "examples.jsonl", rows)
    tasks = ", ".join(f"{n} {task}" for task, n in Counter(r["task"] for r in rows).most_common())
    longest = max(len(tokenizer(r["output"], add_special_tokens=False)["input_ids"]) for r in rows)
    if silent := len(posts) - len({r["post_id"] for r in rows}):
        say(f"left out: {silent} posts with no words left after cleaning")
    say(f"wrote {PREPARED / 'examples.jsonl'}: {len(rows)} examples ({tasks}) of {len({r['post_id'] for r in rows})} posts, the longest {longest} tokens")


if __name__ == "__main__":
    run(main)
