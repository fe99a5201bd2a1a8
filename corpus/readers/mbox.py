"""Posts that were sent by mail: an mbox of newsletters.

Not by the standard library's `mailbox`, which holds a whole mail in memory whatever its size.
"""

import email
import email.errors
import email.header
import email.policy
import email.utils
import re
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

from corpus.encoding import decode_declared
from corpus.post import Post, SkippedPost, parse_date
from corpus.readers.html import html_to_markdown

FOOTER = re.compile(
    r"""(?imx)
    ^[ \t>*_\[(]*
    (?:
        unsubscribe\b
      | to[ ]unsubscribe\b
      | you[ ](?:are|'re|’re)[ ]receiving[ ]this
      | you[ ]received[ ]this[ ](?:e-?mail|message)
      | view[ ](?:this[ ](?:e-?mail|post)[ ])?(?:in|on)[ ](?:your|the)[ ](?:browser|web)
      | update[ ]your[ ]preferences
      | manage[ ]your[ ]subscription
      | sent[ ]from[ ]my[ ]
    )
    .*$
    """
)
MAX_HEADER_CHARACTERS = 1000  # of a header field
MAX_HEAD_BYTES = 200_000  # all header fields together


def iter_mbox(path: Path, max_bytes: float) -> Iterator[Post | SkippedPost]:
    """The posts of an mbox, one per mail. Raises SkippedPost for a file that is none."""
    number = 0
    for number, data in enumerate(_iter_mails(path, max_bytes), 1):
        name = f"mail {number}"
        if data is None:
            yield SkippedPost("the mail has more than ingest.max_file_mb", name)
            continue
        try:
            yield _read_mail(data, name)
        except SkippedPost as e:
            yield SkippedPost(str(e), name, e.cause)
        except Exception as e:  # the email package raises many kinds on a broken head
            yield SkippedPost(f"the mail can't be read: {type(e).__name__}", name)
    if not number:
        raise SkippedPost("not an mbox: no line in it begins with “From ”")


def _iter_mails(path: Path, max_bytes: float) -> Iterator[bytes | None]:
    """Each mail, None if larger than `max_bytes`. A line "From …" after a blank one is the start of a mail."""
    lines: list[bytes] = []
    size, in_mail, after_blank = 0, False, True
    with open(path, "rb") as file:
        while line := file.readline(1_000_000):
            if after_blank and line.startswith(b"From "):
                if in_mail:
                    yield b"".join(lines) if size <= max_bytes else None
                lines, size, in_mail = [], 0, True
            elif in_mail:
                size += len(line)
                if size <= max_bytes:
                    lines.append(line)
            after_blank = line in (b"\n", b"\r\n")
        if in_mail:
            yield b"".join(lines) if size <= max_bytes else None


def _read_mail(data: bytes, name: str) -> Post:
    head, _, _ = data.partition(b"\n\n")
    if len(head) > MAX_HEAD_BYTES:
        raise SkippedPost(f"the mail's head has more than {MAX_HEAD_BYTES // 1000} kB")
    mail = email.message_from_bytes(data, policy=email.policy.compat32)
    html = _first_part(mail, "text/html")
    if html.strip():
        text = html_to_markdown(html)
    else:
        text = re.sub(r"(?m)^>From ", "From ", _first_part(mail, "text/plain").replace("\r\n", "\n"))
    text = re.split(r"(?m)^-- ?$", text, maxsplit=1)[0]  # a signature follows
    sender, address = email.utils.parseaddr(_header(mail, "From"))
    return Post(
        text=FOOTER.sub("", text).strip("\n"),
        title=_header(mail, "Subject") or name,
        date=parse_date(_header(mail, "Date")),
        date_from="feed",
        authors=[sender or address] if sender or address else [],
        name=name,
        draft="draft" in _header(mail, "X-Mozilla-Draft-Info").lower() or "Drafts" in _header(mail, "X-Gmail-Labels"),
    )


def _first_part(mail: Message, content_type: str) -> str:
    """The text of the first part of this type that is not empty and no attachment; empty without one."""
    for part in mail.walk():
        if part.get_content_type() != content_type or part.get_filename() or part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes) or not content:
            continue
        return decode_declared(content, part.get_content_charset("utf-8"))
    return ""


def _header(mail: Message, name: str) -> str:
    """A header field, decoded, in one line."""
    value = str(mail.get(name) or "")[:MAX_HEADER_CHARACTERS]
    try:
        decoded = email.header.decode_header(value)
        value = "".join(p.decode(c or "utf-8", "replace") if isinstance(p, bytes) else p for p, c in decoded)
    except (LookupError, ValueError, email.errors.HeaderParseError):
        pass
    return " ".join(value.split())
