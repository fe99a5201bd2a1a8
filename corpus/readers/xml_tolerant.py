"""The items of XML that is broken: each is looked for by its tags, repaired, and read by itself.

A broken item takes no other along. No entity that the file declares is read, and nothing is fetched.
"""

import mmap
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from corpus.encoding import decode_declared, decode_utf8
from corpus.post import SkippedPost
from corpus.readers.xml_file import FORBIDDEN_BYTES, HEAD_BYTES, Item, Xml, local_name
from corpus.readers.xml_repair import open_cdata_end, repair_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

CHANNEL_BYTES = 5_000_000  # before the first item: what the file says of the blog and its authors
TOKEN = re.compile(
    rb"""(?x)
      (?P<cdata> <!\[CDATA\[ )
    | (?P<comment> <!-- )
    | (?P<dtd> <!ENTITY\b | <!DOCTYPE [^<>\[]{0,1000} \[ )
    | < (?P<start> (?:[\w.-]{1,40}:)? (?:item|entry) ) (?=[\s>/])
    | </ (?P<end> (?:[\w.-]{1,40}:)? (?:item|entry) ) \s* >
    """
)
ROOT_END = re.compile(rb"</(?:[\w.-]{1,40}:)?(?:rss|feed|RDF)\s*>")
CONTENT_TAGS = ("content:encoded", "content", "description", "summary")
FEW_HIGH_BYTES = 0.04  # of all: a text in the Latin alphabet, whose few accents and quotes are Windows-1252
REFUSED = "refused: the XML declares entities"


def iter_tolerant(
    xml: Xml, sound: int, max_bytes: float, on_channel: Callable[["Element"], None]
) -> Iterator[tuple[int, Item | SkippedPost]]:
    """(number of the item, item) for each but the first `sound` ones, which the strict pass gave.

    A `SkippedPost` stands for an item that is not whole, and for what is missing at the end of the file. Raises
    SkippedPost for a DTD.
    """
    with mmap.mmap(xml.file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        number = 0
        for number, segment in enumerate(_iter_segments(data, xml.start), 1):
            if number == 1:
                _read_channel(data[xml.start : min(segment.start, xml.start + CHANNEL_BYTES)], xml, on_channel)
            if number <= sound:
                continue
            try:
                yield number, _read_segment(segment, data, xml, max_bytes)
            except SkippedPost as e:
                yield number, e
        if number and not ROOT_END.search(data[max(0, len(data) - HEAD_BYTES) :]):
            yield number + 1, SkippedPost("the file breaks off here: what came after is not in it")


class Segment(NamedTuple):
    """Where an item stands in the file."""

    start: int
    end: int
    is_closed: bool  # with its end tag
    cdata_ends: list[int]  # where a CDATA section must end that has no end of its own


def _iter_segments(data: mmap.mmap, position: int) -> Iterator[Segment]:
    """Each item, from its start tag to its end tag, or to the next start tag or the end of the file.

    Raises SkippedPost for a DTD. Linear: the end of a section is looked for once, however many starts precede it.
    """
    start, name = -1, b""
    cdata_ends: list[int] = []
    ends = {b"]]>": 0, b"-->": 0}  # where the next of each is, as far as it was looked for

    def next_end(mark: bytes, after: int) -> int:
        if ends[mark] < after:
            found = data.find(mark, after)
            ends[mark] = found if found >= 0 else len(data) + 1
        return ends[mark]

    while token := TOKEN.search(data, position):
        position = token.end()
        if token["dtd"]:
            raise SkippedPost(REFUSED)
        if token["cdata"]:
            end = next_end(b"]]>", position)
            early = open_cdata_end(data, token.start(), position, min(end, len(data)), end > len(data))
            if early >= 0:
                cdata_ends.append(early)
                position = early
            elif end <= len(data):
                position = end + 3
        elif token["comment"]:
            end = next_end(b"-->", position)
            position = end + 3 if end <= len(data) else position
        elif token["start"]:
            if start >= 0 and token["start"] != name:  # an entry within an item
                continue
            if start >= 0:
                yield Segment(start, token.start(), False, cdata_ends)
            start, name, cdata_ends = token.start(), token["start"], []
        elif start >= 0 and token["end"] == name:
            yield Segment(start, token.end(), True, cdata_ends)
            start = -1
    if start >= 0:
        yield Segment(start, len(data), False, cdata_ends)


def _read_channel(head: bytes, xml: Xml, on_channel: Callable[["Element"], None]) -> None:
    """Hand over what stands before the first item: authors."""
    text, _ = repair_xml(decode_declared(head.translate(None, FORBIDDEN_BYTES), xml.encoding or "utf-8"))
    root, _ = _parse(re.sub(r"<\?xml\b[^>]*\?>", "", text))
    for element in () if root is None else root.iter():
        if local_name(element.tag) in ("author", "managingeditor"):
            on_channel(element)


def _read_segment(segment: Segment, data: mmap.mmap, xml: Xml, max_bytes: float) -> Item:
    """The item as lxml recovers it. Raises SkippedPost for one that is too large, not whole, or unreadable."""
    if segment.end - segment.start > max_bytes + HEAD_BYTES:
        size = (segment.end - segment.start) / 1e6
        raise SkippedPost(f"the post has {size:.0f} MB, more than ingest.max_file_mb")
    parts, position = [], segment.start
    for end in segment.cdata_ends:
        parts += [data[position:end], b"]]>"]
        position = end
    raw = b"".join([*parts, data[position : segment.end]])
    mended = ["a CDATA section without an end in its XML"] if segment.cdata_ends else []
    text, repaired = repair_xml(_decode(raw.translate(None, FORBIDDEN_BYTES), xml.encoding, mended))
    _check_whole(text, segment.is_closed, xml.is_wordpress)
    if not segment.is_closed:
        mended.append("an item without an end in its XML")
    element, is_broken = _parse(text)
    if element is None:
        raise SkippedPost("its XML can't be read")
    mended += repaired
    return Item(element, mended or (["broken tags in its XML"] if is_broken else []))


def _decode(data: bytes, encoding: str, mended: list[str]) -> str:
    """Bytes → text; appends to `mended` if they are not in the encoding of the file."""
    try:
        return data.decode(encoding or "utf-8")
    except (UnicodeDecodeError, LookupError):
        mended.append("bytes that are not in the encoding of its XML")
    few = sum(byte > 127 for byte in data) < FEW_HIGH_BYTES * len(data)
    return decode_utf8(data) if few else decode_declared(data, encoding or "utf-8")


def _check_whole(text: str, is_closed: bool, is_wordpress: bool) -> None:
    """Raises SkippedPost for an item whose text, or whose status, may be missing."""
    tag = next((tag for tag in CONTENT_TAGS if f"<{tag}" in text), "")
    is_cut = not is_closed and (not tag or f"</{tag}>" not in text)
    if is_cut or (is_wordpress and not ("</wp:status>" in text and "</wp:post_type>" in text)):
        title = re.search(r"<title>(?:<!\[CDATA\[)?([^<\]]{1,80})", text)
        raise SkippedPost("the file breaks off within this post", title[1] if title else "")


def _parse(text: str) -> tuple["Element | None", bool]:
    """(the element of a piece of XML as far as it can be read, whether tags had to be guessed)."""
    from lxml import etree

    parser = etree.XMLParser(
        recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, remove_comments=True
    )
    try:
        element = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None, True
    undeclared = etree.ErrorTypes.NS_ERR_UNDEFINED_NAMESPACE
    return element, any(error.type != undeclared for error in parser.error_log)
