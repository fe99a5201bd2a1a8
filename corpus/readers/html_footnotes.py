"""Footnotes as each engine writes them → references "[^1]" and pseudo-elements <footnote mark="1">."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from corpus.readers.html_parser import Element, Event, Rewriting

REFERENCE_TEXT = re.compile(r"[\[(]?(?:\d{1,3}|[a-z]|[ivx]{1,6}|[*†‡§]{1,3})[\])]?\Z")
BACK_LINK_TEXT = re.compile(r"[↩↑⏎^⤴🔙\ufe0e\ufe0f\s]*(?:back|return|jump up)?[\s.]*\Z|[\[(]?\d{1,3}[\])]?\.?\Z", re.I)
FOOTNOTE_MARKS = re.compile(r"(?:^|[\s_-])(?:footnote\w*|fn|fnref|noteref|endnote\w*|sdfootnote\w*)(?:$|[\s:_-])")


@dataclass
class _Link:
    """A link from one place of a post to another."""

    index: int  # of its element
    target: str
    names: set[str]  # ids by which it can be linked to: its own, and those of what is around it
    text: str


def with_notes(html: str, notes: Mapping[str, str]) -> str:
    """HTML and the notes that stand outside it, by their id, as one: those to which it refers follow at its end."""
    wanted = {key: note for key, note in notes.items() if key in html and f'id="{key}"' not in html}
    if not wanted:
        return html
    return html + "<ol>" + "".join(f'<li id="{escape(key)}">{note}</li>' for key, note in wanted.items()) + "</ol>"


def rewrite_footnotes(rewriting: Rewriting) -> None:
    """References and their notes → "[^1]" and a <footnote>; a reference whose note is not there goes.

    A reference is a link by a short mark to a note that links back to it, or one that its class calls a footnote.
    """
    links = _inner_links(rewriting)
    if not links:
        return
    places = _named_places(rewriting)
    back = {(link.target, name): link for link in links for name in link.names}
    label = 0
    labels: dict[str, int] = {}  # of each note
    taken: set[int] = set()
    for link in links:
        if not REFERENCE_TEXT.match(link.text) or link.index in taken:
            continue
        if link.target in labels:  # a second reference to a note
            _replace_reference(rewriting, link.index, [Event("text", f"[^{labels[link.target]}]", {})])
            continue
        note = places.get(link.target)
        returning = next((back[n, link.target] for n in link.names if (n, link.target) in back), None)
        element = rewriting.elements[link.index]
        is_marked = _is_marked(rewriting, link.index)
        if note is not None and rewriting.elements[note].start > element.start and (returning or is_marked):
            label += 1
            if _mark_note(rewriting, links, note, link, str(label), taken):
                labels[link.target] = label
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
    if (
        holder.tag == "p"
        and around
        and around.tag in ("li", "div", "aside")
        and around.end - holder.end < 4
        and (around.attributes.get("id") or FOOTNOTE_MARKS.search(around.marks))
    ):
        holder = around
    reference_element = elements[reference.index]
    if holder.start <= reference_element.start < holder.end or holder.start in rewriting.replaced:
        return False
    ways_back = {name for link in links if link.target == reference.target for name in link.names}
    inside = []
    for link in links:
        element = elements[link.index]
        if holder.start < element.start < holder.end and (
            link.target in ways_back or (BACK_LINK_TEXT.match(link.text) and link.index != reference.index)
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
            value = re.sub(rf"\A\s*[\[(]?{number}(?:[\])]\.?|\.|:|\s(?=\s*\S)|\Z)\s*", "", value)
            body[index] = Event(kind, "" if re.fullmatch(r"[\s\[\]().:]*", value) else value, attributes)
            if body[index].value:
                return


def _replace_reference(rewriting: Rewriting, index: int, events: list[Event]) -> None:
    """Put events in the place of a link, and of a <sup> that holds nothing else."""
    element = rewriting.elements[index]
    above = rewriting.elements[element.parent] if element.parent >= 0 else None
    if above and above.tag in ("sup", "span") and rewriting.text(above) == rewriting.text(element):
        element = above
    rewriting.replaced[element.start] = (element.end, events)
