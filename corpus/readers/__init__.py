"""A file → its posts, one reader per format. What can't be a post is `LeftOut`, with the reason.

Readers keep the text as Markdown and clean nothing: that is prepare's work (clean.py).
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from corpus.encoding import decode
from corpus.post import LeftOut, Post, post_id, sound
from corpus.readers.archives import archive, ghost
from corpus.readers.docx import OLE_MAGIC, docx
from corpus.readers.feeds import xml
from corpus.readers.html import html_page
from corpus.readers.jsonl import jsonl
from corpus.readers.markdown import markdown, mdx, plain_text
from corpus.readers.mbox import mbox
from corpus.readers.rst_org import org, rst

__all__ = ["OLE_MAGIC", "LeftOut", "Post", "decode", "post_id", "read", "read_all"]
ONE = {
    ".md": markdown,
    ".markdown": markdown,
    ".mdown": markdown,
    ".mdx": mdx,
    ".dj": markdown,
    ".txt": plain_text,
    ".text": plain_text,
    ".docx": docx,
    ".html": html_page,
    ".htm": html_page,
    ".xhtml": html_page,
    ".rst": rst,
    ".org": org,
}
MANY = {".xml": "xml", ".rss": "xml", ".atom": "xml", ".wxr": "xml", ".zip": "archive", ".json": "ghost", ".jsonl": "jsonl", ".ndjson": "jsonl", ".mbox": "mbox"}


def read_all(path: Path, max_bytes: float, role: str = "user") -> Iterator[Post | LeftOut]:
    """The posts of one file by its ending, and what in it is none. Raises LeftOut when the whole file is none."""
    how = MANY.get(path.suffix.lower())
    if how is None:
        yield read(path, max_bytes)
        return
    _openable(path)
    found = {
        "xml": lambda: xml(path, max_bytes),
        "archive": lambda: archive(path, max_bytes, ONE),
        "ghost": lambda: ghost(path, max_bytes),
        "jsonl": lambda: jsonl(path, max_bytes, role),
        "mbox": lambda: mbox(path, max_bytes),
    }[how]()
    for post in found:
        if isinstance(post, Post):
            try:
                _sound(post)
            except LeftOut as e:
                post = LeftOut(str(e), post.name)
        yield post


def read(path: Path, max_bytes: float) -> Post:
    """Read one file that is one post, by its ending. Raises LeftOut with a sentence when it is no readable post."""
    reader = ONE.get(path.suffix.lower())
    if reader is None:
        raise LeftOut(f"not a post format ({path.suffix or 'no ending'})")
    size = _openable(path)
    if size > max_bytes:
        raise LeftOut(f"the file has {size / 1e6:.0f} MB, more than ingest.max_file_mb")
    return _sound(reader(path, path.read_bytes()))


def _openable(path: Path) -> int:
    """The file's size. Raises LeftOut for what is no file with something in it."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait for ever
        raise LeftOut("not a regular file")
    if status.st_size == 0:
        raise LeftOut("the file is empty")
    return status.st_size


def _sound(post: Post) -> Post:
    """Raises LeftOut where there is no text; half emoji would break every file that is written later."""
    if not post.text.strip():
        raise LeftOut("no text besides front matter")
    if any("\ud800" <= c <= "\udfff" for c in post.text[:1000]) or not post.text.isascii():
        post.text = post.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    post.title, post.tags, post.authors = sound(post.title), [sound(t) for t in post.tags], [sound(a) for a in post.authors]
    post.name, post.url = sound(post.name), sound(post.url)
    if not post.date:
        post.date_from = ""
    return post
