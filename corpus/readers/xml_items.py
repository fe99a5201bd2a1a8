"""The items of a feed or a WordPress export, one after another: strictly, and after an error once more, tolerantly.

Neither pass reads an entity that the file declares. The strict one streams, and frees each item.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.post import SkippedPost
from corpus.readers.xml_file import Item, Xml, local_name, open_xml
from corpus.readers.xml_tolerant import REFUSED, iter_tolerant

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def iter_items(
    path: Path, max_bytes: float, on_channel: Callable[["Element"], None]
) -> Iterator[tuple[int, Item | SkippedPost]]:
    """(number of the item, item) for each; a `SkippedPost` for one that can't be read.

    on_channel: receives the elements outside the items. max_bytes: of an item, in the tolerant pass. Raises SkippedPost
    for a file without one, and for XML that declares entities.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException

    with open_xml(path) as xml:
        number = 0
        try:
            for element in _iter_strict(xml, on_channel):
                number += 1
                yield number, Item(element, xml.mended if number == 1 else [])
        except DefusedXmlException as e:
            raise SkippedPost(f"{REFUSED} ({type(e).__name__})") from None
        except (ParseError, ValueError, LookupError) as e:
            reason = f"the XML can't be read: {e}"
        else:
            if not number:
                raise SkippedPost("XML, but neither a WordPress export nor a feed: no item or entry in it")
            return
        sound = number
        for number, item in iter_tolerant(xml, sound, max_bytes, on_channel):
            if number == 1 and isinstance(item, Item):
                item = Item(item.element, [*xml.mended, *item.mended])
            yield number, item
        if not number:
            raise SkippedPost(reason)


def _iter_strict(xml: Xml, on_channel: Callable[["Element"], None]) -> Iterator["Element"]:
    """Each item as expat reads it; it is freed when the next one is asked for."""
    from xml.etree.ElementTree import TreeBuilder

    from defusedxml.ElementTree import DefusedXMLParser, iterparse

    parser = DefusedXMLParser(encoding="utf-8", target=TreeBuilder()) if xml.is_utf8 else None
    ancestors: list[Element] = []
    depth = 0  # items and entries that are open
    for event, element in iterparse(xml, events=("start", "end"), parser=parser):
        tag = local_name(element.tag)
        is_post = tag in ("item", "entry")
        if event == "start":
            ancestors.append(element)
            depth += is_post
            continue
        ancestors.pop()
        depth -= is_post
        if is_post and not depth:
            yield element
        elif not depth and tag in ("author", "managingeditor"):
            on_channel(element)
        if ancestors and not depth and local_name(ancestors[-1].tag) != "author":
            ancestors[-1].clear()  # it was read: its parent lets go of it
