"""A clean post → training examples. The output is always the author's own words; only the instruction is made up.

A post that fits is one `write` example. A longer one is cut at paragraph ends into parts: the first is `write` (the
opening), each later one `continue`, with the end of the part before as input.
"""

import random
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict, TypeVar

from corpus.chunking import TokenCount, chunk, trailing_context
from corpus.cleaning import extract_headings, split_paragraphs
from corpus.post import PostRow

WRITE_TEMPLATES = [
    "Write a blog post titled “{title}”.",
    "Write the post “{title}”.",
    "Write a post for the blog. Title: {title}",
    "I need a new post called “{title}”. Write it.",
]
OPENING_TEMPLATES = [
    "Write the opening of a long blog post titled “{title}”.",
    "Begin a long post titled “{title}”.",
    "Write the first part of the post “{title}”.",
]
CONTINUE_TEMPLATES = [
    "Go on with the post “{title}” from here:",
    "Continue the post “{title}”. It stands at:",
    "Write the next part of “{title}”. The part before ended:",
]
FINISH_TEMPLATES = [
    "Write the last part of the post “{title}”. The part before ended:",
    "Bring the post “{title}” to its end. It stands at:",
    "Finish the post “{title}” from here:",
]
TOPICS = [" Topics: {tags}.", " It is about {tags}.", ""]
SECTIONS = [" Sections: {headings}.", " Use these headings: {headings}.", ""]
# The tasks whose outputs are the posts, each word once. All others repeat a passage, or are a persona's.
POST_TASKS = ("write", "continue")
PROMPT_RESERVE_TOKENS = 160  # kept free for system message, instruction and the template's own tokens
MAX_SHOWN_CHARACTERS, MAX_SHOWN_TOKENS = 160, 36  # of a title, or of tags or headings, in an instruction
Row = TypeVar("Row", bound=Mapping[str, Any])


class Example(TypedDict):
    """A row of data/prepared/examples.jsonl, and of the splits."""

    id: str
    post_id: str  # "persona" for a dialogue about the author
    part: int  # from 1
    parts: int
    task: str  # "write", "continue", one of augmentation.TASK_TYPES, or "persona"
    instruction: str
    input: str  # what stands below the instruction; may be empty
    output: str
    date: str | None  # of the post, ISO 8601
    system: NotRequired[str]  # in place of prepare.system


def build_examples(
    post: PostRow, text: str, count_tokens: TokenCount, max_length: int, context_tokens: int, seed: int
) -> list[Example]:
    """The examples of one post, whose cleaned text is `text`.

    max_length: tokens of a training row (train.max_length), which no example exceeds.
    context_tokens: how much of the part before a `continue` example repeats, at most half of a row.
    """
    max_tokens = max_length - PROMPT_RESERVE_TOKENS
    context_tokens = min(context_tokens, max_tokens // 2)
    parts = chunk(split_paragraphs(text), count_tokens, max_tokens, max_tokens - context_tokens)
    examples: list[Example] = []
    for number, part in enumerate(parts, 1):
        rng = random.Random(f"{seed}:{post['id']}:{number}")
        if number == 1:
            template = rng.choice(WRITE_TEMPLATES if len(parts) == 1 else OPENING_TEMPLATES)
            template += topic_hints(post, part, count_tokens, rng)
            context = ""
        else:
            template = rng.choice(FINISH_TEMPLATES if number == len(parts) else CONTINUE_TEMPLATES)
            context = trailing_context(parts[number - 2], count_tokens, context_tokens)
        examples.append(
            {
                "id": f"{post['id']}-{number}",
                "post_id": post["id"],
                "part": number,
                "parts": len(parts),
                "task": "write" if number == 1 else "continue",
                "instruction": template.replace("{title}", truncate(post["title"], count_tokens)),
                "input": context,
                "output": part,
                "date": post["date"],
            }
        )
    return examples


def topic_hints(post: PostRow, part: str, count_tokens: TokenCount, rng: random.Random) -> str:
    """What the instruction says besides the title: tags and headings, in some of the templates."""
    hints = ""
    if post["tags"]:
        hints += rng.choice(TOPICS).replace("{tags}", truncate(", ".join(post["tags"][:4]), count_tokens))
    headings = extract_headings(part)
    if headings:
        hints += rng.choice(SECTIONS).replace("{headings}", truncate("; ".join(headings[:6]), count_tokens))
    return hints


def truncate(text: str, count_tokens: TokenCount) -> str:
    """`text` in one line, cut at a word with "…" where too long: any title, in any script, must fit the prompt."""
    text = " ".join(text.split())
    shown = text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS].rsplit(" ", 1)[0]
    while count_tokens(shown) > MAX_SHOWN_TOKENS:
        shown = shown[: len(shown) * 3 // 4].rsplit(" ", 1)[0]
    return shown if shown == text else shown + " …"


def post_examples(examples: list[Row]) -> list[Row]:
    """The examples that make up the posts: their outputs are all of the author's words, each once."""
    return [e for e in examples if e.get("task", "write") in POST_TASKS]


def first_parts(examples: list[Row], limit: int | None = None) -> list[Row]:
    """The examples that begin a post, of the first `limit` posts (0 or None: of all)."""
    return [e for e in examples if e["task"] == "write"][: limit or None]


def post_topic(post: Mapping[str, Any]) -> str:
    """The title and tags of a post, without an instruction around them."""
    return " ".join([post["title"], *post["tags"]])


def join_parts(examples: list[Row]) -> dict[str, str]:
    """{post id: its text} of the posts in `examples`, their parts joined."""
    posts: dict[str, list[str]] = {}
    for example in post_examples(examples):
        posts.setdefault(example["post_id"], []).append(example["output"])
    return {post_id: "\n\n".join(parts) for post_id, parts in posts.items()}
