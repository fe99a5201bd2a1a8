"""Split the examples by whole posts: train, valid, test. Near-duplicates, series and cross-posts stay together.

Reads   data/prepared/examples.jsonl, data/raw/posts.jsonl (titles)
Writes  data/split/train.jsonl, valid.jsonl, test.jsonl
Run     python scripts/03_split.py
"""

import argparse
import random

from _shared import PREPARED, RAW, SPLIT, UserError, load_params, read_jsonl, run, say, write_all

FEWEST_POSTS = 5


def sizes(n: int, params) -> tuple[int, int]:
    """(test, valid) posts of n: the shares of params, but ten test posts from fifty posts on, never under two, and one valid."""
    test = max(2, round(n * params.test), 10 if n >= 50 else 0)
    return test, max(1, round(n * params.valid))


def assign(posts: list[dict], groups: list[list[int]], params) -> dict[str, list[int]]:
    """Post numbers of each split. `posts` are {"date", …}; `groups` are lists of post numbers that stay together."""
    if params.by == "date":  # the newest first; a group is as new as its newest post, undated ones are old
        order = sorted(groups, key=lambda g: max(posts[i]["date"] or "" for i in g), reverse=True)
    else:
        order = sorted(groups, key=lambda g: posts[g[0]]["id"])
        random.Random(params.seed).shuffle(order)
    test_wanted, valid_wanted = sizes(len(posts), params)
    taken: dict[str, list[list[int]]] = {"train": [], "valid": [], "test": []}

    def held(name):
        return sum(map(len, taken[name]))

    for group in order:
        # a group too large for what is left of a split goes on to the next one
        if held("test") + len(group) <= test_wanted:
            taken["test"].append(group)
        elif held("valid") + len(group) <= valid_wanted:
            taken["valid"].append(group)
        else:
            taken["train"].append(group)
    for name, least in (("test", 2), ("valid", 1)):
        if held(name) < least:  # the groups were too large: the smallest that is enough goes whole
            taken["train"] += taken[name]
            enough = [g for g in taken["train"] if len(g) >= least]
            taken[name] = sorted(enough, key=len)[:1] if len(taken["train"]) > 1 else []
            taken["train"] = [g for g in taken["train"] if g not in taken[name]]
    return {name: [i for group in groups for i in group] for name, groups in taken.items()}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = load_params().split
    from corpus.examples import whole_posts
    from corpus.similar import groups

    rows = read_jsonl(PREPARED / "examples.jsonl")
    titles = {p["id"]: p["title"] for p in read_jsonl(RAW / "posts.jsonl")}
    texts = whole_posts(rows)
    by_post: dict[str, list[dict]] = {post: [] for post in texts}
    persona = [row for row in rows if row.get("task") == "persona"]  # told, never tested
    for row in rows:
        if row.get("task") != "persona":
            by_post[row["post_id"]].append(row)
    if len(by_post) < FEWEST_POSTS:
        raise UserError(f"There are {len(by_post)} usable posts, and training and testing need at least {FEWEST_POSTS}: add posts to ingest.source.")
    posts = [
        {"id": i, "title": titles[i], "date": parts[0]["date"], "text": texts[i]}
        for i, parts in by_post.items()
    ]
    together = groups(posts, params.jaccard, params.containment)
    splits = assign(posts, together, params)
    for name in ("train", "valid", "test"):
        if not splits[name]:
            raise UserError(f"Too many of the {len(posts)} posts repeat each other to keep them apart: no group of posts is left for {name}; add different posts.")
    examples = {name: [row for i in members for row in by_post[posts[i]["id"]]] for name, members in splits.items()}
    examples["train"] += persona
    write_all({SPLIT / f"{name}.jsonl": found for name, found in examples.items()})
    for name, members in splits.items():
        dates = sorted(posts[i]["date"] for i in members if posts[i]["date"])
        span = f", {dates[0]} to {dates[-1]}" if dates else ""
        say(f"{name:5}  {len(members):4} posts, {len(examples[name]):4} examples{span}")
    grouped = [g for g in together if len(g) > 1]
    if grouped:
        say(f"kept together: {len(grouped)} groups of {sum(map(len, grouped))} posts (near-duplicates, series)")
    say(f"wrote {SPLIT}/train.jsonl, valid.jsonl, test.jsonl")


if __name__ == "__main__":
    run(main)
