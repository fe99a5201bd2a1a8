"""Posts that were sent by mail: an mbox of newsletters."""

import email
import email.errors
import email.header
import email.policy
import email.utils
import re
from collections.abc import Iterator
from pathlib import Path

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, parse_date
from corpus.readers.html import html_to_markdown

FOOTER = re.compile(
    r"(?im)^[ \t>*_\[(]*(?:unsubscribe\b|to unsubscribe\b|you (?:are|'re|’re) receiving this|you received this"
    r" (?:e-?mail|message)|view (?:this (?:e-?mail|post) )?(?:in|on) (?:your|the) (?:browser|web)|update your"
    r" preferences|manage your subscription|sent from my ).*$"
)
MAX_HEADER_LINE = 1000  # of a mail's head


def iter_mbox(path: Path, max_bytes: float) -> Iterator[Post | SkippedPost]:
    """One mail after another; a mail begins at a line "From " after a blank one."""
    number = 0
    for number, data in enumerate(_mails(path, max_bytes), 1):
        where = f"mail {number}"
        if data is None:
            yield SkippedPost("the mail has more than ingest.max_file_mb", where)
            continue
        try:
            yield _mail(data, where)
        except SkippedPost as e:
            yield SkippedPost(str(e), where)
        except Exception as e:  # the email package raises whatever a broken head makes it raise
            yield SkippedPost(f"the mail can't be read: {type(e).__name__}", where)
    if not number:
        raise SkippedPost("not an mbox: no line in it begins with «From »")


def _mails(path: Path, max_bytes: float) -> Iterator[bytes | None]:
    with open(path, "rb") as file:
        lines, size, inside, blank = [], 0, False, True
        while line := file.readline(1_000_000):
            if blank and line.startswith(b"From "):
                if inside:
                    yield b"".join(lines) if size <= max_bytes else None
                lines, size, inside = [], 0, True
            elif inside:
                size += len(line)
                if size <= max_bytes:
                    lines.append(line)
            blank = line in (b"\n", b"\r\n")
        if inside:
            yield b"".join(lines) if size <= max_bytes else None


def _mail(data: bytes, where: str) -> Post:
    head, _, _ = data.partition(b"\n\n")
    if len(head) > 200_000:
        raise SkippedPost("the mail's head has more than 200 kB")
    mail = email.message_from_bytes(data, policy=email.policy.compat32)
    plain = marked_up = ""
    for part in mail.walk():
        kind = part.get_content_type()
        if kind not in ("text/plain", "text/html") or part.get_filename() or part.is_multipart():
            continue
        content = part.get_payload(decode=True) or b""
        try:
            text = content.decode(part.get_content_charset("utf-8"))
        except (LookupError, UnicodeDecodeError, ValueError):
            text = decode_text(content)
        if kind == "text/plain":
            plain = plain or text
        else:
            marked_up = marked_up or text
    text = (
        html_to_markdown(marked_up)
        if marked_up.strip()
        else re.sub(r"(?m)^>From ", "From ", plain.replace("\r\n", "\n"))
    )
    text = re.split(r"(?m)^-- ?$", text, maxsplit=1)[0]  # a signature
    name, address = email.utils.parseaddr(_header(mail, "From"))
    return Post(
        text=FOOTER.sub("", text).strip("\n"),
        title=_header(mail, "Subject") or where,
        date=parse_date(_header(mail, "Date")),
        date_from="feed",
        authors=[name or address] if name or address else [],
        name=where,
        draft="draft" in _header(mail, "X-Mozilla-Draft-Info").lower() or "Drafts" in _header(mail, "X-Gmail-Labels"),
    )


def _header(mail, name: str) -> str:
    value = str(mail.get(name) or "")[:MAX_HEADER_LINE]
    try:
        decoded = email.header.decode_header(value)
        value = "".join(p.decode(c or "utf-8", "replace") if isinstance(p, bytes) else p for p, c in decoded)
    except (LookupError, ValueError, email.errors.HeaderParseError):
        pass
    return " ".join(value.split())
