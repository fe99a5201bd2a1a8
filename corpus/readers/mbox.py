"""Mail → posts: mailboxes (mbox) and single mails (.eml, Apple's .emlx). Only what their owner sent is learnt.

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
from pathlib import Path, PurePath

from corpus.encoding import decode_declared
from corpus.post import Post, SkippedPost, parse_date
from corpus.readers.mail_marks import is_list_mail, mark_of
from corpus.readers.mail_owner import MailHead, MailOwner
from corpus.readers.mail_text import own_text, own_text_of_html, unflow
from corpus.readers.public_marks import DRAFT, TRASHED

MAX_HEADER_CHARACTERS = 1000  # of a header field
MAX_HEAD_BYTES = 200_000  # all header fields together
MAX_LINE_BYTES = 1_000_000
# "From jane@x.org Tue Mar  5 07:00:00 2019": an address and a date, else a paragraph may begin so.
SEPARATOR = re.compile(
    rb"""(?x)
    From[ ]
    (?:
        [^\r\n]{1,300}? \b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?[ ]+
        (?: [A-Z][a-z]{2}[a-z]*[ ]+\d{1,2} | \d{1,2}[ ]+[A-Z][a-z]{2}[a-z]* )
        [^\r\n]{0,40}? \d\d?:\d\d [^\r\n]*
      | \S+@\S+[ ]+\d{4}-\d\d-\d\d[T ]\d\d:\d\d [^\r\n]*
      | \S+@\S+                                                  # some programs write no date
    )
    [ \t]*\r?\n?\Z
    """
)
ANSWER = re.compile(r"(?i)\A(?:(?:re|fwd?|aw|wg|antw|antwort|sv|vs|tr|rv|res|enc|r)(?:\[\d+\])?\s*:\s*)+")
SKIPPED_MARKS = {
    "spam": SkippedPost("mail in the spam folder", cause="not yours"),
    "trash": SkippedPost(f"mail {TRASHED}", cause="not public"),
}


def is_separator(line: bytes) -> bool:
    """True for the line of an mbox before a mail."""
    return line.startswith(b"From ") and SEPARATOR.match(line) is not None


def iter_mbox(path: Path, name: PurePath, max_bytes: float, owner: MailOwner | None) -> Iterator[Post | SkippedPost]:
    """The posts of an mbox, one per mail that `owner` sent. `name`: its own path, where `path` is a copy.

    Raises SkippedPost for a file that is none.
    """
    number = 0
    for number, data in enumerate(_iter_mails(path, max_bytes), 1):
        place = f"mail {number}"
        if data is None:
            yield SkippedPost("the mail has more than ingest.max_file_mb", place)
        else:
            yield _read_mail(data, name, place, owner)
    if not number:
        raise SkippedPost("not an mbox: no line in it begins with “From ”, an address and a date")


def iter_mail(path: Path, name: PurePath, max_bytes: float, owner: MailOwner | None) -> Iterator[Post | SkippedPost]:
    """The post of a file of one mail, or why it is none. Raises SkippedPost for a file that is too large."""
    size = path.stat().st_size
    if size > max_bytes:
        raise SkippedPost(f"the file has {size / 1e6:.0f} MB, more than ingest.max_file_mb")
    yield _read_mail(_mail_in(path.read_bytes()), name, "", owner)


def iter_heads(path: Path, name: PurePath, is_mailbox: bool) -> Iterator[MailHead]:
    """What the head of each mail says; the mails themselves are passed over."""
    if is_mailbox:
        heads = _iter_mails(path, MAX_HEAD_BYTES, heads_only=True)
    else:
        with open(path, "rb") as file:
            heads = iter([_mail_in(file.read(MAX_HEAD_BYTES))])
    for head in heads:
        try:
            yield _head(email.message_from_bytes(_head_bytes(head or b""), policy=email.policy.compat32), name)
        except Exception:  # the email package raises many kinds on a broken head; _read_mail names it
            continue


def _mail_in(data: bytes) -> bytes:
    """The mail of an .eml; of Apple's .emlx, which has the mail's length before it and a list of properties after."""
    first, _, rest = data.partition(b"\n")
    return rest[: int(first)] if re.fullmatch(rb"\d{1,12}\s*", first) else data


def _iter_mails(path: Path, max_bytes: float, heads_only: bool = False) -> Iterator[bytes | None]:
    """Each mail, or its head; None if larger than `max_bytes`. A mail starts at a separator after a blank line."""
    lines: list[bytes] = []
    size, in_mail, after_blank, in_head = 0, False, True, True
    with open(path, "rb") as file:
        while line := file.readline(MAX_LINE_BYTES):
            if after_blank and is_separator(line):
                if in_mail:
                    yield b"".join(lines) if size <= max_bytes else None
                lines, size, in_mail, in_head = [], 0, True, True
            elif in_mail and (in_head or not heads_only):
                size += len(line)
                if size <= max_bytes:
                    lines.append(line)
            after_blank = line in (b"\n", b"\r\n")
            in_head = in_head and not after_blank
        if in_mail:
            yield b"".join(lines) if size <= max_bytes else None


def _head_bytes(data: bytes) -> bytes:
    """The header fields of a mail, and the blank line after them."""
    end = re.search(rb"\r?\n\r?\n", data)
    return data[: end.end()] if end else data


def _read_mail(data: bytes, path: PurePath, place: str, owner: MailOwner | None) -> Post | SkippedPost:
    try:
        return _to_post(data, path, place, owner)
    except SkippedPost as e:
        return SkippedPost(str(e), place, e.cause)
    except Exception as e:  # the email package raises many kinds on a broken head
        return SkippedPost(f"the mail can't be read: {type(e).__name__}", place)


def _to_post(data: bytes, path: PurePath, place: str, owner: MailOwner | None) -> Post:
    if len(_head_bytes(data)) > MAX_HEAD_BYTES:
        raise SkippedPost(f"the mail's head has more than {MAX_HEAD_BYTES // 1000} kB")
    mail = email.message_from_bytes(data, policy=email.policy.compat32)
    head = _head(mail, path)
    if head.mark in SKIPPED_MARKS:
        raise SKIPPED_MARKS[head.mark]
    sender = head.name or head.address
    if owner and head.mark != "draft":
        sender = owner.identity(head.name, head.address, head.mark)
        if not sender:
            kind = "a newsletter" if head.is_list else "mail"
            by = head.name or head.address or "nobody"
            raise SkippedPost(f"{kind} by somebody else: {by[:100]}, not {owner}", cause="not yours")
    text, has_quotes = _own_text(mail)
    if has_quotes and not text.strip():
        raise SkippedPost("nothing but a quoted or forwarded mail", cause="not yours")
    return Post(
        text=text,
        title=ANSWER.sub("", _header(mail, "Subject")) or place or path.stem,
        date=parse_date(_header(mail, "Date")),
        date_from="feed",
        authors=[sender] if sender else [],
        aliases=[head.address] if head.address else [],
        name=place,
        not_public=DRAFT if head.mark == "draft" else "",
        mended=["a quoted mail in it"] if has_quotes else [],
        kind="machine-made" if _header(mail, "Auto-Submitted").lower().startswith("auto") else "post",
    )


def _head(mail: Message, path: PurePath) -> MailHead:
    def header(field: str) -> str:
        return _header(mail, field)

    name, address = email.utils.parseaddr(_field(mail, "From"))
    recipients = email.utils.getaddresses([_field(mail, "To"), _field(mail, "Cc")])
    delivered_to = header("Delivered-To") or header("X-Original-To") or header("Envelope-To")
    return MailHead(
        name=_decode_words(name),
        address=address.lower(),
        mark=mark_of(header, path),
        is_list=is_list_mail(header),
        recipients=tuple(address.lower() for _, address in recipients if address),
        delivered_to=email.utils.parseaddr(delivered_to)[1].lower(),
    )


def _own_text(mail: Message) -> tuple[str, bool]:
    """(the sender's words, True if a quoted mail was taken out)."""
    html = _first_part(mail, "text/html")
    if html.strip():
        return own_text_of_html(html)
    text = re.sub(r"(?m)^>From ", "From ", _first_part(mail, "text/plain").replace("\r\n", "\n"))
    return own_text(text, is_plain=True)


def _first_part(mail: Message, content_type: str) -> str:
    """The text of the first part of this type that is not empty and no attachment; empty without one."""
    for part in _iter_parts(mail):
        if part.get_content_type() != content_type or part.get_filename():
            continue
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and content:
            text = decode_declared(content, part.get_content_charset("utf-8"))
            is_flowed = content_type == "text/plain" and str(part.get_param("format")).lower() == "flowed"
            return unflow(text, str(part.get_param("delsp")).lower() == "yes") if is_flowed else text
    return ""


def _iter_parts(mail: Message) -> Iterator[Message]:
    """The parts of a mail that are no container; not those of a mail that is attached to it."""
    payload = mail.get_payload()
    if not mail.is_multipart():
        yield mail
    elif mail.get_content_maintype() == "multipart" and isinstance(payload, list):
        for part in payload:
            if isinstance(part, Message):
                yield from _iter_parts(part)


def _header(mail: Message, name: str) -> str:
    """A header field, decoded, in one line."""
    return _decode_words(_field(mail, name))


def _field(mail: Message, name: str) -> str:
    return str(mail.get(name) or "")[:MAX_HEADER_CHARACTERS]


def _decode_words(value: str) -> str:
    """A header field with its encoded words ("=?utf-8?q?…?=") decoded, in one line."""
    try:
        decoded = email.header.decode_header(value)
        value = "".join(p.decode(c or "utf-8", "replace") if isinstance(p, bytes) else p for p, c in decoded)
    except (LookupError, ValueError, email.errors.HeaderParseError):
        pass
    return " ".join(value.split())
