"""A page or a piece of HTML → `Post` or Markdown, by lxml's parser. Nothing in it is run or fetched."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from corpus.encoding import decode_text
from corpus.html_to_markdown import VOID_TAGS, HtmlMarkdownWriter
from corpus.post import Post, SkippedPost, date_from_name, parse_date, parse_names, title_from_name

MAX_DEPTH = 1000  # lxml looks through all open elements at an end tag: deeper pages cost the square of their length
FEED_CHARACTERS = 100_000  # given to the parser at a time
# fmt: off
CONTENT_CLASSES = {
    "e-content", "entry-content", "post-content", "article-content", "article-body", "post-body", "post-full-content",
    "available-content", "markup",
}
# How likely an element is the post: the highest rank wins, and among equals the first to end.
CONTENT_RANK = {"article": 2, "main": 1, "body": 0}
CONTENT_CLASS_RANK = 3
BOILERPLATE_TAGS = {
    "nav", "header", "footer", "aside", "form", "script", "style", "noscript", "template", "svg", "button", "head",
}
# fmt: on
BOILERPLATE_CLASS = re.compile(
    r"""(?ix)
    (?:^|[\s_-])
    (?: shar(?:e|ing|edaddy) | social | jp-relatedposts | related(?:-posts)? | comments? | respond | sidebar
      | subscribe | subscription-widget\w* | newsletter | breadcrumbs? | cookie | pagination | post-nav\w*
      | author-bio | byline | metadata | navigation )
    (?:$|[\s_-])
    """
)
DATE_NAMES = ("article:published_time", "datepublished", "date", "dc.date", "dcterms.created", "pubdate")
FORBIDDEN_CHARACTERS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # lxml refuses them


class Event(NamedTuple):
    """What the parser met: "start", "end" or "text"; its tag, or the text; a start tag's attributes."""

    kind: str
    value: str
    attributes: dict[str, str]


class OpenTag(NamedTuple):
    tag: str
    rank: int  # see CONTENT_RANK; -1 for others
    start: int  # index of its event


class HtmlCollector:
    """The target of lxml's parser: collects the events, metadata, and which events are the post.

    Raises SkippedPost for HTML that is nested too deeply.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.path: list[OpenTag] = []
        self.best_rank, self.best_span = -1, (0, 0)
        self.metadata: dict[str, str] = {}
        self.capturing = ""  # the metadata that the text is collected for: "title", "h1", "author" or "json"
        self.buffer: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self.path) > MAX_DEPTH:
            raise SkippedPost(f"its HTML is nested more than {MAX_DEPTH:,} deep")
        attributes = dict(attributes)
        marks = _marks(attributes).lower()
        is_content = (
            not CONTENT_CLASSES.isdisjoint(marks.split())
            or attributes.get("itemprop") == "articleBody"
            or attributes.get("data-field") == "body"
        )
        rank = CONTENT_CLASS_RANK if is_content else CONTENT_RANK.get(tag, -1)
        self.path.append(OpenTag(tag, rank, len(self.events)))
        self.events.append(Event("start", tag, attributes))
        self.collect_metadata(tag, attributes, marks)

    def collect_metadata(self, tag: str, attributes: Mapping[str, str], marks: str) -> None:
        """Title, date, author and address, where pages state them."""
        if tag == "meta":
            name = (attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or "").lower()
            self.metadata.setdefault(name, attributes.get("content") or "")
        elif (tag == "link" and "canonical" in (attributes.get("rel") or "")) or (
            tag == "a" and "p-canonical" in marks
        ):
            self.metadata.setdefault("canonical", attributes.get("href") or "")
        elif tag == "time" and attributes.get("datetime"):
            self.metadata.setdefault("published" if "published" in marks else "time", attributes["datetime"])
        name = ""
        if "p-author" in marks.split() or attributes.get("rel") == "author":
            name = "author"
        elif attributes.get("type") == "application/ld+json":
            name = "json"
        elif tag in ("title", "h1"):
            name = tag
        if name and not self.capturing and name not in self.metadata:
            self.capturing, self.buffer = name, []

    def end(self, tag: str) -> None:
        while self.path:
            opened = self.path.pop()
            if opened.rank > self.best_rank:
                self.best_rank, self.best_span = opened.rank, (opened.start + 1, len(self.events))
            if opened.tag == tag:
                break
        self.events.append(Event("end", tag, {}))
        if self.capturing and tag in ("title", "h1", "script", "a", "span"):
            self.metadata[self.capturing] = " ".join("".join(self.buffer).split())
            self.capturing = ""

    def data(self, text: str) -> None:
        self.events.append(Event("text", text, {}))
        if self.capturing:
            self.buffer.append(text)

    def comment(self, text: str) -> None:
        pass

    def pi(self, target: str, data: str | None = None) -> None:
        pass

    def close(self) -> "HtmlCollector":
        return self

    def post_events(self) -> list[Event]:
        """The events of the post: in the element most likely to be it, else all."""
        begin, end = self.best_span if self.best_rank > 0 else (0, len(self.events))
        return self.events[begin:end]


def _marks(attributes: Mapping[str, str]) -> str:
    return f"{attributes.get('class', '')} {attributes.get('id', '')}"


def parse_html(text: str) -> HtmlCollector:
    """Raises SkippedPost for HTML that can't be read."""
    from lxml import etree

    collector = HtmlCollector()
    parser = etree.HTMLParser(target=collector, recover=True, no_network=True, huge_tree=True)
    text = FORBIDDEN_CHARACTERS.sub("", text)
    try:
        parser.feed("<html><body>" if "<" not in text else "")
        for start in range(0, len(text), FEED_CHARACTERS):
            parser.feed(text[start : start + FEED_CHARACTERS])
        parser.close()
    except SkippedPost:
        raise
    except Exception as e:  # lxml raises when there is nothing in it at all
        if not collector.events:
            raise SkippedPost(f"the HTML can't be read: {' '.join(str(e).split())[:100]}") from None
    return collector


def to_markdown(events: list[Event]) -> str:
    """Events → Markdown, without boilerplate: menus, share buttons, comments; footnotes stay."""
    writer = HtmlMarkdownWriter()
    skipping: list[str] = []  # open tags, from the outermost that is boilerplate
    for kind, value, attributes in events:
        if kind == "text":
            if not skipping:
                writer.text(value)
        elif kind == "start":
            marks = _marks(attributes)
            is_boilerplate = value in BOILERPLATE_TAGS or BOILERPLATE_CLASS.search(marks[:300])
            if not skipping and not (is_boilerplate and "footnote" not in marks):
                writer.start(value, attributes)
            elif value not in VOID_TAGS:
                skipping.append(value)
        elif skipping:
            if value in skipping:
                while skipping.pop() != value:
                    pass
        else:
            writer.end(value)
    return writer.close()


def html_to_markdown(text: str) -> str:
    """The HTML of one exported post → Markdown. Raises SkippedPost as `parse_html`."""
    return to_markdown(parse_html(text).events) if text.strip() else ""


def read_html(name: PurePath, data: bytes) -> Post:
    """A saved page: the post in it, by its markup, with what its metadata says. Raises SkippedPost as `parse_html`."""
    page = parse_html(decode_text(data))
    text, metadata = to_markdown(page.post_events()), page.metadata
    title = metadata.get("og:title") or metadata.get("h1") or metadata.get("title") or title_from_name(name)
    heading = re.match(r"#+ ([^\n]+)\n*", text)
    if heading and heading[1].strip("*` ").casefold() in (title.casefold(), metadata.get("h1", "").casefold()):
        text = text[heading.end() :]
    linked_data = _parse_json_ld(metadata.get("json", ""))
    stated = _stated_date(metadata, linked_data)
    return Post(
        text=text,
        title=" ".join(title.split()),
        date=stated or date_from_name(name),
        date_from="front matter" if stated else "name",
        tags=parse_names(metadata.get("article:tag") or metadata.get("keywords")),
        draft=name.name.startswith("draft_") or ("noindex" in metadata.get("robots", "") and "draft" in name.name),
        authors=parse_names(metadata.get("author") or metadata.get("article:author") or linked_data.get("author")),
        url=metadata.get("canonical", "")[:500],
    )


def _stated_date(metadata: Mapping[str, str], linked_data: Mapping[str, Any]) -> str | None:
    """The day a page states, the most reliable place first."""
    values = [metadata.get(name) for name in ("published", *DATE_NAMES)]
    for value in (*values, linked_data.get("datePublished"), metadata.get("time")):
        day = parse_date(value)
        if day:
            return day
    return None


def _parse_json_ld(text: str) -> dict[str, Any]:
    """The JSON-LD of a page: an object, or the first of a list; else empty."""
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, dict) else {}
