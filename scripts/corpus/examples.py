"""A clean post → training examples. The output side is always the author's own words; only the instruction is made up.

A post that fits is one `write` example. A longer one is cut at paragraph ends into parts: the first is `write` (the
opening), each later one `continue`, with the tail of the part before as input.
"""

import random
import re
from collections import deque

from corpus.clean import headings, paragraphs

WRITE = [
    "Write a blog post titled “{title}”.",
    "Write the post “{title}”.",
    "Write a post for the blog. Title: {title}",
    "I need a new post called “{title}”. Write it.",
]
OPENING = [
    "Write the opening of a long blog post titled “{title}”.",
    "Begin a long post titled “{title}”.",
    "Write the first part of the post “{title}”.",
]
CONTINUE = [
    "Go on with the post “{title}” from here:",
    "Continue the post “{title}”. It stands at:",
    "Write the next part of “{title}”. The part before ended:",
]
FINISH = [
    "Write the last part of the post “{title}”. The part before ended:",
    "Bring the post “{title}” to its end. It stands at:",
    "Finish the post “{title}” from here:",
]
TOPICS = [" Topics: {tags}.", " It is about {tags}.", ""]
SECTIONS = [" Sections: {headings}.", " Use these headings: {headings}.", ""]
POSTS = ("write", "continue")  # the tasks whose outputs are the posts, each word once; all others ask for a passage again, or are a persona's
PROMPT_RESERVE = 160  # tokens kept free for system message, instruction and the template's own tokens


def examples(post: dict, text: str, count, max_length: int, context_tokens: int, seed: int) -> list[dict]:
    """Examples of one post. `count(text)` gives its length in tokens; no row is longer than `max_length` of them."""
    whole = max_length - PROMPT_RESERVE
    context_tokens = min(context_tokens, whole // 2)
    later = whole - context_tokens
    parts = cut(paragraphs(text), count, whole, later)
    rows = []
    for number, part in enumerate(parts, 1):
        choose = random.Random(f"{seed}:{post['id']}:{number}")
        task = "write" if number == 1 else "continue"
        if task == "write":
            instruction = choose.choice(WRITE if len(parts) == 1 else OPENING) + hints(post, part, count, choose)
            context = ""
        else:
            instruction = choose.choice(FINISH if number == len(parts) else CONTINUE)
            context = tail(parts[number - 2], count, context_tokens)
        rows.append(
            {
                "id": f"{post['id']}-{number}",
                "post_id": post["id"],
                "part": number,
                "parts": len(parts),
                "task": task,
                "instruction": instruction.replace("{title}", short(post["title"], count)),
                "input": context,
                "output": part,
                "date": post["date"],
            }
        )
    return rows


def hints(post: dict, part: str, count, choose: random.Random) -> str:
    """What besides the title the instruction tells: tags and headings, in some of the phrasings."""
    text = ""
    if post["tags"]:
        text += choose.choice(TOPICS).replace("{tags}", short(", ".join(post["tags"][:4]), count))
    if found := headings(part):
        text += choose.choice(SECTIONS).replace("{headings}", short("; ".join(found[:6]), count))
    return text


def short(text: str, count, limit: int = 160, tokens: int = 36) -> str:
    """White space folded, cut at a word: a title of any length, in any script, must fit the prompt."""
    text = " ".join(text.split())
    shown = text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0]
    while count(shown) > tokens:
        shown = shown[: len(shown) * 3 // 4].rsplit(" ", 1)[0]
    return shown if shown == text else shown + " …"


def cut(blocks: list[str], count, first: int, later: int) -> list[str]:
    """Paragraphs → parts of at most `first` (then `later`) tokens, cut at paragraph ends.

    Parts come out of about equal length, so that none is a mere rest. A paragraph longer than a part is cut at sentence ends, then at words.
    """
    pieces = [piece for block in blocks for piece in split_long(block, count, min(first, later))]
    if not pieces:
        return []
    sizes = [count(piece) + 2 for piece in pieces]  # + the blank line
    left = sum(sizes)
    parts, current, size = [], [], 0
    for piece, tokens in zip(pieces, sizes):
        limit = first if not parts else later
        wanted = 1 if left <= limit else 1 + -(-(left - limit) // later)  # parts that what is left will take
        if current and (size + tokens > limit or (size + tokens / 2 > left / wanted and wanted > 1)):
            parts.append("\n\n".join(current))
            left -= size
            current, size = [], 0
        current.append(piece)
        size += tokens
    return [*parts, "\n\n".join(current)]


def split_long(block: str, count, limit: int) -> list[str]:
    """A paragraph that fits, as it is; a longer one in pieces that fit: at line ends, sentence ends, spaces, anywhere."""
    if len(block.encode()) + 2 <= limit or count(block) + 2 <= limit or len(block) == 1:  # a token is at least a byte
        return [block]
    for boundary in (r"(?<=\n)", r"(?<=[.!?:;])(?=\s)", r"(?=\s)"):
        atoms = [a for a in re.split(boundary, block) if a]
        if len(atoms) > 1:
            break
    else:
        middle = len(block) // 2
        atoms = [block[:middle], block[middle:]]
    pieces, current, size = [], "", 0
    for atom in atoms:
        tokens = count(atom)
        if tokens + 2 > limit:
            pieces += [current] if current else []
            pieces += split_long(atom, count, limit)
            current, size = "", 0
        elif current and size + tokens + 2 > limit:
            pieces.append(current)
            current, size = atom, tokens
        else:
            current, size = current + atom, size + tokens
    pieces += [current] if current else []
    return [p.strip("\n") for p in pieces if p.strip()]


def tail(part: str, count, limit: int) -> str:
    """The last words of a part, at most `limit` tokens, from a sentence start where there is one."""
    if limit <= 0:
        return ""
    end = part[-limit * 12 :]
    if len(end) < len(part):
        end = re.sub(r"\A\S*\s", "", end)  # the cut may stand inside a word
    sentences = [s for s in re.split(r"(?<=[.!?])\s+|\n+", end) if s.strip()]
    kept, size = deque(), 0
    while sentences and size + (more := count(f" {sentences[-1]}")) <= limit + 1:  # the first one has no space before it
        kept.appendleft(sentences.pop())
        size += more
    while kept and count(" ".join(kept)) > limit:
        kept.popleft()
    if kept:
        return " ".join(kept)
    end = part.rstrip()[-limit * 12 :]
    while count(end) > limit:
        end = end[len(end) // 4 + 1 :]
    return end.partition(" ")[2] or end


def of_posts(examples: list[dict]) -> list[dict]:
    """The examples that make up the posts: their outputs are all of the author's words, and each of them once."""
    return [e for e in examples if e.get("task", "write") in POSTS]


def openings(examples: list[dict], limit: int | None = None) -> list[dict]:
    """The examples that begin a post, of the first `limit` posts (0 or None: of all)."""
    return [e for e in examples if e["task"] == "write"][: limit or None]


def brief(post: dict) -> str:
    """What a post is about, in its own title and tags, without the phrase that asks for it."""
    return " ".join([post["title"], *post["tags"]])


def whole_posts(examples: list[dict]) -> dict[str, str]:
    """{post id: its text}, the parts together."""
    posts: dict[str, list[str]] = {}
    for example in of_posts(examples):
        posts.setdefault(example["post_id"], []).append(example["output"])
    return {post: "\n\n".join(parts) for post, parts in posts.items()}
