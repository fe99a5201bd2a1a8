"""Which post goes to train, valid and test: whole groups of related posts, and where they were the last time."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from blogtwin.config import SplitParams
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.paths import SPLIT_DIR
from corpus.dedup import group_related
from corpus.examples import Example, join_parts
from corpus.post import PostRow

MIN_POSTS = 5
MIN_TEST_POSTS, MIN_VALID_POSTS = 2, 1
LARGE_BLOG_POSTS, LARGE_BLOG_TEST_POSTS = 50, 10  # a blog of 50 posts or more has at least 10 test posts
ASSIGNMENTS_FILE = SPLIT_DIR / "assignments.json"
FORMER_ASSIGNMENTS_FILE = SPLIT_DIR / "places.json"  # its name until it was renamed; read where the new one is missing
SPLIT_NAMES = ("train", "valid", "test")


class Assignments(TypedDict):
    """Where posts were, under one set of settings: an entry of places.json."""

    posts: dict[str, str]  # post id: split
    where: dict[str, str]  # `post_location`: post id


class SplitPost(TypedDict):
    """A post as it is split."""

    id: str
    title: str
    source: str
    url: str
    date: str | None  # ISO 8601
    text: str  # its examples, joined
    translation: str  # what its translations have in common


@dataclass
class Splits:
    """The examples of each split, and what is printed of them."""

    examples: dict[str, list[Example]]
    posts: dict[str, list[SplitPost]]  # of each split
    assignments: dict[str, Assignments]  # what places.json holds from now on, by `assignments_key`
    related: list[list[int]]  # groups of more than one post
    num_unmoved: int  # posts that are in the split they were in before
    num_moved: int  # … that moved with a related post
    num_new: int


def split_sizes(num_posts: int, params: SplitParams) -> tuple[int, int]:
    """(test, valid) posts: the fractions of params, but at least 2 test posts, 10 from 50 posts on, and 1 valid."""
    min_test = LARGE_BLOG_TEST_POSTS if num_posts >= LARGE_BLOG_POSTS else MIN_TEST_POSTS
    num_test = max(min_test, round(num_posts * params.test_fraction))
    return num_test, max(MIN_VALID_POSTS, round(num_posts * params.valid_fraction))


def previous_assignments(posts: Sequence[Mapping[str, Any]], saved: Assignments) -> dict[str, str]:
    """{post id: the split it was in}. A post whose text was edited has another id, and is found by its location."""
    ids = {post["id"] for post in posts}
    splits = {}
    for post in posts:
        split = saved["posts"].get(post["id"])
        if split is None:
            old_id = saved["where"].get(post_location(post))
            # where the old text is still among the posts, this is another post
            split = saved["posts"].get(old_id) if old_id is not None and old_id not in ids else None
        if split:
            splits[post["id"]] = split
    return splits


def post_location(post: Mapping[str, Any]) -> str:
    """What stays the same when a post is edited: its address, or its file. Its number in a feed does not: empty."""
    return post["url"] or ("" if "#" in post["source"] else post["source"])


def load_assignments() -> dict[str, Assignments]:
    """places.json: {`assignments_key`: Assignments}; empty if it does not exist or is damaged."""
    try:
        file = ASSIGNMENTS_FILE if ASSIGNMENTS_FILE.is_file() else FORMER_ASSIGNMENTS_FILE
        saved = json.loads(file.read_text(encoding="utf-8"))
        for entry in saved.values():
            if not set(entry["posts"].values()) <= set(SPLIT_NAMES) or not isinstance(entry["where"], dict):
                return {}
        return saved
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def assignments_key(source: str, params: SplitParams) -> str:
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


def preferred_split(splits: set[str]) -> str:
    """Where a group goes whose posts were in these splits: a post that was trained on never becomes a test."""
    return next(name for name in SPLIT_NAMES if name in splits)


def assign_groups(
    posts: Sequence[Mapping[str, Any]],
    groups: list[list[int]],
    params: SplitParams,
    previous: Mapping[str, str] | None = None,
) -> dict[str, list[int]]:
    """{split: indices of its posts}.

    posts: {"id", "date", …}. groups: indices of posts that stay together. previous: see `previous_assignments`.
    """
    assigned: dict[str, list[list[int]]] = {name: [] for name in SPLIT_NAMES}
    num_test, num_valid = split_sizes(len(posts), params)

    def num_assigned(name: str) -> int:
        return sum(len(group) for group in assigned[name])

    new_groups = []
    for group in _newest_first_or_shuffled(posts, groups, params):
        ids = [posts[i]["id"] for i in group]
        splits = {previous[post_id] for post_id in ids if post_id in previous} if previous else set()
        if splits:
            assigned[preferred_split(splits)].append(group)
        else:
            new_groups.append(group)
    for group in new_groups:
        # a group too large for the rest of a split goes to the next one
        if num_assigned("test") + len(group) <= num_test:
            assigned["test"].append(group)
        elif num_assigned("valid") + len(group) <= num_valid:
            assigned["valid"].append(group)
        else:
            assigned["train"].append(group)
    for name, minimum in (("test", MIN_TEST_POSTS), ("valid", MIN_VALID_POSTS)):
        if num_assigned(name) < minimum:  # all groups were too large: the smallest sufficient one goes there whole
            assigned["train"] += assigned[name]
            sufficient = [group for group in assigned["train"] if len(group) >= minimum]
            assigned[name] = sorted(sufficient, key=len)[:1] if len(assigned["train"]) > 1 else []
            assigned["train"] = [group for group in assigned["train"] if group not in assigned[name]]
    return {name: [i for group in groups for i in group] for name, groups in assigned.items()}


def _newest_first_or_shuffled(
    posts: Sequence[Mapping[str, Any]], groups: list[list[int]], params: SplitParams
) -> list[list[int]]:
    """The groups in the order in which they fill test, valid, train: the newest first, or shuffled."""
    if params.strategy == "date":  # a group is as new as its newest post; posts without a date are old
        return sorted(groups, key=lambda group: max(posts[i]["date"] or "" for i in group), reverse=True)
    shuffled = sorted(groups, key=lambda group: posts[group[0]]["id"])
    random.Random(params.seed).shuffle(shuffled)
    return shuffled


def split_corpus(
    examples: list[Example],
    rows: Mapping[str, PostRow],
    source: str,
    params: SplitParams,
    saved: Mapping[str, Assignments],
) -> Splits:
    """Split examples by whole posts.

    rows: posts.jsonl, by id. source: ingest.source. saved: see `load_assignments`.
    Raises UserError when there are too few posts, or too many that repeat each other.
    """
    by_post = _group_by_post(examples)
    if len(by_post) < MIN_POSTS:
        raise UserError(
            f"There are {len(by_post)} usable posts, and training and testing need at least {MIN_POSTS}: add posts to"
            " ingest.source."
        )
    posts = _split_posts(by_post, rows)
    groups = group_related(posts, params.min_jaccard, params.min_containment)
    key = assignments_key(source, params)
    before = saved.get(key, {"posts": {}, "where": {}})
    previous = previous_assignments(posts, before)
    members = assign_groups(posts, groups, params, previous)
    for name in SPLIT_NAMES:
        if not members[name]:
            raise UserError(
                f"Too many of the {len(posts)} posts repeat each other: no group of related posts is left for {name}."
                " Add different posts."
            )
    split_posts = {name: [posts[i] for i in indices] for name, indices in members.items()}
    split_examples = {name: _examples_of(some, by_post) for name, some in split_posts.items()}
    split_examples["train"] += [e for e in examples if e.get("task") == "persona"]  # trained on, never tested
    split_of = {post["id"]: name for name, some in split_posts.items() for post in some}
    locations = {post_location(post): post["id"] for post in posts if post_location(post)}
    # posts that are not there today keep their places
    after: Assignments = {"posts": before["posts"] | split_of, "where": before["where"] | locations}
    num_moved = sum(split_of[post_id] != name for post_id, name in previous.items())
    return Splits(
        examples=split_examples,
        posts=split_posts,
        assignments={**saved, key: after},
        related=[group for group in groups if len(group) > 1],
        num_unmoved=len(previous) - num_moved,
        num_moved=num_moved,
        num_new=len(posts) - len(previous),
    )


def _group_by_post(examples: list[Example]) -> dict[str, list[Example]]:
    """{post id: its examples, augmented ones too} of the posts in `examples`; without the persona's."""
    by_post: dict[str, list[Example]] = {post_id: [] for post_id in join_parts(examples)}
    for example in examples:
        if example.get("task") != "persona":
            by_post[example["post_id"]].append(example)
    return by_post


def _split_posts(by_post: Mapping[str, list[Example]], rows: Mapping[str, PostRow]) -> list[SplitPost]:
    posts: list[SplitPost] = []
    for post_id, examples in by_post.items():
        row = rows[post_id]
        posts.append(
            {
                "id": post_id,
                "title": row["title"],
                "source": row["source"],
                "url": row["url"],
                "date": examples[0]["date"],
                "text": join_parts(examples)[post_id],
                "translation": row.get("translation") or "",
            }
        )
    return posts


def _examples_of(posts: list[SplitPost], by_post: Mapping[str, list[Example]]) -> list[Example]:
    examples = []
    for post in posts:
        examples += by_post[post["id"]]
    return examples


def print_splits(splits: Splits) -> None:
    """Print how many posts and examples each split has, what stayed together, and what stayed where it was."""
    for name, posts in splits.posts.items():
        dates = sorted(post["date"] for post in posts if post["date"])
        span = f", {dates[0]} to {dates[-1]}" if dates else ""
        echo(f"{name:5}  {len(posts):4} posts, {len(splits.examples[name]):4} examples{span}")
    if splits.related:
        num_related = sum(len(group) for group in splits.related)
        echo(f"kept together: {len(splits.related)} groups of {num_related} posts (near-duplicates, series)")
    if splits.num_unmoved + splits.num_moved and splits.num_new:
        moved = f", {splits.num_moved} moved with a related post" if splits.num_moved else ""
        echo(f"{splits.num_unmoved} posts stay in their split, {splits.num_new} are new{moved}")
