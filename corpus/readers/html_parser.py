"""HTML → events, and the elements they make, by lxml's parser. Nothing in it is run or fetched."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from corpus.post import SkippedPost

MAX_DEPTH = 1000  # lxml looks through all open elements at an end tag: deeper pages cost the square of their length
FEED_CHARACTERS = 100_000  # given to the parser at a time
FORBIDDEN_CHARACTERS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # lxml refuses them


class Event(NamedTuple):
    """What the parser met: "start", "end" or "text"; its tag, or the text; a start tag's attributes."""

    kind: str
    value: str
    attributes: dict[str, str]


@dataclass(slots=True)
class Element:
    """An element among the events of a document."""

    tag: str
    attributes: dict[str, str]
    marks: str  # its classes and id, in lower case
    start: int  # index of its start event
    parent: int  # index of the element around it; -1 for none
    end: int = 0  # index after its end event


class HtmlCollector:
    """The target of lxml's parser: collects the events. Raises SkippedPost for HTML that is nested too deeply."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.path: list[str] = []  # open tags
        self.first_comment = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self.path) > MAX_DEPTH:
            raise SkippedPost(f"its HTML is nested more than {MAX_DEPTH:,} deep")
        self.path.append(tag)
        if tag == "head":
            return  # a page without <body> stands in it
        self.events.append(Event("start", tag, dict(attributes)))

    def end(self, tag: str) -> None:
        while self.path and self.path.pop() != tag:
            pass
        if tag != "head":
            self.events.append(Event("end", tag, {}))

    def data(self, text: str) -> None:
        self.events.append(Event("text", text, {}))

    def comment(self, text: str) -> None:
        self.first_comment = self.first_comment or text[:1000]

    def pi(self, target: str, data: str | None = None) -> None:
        pass

    def close(self) -> "HtmlCollector":
        return self


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


def find_elements(events: Sequence[Event]) -> list[Element]:
    """The elements of these events, in the order of their start tags; one without an end tag goes on to the end."""
    elements: list[Element] = []
    open_elements: list[int] = []
    open_counts: dict[str, int] = {}
    for index, (kind, value, attributes) in enumerate(events):
        if kind == "start":
            marks = f"{attributes.get('class', '')} {attributes.get('id', '')}".lower() if attributes else ""
            parent = open_elements[-1] if open_elements else -1
            open_elements.append(len(elements))
            open_counts[value] = open_counts.get(value, 0) + 1
            elements.append(Element(value, attributes, marks, index, parent, len(events)))
        elif kind == "end" and open_counts.get(value):
            while True:
                element = elements[open_elements.pop()]
                element.end = index + 1
                open_counts[element.tag] -= 1
                if element.tag == value:
                    break
    return elements


def text_of(events: Sequence[Event], element: Element) -> str:
    """The text of an element in one line."""
    return " ".join("".join(e.value for e in events[element.start : element.end] if e.kind == "text").split())


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
