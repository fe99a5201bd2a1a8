"""A file → its posts, one reader per format. What is not a post becomes a `SkippedPost`, with the reason.

Readers return Markdown and clean nothing: prepare does (corpus/cleaning.py).
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from corpus.dates import NumericDay
from corpus.encoding import decode_text, mend_c1
from corpus.post import Post, SkippedPost, post_id, to_valid_line
from corpus.readers.archives import iter_zip
from corpus.readers.asciidoc import read_asciidoc
from corpus.readers.docx import OLE_MAGIC, read_docx
from corpus.readers.feeds import iter_feed
from corpus.readers.html_post import read_html_file
from corpus.readers.json_exports import iter_json
from corpus.readers.jsonl import iter_jsonl
from corpus.readers.literate import read_literate_haskell, read_notebook, read_quarto
from corpus.readers.markdown import read_markdown, read_mdx, read_text
from corpus.readers.mbox import iter_mbox
from corpus.readers.mhtml import read_mhtml
from corpus.readers.rst_org import read_org, read_rst
from corpus.readers.textile import read_textile

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
}
ARCHIVE_FORMATS = {
    ".xml": "xml",
    ".rss": "xml",
    ".atom": "xml",
    ".wxr": "xml",
    ".zip": "archive",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".mbox": "mbox",
}


def iter_posts(path: Path, max_bytes: float, role: str = "user") -> Iterator[Post | SkippedPost]:
    """The posts of one file, by its extension, and what in it is not a post.

    max_bytes: of a file of one post, and of each post in an archive. role: whose messages in a chat are posts.
    Raises SkippedPost when the whole file is none, OSError when it can't be read.
    """
    archive_format = ARCHIVE_FORMATS.get(path.suffix.lower())
    if archive_format is None:
        yield read_post(path, max_bytes)
        return
    _check_file(path)
    posts = {
        "xml": lambda: iter_feed(path, max_bytes),
        "archive": lambda: iter_zip(path, max_bytes, SINGLE_POST_READERS),
        "json": lambda: iter_json(path, max_bytes),
        "jsonl": lambda: iter_jsonl(path, max_bytes, role),
        "mbox": lambda: iter_mbox(path, max_bytes),
    }[archive_format]()
    for post in posts:
        if isinstance(post, Post):
            try:
                _sanitise(post)
            except SkippedPost as e:
                post = SkippedPost(str(e), post.name, e.cause)
        yield post


def read_post(path: Path, max_bytes: float) -> Post:
    """The post of a file that holds one, by its extension. Raises SkippedPost for a file that is no readable post."""
    reader = SINGLE_POST_READERS.get(path.suffix.lower())
    if reader is None:
        raise SkippedPost(f"not a post format ({path.suffix or 'no ending'})")
    size = _check_file(path)
    if size > max_bytes:
        raise SkippedPost(f"the file has {size / 1e6:.0f} MB, more than ingest.max_file_mb")
    return _sanitise(reader(path, path.read_bytes()))


def _check_file(path: Path) -> int:
    """The size of a file in bytes. Raises SkippedPost if it is empty or no regular file."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise SkippedPost("not a regular file")
    if status.st_size == 0:
        raise SkippedPost("the file is empty")
    return status.st_size


def _sanitise(post: Post) -> Post:
    """The post, in text that can be encoded as UTF-8. Raises SkippedPost if it has no text."""
    if not post.text.strip():
        raise SkippedPost("no text besides front matter")
    if not post.text.isascii():  # half emoji (unpaired surrogates) can't be encoded
        text = post.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        post.text = mend_c1(text)
        if post.text != text:
            post.mended.append("Windows-1252 that says Latin-1")
    post.title = mend_c1(post.title)
    post.title, post.name, post.url = to_valid_line(post.title), to_valid_line(post.name), to_valid_line(post.url)
    post.tags = [to_valid_line(tag) for tag in post.tags]
    post.authors = [to_valid_line(author) for author in post.authors]
    if isinstance(post.date, NumericDay):
        post.day_order, post.date = post.date.order, str(post.date)
    if not post.date:
        post.date_from = ""
    return post
