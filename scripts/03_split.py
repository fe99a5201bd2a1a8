"""Split the examples by whole posts: train, valid, test. Near-duplicates, series and cross-posts stay together.

Posts that were split before stay where they were when others are added, so that scorecards can be compared, and a twin that goes on
learning (train.warm_start) is tested on nothing it knows.

Reads   data/prepared/examples.jsonl, data/raw/posts.jsonl (titles), data/split/places.json (of the last time)
Writes  data/split/train.jsonl, valid.jsonl, test.jsonl, places.json
Run     python scripts/03_split.py            `--anew` forgets where posts were
"""

import argparse
import json
import random

from _shared import PREPARED, RAW, SPLIT, UserError, json_lines, load_params, read_jsonl, run, say, write_texts

FEWEST_POSTS = 5
PLACES = SPLIT / "places.json"
NAMES = ("train", "valid", "test")


def sizes(n: int, params) -> tuple[int, int]:
    """(test, valid) posts of n: the shares of params, but ten test posts from fifty posts on, never under two, and one valid."""
    test = max(2, round(n * params.test), 10 if n >= 50 else 0)
    return test, max(1, round(n * params.valid))


def before(posts: list[dict], kept: dict) -> dict[str, str]:
    """{post id: the split it was in}; a post whose text was changed is known by its place. `kept`: see `remembered`."""
    now = {p["id"] for p in posts}
    found = {}
    for post in posts:
        id_there = kept["where"].get(where(post))
        edited = id_there not in now and kept["posts"].get(id_there)  # an old text that is still there is another post
        if place := kept["posts"].get(post["id"]) or edited:
            found[post["id"]] = place
    return found


def where(post: dict) -> str:
    """What stays the same when a post is edited: its address, or its file. Its number in a feed does not."""
    return post["url"] or ("" if "#" in post["source"] else post["source"])


def remembered() -> dict[str, dict]:
    """{settings: {"posts": {id: split}, "where": {place: id}}} of all times before; nothing when the file is not what it should be."""
    try:
        kept = json.loads(PLACES.read_text(encoding="utf-8"))
        whole = all(set(one["posts"].values()) <= set(NAMES) and isinstance(one["where"], dict) for one in kept.values())
        return kept if whole else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def stays(places: set[str]) -> str:
    """Where a group goes whose posts were in these splits: a post that was trained on never becomes a test."""
    return next(name for name in NAMES if name in places)


def assign(posts: list[dict], groups: list[list[int]], params, known: dict[str, str] | None = None) -> dict[str, list[int]]:
    """Post numbers of each split. `posts` are {"id", "date", …}; `groups` are lists of post numbers that stay together; `known`: see `before`."""
    if params.by == "date":  # the newest first; a group is as new as its newest post, undated ones are old
        order = sorted(groups, key=lambda g: max(posts[i]["date"] or "" for i in g), reverse=True)
    else:
        order = sorted(groups, key=lambda g: posts[g[0]]["id"])
        random.Random(params.seed).shuffle(order)
    test_wanted, valid_wanted = sizes(len(posts), params)
    taken: dict[str, list[list[int]]] = {name: [] for name in NAMES}
    new = []
    for group in order:
        places = {known[posts[i]["id"]] for i in group if posts[i]["id"] in known} if known else set()
        (taken[stays(places)] if places else new).append(group)

    def held(name):
        return sum(map(len, taken[name]))

    for group in new:
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anew", action="store_true", help="forget where the posts were")
    anew = parser.parse_args().anew
    everything = load_params()
    params = everything.split
    from corpus.examples import whole_posts
    from corpus.similar import groups

    rows = read_jsonl(PREPARED / "examples.jsonl")
    raw = {p["id"]: p for p in read_jsonl(RAW / "posts.jsonl")}
    texts = whole_posts(rows)
    by_post: dict[str, list[dict]] = {post: [] for post in texts}
    persona = [row for row in rows if row.get("task") == "persona"]  # told, never tested
    for row in rows:
        if row.get("task") != "persona":
            by_post[row["post_id"]].append(row)
    if len(by_post) < FEWEST_POSTS:
        raise UserError(f"There are {len(by_post)} usable posts, and training and testing need at least {FEWEST_POSTS}: add posts to ingest.source.")
    posts = [
        {"id": i, "title": raw[i]["title"], "source": raw[i]["source"], "url": raw[i]["url"], "date": parts[0]["date"], "text": texts[i]}
        for i, parts in by_post.items()
    ]
    together = groups(posts, params.jaccard, params.containment)
    settings = json.dumps({"ingest.source": everything.ingest.source, **params.model_dump()})
    memory = {} if anew else remembered()
    kept = memory.get(settings, {"posts": {}, "where": {}})
    known = before(posts, kept)
    splits = assign(posts, together, params, known)
    for name in NAMES:
        if not splits[name]:
            raise UserError(f"Too many of the {len(posts)} posts repeat each other to keep them apart: no group of posts is left for {name}; add different posts.")
    examples = {name: [row for i in members for row in by_post[posts[i]["id"]]] for name, members in splits.items()}
    examples["train"] += persona
    place = {posts[i]["id"]: name for name, members in splits.items() for i in members}
    written = {SPLIT / f"{name}.jsonl": json_lines(rows) for name, rows in examples.items()}
    # posts that are not there today are not forgotten
    memory[settings] = {"posts": kept["posts"] | place, "where": kept["where"] | {where(p): p["id"] for p in posts if where(p)}}
    written[PLACES] = [json.dumps(memory, ensure_ascii=False, indent=1)]
    write_texts(written)
    for name, members in splits.items():
        dates = sorted(posts[i]["date"] for i in members if posts[i]["date"])
        span = f", {dates[0]} to {dates[-1]}" if dates else ""
        say(f"{name:5}  {len(members):4} posts, {len(examples[name]):4} examples{span}")
    grouped = [g for g in together if len(g) > 1]
    if grouped:
        say(f"kept together: {len(grouped)} groups of {sum(map(len, grouped))} posts (near-duplicates, series)")
    if known and len(known) < len(posts):
        moved = sum(place[i] != was for i, was in known.items())
        say(f"{len(known) - moved} posts stay where they were, {len(posts) - len(known)} are new" + (f", {moved} moved with a post like them" if moved else ""))
    say(f"wrote {SPLIT}/train.jsonl, valid.jsonl, test.jsonl")


if __name__ == "__main__":
    run(main)
