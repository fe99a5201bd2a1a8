"""A file → its posts, one reader per format. What can't be a post is `SkippedPost`, with the reason.

Readers keep the text as Markdown and clean nothing: that is prepare's work (clean.py).
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, post_id, to_valid_line
from corpus.readers.archives import iter_ghost, iter_zip
from corpus.readers.docx import OLE_MAGIC, read_docx
from corpus.readers.feeds import iter_feed
from corpus.readers.html import read_html
from corpus.readers.jsonl import iter_jsonl
from corpus.readers.markdown import read_markdown, read_mdx, read_text
from corpus.readers.mbox import iter_mbox
from corpus.readers.rst_org import read_org, read_rst

__all__ = ["OLE_MAGIC", "Post", "SkippedPost", "decode_text", "iter_posts", "post_id", "read_post"]
SINGLE_POST_READERS = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".mdown": read_markdown,
    ".mdx": read_mdx,
    ".dj": read_markdown,
    ".txt": read_text,
    ".text": read_text,
    ".docx": read_docx,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".rst": read_rst,
    ".org": read_org,
}
ARCHIVE_FORMATS = {
    ".xml": "xml",
    ".rss": "xml",
    ".atom": "xml",
    ".wxr": "xml",
    ".zip": "archive",
    ".json": "ghost",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".mbox": "mbox",
}


def iter_posts(path: Path, max_bytes: float, role: str = "user") -> Iterator[Post | SkippedPost]:
    """The posts of one file by its ending, and what in it is none. Raises SkippedPost when the whole file is none."""
    how = ARCHIVE_FORMATS.get(path.suffix.lower())
    if how is None:
        yield read_post(path, max_bytes)
        return
    _check_file(path)
    found = {
        "xml": lambda: iter_feed(path, max_bytes),
        "archive": lambda: iter_zip(path, max_bytes, SINGLE_POST_READERS),
        "ghost": lambda: iter_ghost(path, max_bytes),
        "jsonl": lambda: iter_jsonl(path, max_bytes, role),
        "mbox": lambda: iter_mbox(path, max_bytes),
    }[how]()
    for post in found:
        if isinstance(post, Post):
            try:
                _sanitise(post)
            except SkippedPost as e:
                post = SkippedPost(str(e), post.name)
        yield post


def read_post(path: Path, max_bytes: float) -> Post:
    """Read one file that is one post, by its ending. Raises SkippedPost with a sentence when it is no readable post."""
    reader = SINGLE_POST_READERS.get(path.suffix.lower())
    if reader is None:
        raise SkippedPost(f"not a post format ({path.suffix or 'no ending'})")
    size = _check_file(path)
    if size > max_bytes:
        raise SkippedPost(f"the file has {size / 1e6:.0f} MB, more than ingest.max_file_mb")
    return _sanitise(reader(path, path.read_bytes()))


def _check_file(path: Path) -> int:
    """The file's size. Raises SkippedPost for what is no file with something in it."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait for ever
        raise SkippedPost("not a regular file")
    if status.st_size == 0:
        raise SkippedPost("the file is empty")
    return status.st_size


def _sanitise(post: Post) -> Post:
    """Raises SkippedPost where there is no text; half emoji would break every file that is written later."""
    if not post.text.strip():
        raise SkippedPost("no text besides front matter")
    if any("\ud800" <= c <= "\udfff" for c in post.text[:1000]) or not post.text.isascii():
        post.text = post.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    post.title, post.tags, post.authors = (
        to_valid_line(post.title),
        [to_valid_line(t) for t in post.tags],
        [to_valid_line(a) for a in post.authors],
    )
    post.name, post.url = to_valid_line(post.name), to_valid_line(post.url)
    if not post.date:
        post.date_from = ""
    return post
