"""The text of an uploaded .docx, read by stage 01's reader in a process of its own."""

import tempfile
from pathlib import Path

from serve.apart import Unreadable, run_apart

MAX_BYTES = 10_000_000  # of a .docx with pictures; its text alone, as long as a book, has less than 1 MB
TIMEOUT_SECONDS = 30.0


def read_docx(data: bytes, timeout: float = TIMEOUT_SECONDS) -> str:
    """The text of a .docx as Markdown, its title first. Blocks until it is read: call it in a thread.

    Raises Unreadable for what is no .docx with text in it, and for what takes longer than `timeout` seconds.
    """
    return run_apart(_text_of, data, timeout=timeout)


def _text_of(data: bytes) -> str:
    from corpus.post import SkippedPost, title_from_name
    from corpus.readers import read_post

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "attached.docx")
        path.write_bytes(data)
        try:
            post = read_post(path, MAX_BYTES)
        except SkippedPost as e:
            raise Unreadable(str(e)) from None
    has_title = post.title != title_from_name(path)  # the reader's fallback
    return f"# {post.title}\n\n{post.text}" if has_title else post.text
