"""What is no post of the author's, though it has a post's form: pages, link lists, guest posts, reposts, machine-made
ones."""

import re
from pathlib import PurePath

from blogtwin.text.markdown import FENCE_CLOSED
from corpus.post import Post

PAGE_NAMES = {
    "about",
    "about-me",
    "contact",
    "privacy",
    "privacy-policy",
    "imprint",
    "impressum",
    "colophon",
    "404",
    "archive",
    "archives",
    "tags",
    "categories",
    "search",
    "blogroll",
    "subscribe",
    "license",
    "licence",
    "contributing",
    "changelog",
    "code-of-conduct",
    "code_of_conduct",
    "security",
    "_index",
}
GENERATED_TEXT = re.compile(
    r"(?im)^[^\w\n]*(?:this (?:post|page|file|document|digest|summary) (?:was|is|has been) (?:automatically|auto-?)"
    r" ?generated|(?:auto-?generated|automatically generated|generated automatically) (?:by|from|with|post)|powered by"
    r" ifttt|my tweets from the (?:past|last) week)"
)
LINK = re.compile(
    r"!?\[((?:[^\[\]\n]|\[[^\[\]\n]*\]){0,400})\](?:\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*[^()\n]*\)|\[[^\[\]\n]*\])|<?https?://\S+|\[\[[^\[\]\n]{1,300}\]\]"
)
ITEM = re.compile(r"(?m)^[ \t]*(?:[-*+]|\d+[.)])[ \t]")
MIN_LINKS = 6


def skip_reason(post: Post, path: PurePath, author: str) -> str | None:
    """Why this is no post of the author's, or None. `author` may be empty: then nobody is a guest."""
    if post.draft:
        return "a draft"
    if post.kind == "page" or (not post.date and path.stem.lower() in PAGE_NAMES):
        return "a page, not a post"
    if post.kind == "repost":
        return "a repost of somebody else's post"
    if (
        post.kind == "machine-made"
        or GENERATED_TEXT.search(post.text[:2000])
        or GENERATED_TEXT.search(post.text[-500:])
    ):
        return "made by a machine, as it says itself"
    if author and post.authors and not any(_same(author, one) for one in post.authors):
        return f"a guest post: by {', '.join(post.authors)[:100]}, not {author} (ingest.author)"
    if is_link_list(post.text):
        return "a list of links"
    return None


def _same(a: str, b: str) -> bool:
    """Names of one person: equal, or all words of the shorter in the longer ("Ann", "Ann Smith", "ann@smith.org")."""
    a, b = (set(re.findall(r"\w+", one.casefold())) for one in (a, b))
    return bool(a and b) and (a <= b or b <= a)


def is_link_list(text: str) -> bool:
    """At least six links, and hardly a word beside them."""
    text = FENCE_CLOSED.sub("", text[:200_000])
    links = [m[0] for m in LINK.finditer(text) if not m[0].startswith("!")]
    if len(links) < MIN_LINKS:
        return False
    beside = re.findall(r"\w{2,}", LINK.sub(" ", re.sub(r"(?m)^#.*$", "", text)))
    return len(beside) < 4 * len(links) and len(beside) < 0.5 * len(re.findall(r"\w{2,}", text))
