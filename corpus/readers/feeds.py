"""Posts from XML: a WordPress export (WXR), an RSS or Atom feed, Blogger's export. Streamed, and freed one by one."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.language import keep_marks
from corpus.post import Post, SkippedPost
from corpus.readers.feed_dirt import is_teaser, strip_footers
from corpus.readers.feed_fields import Fields, person_name, read_fields
from corpus.readers.html import html_to_markdown
from corpus.readers.jsonl import first_words
from corpus.readers.public_marks import DRAFT, status_reason
from corpus.readers.wordpress import find_wordpress_skip, wordpress_markdown
from corpus.readers.xml_file import local_name
from corpus.readers.xml_items import iter_items

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

REPOST = re.compile(r"(?i)\A\W*(?:reblogged this on|reblogged from|this post was originally published on .{0,80} by )")
AUTO_GENERATED = re.compile(
    r"""(?ix)
    (?:twitter|weekly)[ ](?:weekly[ ])?updates[ ]for[ ]\d{4}
    | ^links[ ]for[ ]\d{4}-\d\d-\d\d
    | ^daily[ ]digest[ ]for[ ]
    | ^tweets[ ](?:for|from|of)[ ]
    """
)
COMMENT = re.compile(r"#comment-?\d+\s*$")  # in the address of an item of a feed of comments


class Blog:
    """What a feed says of its blog: its author, and the names behind WordPress's logins."""

    def __init__(self) -> None:
        self.author = ""
        self.names: dict[str, list[str]] = {}  # login: the name to show, then the others

    def read(self, element: "Element") -> None:
        """Take over an author that stands outside the items."""
        parts = {local_name(part.tag): " ".join((part.text or "").split()) for part in element}
        login = parts.get("author_login")
        if not login:
            self.author = person_name(element) or self.author
            return
        full = f"{parts.get('author_first_name', '')} {parts.get('author_last_name', '')}".strip()
        names = [parts.get("author_display_name") or full or login, full, login, parts.get("author_email", "")]
        self.names[login] = list(dict.fromkeys(filter(None, names)))


def iter_feed(path: Path, max_bytes: float) -> Iterator[Post | SkippedPost]:
    """The posts of a WordPress export or a feed, one after another; each is freed when it was read.

    Raises SkippedPost for a file that is neither, and for one of which nothing can be read.
    """
    blog = Blog()
    for number, item in iter_items(path, max_bytes, blog.read):
        name = f"item {number}"
        if isinstance(item, SkippedPost):
            item.name = f"{name}: {item.name}" if item.name else name
            yield item
            continue
        post = _to_post(read_fields(item.element), name, blog, max_bytes)
        if isinstance(post, Post):
            post.mended = [*item.mended, *post.mended]
        yield post


def _to_post(fields: Fields, name: str, blog: Blog, max_bytes: float) -> Post | SkippedPost:
    content = fields.content
    name = (fields.text.get("post_name") or name)[:200]
    if len(content) > max_bytes:
        return SkippedPost(f"the post has {len(content) / 1e6:.0f} MB, more than ingest.max_file_mb", name)
    skipped = find_wordpress_skip(fields, name) if fields.is_wordpress else _find_feed_skip(fields, name)
    if skipped:
        return skipped
    address = (fields.address or fields.text.get("link", "")).strip()
    title = html.unescape(" ".join(html_to_markdown(keep_marks(fields.text.get("title", ""))).split()))
    try:
        text = wordpress_markdown(fields) if fields.is_wordpress else _feed_markdown(content, address, title)
    except SkippedPost as e:
        return SkippedPost(str(e), name)
    if not text.strip():
        return SkippedPost("no text in it", name)
    if not fields.is_wordpress and is_teaser(text, address):
        return SkippedPost("only the start of a post: its feed holds no whole texts, an export of the blog does", name)
    names = [blog.names.get(author, [author]) for author in fields.authors if author]
    return Post(
        text=text,
        title=title or first_words(text) or name,
        date=fields.date,
        date_from="feed",
        tags=list(dict.fromkeys(fields.tags)),
        authors=[known[0] for known in names] or ([blog.author] if blog.author else []),
        aliases=[alias for known in names for alias in known[1:]],
        url=address[:500],
        name=name,
        kind=_kind(fields, text, title),
    )


def _find_feed_skip(fields: Fields, name: str) -> SkippedPost | None:
    """Why an item of a feed, or of Blogger's export, is no post, or not public; None for a post."""
    if fields.blogger_kind == "comment" or fields.is_reply or COMMENT.search(fields.text.get("link", "")):
        return SkippedPost("a comment", name, "not yours")
    if fields.blogger_kind not in ("", "post", "page"):
        return SkippedPost(f"no post, but Blogger's own ({fields.blogger_kind[:40]})", name)
    not_public = DRAFT if fields.is_draft else status_reason(fields.blogger_status, ("", "live"))
    return SkippedPost(not_public, name, "not public") if not_public else None


def _feed_markdown(content: str, address: str, title: str) -> str:
    text = html_to_markdown(keep_marks(content)) if "<" in content or "&" in content else content
    return strip_footers(text, address, title)


def _kind(fields: Fields, text: str, title: str) -> str:
    """The `Post.kind`; for a type that a WordPress site made for itself, its name."""
    if fields.meta.get("is_reblog", "0") not in ("", "0") or fields.meta.get("_is_reblog", "0") not in ("", "0"):
        return "repost"
    if REPOST.match(text):
        return "repost"
    if AUTO_GENERATED.search(title):
        return "machine-made"
    return "page" if fields.blogger_kind == "page" else fields.text.get("post_type", "post").strip() or "post"
