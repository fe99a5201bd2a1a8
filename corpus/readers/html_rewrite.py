"""What engines make of code, footnotes and headings → the plain HTML it stands for, before Markdown is written.

Highlighters wrap code in tables, number its lines and colour its words; each engine has footnotes of its own; and
headings carry links to themselves. All three are told by their structure, with the class names of no single engine.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from corpus.readers.html_parser import Element, Event, find_elements

LINE_NUMBER_MARKS = re.compile(
    r"(?:^|[\s_-])(?:ln|lnt|lnos?|lineno|linenos|linenumbers?|line-?numbers?(?:-rows)?|hljs-ln-n\w*)(?:$|[\s_-])"
)
CODE_LINE_TAGS = {"div", "li", "p", "tr"}  # of code: each is a line
LANGUAGE_MARKS = re.compile(
    r"(?:lang(?:uage)?|brush|highlight-source)[-:]\s?(?P<name>[\w+#]+)|\b(?:syntaxhighlighter|highlight|hljs|sourcecode|prettyprint)\s+"
    r"(?:lang-)?(?P<other>[a-z][\w+#]*)"
)
NO_LANGUAGES = {
    "highlight",
    "table",
    "linenums",
    "plain",
    "plaintext",
    "text",
    "none",
    "nohighlight",
    "code",
    "chroma",
    "notranslate",
}
REFERENCE_TEXT = re.compile(r"[\[(]?(?:\d{1,3}|[a-z]|[ivx]{1,6}|[*†‡§]{1,3})[\])]?\Z")
BACK_LINK_TEXT = re.compile(r"[↩↑⏎^⤴🔙\ufe0e\ufe0f\s]*(?:back|return|jump up)?[\s.]*\Z|[\[(]?\d{1,3}[\])]?\.?\Z", re.I)
FOOTNOTE_MARKS = re.compile(r"(?:^|[\s_-])(?:footnote\w*|fn|fnref|noteref|endnote\w*|sdfootnote\w*)(?:$|[\s:_-])")
HEADING_LINK_TEXT = re.compile(r"[#¶§🔗∞⚓\s\ufe0f]*\Z")
MAX_REFERENCE_TEXT = 8  # characters
MAX_NOTE_MARKS = 5  # elements around the mark in front of a note


@dataclass
class Rewriting:
    """What replaces some of the elements: by the index of its start event, the index after its end and new events."""

    events: Sequence[Event]
    elements: list[Element]
    replaced: dict[int, tuple[int, list[Event]]] = field(default_factory=dict)

    def text(self, element: Element) -> str:
        """Its text, at most a few words of it."""
        parts, size = [], 0
        for event in self.events[element.start : element.end]:
            if event.kind == "text":
                parts.append(event.value)
                size += len(event.value)
                if size > 200:
                    break
        return " ".join("".join(parts).split())


def rewrite(events: Sequence[Event]) -> list[Event]:
    """The events of a post, with code blocks, footnotes and headings as plain HTML has them.

    A footnote becomes a pseudo-element <footnote mark="1">, and a reference to it the text "[^1]".
    """
    tags = {event.value for event in events if event.kind == "start"}
    if not tags & {"pre", "a", "table"}:
        return list(events)
    rewriting = Rewriting(events, find_elements(events))
    if tags & {"pre", "table"}:
        _rewrite_code(rewriting)
    if "a" in tags:
        _rewrite_footnotes(rewriting)
        _drop_heading_links(rewriting)
    if not rewriting.replaced:
        return list(events)
    result: list[Event] = []
    index = 0
    while index < len(events):
        found = rewriting.replaced.get(index)
        if found:
            result += found[1]
            index = max(found[0], index + 1)
        else:
            result.append(events[index])
            index += 1
    return result


def _rewrite_code(rewriting: Rewriting) -> None:
    """Each <pre>, and each table of line numbers and code → a <pre> with one text."""
    elements, end = rewriting.elements, 0
    for number, element in enumerate(elements):
        if element.start < end or element.tag not in ("pre", "table"):
            continue
        source = _code_cells(rewriting, number) if element.tag == "table" else [element]
        if element.tag == "pre":
            source = _table_in_pre(rewriting, number) or source
        if not source:
            continue
        code = "\n".join(_code_text(rewriting, cell) for cell in source)
        language = _language(rewriting, number)
        attributes = {"class": f"language-{language}"} if language else {}
        rewriting.replaced[element.start] = (
            element.end,
            [Event("start", "pre", attributes), Event("text", code, {}), Event("end", "pre", {})],
        )
        end = element.end


def _table_in_pre(rewriting: Rewriting, number: int) -> list[Element]:
    element = rewriting.elements[number]
    for inner in range(number + 1, min(number + 6, len(rewriting.elements))):
        if rewriting.elements[inner].start >= element.end:
            break
        if rewriting.elements[inner].tag == "table":
            return _code_cells(rewriting, inner)
    return []


def _code_cells(rewriting: Rewriting, number: int) -> list[Element]:
    """The cells with code of a table whose other cells are line numbers; empty for any other table."""
    table, cells, numbers, has_code = rewriting.elements[number], [], 0, False
    for element in rewriting.elements[number + 1 :]:
        if element.start >= table.end:
            break
        if element.tag in ("td", "th"):
            text = rewriting.text(element)
            if not re.sub(r"[\d\s]", "", text) and (text or "data-line-number" in element.attributes):
                numbers += 1
            elif text:
                cells.append(element)
        elif element.tag in ("pre", "code") or "code" in element.marks or "line" in element.marks.split():
            has_code = True
        if len(cells) > numbers + 1:
            return []
    has_code = has_code or any("code" in cell.marks for cell in cells)
    return cells if has_code and numbers >= len(cells) > 0 else []


def _code_text(rewriting: Rewriting, element: Element) -> str:
    """The text of code, its lines where the markup has them, without line numbers and buttons."""
    parts: list[str] = []
    open_skips: list[str] = []
    for kind, value, attributes in rewriting.events[element.start : element.end]:
        if open_skips:
            if kind == "start":
                open_skips.append(value)
            elif kind == "end" and value in open_skips:
                while open_skips.pop() != value:
                    pass
        elif kind == "text":
            parts.append(value.replace("\xa0", " "))
        elif kind == "start":
            marks = attributes.get("class", "").lower()
            if value == "br":
                parts.append("\n")
            elif value in ("button", "style", "script") or (
                marks and value != "pre" and LINE_NUMBER_MARKS.search(marks)
            ):
                open_skips.append(value)
        elif value in CODE_LINE_TAGS and parts and not parts[-1].endswith("\n"):
            parts.append("\n")
    return "".join(parts).strip("\n")


def _language(rewriting: Rewriting, number: int) -> str:
    """The language that a code block names in its class, in that of what is in it, or of what is around it."""
    elements = rewriting.elements
    around, above = [number], elements[number].parent
    while above >= 0 and len(around) < 4 and elements[above].tag in ("div", "figure", "td", "tr", "tbody", "table"):
        around.append(above)
        above = elements[above].parent
    inside = [i for i in range(number + 1, min(number + 12, len(elements))) if elements[i].start < elements[number].end]
    for index in [*around[:1], *(i for i in inside if elements[i].tag in ("code", "pre")), *around[1:]]:
        attributes = elements[index].attributes
        name = attributes.get("data-language") or attributes.get("data-lang") or ""
        if not name:
            match = LANGUAGE_MARKS.search(attributes.get("class", "").lower())
            name = (match["name"] or match["other"]) if match else ""
        if name and name.lower() not in NO_LANGUAGES and re.fullmatch(r"[\w+#]{1,20}", name):
            return name.lower()
    return ""


def _drop_heading_links(rewriting: Rewriting) -> None:
    """Headings link to themselves by a mark that readers don't see."""
    for element in rewriting.elements:
        if (
            element.tag == "a"
            and element.end - element.start <= 8
            and element.attributes.get("href", "").startswith("#")
        ):
            if HEADING_LINK_TEXT.match(rewriting.text(element)) and element.start not in rewriting.replaced:
                rewriting.replaced[element.start] = (element.end, [])


@dataclass
class _Link:
    """A link from one place of a post to another."""

    index: int  # of its element
    target: str
    names: set[str]  # ids by which it can be linked to: its own, and those of what is around it
    text: str


def _rewrite_footnotes(rewriting: Rewriting) -> None:
    """References and their notes → "[^1]" and a <footnote>; a reference whose note is not there goes.

    A reference is a link by a short mark to a note that links back to it, or one that its class calls a footnote.
    """
    links = _inner_links(rewriting)
    if not links:
        return
    places = _named_places(rewriting)
    back = {(link.target, name): link for link in links for name in link.names}
    label = 0
    taken: set[int] = set()
    for link in links:
        if not REFERENCE_TEXT.match(link.text) or link.index in taken:
            continue
        note = places.get(link.target)
        returning = next((back[n, link.target] for n in link.names if (n, link.target) in back), None)
        element = rewriting.elements[link.index]
        is_marked = _is_marked(rewriting, link.index)
        if note is not None and rewriting.elements[note].start > element.start and (returning or is_marked):
            label += 1
            if _mark_note(rewriting, links, note, link, str(label), taken):
                _replace_reference(rewriting, link.index, [Event("text", f"[^{label}]", {})])
                continue
            label -= 1
        if is_marked and note is None:
            _replace_reference(rewriting, link.index, [])


def _inner_links(rewriting: Rewriting) -> list[_Link]:
    found = []
    for index, element in enumerate(rewriting.elements):
        target = element.attributes.get("href", "") if element.tag == "a" else ""
        if "#" not in target or element.end - element.start > 12:
            continue
        text = rewriting.text(element)
        if len(text) > 40:
            continue
        names, above = set(_names(element)), element.parent
        for _ in range(2):
            if above >= 0 and rewriting.elements[above].tag in ("sup", "span", "small", "a", "li", "p", "div"):
                names |= set(_names(rewriting.elements[above]))
                above = rewriting.elements[above].parent
        found.append(_Link(index, target.rpartition("#")[2], names, text))
    return found


def _names(element: Element) -> list[str]:
    return [name for name in (element.attributes.get("id"), element.attributes.get("name")) if name]


def _named_places(rewriting: Rewriting) -> dict[str, int]:
    places: dict[str, int] = {}
    for index, element in enumerate(rewriting.elements):
        for name in _names(element):
            places.setdefault(name, index)
    return places


def _is_marked(rewriting: Rewriting, index: int) -> bool:
    """Whether the class, role or name of a link, or of the <sup> around it, calls it a footnote."""
    for _ in range(2):
        element = rewriting.elements[index]
        a = element.attributes
        marks = " ".join([a.get(k, "") for k in ("class", "id", "role", "rel", "href", "epub:type", "name")]).lower()
        if (
            "data-fn" in a
            or "footnoteanchor" in a.get("data-component-name", "").lower()
            or FOOTNOTE_MARKS.search(marks)
        ):
            return True
        index = element.parent
        if index < 0 or rewriting.elements[index].tag not in ("sup", "span"):
            return False
    return False


def _mark_note(
    rewriting: Rewriting, links: list[_Link], note: int, reference: _Link, label: str, taken: set[int]
) -> bool:
    """Make a <footnote> of the block that a note stands in. False where that block is no note."""
    elements = rewriting.elements
    block = note
    while elements[block].tag not in ("li", "p", "div", "dd", "aside", "section") and elements[block].parent >= 0:
        block = elements[block].parent
    holder = elements[block]
    around = elements[holder.parent] if holder.parent >= 0 else None
    if holder.tag == "p" and around and around.tag in ("li", "div", "aside") and around.end - holder.end < 4:
        if around.attributes.get("id") or FOOTNOTE_MARKS.search(around.marks):
            holder = around
    reference_element = elements[reference.index]
    if holder.start <= reference_element.start < holder.end or holder.start in rewriting.replaced:
        return False
    inside = []
    for link in links:
        element = elements[link.index]
        if holder.start < element.start < holder.end and (
            link.target in reference.names or (BACK_LINK_TEXT.match(link.text) and link.index != reference.index)
        ):
            inside.append(link.index)
    taken.update(inside)
    drop = {elements[i].start: elements[i].end for i in inside}
    body: list[Event] = []
    index = holder.start + 1
    while index < holder.end - 1:
        if index in drop:
            index = drop[index]
            continue
        body.append(rewriting.events[index])
        index += 1
    _strip_number(body, reference.text)
    rewriting.replaced[holder.start] = (
        holder.end,
        [Event("start", "footnote", {"mark": label}), *body, Event("end", "footnote", {})],
    )
    return True


def _strip_number(body: list[Event], mark: str) -> None:
    """Take the number away that stands as text in front of a note."""
    for index, (kind, value, attributes) in enumerate(body):
        if kind == "text" and value.strip():
            number = re.escape(mark.strip("[]()"))
            body[index] = Event(
                kind, re.sub(rf"\A\s*[\[(]?{number}(?:[\])]\.?|\.|:|\s(?=\s*\S)|\Z)\s*", "", value), attributes
            )
            return


def _replace_reference(rewriting: Rewriting, index: int, events: list[Event]) -> None:
    """Put events in the place of a link, and of a <sup> that holds nothing else."""
    element = rewriting.elements[index]
    above = rewriting.elements[element.parent] if element.parent >= 0 else None
    if above and above.tag in ("sup", "span") and rewriting.text(above) == rewriting.text(element):
        element = above
    rewriting.replaced[element.start] = (element.end, events)
