"""Posts that were sent or said: an mbox of newsletters, and JSONL of texts or of chats."""

import email
import email.errors
import email.header
import email.policy
import email.utils
import json
import re
from collections.abc import Iterator
from pathlib import Path

from corpus.encoding import decode
from corpus.page import fragment
from corpus.post import LeftOut, Post, iso_day, names, unix_day

FOOTER = re.compile(r"(?im)^[ \t>*_\[(]*(?:unsubscribe\b|to unsubscribe\b|you (?:are|'re|’re) receiving this|you received this (?:e-?mail|message)|view (?:this (?:e-?mail|post) )?(?:in|on) (?:your|the) (?:browser|web)|update your preferences|manage your subscription|sent from my ).*$")
LONGEST_LINE = 1000  # of a mail's head


def mbox(path: Path, max_bytes: float) -> Iterator[Post | LeftOut]:
    """One mail after another; a mail begins at a line "From " after a blank one."""
    number = 0
    for number, data in enumerate(_mails(path, max_bytes), 1):
        where = f"mail {number}"
        if data is None:
            yield LeftOut("the mail has more than ingest.max_file_mb", where)
            continue
        try:
            yield _mail(data, where)
        except LeftOut as e:
            yield LeftOut(str(e), where)
        except Exception as e:  # the email package raises whatever a broken head makes it raise
            yield LeftOut(f"the mail can't be read: {type(e).__name__}", where)
    if not number:
        raise LeftOut("not an mbox: no line in it begins with «From »")


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
        raise LeftOut("the mail's head has more than 200 kB")
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
            text = decode(content)
        if kind == "text/plain":
            plain = plain or text
        else:
            marked_up = marked_up or text
    text = fragment(marked_up) if marked_up.strip() else re.sub(r"(?m)^>From ", "From ", plain.replace("\r\n", "\n"))
    text = re.split(r"(?m)^-- ?$", text, maxsplit=1)[0]  # a signature
    name, address = email.utils.parseaddr(_header(mail, "From"))
    return Post(
        text=FOOTER.sub("", text).strip("\n"),
        title=_header(mail, "Subject") or where,
        date=iso_day(_header(mail, "Date")),
        date_from="feed",
        authors=[name or address] if name or address else [],
        name=where,
        draft="draft" in _header(mail, "X-Mozilla-Draft-Info").lower() or "Drafts" in _header(mail, "X-Gmail-Labels"),
    )


def _header(mail, name: str) -> str:
    value = str(mail.get(name) or "")[:LONGEST_LINE]
    try:
        decoded = email.header.decode_header(value)
        value = "".join(p.decode(c or "utf-8", "replace") if isinstance(p, bytes) else p for p, c in decoded)
    except (LookupError, ValueError, email.errors.HeaderParseError):
        pass
    return " ".join(value.split())


def jsonl(path: Path, max_bytes: float, role: str) -> Iterator[Post | LeftOut]:
    """{"text"} rows are posts. {"role", "content"} rows are a chat: what `role` said in it is one post, the rest is not learnt.

    A chat ends at a blank line, at another "conversation_id", or is a row {"messages": [...]}.
    """
    chat, key, first = [], None, 0
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(int(max_bytes) + 1):
            number += 1
            where = f"line {number}"
            if len(line) > max_bytes:
                while line and not line.endswith(b"\n"):
                    line = file.readline(1_000_000)
                yield LeftOut("the line has more than ingest.max_file_mb", where)
                continue
            try:
                row = json.loads(decode(line)) if line.strip() else None
            except (ValueError, RecursionError):
                yield LeftOut("not JSON", where)
                continue
            except LeftOut as e:
                yield LeftOut(str(e), where)
                continue
            ends = row is None or not isinstance(row, dict) or "role" not in row or row.get("conversation_id", key) != key
            if chat and ends:
                yield _said(chat, role, f"line {first}")
                chat = []
            if row is None:
                continue
            if not isinstance(row, dict):
                yield LeftOut("not a row of named values", where)
            elif "role" in row:
                first, key = (number, row.get("conversation_id")) if not chat else (first, key)
                chat.append(row)
            elif isinstance(row.get("messages"), list):
                yield _said([m for m in row["messages"] if isinstance(m, dict)], role, where, row)
            else:
                yield _text_row(row, where)
    if chat:
        yield _said(chat, role, f"line {first}")


def _text_row(row: dict, where: str) -> Post | LeftOut:
    text = next((row[k] for k in ("text", "content", "body", "entry") if isinstance(row.get(k), str)), None)
    if text is None:
        return LeftOut('neither {"text"} nor {"role", "content"}', where)
    when = next((row[k] for k in ("date", "created_at", "timestamp", "published") if row.get(k)), None)
    title = row.get("title") if isinstance(row.get("title"), str) else ""
    return Post(text=text, title=title or _first_words(text), date=_day(when), date_from="feed", tags=names(row.get("tags")), authors=names(row.get("author")), name=where, draft=row.get("draft") is True)


def _said(chat: list[dict], role: str, where: str, row: dict | None = None) -> Post | LeftOut:
    mine = [m["content"].strip() for m in chat if str(m.get("role")).casefold() == role.casefold() and isinstance(m.get("content"), str)]
    text = "\n\n".join(t for t in mine if t)
    if not text:
        return LeftOut(f"a chat in which the role «{role}» (ingest.role) says nothing", where)
    when = next((m[k] for m in [row or {}, *chat] for k in ("date", "created_at", "create_time", "timestamp") if m.get(k)), None)
    title = (row or {}).get("title")
    return Post(text=text, title=title if isinstance(title, str) and title else _first_words(text), date=_day(when), date_from="feed", name=where)


def _day(value) -> str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return unix_day(value / 1000 if value > 1e11 else value)
    return iso_day(value) if isinstance(value, str) else None


def _first_words(text: str) -> str:
    return " ".join(text[:200].split()[:8])
