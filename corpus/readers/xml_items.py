"""The items of a feed or a WordPress export, one after another: strictly, and after an error once more, tolerantly.

The strict pass streams. The tolerant one looks for each item by its tags, puts right what makes no XML (`repair_xml`),
and reads each by itself, so that a broken one takes no other along. Neither reads an entity that the file declares.
"""

import codecs
import contextlib
import functools
import mmap
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from corpus.encoding import BYTE_ORDER_MARKS, decode_declared
from corpus.post import SkippedPost
from corpus.readers.xml_repair import FORBIDDEN_BYTES, open_cdata_end, repair_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

HEAD_BYTES = 100_000  # in which the declaration and the root stand
ENOUGH_CHARACTERS = 50  # of several bytes, to know UTF-8 by
CHANNEL_BYTES = 5_000_000  # before the first item: what the file says of the blog and its authors
ROOT = re.compile(rb"<\?xml\b|<(?:rss|feed|rdf:RDF|(?:\w+:)?(?:rss|feed))\b")
DECLARED_ENCODING = re.compile(rb"<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]{1,40})")
# Encodings in which a byte of ASCII may be a part of another character, and those that expat does not know.
WIDE_ENCODINGS = ("utf-16", "utf-32", "shift_jis", "cp932", "gb", "big5", "hz", "iso2022", "euc_", "johab", "cp949")
TOKEN = re.compile(
    rb"""(?x)
      (?P<cdata> <!\[CDATA\[ )
    | (?P<comment> <!-- )
    | (?P<dtd> <!ENTITY\b | <!DOCTYPE [^<>\[]{0,1000} \[ )
    | < (?P<start> (?:[\w.-]{1,40}:)? (?:item|entry) ) (?=[\s>/])
    | </ (?P<end> (?:[\w.-]{1,40}:)? (?:item|entry) ) \s* >
    """
)
DTD = re.compile(rb"<!ENTITY\b|<!DOCTYPE[^<>\[]{0,1000}\[")
ROOT_END = re.compile(rb"</(?:[\w.-]{1,40}:)?(?:rss|feed|RDF)\s*>")
CONTENT_TAGS = ("content:encoded", "content", "description", "summary")
FEW_HIGH_BYTES = 0.04  # of all: a text in the Latin alphabet, whose few accents and quotes are Windows-1252
REFUSED = "refused: the XML declares entities"


class Item(NamedTuple):
    """An item of RSS or WXR, or an entry of Atom, and what had to be put right in it."""

    element: "Element"
    mended: list[str]


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
        for number, item in enumerate(_iter_tolerant(xml, max_bytes, on_channel), 1):
            if number > sound:  # the strict pass gave those before
                yield number, item
        if not number:
            raise SkippedPost(reason)


# --- the file ---------------------------------------------------------------------------------------------------------


@dataclass
class Xml:
    """A file whose bytes below 128 are ASCII: expat and the tolerant pass can read it."""

    file: BinaryIO
    start: int  # where its XML begins
    encoding: str  # the declared one; "" without a declaration
    is_utf8: bool  # whatever the declaration says
    is_wordpress: bool  # an export, whose items have a status
    mended: list[str] = field(default_factory=list)

    def read(self, size: int = -1) -> bytes:
        """About `size` bytes, without the control characters that XML forbids; empty at the end of the file."""
        while data := self.file.read(size):
            if kept := data.translate(None, FORBIDDEN_BYTES):
                return kept
        return b""


@contextlib.contextmanager
def open_xml(path: Path) -> Iterator[Xml]:
    """Open a file of XML; UTF-16 and its like are written to a temporary file in UTF-8 first."""
    with open(path, "rb") as file, contextlib.ExitStack() as stack:
        head = file.read(HEAD_BYTES)
        wide = _wide_encoding(head)
        if wide:
            file.seek(0)
            transcoded = stack.enter_context(tempfile.TemporaryFile())
            decoder = codecs.getincrementaldecoder(wide)("replace")
            while data := file.read(1_000_000):
                transcoded.write(decoder.decode(data).encode("utf-8", "replace"))
            transcoded.write(decoder.decode(b"", True).encode("utf-8", "replace"))
            transcoded.seek(0)
            head = transcoded.read(HEAD_BYTES)
        source: BinaryIO = transcoded if wide else file
        declared = DECLARED_ENCODING.search(head)
        encoding = declared[1].decode().lower() if declared else ""
        start, mended = _find_start(head)
        is_utf8 = bool(wide)
        if not wide and encoding not in ("", "utf-8", "utf8", "us-ascii") and _is_utf8(source):
            is_utf8, mended = True, [*mended, f"UTF-8 that says {encoding}"]
        source.seek(start)
        is_wordpress = b"wxr_version" in head or b"xmlns:wp=" in head
        yield Xml(source, start, "utf-8" if is_utf8 else encoding, is_utf8, is_wordpress, mended)


def _is_utf8(file: BinaryIO) -> bool:
    """True for a file with some characters beyond ASCII, whose first ones are UTF-8: by chance no other encoding is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    found = 0
    try:
        while found < ENOUGH_CHARACTERS and (data := file.read(1_000_000)):
            found += 0 if data.isascii() else sum(character > "\x7f" for character in decoder.decode(data))
    except UnicodeDecodeError:
        return False
    return found > 0


def _wide_encoding(head: bytes) -> str:
    """The encoding in which `head` is no superset of ASCII; empty for all others."""
    for mark, encoding in BYTE_ORDER_MARKS[1:]:
        if head.startswith(mark):
            return encoding
    start = head.lstrip(b"\r\n\t \x00")
    if head[:2] in (b"<\x00", b"\x00<") or (b"\x00" in head[:4] and start[:2] in (b"<\x00", b"<?")):
        return "utf-16-le" if head.find(b"\x00") % 2 else "utf-16-be"
    declared = DECLARED_ENCODING.search(head)
    try:
        name = codecs.lookup(declared[1].decode()).name if declared else ""
    except LookupError:
        return ""
    return name if name.startswith(WIDE_ENCODINGS) and not name.startswith(("utf-16", "utf-32")) else ""


def _find_start(head: bytes) -> tuple[int, list[str]]:
    """Where the XML begins, and what stands before it that must not: blank lines, a PHP notice."""
    root = ROOT.search(head)
    before = head[: root.start()] if root else b""
    junk = before.removeprefix(codecs.BOM_UTF8)
    is_xml = junk.strip()[:1] == b"<" and root and root[0] != b"<?xml"  # a comment, a document type
    if not root or not junk or is_xml or DTD.search(junk):
        return 0, []
    return root.start(), ["text before its XML" if junk.strip(b"\r\n\t \xef\xbb\xbf") else "blank lines before its XML"]


# --- the strict pass --------------------------------------------------------------------------------------------------


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


@functools.lru_cache(maxsize=10_000)
def local_name(tag: object) -> str:
    """A tag without its namespace or prefix, in lower case."""
    return str(tag).rsplit("}", 1)[-1].rsplit(":", 1)[-1].lower()


# --- the tolerant pass ------------------------------------------------------------------------------------------------


def _iter_tolerant(xml: Xml, max_bytes: float, on_channel: Callable[["Element"], None]) -> Iterator[Item | SkippedPost]:
    with mmap.mmap(xml.file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = True
        for segment in _iter_segments(data, xml.start):
            if first:
                first = False
                _read_channel(data[xml.start : min(segment.start, xml.start + CHANNEL_BYTES)], xml, on_channel)
            if segment.end - segment.start > max_bytes + HEAD_BYTES:
                size = (segment.end - segment.start) / 1e6
                yield SkippedPost(f"the post has {size:.0f} MB, more than ingest.max_file_mb")
                continue
            try:
                yield _read_segment(segment, data, xml)
            except SkippedPost as e:
                yield e
        if not first and not ROOT_END.search(data[max(0, len(data) - HEAD_BYTES) :]):
            yield SkippedPost("the file breaks off here: what came after is not in it")


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


def _read_segment(segment: Segment, data: mmap.mmap, xml: Xml) -> Item:
    """The item as lxml recovers it. Raises SkippedPost for one whose text is not whole, and for no item at all."""
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
    return data.decode("utf-8", "windows-1252") if few else decode_declared(data, encoding or "utf-8")


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
