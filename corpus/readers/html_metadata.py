"""Title, day, author and address of a saved page, where pages state them: meta tags, JSON-LD, microdata, bylines."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpus.dates import parse_date
from corpus.post import parse_names
from corpus.readers.html_content import COMMENTS
from corpus.readers.html_parser import Element, Event, text_of

DATE_NAMES = (
    "article:published_time", "article:published", "datepublished", "og:published_time", "date", "dc.date",
    "dc.date.issued", "dcterms.created", "dcterms.date", "dcterms.issued", "pubdate", "publishdate", "publish_date",
    "publish-date", "parsely-pub-date", "sailthru.date", "citation_publication_date", "datecreated", "created",
)  # fmt: skip
AUTHOR_NAMES = ("author", "article:author", "dc.creator", "dcterms.creator", "parsely-author", "byl", "sailthru.author")
TITLE_CLASSES = {"p-name", "entry-title", "post-title", "article-title", "pw-post-title", "headline", "post__title"}
ARTICLE_TYPES = re.compile(r"(?i)(?:article|posting|report|blog\b)")
PUBLISHED = re.compile(
    r"(?:^|[\s_-])(?:dt-published|published|entry-date|post-date|pubdate|date-published)(?:$|[\s_-])"
)
UPDATED = re.compile(r"(?:^|[\s_-])(?:dt-updated|updated|modified|dt-modified|last-updated)(?:$|[\s_-])")
BYLINE = re.compile(
    r"(?:^|[\s_-])(?:date\w*|byline|meta\w*|posted(?:-on)?|time\w*|published|dateline|submitted)(?:$|[\s_-])"
)
BY_AUTHOR = re.compile(
    r"""(?ix)
    (?: written\x20 | posted\x20 | published\x20 )? by:?\x20
    (?P<name> [^\W\d_] [\w.’'\x20-]{1,60}? )
    (?: \s+ (?:on|at|in) \b .* | \s* [|·•—–,] .* )? \Z
    """
)
ADDRESS_DAY = re.compile(r"/((?:19|20)\d\d)/(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])(?:/|\b)")
TITLE_SEPARATORS = re.compile(r"\s+[|·•—–»«:-]+\s+|: ")
HOME = re.compile(r"(?:https?://[^/]+)?/?(?:index\.html?)?(?:[#?].*)?|\.\.?/?")
MAX_BYLINES = 10  # lines that are tried: one in a rare language costs hundredths of a second
MAX_BYLINE = 160  # characters of a line that states a day
NEAR = 120  # events before the post and after its begin in which its title and day are looked for
MAX_JSON_NODES = 2000


@dataclass
class Metadata:
    """What a page says of its post; empty where it says nothing."""

    title: str = ""
    heading: str = ""  # the first heading of the post, where that is another than its title
    date: str | None = None
    authors: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    url: str = ""
    robots: str = ""


@dataclass
class _Page:
    events: Sequence[Event]
    elements: Sequence[Element]
    begin: int  # of the post among the events
    end: int
    meta: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)

    def text(self, element: Element) -> str:
        """Its text in one line; of a long element nothing."""
        return text_of(self.events, element) if element.end - element.start < 60 else ""


def read_metadata(
    events: Sequence[Event], elements: Sequence[Element], content: tuple[int, int], dropped: Mapping[int, int]
) -> Metadata:
    """What a page says of the post in the range `content` of its events."""
    comments_start = next((e.start for e in elements if dropped.get(e.start) and COMMENTS.search(e.marks)), len(events))
    before = [e for e in elements if e.start < comments_start or e.start < content[0]]
    page = _Page(events, before, *content)
    _read_head(page)
    title, heading = _title(page)
    return Metadata(
        title=title,
        heading=heading,
        date=_date(page),
        authors=_authors(page),
        tags=parse_names(page.meta.get("article:tag") or page.meta.get("keywords")),
        url=page.meta.get("canonical", "")[:500],
        robots=page.meta.get("robots", ""),
    )


def _read_head(page: _Page) -> None:
    """Meta tags, the canonical address and JSON-LD."""
    scripts = []
    for element in page.elements:
        attributes = element.attributes
        if element.tag == "meta":
            name = attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or ""
            for one in name.lower().split():
                page.meta.setdefault(one, (attributes.get("content") or "").strip())
        elif (element.tag == "link" and "canonical" in attributes.get("rel", "")) or (
            element.tag == "a" and "p-canonical" in element.marks
        ):
            page.meta.setdefault("canonical", attributes.get("href") or "")
        elif attributes.get("type") == "application/ld+json":
            scripts.append("".join(e.value for e in page.events[element.start : element.end] if e.kind == "text"))
        elif element.tag == "title":
            page.meta.setdefault("title tag", text_of(page.events, element))
    objects = [one for script in scripts for one in _json_objects(script)]
    articles = [one for one in objects if ARTICLE_TYPES.search(str(one.get("@type")))]
    for article in [*articles, *(one for one in objects if "datePublished" in one)]:
        for key, value in article.items():
            page.json.setdefault(key, value)


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-LD script, those in lists and graphs too."""
    try:
        waiting = [json.loads(text.strip().removeprefix("<!--").removesuffix("-->"))]
    except (ValueError, RecursionError):
        return
    for _ in range(MAX_JSON_NODES):
        if not waiting:
            return
        value = waiting.pop(0)
        if isinstance(value, list):
            waiting = value + waiting
        elif isinstance(value, dict):
            yield value
            waiting += [value[key] for key in ("@graph", "mainEntity", "mainEntityOfPage") if key in value]


def _title(page: _Page) -> tuple[str, str]:
    """(the title, the heading that stands for it in the page)."""
    heading = _heading(page)
    tag = page.meta.get("title tag", "")
    stated = page.meta.get("og:title") or _text(page.json.get("headline"))
    if stated and heading and (heading.casefold() in stated.casefold()):
        return heading, heading  # "The kettle | A blog"
    if stated:
        return _without_site(stated, page.meta.get("og:site_name", "")), heading
    if heading:
        return heading, heading
    site = page.meta.get("og:site_name", "")
    return _without_site(tag, site), ""


def _heading(page: _Page) -> str:
    """The heading of the post: by its class, else the last one before the post or the first in it."""
    named, before, inside = "", "", ""
    for element in page.elements:
        if element.tag not in ("h1", "h2", "h3") or element.start > page.end:
            continue
        in_front = element.start < page.begin
        if in_front and _leads_home(page, element):
            continue
        is_named = not TITLE_CLASSES.isdisjoint(element.marks.split()) or {"headline", "name"} & set(
            element.attributes.get("itemprop", "").split()
        )
        if is_named and (in_front or not named):
            named = page.text(element) or named
        elif element.tag == "h1" and in_front:
            before = page.text(element) or before
        elif element.tag == "h1" and element.start < page.begin + NEAR:
            inside = inside or page.text(element)
    tag = page.meta.get("title tag", "").casefold()
    if inside and (not before or inside.casefold() in tag or before.casefold() not in tag):
        before = inside
    return named or before


def _leads_home(page: _Page, heading: Element) -> bool:
    """Whether a heading is the name of the site, which links to its first page."""
    links = [e.attributes.get("href", "") for e in page.events[heading.start : heading.end] if e.value == "a"]
    return any(HOME.fullmatch(link) for link in links if link)


def _without_site(title: str, site: str) -> str:
    """A title without the name of the site in front of it or behind."""
    parts = TITLE_SEPARATORS.split(title)
    if len(parts) < 2:
        return title
    if site:
        for text in (parts[0], parts[-1]):
            if text.casefold() == site.casefold():
                rest = title[len(text) :] if text == parts[0] else title[: -len(text)]
                return rest.strip(" |·•—–»«:-\u2003")
        return title
    match = re.match(r"(.*\S)\s+[|·•»—–]\s+\S", title)
    return match[1] if match and len(match[1]) >= 3 else title


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _date(page: _Page) -> str | None:
    """The day a page states for its post, the most reliable place first; never the day of a change."""
    values = [page.meta.get(name) for name in DATE_NAMES]
    values += [_text(page.json.get("datePublished")), _text(page.json.get("dateCreated"))]
    values += [_marked_date(page, element) for element in page.elements]
    for value in values:
        if value and (day := parse_date(value)):
            return day
    for day in _dates_in_sight(page):
        return day
    for address in (page.meta.get("canonical", ""), page.meta.get("og:url", "")):
        match = ADDRESS_DAY.search(address)
        if match and (day := parse_date("-".join(match.groups()))):
            return day
    return None


def _marked_date(page: _Page, element: Element) -> str:
    """The day of an element that is marked as the day of publication."""
    attributes, marks = element.attributes, element.marks
    if not attributes or (UPDATED.search(marks) and not PUBLISHED.search(marks)):
        return ""
    if "datePublished" in attributes.get("itemprop", "") or (
        PUBLISHED.search(marks) and element.tag in ("time", "abbr", "span", "a", "p", "div", "li")
    ):
        return (
            attributes.get("datetime") or attributes.get("content") or attributes.get("title") or page.text(element)
        )[:100]
    return ""


def _dates_in_sight(page: _Page) -> Iterator[str]:
    """Days beside the title, or at the begin or end of the post: <time>, then lines that look like a byline."""
    near = [
        e
        for e in page.elements
        if page.begin - NEAR <= e.start <= page.begin + NEAR or page.end <= e.start <= page.end + 40
    ]
    for element in near:
        if element.tag == "time" and not UPDATED.search(element.marks):
            day = parse_date(element.attributes.get("datetime") or page.text(element))
            if day:
                yield day
    tried = 0
    for element in near:
        in_post = page.begin < element.start < page.end
        if element.tag not in ("p", "span", "div", "h2", "h4", "h5", "h6", "li", "small", "em", "a") or (
            in_post and not BYLINE.search(element.marks)
        ):
            continue
        text = page.text(element)
        if 6 <= len(text) <= MAX_BYLINE and re.search(r"(?<!\d)(?:19|20)\d\d(?!\d)", text) and "©" not in text:
            tried += 1
            day = parse_date(text[:100])
            if day:
                yield day
            if tried >= MAX_BYLINES:
                return


def _authors(page: _Page) -> list[str]:
    """The author's name, where it is certain: a post of another author is left out."""
    for name in AUTHOR_NAMES:
        value = page.meta.get(name, "")
        if value and "://" not in value:
            return parse_names(re.sub(r"(?i)\Aby ", "", value))
    authors = [name for name in parse_names(_plain_names(page.json.get("author"))) if "://" not in name]
    if authors:
        return authors
    near = [e for e in page.elements if e.start < page.end + NEAR]
    for element in near:
        is_author = "p-author" in element.marks.split() or "author" in element.attributes.get("itemprop", "").split()
        if is_author and (name := _name(page, element)):
            return [name]
    near = [e for e in near if page.begin - NEAR <= e.start]
    for element in near:
        if element.attributes.get("rel") == "author" and (name := _name(page, element)):
            return [name]
    for element in near:
        if "byline" in element.marks or "author" in element.marks:
            match = BY_AUTHOR.match(page.text(element))
            if match:
                return [match["name"].strip()]
    return []


def _plain_names(value: Any) -> Any:
    """JSON-LD's author, as `parse_names` takes it."""
    if isinstance(value, list):
        return [_plain_names(item) for item in value]
    if isinstance(value, dict):
        name = value.get("name")
        return {"name": name[0] if isinstance(name, list) and name else name}
    return value


def _name(page: _Page, element: Element) -> str:
    text = re.split(r"\s[-–—|·•]|,?\s\d", element.attributes.get("content") or page.text(element))[0].strip()
    return text if 2 <= len(text) <= 60 and "://" not in text else ""
