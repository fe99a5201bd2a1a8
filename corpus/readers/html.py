"""A page or a piece of HTML → `Post` or Markdown, by lxml's parser. Nothing in it is run or fetched."""

import json
import re
from pathlib import PurePath

from corpus.encoding import decode_text
from corpus.html_to_markdown import VOID_TAGS, HtmlMarkdownWriter
from corpus.post import Post, SkippedPost, date_from_name, parse_date, parse_names, title_from_name

MAX_DEPTH = 1000  # lxml looks through all open elements at an end tag: deeper pages cost the square of their length
CONTENT = (
    "e-content",
    "entry-content",
    "post-content",
    "article-content",
    "article-body",
    "post-body",
    "post-full-content",
    "available-content",
    "markup",
)
CONTENT_RANK = {"article": 2, "main": 1, "body": 0}
BOILERPLATE_TAGS = {
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "button",
    "head",
}
BOILERPLATE_CLASS = re.compile(
    r"(?i)(?:^|[\s_-])(?:shar(?:e|ing|edaddy)|social|jp-relatedposts|related(?:-posts)?|comments?|respond|sidebar|subscribe|subscription-widget\w*|newsletter|breadcrumbs?|cookie|pagination|post-nav\w*|author-bio|byline|metadata|navigation)(?:$|[\s_-])"
)
DATES = ("article:published_time", "datepublished", "date", "dc.date", "dcterms.created", "pubdate")
ALLOWED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what lxml takes


class HtmlCollector:
    """What lxml's parser calls: keeps the events, and where the post stands among them."""

    def __init__(self):
        self.events: list[tuple] = []
        self.path: list[tuple[str, int, int]] = []  # (tag, rank, number of its event)
        self.best, self.span = -1, (0, 0)
        self.meta: dict[str, str] = {}
        self.said: list[str] = []  # text of the element whose words are wanted: title, h1, JSON-LD
        self.wanted = ""

    def start(self, tag, attributes):
        if len(self.path) > MAX_DEPTH:
            raise SkippedPost(f"its HTML is nested more than {MAX_DEPTH:,} deep")
        attributes = dict(attributes)
        marks = f"{attributes.get('class', '')} {attributes.get('id', '')}".lower()
        rank = CONTENT_RANK.get(tag, -1)
        if (
            any(name in marks.split() for name in CONTENT)
            or attributes.get("itemprop") == "articleBody"
            or attributes.get("data-field") == "body"
        ):
            rank = 3
        self.path.append((tag, rank, len(self.events)))
        self.events.append(("start", tag, attributes))
        self.look(tag, attributes, marks)

    def look(self, tag, attributes, marks):
        """Title, day, author and address, where pages say them."""
        if tag == "meta":
            name = (attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or "").lower()
            self.meta.setdefault(name, attributes.get("content") or "")
        elif tag == "link" and "canonical" in (attributes.get("rel") or "") or tag == "a" and "p-canonical" in marks:
            self.meta.setdefault("canonical", attributes.get("href") or "")
        elif tag == "time" and attributes.get("datetime"):
            self.meta.setdefault("published" if "published" in marks else "time", attributes["datetime"])
        wanted = "json" if attributes.get("type") == "application/ld+json" else tag if tag in ("title", "h1") else ""
        wanted = "author" if "p-author" in marks.split() or attributes.get("rel") == "author" else wanted
        if wanted and not self.wanted and wanted not in self.meta:
            self.wanted, self.said = wanted, []

    def end(self, tag):
        while self.path:
            name, rank, begin = self.path.pop()
            if rank > self.best:
                self.best, self.span = rank, (begin + 1, len(self.events))
            if name == tag:
                break
        self.events.append(("end", tag, None))
        if self.wanted and tag in ("title", "h1", "script", "a", "span"):
            self.meta[self.wanted] = " ".join("".join(self.said).split())
            self.wanted = ""

    def data(self, text):
        self.events.append(("text", text, None))
        if self.wanted:
            self.said.append(text)

    def comment(self, text):
        pass

    def pi(self, target, data=None):
        pass

    def close(self):
        return self


def parse_html(text: str) -> HtmlCollector:
    from lxml import etree

    target = HtmlCollector()
    parser = etree.HTMLParser(target=target, recover=True, no_network=True, huge_tree=True)
    text = ALLOWED.sub("", text)
    try:
        parser.feed("<html><body>" if "<" not in text else "")
        for start in range(0, len(text), 100_000):
            parser.feed(text[start : start + 100_000])
        parser.close()
    except SkippedPost:
        raise
    except Exception as e:  # lxml raises when there is nothing in it at all
        if not target.events:
            raise SkippedPost(f"the HTML can't be read: {' '.join(str(e).split())[:100]}") from None
    return target


def to_markdown(events: list[tuple], all_of_it: bool = False) -> str:
    """Events → Markdown, without the furniture of a page."""
    writer, skipping = HtmlMarkdownWriter(), []
    for kind, what, attributes in events:
        if kind == "text":
            if not skipping:
                writer.text(what)
        elif kind == "start":
            marks = f"{attributes.get('class', '')} {attributes.get('id', '')}"
            furniture = what in BOILERPLATE_TAGS or BOILERPLATE_CLASS.search(marks[:300])
            if skipping or (furniture and not all_of_it and "footnote" not in marks):
                if what not in VOID_TAGS:
                    skipping.append(what)
            else:
                writer.start(what, attributes)
        elif skipping:
            if what in skipping:
                while skipping.pop() != what:
                    pass
        else:
            writer.end(what)
    return writer.close()


def html_to_markdown(text: str) -> str:
    """The HTML of one exported post → Markdown."""
    return to_markdown(parse_html(text).events) if text.strip() else ""


def read_html(name: PurePath, data: bytes) -> Post:
    found = parse_html(decode_text(data))
    begin, end = found.span if found.best > 0 else (0, len(found.events))
    text, meta = to_markdown(found.events[begin:end]), found.meta
    title = meta.get("og:title") or meta.get("h1") or meta.get("title") or title_from_name(name)
    heading = re.match(r"#+ ([^\n]+)\n*", text)
    if heading and heading[1].strip("*` ").casefold() in (title.casefold(), meta.get("h1", "").casefold()):
        text = text[heading.end() :]
    linked = _linked(meta.get("json", ""))
    stated = next(
        (
            day
            for k in ("published", *DATES, "json", "time")
            if (day := parse_date(linked.get("datePublished") if k == "json" else meta.get(k)))
        ),
        None,
    )
    return Post(
        text=text,
        title=" ".join(title.split()),
        date=stated or date_from_name(name),
        date_from="front matter" if stated else "name",
        tags=parse_names(meta.get("article:tag") or meta.get("keywords")),
        draft=name.name.startswith("draft_") or "noindex" in meta.get("robots", "") and "draft" in name.name,
        authors=parse_names(meta.get("author") or meta.get("article:author") or linked.get("author")),
        url=meta.get("canonical", "")[:500],
    )


def _linked(text: str) -> dict:
    """The JSON-LD of a page, where it is one thing."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    found = found[0] if isinstance(found, list) and found else found
    return found if isinstance(found, dict) else {}
