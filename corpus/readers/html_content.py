"""Which part of a saved page is the post, and what in it is furniture: menus, share buttons, other people's comments.

The prose of an element is the text in it that is neither a link nor a few words long. Where the markup names the
content, it is taken at its word, unless hardly any of the page's prose stands there; else the post is the smallest
element that holds nearly all the prose of the page, as readability libraries find it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from corpus.readers.html_parser import Element, Event, find_elements

# fmt: off
CONTENT_CLASSES = {
    "e-content", "entry-content", "post-content", "article-content", "article-body", "post-body", "post-full-content",
    "available-content", "markup", "gh-content", "article__body", "article-entry", "post__content", "blog-content",
    "story-body", "entry-body", "article-text", "articlebody", "postcontent", "single-content", "blog-post-content",
}
ARTICLE_CLASSES = {"hentry", "h-entry", "blog-post", "post-single", "single-post", "article"}
NEVER_TAGS = {
    "nav", "footer", "script", "style", "noscript", "template", "svg", "button", "select", "textarea", "title",
    "dialog",
}
FURNITURE_TAGS = {"header", "aside", "form"}
CONTAINERS = {
    "html", "body", "div", "section", "article", "main", "table", "tbody", "tr", "td", "center", "font", "form", "span",
    "layer", "big",
}
# fmt: on
_EDGE_BEFORE, _EDGE_AFTER = r"(?:^|[\s_-])", r"(?:$|[\s_-])"
COMMENTS = re.compile(
    rf"""(?x)
    (?<! has) (?<! no) (?<! with) {_EDGE_BEFORE}
    (?: comments? | commentlist | comment-?(?:list|thread|respond|form|section|area|body)s? | respond | disqus\w*
      | isso-thread | utterances | giscus | webmentions? | (?:story-)?responses | replies | fb-comments | discussion
      | cusdis\w* | remark42 | commento )
    {_EDGE_AFTER}
    """
)
WIDGETS = re.compile(  # what services put between the words of a post
    rf"""(?x)
    {_EDGE_BEFORE}
    (?: sharing | sharedaddy | shar(?:e|ing)-?(?:this|buttons?|links?|bar|icons?|post|container)
      | addtoany\w* | addthis\w*
      | sociable | social-?(?:links?|icons?|shar(?:e|ing)|media|buttons?|bar) | jetpack-likes\w* | like-post-wrapper
      | jp-relatedposts\w* | related-?(?:posts?|articles?|content|stories|links) | yarpp\w* | crp_related
      | subscription-widget\w* | captioned-button-wrap | button-wrapper | post-embed | embedded-post\w* | poll-embed
      | digest-post-embed | install-substack\w* | community-chat | graf--mixtapeembed | image-link-expand
      | kg-(?:signup|bookmark|cta|button|file)-card | newsletter\w* | mc4wp\w* | mailing-list
      | breadcrumbs? | pagination
      | toc_container | ez-toc\w* | lwptoc | table-of-contents | tableofcontents | rank-math-toc-block
      | adsbygoogle | outbrain | taboola\w* | copy-code | copy-?(?:btn|button) | header-anchor-post | anchorjs-link
      | author-bio | byline | post-nav\w* | cookie-?(?:notice|consent|law|bar|banner|choices?|policy|popup)\w* )
    {_EDGE_AFTER}
    """
)
WIDGET_CLASSES = {  # whole names
    "share", "sharing", "social", "related", "subscribe", "sidebar", "navigation", "metadata", "toc", "newsletter",
    "cookie", "cookies", "headerlink", "sr-only", "screen-reader-text", "screen-reader-response",
}  # fmt: skip
FURNITURE = re.compile(  # what a theme puts around a post
    rf"""(?x)
    {_EDGE_BEFORE}
    (?: recommend(?:ed|ations?) | read-?more(?:-wrap)? | more-(?:from|stories|posts) | popular-posts | trending
      | recent-posts | post-cards? | links-nextprev | prev-?next | next-?prev | paginav | blog-pager | navbar
      | (?:article|posts|post|entry|nav|page|site)-navigation | side-?bar | widget-area | consent | gdpr\w* | eu-cookie
      | cc-window | privacy-notice | author-(?:box|info|card|profile|name)
      | about-(?:the-)?author | (?:post|article)-author
      | (?:post|entry|article|page)-?(?:meta(?:data)?|info|date|byline|tags?|categor(?:y|ies)|labels|footer)
      | posted-on | dateline | read(?:ing)?-time | tag-?(?:cloud|list|links) | cat-links | skip-?link | visually-?hidden
      | advert\w* | ad-(?:container|slot|wrapper|unit) | sponsor(?:ed)? | promo\w* | sign-?up | paywall | call-to-action
      | footer-cta | edit-(?:link|page|post) | (?:post-)?views-count | date-header )
    {_EDGE_AFTER}
    """
)
FURNITURE_CLASSES = {  # whole names
    "ad", "ads", "bio", "byline", "date", "donate", "likes", "menu", "meta", "neighbors", "pager", "rating",
    "reactions", "tags", "timestamp", "post-share-links",
}  # fmt: skip
NOT_FURNITURE = re.compile(r"footnote|endnote|post-content|entry-content|article-body|e-content")
NOTES = re.compile(r"(?:^|[\s_-])(?:footnotes|endnotes)(?:$|[\s_-])")
HIDDEN_STYLE = re.compile(r"(?i)display\s*:\s*none|visibility\s*:\s*hidden")
MIN_PROSE = 25  # characters of a text that is more than a label
NAMED_SHARE = {3: 0.15, 2: 0.25, 1: 0.4}  # of the page's prose that an element of a rank must hold
INNER_SHARE = 0.9  # of an element's prose that an element in it must hold to stand for it
WRAPPER_SHARE = 0.5  # of the page's prose: what holds more is no furniture, whatever its class says
MAX_MARKS = 300  # characters of the classes of an element


@dataclass
class PageContent:
    """Where the post stands in the events of a page, and what in the page is none of it."""

    parts: list[tuple[int, int]]  # ranges of events
    dropped: dict[int, int]  # index of the start event of furniture → index after its end
    has_comments: bool
    has_prose: bool


def furniture_kind(element: Element, whole_page: bool) -> str:
    """ "comments", "never", "soft" (unless most of a page stands there), or empty.

    whole_page: the element is of a page, which has parts; of the HTML of one exported post only what an editor puts
    into a post is furniture.
    """
    tag, marks, attributes = element.tag, element.marks, element.attributes
    if tag in NEVER_TAGS:
        return "" if "footnote" in marks else "never"
    if not attributes:
        return "soft" if tag in FURNITURE_TAGS else ""
    if len(marks) > 1:
        marks = marks[:MAX_MARKS]
        if NOT_FURNITURE.search(marks):
            return ""
        if COMMENTS.search(marks) and tag not in ("html", "body", "main"):
            return "comments"
        if _is_widget(marks, whole_page) and not _is_article(element):
            return "soft"
    if (
        tag in FURNITURE_TAGS
        or "hidden" in attributes
        or (attributes.get("aria-hidden") == "true" and tag != "math")
        or attributes.get("role") in ("navigation", "banner", "contentinfo", "complementary", "search", "dialog")
        or ("style" in attributes and HIDDEN_STYLE.search(attributes["style"]))
    ):
        return "soft"
    return ""


def furniture_kinds(elements: Sequence[Element], whole_page: bool) -> list[str]:
    """The `furniture_kind` of each element, where it stands."""
    kinds = [furniture_kind(element, whole_page) for element in elements]
    for index, element in enumerate(elements):
        parent = element.parent
        if element.tag in ("footer", "header") and parent >= 0 and elements[parent].tag in ("blockquote", "figure"):
            kinds[index] = ""  # who said it
        elif element.tag in ("h2", "h3", "h4") and parent >= 0 and not kinds[index]:
            card = _card_around(elements, parent)
            if card >= 0:
                kinds[card] = kinds[card] or "soft"
    return kinds


def _card_around(elements: Sequence[Element], index: int) -> int:
    """The index of the link around a heading and its <div>: a card of another page; -1 without one."""
    if elements[index].tag != "div":
        return -1
    for _ in range(4):
        if index < 0 or elements[index].tag not in ("div", "section", "header", "a"):
            return -1
        if elements[index].tag == "a":
            return index if elements[index].attributes.get("href") else -1
        index = elements[index].parent
    return -1


def _is_widget(marks: str, whole_page: bool) -> bool:
    names = marks.split()
    if WIDGETS.search(marks) or not WIDGET_CLASSES.isdisjoint(names):
        return True
    return whole_page and bool(FURNITURE.search(marks) or not FURNITURE_CLASSES.isdisjoint(names))


def _is_article(element: Element) -> bool:
    """Whether its classes are those of a post: "category-social" and "tag-ads" are subjects of it."""
    return (
        element.tag in ("html", "body", "article", "main") or "hentry" in element.marks or "type-post" in element.marks
    )


def content_rank(element: Element) -> int:
    """3 for what the markup names as the text of a post, 2 for a post, 1 for the main part of a page, else 0."""
    tag, attributes = element.tag, element.attributes
    if tag in ("article", "main") and not attributes:
        return 2 if tag == "article" else 1
    if tag in ("meta", "link", "input", "html", "body") or not attributes:
        return 0
    classes = element.marks.split()
    if (
        not CONTENT_CLASSES.isdisjoint(classes)
        or "articleBody" in attributes.get("itemprop", "")
        or attributes.get("data-field") == "body"
    ):
        return 3
    if tag == "article" or "Posting" in attributes.get("itemtype", "") or not ARTICLE_CLASSES.isdisjoint(classes):
        return 2
    return int(tag == "main" or attributes.get("role") == "main")


class _Page:
    """The elements of a page, with the prose in each."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.elements = find_elements(events)
        self.kinds = furniture_kinds(self.elements, True)
        self.ranks = [content_rank(element) for element in self.elements]
        self.own, self.links = self._own_prose()
        everything = self._sum(self.own, lambda index: self.kinds[index] in ("never", "comments"))
        total = max(1, sum(everything[i] for i, e in enumerate(self.elements) if e.parent < 0))
        leads = self._has_heading()
        for index, kind in enumerate(self.kinds):
            share = everything[index] / total
            if kind == "soft" and (share > 0.8 or (share > WRAPPER_SHARE and leads[index])):
                self.kinds[index] = ""
        self.prose = self._sum(self.own, lambda index: bool(self.kinds[index]))
        self.total = sum(self.prose[i] for i, e in enumerate(self.elements) if e.parent < 0)

    def _own_prose(self) -> tuple[list[int], list[int]]:
        """(characters of prose, characters of links) that stand in each element and in none of its elements."""
        own, links = [0] * len(self.elements), [0] * len(self.elements)
        current, in_link, next_element = -1, 0, 0
        ends: list[int] = []
        for index, (kind, value, _) in enumerate(self.events):
            while ends and self.elements[ends[-1]].end <= index:
                in_link -= self.elements[ends.pop()].tag == "a"
            if kind == "start":
                ends.append(next_element)
                next_element += 1
                in_link += value == "a"
            elif kind == "text" and ends:
                current, size = ends[-1], len(value.strip())
                if in_link:
                    links[current] += size
                elif size >= MIN_PROSE:
                    own[current] += size
        return own, links

    def _sum(self, values: list[int], is_left_out: Callable[[int], bool]) -> list[int]:
        """For each element the sum over what is in it, without the elements that are left out."""
        sums = list(values)
        for index in range(len(self.elements) - 1, -1, -1):
            if is_left_out(index):
                sums[index] = 0
            elif self.elements[index].parent >= 0:
                sums[self.elements[index].parent] += sums[index]
        return sums

    def _has_heading(self) -> list[bool]:
        """Whether each element holds a first heading, or an element that the markup names as content."""
        leads = [rank > 0 or e.tag == "h1" for rank, e in zip(self.ranks, self.elements, strict=True)]
        for index in range(len(self.elements) - 1, -1, -1):
            parent = self.elements[index].parent
            if leads[index] and parent >= 0 and self.kinds[index] != "comments":
                leads[parent] = True
        return leads

    def is_furniture(self, index: int) -> bool:
        """Whether an element is furniture, or stands in some."""
        while index >= 0:
            if self.kinds[index]:
                return True
            index = self.elements[index].parent
        return False

    def best(self) -> int:
        """The index of the element that is the post; -1 for all of the page."""
        for rank in (3, 2, 1):
            candidates = [
                i for i, r in enumerate(self.ranks) if r == rank and self.prose[i] and not self.is_furniture(i)
            ]
            if not candidates:
                continue
            best = max(candidates, key=lambda i: self.prose[i])
            if self.prose[best] < NAMED_SHARE[rank] * self.total:
                continue
            return self._with_siblings(best) if rank == 3 else self._descend(best)
        roots = [i for i, e in enumerate(self.elements) if e.parent < 0]
        return self._descend(max(roots, key=lambda i: self.prose[i])) if roots else -1

    def _with_siblings(self, best: int) -> int:
        """The content itself, or what is around it where it is one of several pieces of one text."""
        if self.prose[best] > 0.6 * self.total:
            return best
        marks, parent = self.elements[best].marks, self.elements[best].parent
        pieces = sum(self.elements[i].marks == marks for i, r in enumerate(self.ranks) if r == 3 and self.prose[i])
        while pieces > 1 and parent >= 0 and self.ranks[parent] != 2:
            if self.prose[parent] > 1.5 * self.prose[best]:
                return parent
            parent = self.elements[parent].parent
        return best

    def _descend(self, index: int) -> int:
        """The smallest container that holds nearly all the prose of this one."""
        children: dict[int, list[int]] = {}
        for child in range(index + 1, len(self.elements)):
            if self.elements[child].start >= self.elements[index].end:
                break
            children.setdefault(self.elements[child].parent, []).append(child)
        while True:
            inner = [
                c
                for c in children.get(index, [])
                if self.elements[c].tag in CONTAINERS and self.prose[c] >= INNER_SHARE * self.prose[index] > 0
            ]
            if not inner:
                return index
            index = inner[0]


def find_content(events: Sequence[Event]) -> PageContent:
    """The post of a page."""
    page = _Page(events)
    best = page.best()
    begin, end = (page.elements[best].start + 1, page.elements[best].end - 1) if best >= 0 else (0, len(events))
    dropped = {e.start: e.end for e, kind in zip(page.elements, page.kinds, strict=True) if kind}
    notes = next(
        (e for e in page.elements if e.start >= end and NOTES.search(e.marks) and e.start not in dropped), None
    )
    parts = [(begin, end)] + ([(notes.start, notes.end)] if notes else [])
    return PageContent(parts, dropped, "comments" in page.kinds, page.total > 0)


def find_furniture(events: Sequence[Event]) -> dict[int, int]:
    """Furniture in the HTML of one exported post: index of its start event → index after its end."""
    elements = find_elements(events)
    return {e.start: e.end for e, kind in zip(elements, furniture_kinds(elements, False), strict=True) if kind}
