"""A page that a browser saved with its pictures in one file (.mhtml, .mht) → `Post`."""

import contextlib
import email
import email.policy
from pathlib import PurePath

from corpus.post import Post, SkippedPost
from corpus.readers.html import read_html

MAX_PARTS = 5000


def read_mhtml(name: PurePath, data: bytes) -> Post:
    """The first page in the file: the others are frames of it. Raises SkippedPost as `read_html`."""
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    for number, part in enumerate(message.walk()):
        if number > MAX_PARTS:
            break
        if part.get_content_type() in ("text/html", "application/xhtml+xml") and not part.is_multipart():
            content = part.get_payload(decode=True)
            if isinstance(content, bytes) and content.strip():
                with contextlib.suppress(LookupError, ValueError):
                    content = content.decode(part.get_content_charset() or "utf-8").encode()
                return read_html(name, content)
    raise SkippedPost("no web page in it")
