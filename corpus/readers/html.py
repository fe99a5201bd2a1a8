"""A page or a piece of HTML → `Post` or Markdown. Nothing in it is run or fetched.

`html_parser` makes events of it, `html_content` finds the post in a page, `html_metadata` reads what the page says of
it, `html_rewrite` makes plain HTML of code and footnotes, and corpus/html_to_markdown.py writes the Markdown.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from corpus.dates import parse_date
from corpus.encoding import decode_text
from corpus.html_to_markdown import HtmlMarkdownWriter
from corpus.post import Post, SkippedPost, date_from_name, title_from_name
from corpus.readers.html_content import find_content, find_furniture
from corpus.readers.html_metadata import Metadata, read_metadata
from corpus.readers.html_parser import Event, find_elements, parse_html
from corpus.readers.html_rewrite import rewrite
from corpus.readers.public_marks import DRAFT

__all__ = ["html_to_markdown", "parse_html", "read_html", "to_markdown"]
CHARSET = re.compile(rb"(?i)<meta\b[^<>]*?charset=[\"']?([\w-]{1,40})")
LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s]*\)")
MAX_HEAD_BLOCKS, MAX_BYLINE_WORDS = 8, 14
BYLINE_WORDS = {
    "by", "on", "at", "in", "posted", "published", "written", "min", "mins", "minute", "minutes", "read", "reading",
    "time", "author", "date", "share", "listen", "follow", "the",
}  # fmt: skip


def to_markdown(events: Sequence[Event]) -> str:
    """Events of one post → Markdown, without what services put into it: share buttons, subscription forms."""
    return _write(_without(events, [(0, len(events))], find_furniture(events)))


def html_to_markdown(text: str) -> str:
    """The HTML of one exported post → Markdown. Raises SkippedPost as `parse_html`."""
    return to_markdown(parse_html(text).events) if text.strip() else ""


def _without(events: Sequence[Event], parts: list[tuple[int, int]], dropped: Mapping[int, int]) -> list[Event]:
    """The events of these ranges, without those that are dropped."""
    kept: list[Event] = []
    for begin, end in parts:
        index = begin
        while index < end:
            if index in dropped:
                index = max(dropped[index], index + 1)
            else:
                kept.append(events[index])
                index += 1
    return kept


def _write(events: Sequence[Event]) -> str:
    writer = HtmlMarkdownWriter()
    for kind, value, attributes in rewrite(events):
        if kind == "text":
            writer.text(value)
        elif kind == "start":
            writer.start(value, attributes)
        else:
            writer.end(value)
    return writer.close()


def read_html(name: PurePath, data: bytes) -> Post:
    """A saved page: the post in it, with what the page says of it.

    Raises SkippedPost as `parse_html`, and for a page on which only others' comments are left.
    """
    page = parse_html(_decode_page(data))
    content = find_content(page.events)
    text = _write(_without(page.events, content.parts, content.dropped))
    if content.has_comments and not content.has_prose and not text.strip():
        raise SkippedPost("a page of comments", cause="not yours")
    metadata = read_metadata(page.events, find_elements(page.events), content.parts[0], content.dropped)
    title = metadata.title or title_from_name(name)
    is_draft = name.name.startswith("draft_") or ("noindex" in metadata.robots and "draft" in name.name)
    return Post(
        text=_without_head(text, title, metadata),
        title=" ".join(title.split()),
        date=metadata.date or date_from_name(name),
        date_from="front matter" if metadata.date else "name",
        tags=metadata.tags,
        not_public=DRAFT if is_draft else "",
        authors=metadata.authors,
        url=metadata.url,
    )


def _decode_page(data: bytes) -> str:
    """A page as text: as UTF-8, else in the encoding that it states, else by a guess."""
    stated = CHARSET.search(data[:4096])
    if stated:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            name = stated[1].decode("ascii").lower()
            with contextlib.suppress(LookupError, ValueError):
                return data.decode("cp1252" if name in ("iso-8859-1", "latin1", "us-ascii") else name, "replace")
    return decode_text(data)


def _without_head(text: str, title: str, metadata: Metadata) -> str:
    """The Markdown of a post without what a page says of it in front: its title, its author, its day."""
    titles = (title.casefold(), metadata.heading.casefold())
    names = set(re.findall(r"\w+", " ".join(metadata.authors).casefold()))
    rest = text
    for _ in range(MAX_HEAD_BLOCKS):
        block, blank, after = rest.partition("\n\n")
        heading = re.fullmatch(r"#+ ([^\n]+)\s*", block)
        if heading and heading[1].strip("*` ").casefold() in titles or _is_byline(block, names, metadata.date):
            rest = after
        else:
            break
    return rest


def _is_byline(block: str, names: set[str], date: str | None) -> bool:
    """Whether a block is the author's name, the day of the post, or how long it takes to read."""
    words = set(re.findall(r"\w+", LINK.sub(r"\1", block).casefold()))
    if not words or len(words) > MAX_BYLINE_WORDS or block.startswith(("#", "-", ">", "`")):
        return False
    rest = words - names - BYLINE_WORDS
    if not rest:
        return bool(words & (names | {"min", "read"}))
    return bool(date) and all(word[0].isdigit() or len(word) >= 3 for word in rest) and parse_date(block[:100]) == date
