"""A file of XML as bytes that the parsers can read: where it begins, and in which encoding it is."""

import codecs
import contextlib
import functools
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from corpus.encoding import BYTE_ORDER_MARKS

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

FORBIDDEN_BYTES = bytes(c for c in range(32) if c not in (9, 10, 13))  # which WordPress lets through
HEAD_BYTES = 100_000  # in which the declaration and the root stand
ENOUGH_CHARACTERS = 50  # of several bytes, to know UTF-8 by
ROOT = re.compile(rb"<\?xml\b|<(?:rss|feed|rdf:RDF|(?:\w+:)?(?:rss|feed))\b")
DECLARED_ENCODING = re.compile(rb"<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]{1,40})")
# Encodings in which a byte of ASCII may be a part of another character, and those that expat does not know.
WIDE_ENCODINGS = ("utf-16", "utf-32", "shift_jis", "cp932", "gb", "big5", "hz", "iso2022", "euc_", "johab", "cp949")
DTD = re.compile(rb"<!ENTITY\b|<!DOCTYPE[^<>\[]{0,1000}\[")


class Item(NamedTuple):
    """An item of RSS or WXR, or an entry of Atom, and what had to be put right in it."""

    element: "Element"
    mended: list[str]


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


@functools.lru_cache(maxsize=10_000)
def local_name(tag: object) -> str:
    """A tag without its namespace or prefix, in lower case."""
    return str(tag).rsplit("}", 1)[-1].rsplit(":", 1)[-1].lower()
