"""A file → its posts, one reader per format. What is not a post becomes a `SkippedPost`, with the reason.

Readers return Markdown and clean nothing: prepare does (corpus/cleaning.py).
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from corpus.containers import MAX_NAME, DiskFile, SourceFile, UnpackLimits, ZipEntry, open_zip
from corpus.dates import NumericDay
from corpus.encoding import decode_text, mend_c1, mend_mojibake
from corpus.post import Post, SkippedPost, post_id, to_valid_line
from corpus.readers.asciidoc import read_asciidoc
from corpus.readers.docx import OLE_MAGIC, read_docx
from corpus.readers.export_layout import ExportLayout
from corpus.readers.feeds import iter_feed
from corpus.readers.html_post import read_html_file
from corpus.readers.json_exports import iter_json
from corpus.readers.jsonl import iter_jsonl
from corpus.readers.literate import read_literate_haskell, read_notebook, read_quarto
from corpus.readers.mail_marks import is_maildir_mail
from corpus.readers.mail_owner import MailHead, MailOwner, find_owner
from corpus.readers.markdown import read_markdown, read_mdx, read_text
from corpus.readers.mbox import is_separator, iter_heads, iter_mail, iter_mbox
from corpus.readers.mhtml import read_mhtml
from corpus.readers.movable_type import is_movable_type, iter_movable_type
from corpus.readers.rst_org import iter_org_posts, read_org, read_rst
from corpus.readers.textile import read_textile
from corpus.readers.typst import read_typst
from corpus.unpacking import PACKED_SUFFIXES, as_zip

__all__ = [
    "OLE_MAGIC",
    "DiskFile",
    "ExportLayout",
    "Post",
    "ReadContext",
    "SkippedPost",
    "UnpackLimits",
    "decode_text",
    "find_mail_owner",
    "is_post_format",
    "is_readable",
    "iter_posts",
    "iter_source",
    "post_id",
    "post_suffixes",
    "read_post",
]
SINGLE_POST_READERS = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".mdown": read_markdown,
    ".mdx": read_mdx,
    ".dj": read_markdown,
    ".txt": read_text,
    ".text": read_text,
    ".docx": read_docx,
    ".html": read_html_file,
    ".htm": read_html_file,
    ".xhtml": read_html_file,
    ".mhtml": read_mhtml,
    ".mht": read_mhtml,
    ".rst": read_rst,
    ".org": read_org,
    ".qmd": read_quarto,
    ".rmd": read_quarto,
    ".rmarkdown": read_quarto,
    ".lhs": read_literate_haskell,
    ".ipynb": read_notebook,
    ".adoc": read_asciidoc,
    ".asciidoc": read_asciidoc,
    ".textile": read_textile,
    ".typ": read_typst,
}
ARCHIVE_FORMATS = {
    ".xml": "xml",
    ".rss": "xml",
    ".atom": "xml",
    ".wxr": "xml",
    ".rdf": "xml",
    ".zip": "zip",
    **dict.fromkeys(sorted(PACKED_SUFFIXES), "zip"),
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".mbox": "mbox",
    ".mbx": "mbox",
    ".eml": "mail",
    ".emlx": "mail",
}
MARKS = {  # how a file without an ending begins
    "zip": re.compile(rb"PK\x03\x04"),
    "xml": re.compile(rb"(?i)\s*(?:\xef\xbb\xbf)?\s*<(?:\?xml|rss|feed|rdf)\b"),
    "movable type": re.compile(rb"(?:TITLE|AUTHOR|BASENAME): "),
}
MENDERS = (
    (mend_mojibake, "UTF-8 that was read as Windows-1252"),
    (mend_c1, "Windows-1252 that says Latin-1"),
)


@dataclass(frozen=True)
class ReadContext:
    """What decides how a file is read, besides the file.

    max_bytes: of a file of one post, and of each post in an archive. role: whose messages in a chat are posts.
    owner: whose mails are posts; None: everybody's. limits: of what archives may unpack to.
    """

    max_bytes: float
    role: str = "user"
    owner: MailOwner | None = None
    layout: ExportLayout = field(default_factory=ExportLayout)
    limits: UnpackLimits = field(default_factory=UnpackLimits)


def iter_posts(path: Path, max_bytes: float, role: str = "user") -> Iterator[Post | SkippedPost]:
    """The posts of one file, by its extension, and what in it is not a post.

    Raises SkippedPost when the whole file is none, OSError when it can't be read.
    """
    yield from iter_source(DiskFile(path, path), ReadContext(max_bytes, role))


def iter_source(file: SourceFile, context: ReadContext) -> Iterator[Post | SkippedPost]:
    """The posts of a file, wherever it lies; those of an archive, and of the archives in it. Raises as `iter_posts`."""
    context.layout.check(file.name)
    archive_format = archive_format_of(file)
    if archive_format == "zip":
        yield from _iter_zip(file, context)
        return
    posts = _iter_archive(file, archive_format, context) if archive_format else _iter_single(file, context)
    for post in posts:
        if isinstance(post, Post):
            try:
                _sanitise(post)
            except SkippedPost as e:
                post = SkippedPost(str(e), post.name, e.cause)
        yield post


def is_post_format(path: PurePath) -> bool:
    """True if a reader exists for files of this name."""
    return path.suffix.lower() in SINGLE_POST_READERS or path.suffix.lower() in ARCHIVE_FORMATS


def is_readable(path: Path) -> bool:
    """True for a file of a known format: by its extension, or a mailbox without one."""
    try:
        return is_post_format(path) or bool(archive_format_of(DiskFile(path, path)))
    except (SkippedPost, OSError):
        return False


def post_suffixes() -> list[str]:
    """The endings of all files that are read: posts, exports, and the tables that belong to exports."""
    return sorted([*SINGLE_POST_READERS, *ARCHIVE_FORMATS, ".csv"])


def archive_format_of(file: SourceFile) -> str:
    """The kind of a file that holds several posts, or a mail: a value of ARCHIVE_FORMATS; empty for other files.

    Thunderbird and Apple Mail give their mailboxes no extension, and downloads lose theirs: such files are told by
    how they begin. Raises as `SourceFile.read`.
    """
    suffix = file.name.suffix.lower()
    if is_maildir_mail(file.name):
        return "mail"
    if not suffix:
        line = file.first_line()
        return "mbox" if is_separator(line) else next((kind for kind, mark in MARKS.items() if mark.match(line)), "")
    return ARCHIVE_FORMATS.get(suffix, "")


def _iter_single(file: SourceFile, context: ReadContext) -> Iterator[Post | SkippedPost]:
    reader = SINGLE_POST_READERS.get(file.name.suffix.lower())
    if reader is None:
        raise SkippedPost(f"not a post format ({file.name.suffix[:20] or 'no ending'})")
    data = file.read(context.max_bytes)
    if reader is read_text and is_movable_type(data):
        yield from iter_movable_type(data)
    elif reader is read_org and b":EXPORT_FILE_NAME:" in data:
        yield from iter_org_posts(file.name, data)
    else:
        yield (context.layout.read_html if reader is read_html_file else reader)(file.name, data)


def _iter_archive(file: SourceFile, archive_format: str, context: ReadContext) -> Iterator[Post | SkippedPost]:
    max_bytes = context.max_bytes
    with file.on_disk() as path:
        yield from {
            "xml": lambda: iter_feed(path, max_bytes),
            "json": lambda: iter_json(path, max_bytes),
            "jsonl": lambda: iter_jsonl(path, max_bytes, context.role),
            "mbox": lambda: iter_mbox(path, file.name, max_bytes, context.owner),
            "mail": lambda: iter_mail(path, file.name, max_bytes, context.owner),
            "movable type": lambda: iter_movable_type(file.read(max_bytes)),
        }[archive_format]()


def _iter_zip(file: SourceFile, context: ReadContext) -> Iterator[Post | SkippedPost]:
    """The posts of a .zip, each named by its entry."""
    with _open_archive(file, context.limits) as entries:
        layout = ExportLayout(entry for entry in entries if isinstance(entry, ZipEntry))
        for entry in entries:
            if isinstance(entry, SkippedPost):
                yield entry
                continue
            name = to_valid_line(str(entry.name))[:MAX_NAME]
            try:
                for post in iter_source(entry, replace(context, layout=layout)):
                    post.name = f"{name}/{post.name}" if post.name else name
                    yield post
            except SkippedPost as e:
                yield SkippedPost(str(e), name, e.cause)


def is_needed(path: PurePath) -> bool:
    """True for a file whose content may be read: a post, an export or its tables, or a mailbox without an ending."""
    return path.suffix.lower() in (".csv", "") or is_post_format(path) or is_maildir_mail(path)


@contextlib.contextmanager
def _open_archive(file: SourceFile, limits: UnpackLimits) -> Iterator[list[ZipEntry | SkippedPost]]:
    """The entries of a .zip. Raises SkippedPost for one that can't be read, or is nested or large beyond `limits`."""
    if limits.depth < 1:
        raise SkippedPost("archives within archives, too many: unpack them, and name the folder of the posts")
    limits.depth -= 1
    try:
        with (
            file.on_disk() as path,
            as_zip(path, file.name, limits, is_needed) as archive,
            open_zip(archive, limits, is_post_format) as entries,
        ):
            yield entries
    finally:
        limits.depth += 1


def find_mail_owner(files: Iterable[SourceFile], author: str, limits: UnpackLimits) -> MailOwner | None:
    """The owner of the mails in all files: `author`, else who sent them, as their heads say; None without a mail."""
    return find_owner((head for file in files for head in _iter_mail_heads(file, replace(limits))), author)


def _iter_mail_heads(file: SourceFile, limits: UnpackLimits) -> Iterator[MailHead]:
    """The heads of all mails in a file; what can't be read has none."""
    with contextlib.suppress(SkippedPost, OSError):
        archive_format = archive_format_of(file)
        if archive_format == "zip":
            with _open_archive(file, limits) as entries:
                for entry in entries:
                    if isinstance(entry, ZipEntry):
                        yield from _iter_mail_heads(entry, limits)
        elif archive_format in ("mbox", "mail"):
            with file.on_disk() as path:
                yield from iter_heads(path, file.name, is_mailbox=archive_format == "mbox")


def read_post(path: Path, max_bytes: float) -> Post:
    """The post of a file that holds one, by its extension. Raises SkippedPost for a file that is no readable post."""
    reader = SINGLE_POST_READERS.get(path.suffix.lower())
    if reader is None:
        raise SkippedPost(f"not a post format ({path.suffix or 'no ending'})")
    return _sanitise(reader(path, DiskFile(path, path).read(max_bytes)))


def _sanitise(post: Post) -> Post:
    """The post, in text that can be encoded as UTF-8. Raises SkippedPost if it has no text."""
    if not post.text.strip():
        raise SkippedPost("no text besides front matter")
    if not post.text.isascii():  # half emoji (unpaired surrogates) can't be encoded
        text = post.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        for mend, what in MENDERS:
            text, post.text = mend(text), text
            if text != post.text:
                post.mended.append(what)
        post.text = text
    post.title = mend_c1(mend_mojibake(post.title))
    post.title, post.name, post.url = to_valid_line(post.title), to_valid_line(post.name), to_valid_line(post.url)
    post.tags = [to_valid_line(tag) for tag in post.tags]
    post.authors = [to_valid_line(author) for author in post.authors]
    if isinstance(post.date, NumericDay):
        post.day_order, post.date = post.date.order, str(post.date)
    if not post.date:
        post.date_from = ""
    return post
