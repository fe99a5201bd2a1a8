"""The events of a post, with code, footnotes and headings as plain HTML has them, before Markdown is written."""

import re
from collections.abc import Sequence

from corpus.readers.html_code import rewrite_code
from corpus.readers.html_footnotes import rewrite_footnotes
from corpus.readers.html_parser import Event, Rewriting, find_elements

HEADING_LINK_TEXT = re.compile(r"[#¶§🔗∞⚓\s\ufe0f]*\Z")


def rewrite(events: Sequence[Event]) -> list[Event]:
    """The events of a post, with code blocks, footnotes and headings as plain HTML has them.

    A footnote becomes a pseudo-element <footnote mark="1">, and a reference to it the text "[^1]".
    """
    tags = {event.value for event in events if event.kind == "start"}
    if not tags & {"pre", "a", "table"}:
        return list(events)
    rewriting = Rewriting(events, find_elements(events))
    if tags & {"pre", "table"}:
        rewrite_code(rewriting)
    if "a" in tags:
        rewrite_footnotes(rewriting)
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


def _drop_heading_links(rewriting: Rewriting) -> None:
    """Headings link to themselves by a mark that readers don't see."""
    for element in rewriting.elements:
        if (
            (
                element.tag == "a"
                and element.end - element.start <= 8
                and element.attributes.get("href", "").startswith("#")
            )
            and HEADING_LINK_TEXT.match(rewriting.text(element))
            and element.start not in rewriting.replaced
        ):
            rewriting.replaced[element.start] = (element.end, [])
