"""A clean post → training examples. The output side is always the author's own words; only the instruction is made up.

A post that fits is one `write` example. A longer one is cut at paragraph ends into parts: the first is `write` (the
opening), each later one `continue`, with the tail of the part before as input.
"""

import random

from corpus.chunking import chunk, trailing_context
from corpus.cleaning import extract_headings, split_paragraphs

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
POST_TASKS = (
    "write",
    "continue",
)  # the tasks whose outputs are the posts, each word once; all others ask for a passage again, or are a persona's
PROMPT_RESERVE_TOKENS = 160  # tokens kept free for system message, instruction and the template's own tokens


def build_examples(post: dict, text: str, count, max_length: int, context_tokens: int, seed: int) -> list[dict]:
    """Examples of one post. `count(text)` gives its length in tokens; no row is longer than `max_length` of them."""
    whole = max_length - PROMPT_RESERVE_TOKENS
    context_tokens = min(context_tokens, whole // 2)
    later = whole - context_tokens
    parts = chunk(split_paragraphs(text), count, whole, later)
    rows = []
    for number, part in enumerate(parts, 1):
        choose = random.Random(f"{seed}:{post['id']}:{number}")
        task = "write" if number == 1 else "continue"
        if task == "write":
            instruction = choose.choice(WRITE_TEMPLATES if len(parts) == 1 else OPENING_TEMPLATES) + topic_hints(
                post, part, count, choose
            )
            context = ""
        else:
            instruction = choose.choice(FINISH_TEMPLATES if number == len(parts) else CONTINUE_TEMPLATES)
            context = trailing_context(parts[number - 2], count, context_tokens)
        rows.append(
            {
                "id": f"{post['id']}-{number}",
                "post_id": post["id"],
                "part": number,
                "parts": len(parts),
                "task": task,
                "instruction": instruction.replace("{title}", truncate(post["title"], count)),
                "input": context,
                "output": part,
                "date": post["date"],
            }
        )
    return rows


def topic_hints(post: dict, part: str, count, choose: random.Random) -> str:
    """What besides the title the instruction tells: tags and headings, in some of the phrasings."""
    text = ""
    if post["tags"]:
        text += choose.choice(TOPICS).replace("{tags}", truncate(", ".join(post["tags"][:4]), count))
    if found := extract_headings(part):
        text += choose.choice(SECTIONS).replace("{headings}", truncate("; ".join(found[:6]), count))
    return text


def truncate(text: str, count, limit: int = 160, tokens: int = 36) -> str:
    """White space folded, cut at a word: a title of any length, in any script, must fit the prompt."""
    text = " ".join(text.split())
    shown = text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0]
    while count(shown) > tokens:
        shown = shown[: len(shown) * 3 // 4].rsplit(" ", 1)[0]
    return shown if shown == text else shown + " …"


def post_examples(examples: list[dict]) -> list[dict]:
    """The examples that make up the posts: their outputs are all of the author's words, and each of them once."""
    return [e for e in examples if e.get("task", "write") in POST_TASKS]


def first_parts(examples: list[dict], limit: int | None = None) -> list[dict]:
    """The examples that begin a post, of the first `limit` posts (0 or None: of all)."""
    return [e for e in examples if e["task"] == "write"][: limit or None]


def post_topic(post: dict) -> str:
    """What a post is about, in its own title and tags, without the phrase that asks for it."""
    return " ".join([post["title"], *post["tags"]])


def join_parts(examples: list[dict]) -> dict[str, str]:
    """{post id: its text}, the parts together."""
    posts: dict[str, list[str]] = {}
    for example in post_examples(examples):
        posts.setdefault(example["post_id"], []).append(example["output"])
    return {post: "\n\n".join(parts) for post, parts in posts.items()}
