"""Which post goes to train, valid and test: whole groups, and where they were the last time."""

import json
import random
from dataclasses import dataclass

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.paths import SPLIT_DIR
from corpus.dedup import group_related
from corpus.examples import join_parts

MIN_POSTS = 5
ASSIGNMENTS_FILE = SPLIT_DIR / "assignments.json"
FORMER_ASSIGNMENTS_FILE = SPLIT_DIR / "places.json"  # its name until it was renamed; read where the new one is missing
SPLIT_NAMES = ("train", "valid", "test")


def split_sizes(n: int, params) -> tuple[int, int]:
    """(test, valid) posts of n: the fractions of params, but ten test posts from fifty posts on, never under two, and
    one valid."""
    test = max(2, round(n * params.test_fraction), 10 if n >= 50 else 0)
    return test, max(1, round(n * params.valid_fraction))


def previous_assignments(posts: list[dict], kept: dict) -> dict[str, str]:
    """{post id: the split it was in}; a post whose text was changed is known by its place. `kept`: see
    `load_assignments`."""
    now = {p["id"] for p in posts}
    found = {}
    for post in posts:
        id_there = kept["where"].get(post_location(post))
        edited = id_there not in now and kept["posts"].get(id_there)  # an old text that is still there is another post
        if place := kept["posts"].get(post["id"]) or edited:
            found[post["id"]] = place
    return found


def post_location(post: dict) -> str:
    """What stays the same when a post is edited: its address, or its file. Its number in a feed does not."""
    return post["url"] or ("" if "#" in post["source"] else post["source"])


def load_assignments() -> dict[str, dict]:
    """{settings: {"posts": {id: split}, "where": {place: id}}} of all times before; nothing when the file is not what
    it should be."""
    try:
        file = ASSIGNMENTS_FILE if ASSIGNMENTS_FILE.is_file() else FORMER_ASSIGNMENTS_FILE
        kept = json.loads(file.read_text(encoding="utf-8"))
        whole = all(
            set(one["posts"].values()) <= set(SPLIT_NAMES) and isinstance(one["where"], dict) for one in kept.values()
        )
        return kept if whole else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def assignments_key(source: str, params) -> str:
    """Which settings an entry of assignments.json belongs to.

    Under the parameters' first names, whatever they are called today: the file is the only memory of where posts
    were, and with another key none of the entries made so far would be found again.
    """
    first_names = {
        "by": params.strategy,
        "train": params.train_fraction,
        "valid": params.valid_fraction,
        "test": params.test_fraction,
        "seed": params.seed,
        "jaccard": params.min_jaccard,
        "containment": params.min_containment,
    }
    return json.dumps({"ingest.source": source, **first_names})


def preferred_split(places: set[str]) -> str:
    """Where a group goes whose posts were in these splits: a post that was trained on never becomes a test."""
    return next(name for name in SPLIT_NAMES if name in places)


def assign_groups(
    posts: list[dict], groups: list[list[int]], params, known: dict[str, str] | None = None
) -> dict[str, list[int]]:
    """Post numbers of each split. `posts` are {"id", "date", …}; `groups` are lists of post numbers that stay together;
    `known`: see `previous_assignments`."""
    if params.strategy == "date":  # the newest first; a group is as new as its newest post, undated ones are old
        order = sorted(groups, key=lambda g: max(posts[i]["date"] or "" for i in g), reverse=True)
    else:
        order = sorted(groups, key=lambda g: posts[g[0]]["id"])
        random.Random(params.seed).shuffle(order)
    test_wanted, valid_wanted = split_sizes(len(posts), params)
    taken: dict[str, list[list[int]]] = {name: [] for name in SPLIT_NAMES}
    new = []
    for group in order:
        places = {known[posts[i]["id"]] for i in group if posts[i]["id"] in known} if known else set()
        (taken[preferred_split(places)] if places else new).append(group)

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


@dataclass
class Splits:
    """The examples of each split, and what is printed of them."""

    examples: dict[str, list[dict]]
    posts: dict[str, list[dict]]  # of each split: {"id", "date", …}
    memory: dict[str, dict]  # what assignments.json holds from now on
    together: list[list[int]]  # groups of more than one post
    stayed: int  # posts that were split before and are where they were
    moved: int  # … that moved with a post like them
    new: int


def split_corpus(rows: list[dict], raw: dict[str, dict], source: str, params, memory: dict[str, dict]) -> Splits:
    """Split examples by whole posts. `raw`: posts.jsonl by id; `source`: ingest.source, whose posts `memory` knows (see
    `load_assignments`).

    Raises UserError when there are too few posts, or too many that repeat each other.
    """
    texts = join_parts(rows)
    by_post: dict[str, list[dict]] = {post: [] for post in texts}
    persona = [row for row in rows if row.get("task") == "persona"]  # told, never tested
    for row in rows:
        if row.get("task") != "persona":
            by_post[row["post_id"]].append(row)
    if len(by_post) < MIN_POSTS:
        raise UserError(
            f"There are {len(by_post)} usable posts, and training and testing need at least {MIN_POSTS}: add posts to"
            " ingest.source."
        )
    posts = [
        {
            "id": i,
            "title": raw[i]["title"],
            "source": raw[i]["source"],
            "url": raw[i]["url"],
            "date": parts[0]["date"],
            "text": texts[i],
        }
        for i, parts in by_post.items()
    ]
    together = group_related(posts, params.min_jaccard, params.min_containment)
    settings = assignments_key(source, params)
    kept = memory.get(settings, {"posts": {}, "where": {}})
    known = previous_assignments(posts, kept)
    splits = assign_groups(posts, together, params, known)
    for name in SPLIT_NAMES:
        if not splits[name]:
            raise UserError(
                f"Too many of the {len(posts)} posts repeat each other to keep them apart: no group of posts is left"
                f" for {name}; add different posts."
            )
    examples = {name: [row for i in members for row in by_post[posts[i]["id"]]] for name, members in splits.items()}
    examples["train"] += persona
    place = {posts[i]["id"]: name for name, members in splits.items() for i in members}
    # posts that are not there today are not forgotten
    memory = memory | {
        settings: {
            "posts": kept["posts"] | place,
            "where": kept["where"] | {post_location(p): p["id"] for p in posts if post_location(p)},
        }
    }
    moved = sum(place[i] != was for i, was in known.items())
    in_split = {name: [posts[i] for i in members] for name, members in splits.items()}
    return Splits(
        examples,
        in_split,
        memory,
        [g for g in together if len(g) > 1],
        len(known) - moved,
        moved,
        len(posts) - len(known),
    )


def print_splits(splits: Splits) -> None:
    """Print how many posts and examples each split holds, and what was kept together or where it was."""
    for name, posts in splits.posts.items():
        dates = sorted(post["date"] for post in posts if post["date"])
        span = f", {dates[0]} to {dates[-1]}" if dates else ""
        echo(f"{name:5}  {len(posts):4} posts, {len(splits.examples[name]):4} examples{span}")
    if splits.together:
        echo(
            f"kept together: {len(splits.together)} groups of {sum(map(len, splits.together))} posts (near-duplicates,"
            " series)"
        )
    if splits.stayed + splits.moved and splits.new:
        echo(
            f"{splits.stayed} posts stay where they were, {splits.new} are new"
            + (f", {splits.moved} moved with a post like them" if splits.moved else "")
        )
