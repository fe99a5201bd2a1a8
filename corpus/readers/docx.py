"""A .docx → `Post`: its parts, found by their relationships. Its text: corpus/readers/docx_markdown.py.

lxml reads the XML. python-docx would refuse a document for a picture that is missing, knows one of the two sets of
namespaces (Strict is the other), and does not see runs in tracked changes, content controls, fields and text boxes.
"""

import io
import posixpath
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

from corpus.post import Post, SkippedPost, date_from_name, parse_date, title_from_name
from corpus.readers.docx_markdown import DocxMarkdown
from corpus.readers.docx_styles import attribute, child, local_name, read_numbering, read_styles

DOCX_MAX_BYTES = 300_000_000  # unpacked; a real post has a few MB even with pictures
XML_MAX_BYTES = 60_000_000  # of all parts that are read; their trees in memory take ten times that
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of encrypted .docx and of the old .doc
MAIN_PART = re.compile(r"word/document\d*\.xml", re.IGNORECASE)  # where no relationship names it
READ_BYTES = 4096  # at once: what a damaged entry loses before the damage is less
DAMAGE = "a damaged .docx, read as far as it goes"
NO_DOCUMENT = "a .zip with the ending .docx, not a document"


@dataclass(frozen=True)
class Relationship:
    """What a part refers to: another part by its name in the .zip, or an address."""

    kind: str  # the last word of its type: officeDocument, styles, hyperlink, …
    target: str


@dataclass
class Package:
    """The parts of a .docx."""

    archive: zipfile.ZipFile
    mended: list[str] = field(default_factory=list)
    bytes_left: int = XML_MAX_BYTES

    def __post_init__(self) -> None:
        self.entries = {normal_name(entry.filename): entry for entry in self.archive.infolist()}

    def xml(self, part: str) -> Any:
        """The root of a part's XML; None where the part is missing or holds none. Broken XML is read without what is
        broken in it. Raises SkippedPost where the parts together are too large."""
        from lxml import etree  # imported here: it takes a while

        entry = self.entries.get(normal_name(part))
        if entry is None:
            return None
        self.bytes_left -= entry.file_size
        if self.bytes_left < 0:
            raise SkippedPost(f"the text of the .docx unpacks to more than {XML_MAX_BYTES / 1e6:.0f} MB")
        data = self._read(entry)
        try:
            return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError:
            self._note_damage()
        try:
            return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
        except etree.XMLSyntaxError:
            return None

    def _read(self, entry: zipfile.ZipInfo) -> bytes:
        """The bytes of an entry; of a damaged one those before the damage."""
        parts = []
        try:
            with self.archive.open(entry) as file:
                while part := file.read(READ_BYTES):
                    parts.append(part)
        except Exception:  # what zipfile and zlib raise on broken bytes has no common class
            self._note_damage()
        return b"".join(parts)

    def _note_damage(self) -> None:
        if DAMAGE not in self.mended:
            self.mended.append(DAMAGE)

    def relationships(self, part: str) -> dict[str, Relationship]:
        """{id: what it refers to} of a part; of the whole .docx for an empty name."""
        folder, name = posixpath.split(part)
        root = self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        found = {}
        for element in () if root is None else root.iterchildren("{*}Relationship"):
            kind, target = (element.get("Type") or "").rsplit("/", 1)[-1], element.get("Target") or ""
            if (element.get("TargetMode") or "").lower() != "external" and kind != "hyperlink":
                target = posixpath.normpath(posixpath.join("/", folder, target.replace("\\", "/"))).lstrip("/")
            found[element.get("Id") or ""] = Relationship(kind, target)
        return found

    def main_part(self) -> str:
        """The name of the part with the text. Raises SkippedPost where there is none."""
        named = [one.target for one in self.relationships("").values() if one.kind == "officeDocument"]
        usual = [name for name in self.entries if MAIN_PART.fullmatch(name)]
        for part in (*named, *usual):
            if normal_name(part) in self.entries:
                return part
        raise SkippedPost(NO_DOCUMENT)


def normal_name(part: str) -> str:
    """The name of a part as relationships and .zip both have it, whichever way the slashes lean."""
    return unquote(part).replace("\\", "/").lstrip("/").lower()


def read_docx(name: PurePath, data: bytes) -> Post:
    """Headings, lists, quotes, code, tables, links, footnotes, bold and italics; tracked changes count as accepted.

    Raises SkippedPost for what is no readable .docx.
    """
    if data.startswith(OLE_MAGIC):
        raise SkippedPost("the .docx is encrypted, or an old .doc: save it as .docx without a password")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception:  # BadZipFile, and others of zipfile for bytes that only begin like a .zip
        raise SkippedPost("not a .docx, though it has the ending") from None
    with archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > DOCX_MAX_BYTES:
            raise SkippedPost(f"the .docx unpacks to {unpacked / 1e6:.0f} MB")
        if any(entry.flag_bits & 1 for entry in archive.infolist()):
            raise SkippedPost("the .docx is encrypted: save it without a password")
        try:
            return _read_package(name, Package(archive))
        except SkippedPost:
            raise
        except Exception as e:  # a document is anybody's: no fault in reading one may end the others
            raise SkippedPost(
                f"the .docx can't be read: {type(e).__name__}: {' '.join(str(e).split())[:100]}"
            ) from None


def _read_package(name: PurePath, package: Package) -> Post:
    main = package.main_part()
    root = package.xml(main)
    body = None if root is None or local_name(root) != "document" else child(root, "body")
    if body is None:
        raise SkippedPost(NO_DOCUMENT if root is not None else "the .docx can't be read: its text is no XML")
    related = package.relationships(main)
    parts = {one.kind: one.target for one in related.values()}
    styles = read_styles(package.xml(parts.get("styles", "")))
    numbering = read_numbering(package.xml(parts.get("numbering", "")), styles)
    links = {id: one.target for id, one in related.items() if one.kind == "hyperlink"}
    writer = DocxMarkdown(styles, numbering, links)
    for kind in ("footnotes", "endnotes"):
        notes = package.xml(parts.get(kind, ""))
        for note in () if notes is None else notes:
            writer.notes[kind.removesuffix("s"), attribute(note, "id")] = note
    text = writer.document(body)
    title, created, keywords = _properties(package)
    named, date = date_from_name(name), parse_date(created)
    return Post(
        text=text,
        title=writer.title or title or title_from_name(name),
        date=named or date,
        date_from="name" if named else "document",
        tags=keywords,
        mended=[*package.mended, *writer.mended],
    )


def _properties(package: Package) -> tuple[str, str, list[str]]:
    """(title, day of creation, keywords) as the document's properties have them; empty where they have none."""
    parts = [one.target for one in package.relationships("").values() if one.kind == "core-properties"]
    root = package.xml(parts[0]) if parts else None
    found = {} if root is None else {local_name(one): (one.text or "").strip() for one in root}
    keywords = [word.strip() for word in re.split(r"[,;]", found.get("keywords", "")) if word.strip()]
    return found.get("title", ""), found.get("created", ""), keywords
