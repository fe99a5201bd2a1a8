"""XML of blogs, read as a stream: a WordPress export (WXR), RSS and Atom. No entity is expanded and nothing is
fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from corpus.post import Post, SkippedPost, parse_date
from corpus.readers.html import html_to_markdown

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NOT_XML = bytes(c for c in range(32) if c not in (9, 10, 13))  # control characters, which WordPress lets through
REPOST = re.compile(r"(?i)\A\W*(?:reblogged this on|reblogged from|this post was originally published on .{0,80} by )")
AUTO_GENERATED = re.compile(
    r"""(?ix)
    (?:twitter|weekly)[ ](?:weekly[ ])?updates[ ]for[ ]\d{4}
    | ^links[ ]for[ ]\d{4}-\d\d-\d\d
    | ^daily[ ]digest[ ]for[ ]
    | ^tweets[ ](?:for|from|of)[ ]
    """
)
SHORTCODES = (
    "caption|gallery|embed|audio|video|playlist|youtube|vimeo|twitter|tweet|contact-form[\\w-]*|subscribe[\\w-]*"
    "|slideshow|polldaddy|soundcloud|googlemaps|archives|sitemap|vc_[a-z_]+|et_pb_[a-z_]+|fusion_[a-z_]+"
)
SHORTCODE = re.compile(rf"(?i)\[/?(?:{SHORTCODES})\b[^\[\]\n]*\]")
CODE_SHORTCODE = re.compile(
    r"""(?isx)
    \[(?:source)?code (?: \s+ (?:lang(?:uage)?=)? ["']? (?P<language>\w*) [^\]\n]* )? \]
    (?P<code> (?: (?!\[(?:source)?code\b) . )*? )
    \[/(?:source)?code\]
    """
)
CAPTION_SHORTCODE = re.compile(r"(?is)\[(caption|gallery|embed)\b[^\]\n]*\](?:(?!\[\1\b).)*?\[/\1\]")
DATE_FIELDS = ("post_date", "published", "pubdate", "date", "updated")
CONTENT_FIELDS = ("encoded", "content", "description", "summary")
MAX_DEPTH = 900  # elements within elements of an Atom entry in XHTML; what is deeper is cut


class ControlCharFilter:
    """A file without the control characters that XML forbids."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, fewer where some were removed; empty at the end of the file."""
        return self.file.read(size).translate(None, NOT_XML)


def iter_feed(path: Path, max_bytes: float) -> Iterator[Post | SkippedPost]:
    """The posts of a WordPress export or a feed, one after another; each is freed when it was read.

    Raises SkippedPost for a file that is neither, and where the XML is broken.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    number, feed_author = 0, ""
    ancestors: list[Element] = []
    depth = 0  # items and entries that are open
    try:
        with open(path, "rb") as file:
            for event, element in iterparse(ControlCharFilter(file), events=("start", "end")):
                tag = _local_name(element.tag)
                is_post = tag in ("item", "entry")
                if event == "start":
                    ancestors.append(element)
                    depth += is_post
                    continue
                ancestors.pop()
                depth -= is_post
                if is_post and not depth:
                    number += 1
                    yield _to_post(_read_fields(element), f"item {number}", feed_author, max_bytes)
                elif not depth and tag in ("author", "managingeditor"):
                    feed_author = _person(element)
                if ancestors and not depth and tag != "name":  # it was read: its parent lets go of it
                    ancestors[-1].clear()
    except DefusedXmlException as e:
        raise SkippedPost(f"refused: the XML declares entities ({type(e).__name__})") from None
    except (ParseError, ValueError, LookupError) as e:
        raise SkippedPost(f"the XML can't be read{f' after item {number}' if number else ''}: {e}") from None
    if not number:
        raise SkippedPost("XML, but neither a WordPress export nor a feed: no item or entry in it")


def _local_name(tag: object) -> str:
    return str(tag).rsplit("}", 1)[-1].lower()


def _person(element: Element) -> str:
    name = next((child.text for child in element if _local_name(child.tag) == "name"), None)
    return " ".join((name or element.text or "").split())


@dataclass
class _Fields:
    """What an item of RSS or WXR, or an entry of Atom, says."""

    text: dict[str, str] = field(default_factory=dict)  # by local name, the first of each
    authors: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    address: str = ""
    is_reblog: bool = False

    @property
    def is_wordpress(self) -> bool:
        """True for an item of a WordPress export."""
        return "post_type" in self.text

    @property
    def content(self) -> str:
        """The post as HTML or text, from the first field that has any."""
        return next((self.text[name] for name in CONTENT_FIELDS if self.text.get(name)), "")

    @property
    def date(self) -> str | None:
        """The first date as ISO day."""
        days = (parse_date(self.text.get(name)) for name in DATE_FIELDS)
        return next((day for day in days if day), None)

    @property
    def kind(self) -> str:
        """A `Post.kind`, or "attachment" or "other" for WordPress's own items."""
        if self.is_reblog:
            return "repost"
        kind = self.text.get("post_type", "post")
        return kind if kind in ("post", "page", "attachment") else "other"


def _read_fields(element: Element) -> _Fields:
    fields = _Fields()
    for child in element:
        tag = str(child.tag).lower()
        name, text = _local_name(tag), child.text or ""
        if name == "link" and child.get("href") and child.get("rel", "alternate") == "alternate":
            fields.address = child.get("href", "")
        elif name in ("creator", "author"):
            fields.authors.append(_person(child))
        elif name == "category":
            fields.tags.append((child.get("term") or text).strip())
        elif name == "encoded" and "excerpt" in tag:
            continue
        elif name == "content" and child.get("type") == "xhtml":
            fields.text["content"] = "".join(_serialise_xhtml(child))
        elif name == "postmeta":
            key, value = ([part.text or "" for part in child] + ["", ""])[:2]
            if key in ("is_reblog", "_is_reblog") and value not in ("", "0"):
                fields.is_reblog = True
        else:
            fields.text.setdefault(name, text)
    return fields


def _to_post(fields: _Fields, name: str, feed_author: str, max_bytes: float) -> Post | SkippedPost:
    content, kind = fields.content, fields.kind
    name = (fields.text.get("post_name") or name)[:200]
    if len(content) > max_bytes:
        return SkippedPost(f"the post has {len(content) / 1e6:.0f} MB, more than ingest.max_file_mb", name)
    if kind in ("attachment", "other"):
        return SkippedPost(f"no post, but WordPress's own ({fields.text.get('post_type', '')[:40]})", name)
    try:
        if fields.is_wordpress:
            text = html_to_markdown(_expand_wordpress(content))
        else:
            text = html_to_markdown(content) if "<" in content or "&" in content else content
    except SkippedPost as e:
        return SkippedPost(str(e), name, e.cause)
    title = " ".join(html_to_markdown(fields.text.get("title", "")).split()) or name
    if REPOST.match(text):
        kind = "repost"
    elif AUTO_GENERATED.search(title):
        kind = "machine-made"
    return Post(
        text=text,
        title=title,
        date=fields.date,
        date_from="feed",
        tags=list(dict.fromkeys(tag for tag in fields.tags if tag and tag.lower() != "uncategorized")),
        draft=fields.is_wordpress and fields.text.get("status", "publish") != "publish",
        authors=[author for author in fields.authors if author] or ([feed_author] if feed_author else []),
        url=(fields.address or fields.text.get("link", "")).strip()[:500],
        name=name,
        kind=kind,
    )


def _serialise_xhtml(element: Element) -> Iterator[str]:
    """The XHTML in an Atom entry as text again."""
    depth = 0
    for event, node in _walk(element):
        if event == "start":
            depth += 1
            if depth > MAX_DEPTH:
                return
            attributes = ""
            for name, value in node.items():
                if name in ("href", "src", "class"):
                    attributes += f' {name}="{value.replace(chr(34), "")}"'
            yield f"<{_local_name(node.tag)}{attributes}>" + _escape(node.text)
        else:
            depth -= 1
            yield f"</{_local_name(node.tag)}>" + _escape(node.tail)


def _walk(element: Element) -> Iterator[tuple[str, Element]]:
    """("start" or "end", element) in document order; without recursion, however deep the tree is."""
    stack = [("end", element), ("start", element)]
    while stack:
        event, node = stack.pop()
        yield event, node
        if event == "start":
            for child in reversed(list(node)):
                stack += [("end", child), ("start", child)]


def _escape(text: str | None) -> str:
    return (text or "").replace("&", "&amp;").replace("<", "&lt;")


def _expand_wordpress(content: str) -> str:
    """WordPress's own markup → HTML: blank lines are paragraphs, line ends breaks, shortcodes go."""
    content = content.replace("\r\n", "\n")
    content = CODE_SHORTCODE.sub(
        lambda match: f'<pre class="lang-{match["language"] or ""}">{_escape(match["code"])}</pre>', content
    )
    content = CAPTION_SHORTCODE.sub("", content)
    content = SHORTCODE.sub("", content)
    if re.search(r"(?i)<p[\s>]", content):
        return content
    parts = re.split(r"(?is)(<pre\b(?:(?!<pre\b).)*?</pre>)", content)
    for i in range(0, len(parts), 2):  # outside <pre>, as WordPress itself shows it
        parts[i] = re.sub(r"\n[ \t]*\n\s*", "\n<p>", parts[i])
        parts[i] = re.sub(r"(?<!>)\n(?!<)", "<br>\n", parts[i])
    return "".join(parts)
