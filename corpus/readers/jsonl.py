"""Posts in JSONL: texts, or chats in which the author speaks."""

import json
from collections.abc import Iterator
from pathlib import Path

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, date_from_timestamp, parse_date, parse_names


def iter_jsonl(path: Path, max_bytes: float, role: str) -> Iterator[Post | SkippedPost]:
    """{"text"} rows are posts. {"role", "content"} rows are a chat: what `role` said in it is one post, the rest is not
    learnt.

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
                yield SkippedPost("the line has more than ingest.max_file_mb", where)
                continue
            try:
                row = json.loads(decode_text(line)) if line.strip() else None
            except (ValueError, RecursionError):
                yield SkippedPost("not JSON", where)
                continue
            except SkippedPost as e:
                yield SkippedPost(str(e), where)
                continue
            ends = (
                row is None or not isinstance(row, dict) or "role" not in row or row.get("conversation_id", key) != key
            )
            if chat and ends:
                yield _post_from_chat(chat, role, f"line {first}")
                chat = []
            if row is None:
                continue
            if not isinstance(row, dict):
                yield SkippedPost("not a row of named values", where)
            elif "role" in row:
                first, key = (number, row.get("conversation_id")) if not chat else (first, key)
                chat.append(row)
            elif isinstance(row.get("messages"), list):
                yield _post_from_chat([m for m in row["messages"] if isinstance(m, dict)], role, where, row)
            else:
                yield _text_row(row, where)
    if chat:
        yield _post_from_chat(chat, role, f"line {first}")


def _text_row(row: dict, where: str) -> Post | SkippedPost:
    text = next((row[k] for k in ("text", "content", "body", "entry") if isinstance(row.get(k), str)), None)
    if text is None:
        return SkippedPost('neither {"text"} nor {"role", "content"}', where)
    when = next((row[k] for k in ("date", "created_at", "timestamp", "published") if row.get(k)), None)
    title = row.get("title") if isinstance(row.get("title"), str) else ""
    return Post(
        text=text,
        title=title or _first_words(text),
        date=_day(when),
        date_from="feed",
        tags=parse_names(row.get("tags")),
        authors=parse_names(row.get("author")),
        name=where,
        draft=row.get("draft") is True,
    )


def _post_from_chat(chat: list[dict], role: str, where: str, row: dict | None = None) -> Post | SkippedPost:
    mine = [
        m["content"].strip()
        for m in chat
        if str(m.get("role")).casefold() == role.casefold() and isinstance(m.get("content"), str)
    ]
    text = "\n\n".join(t for t in mine if t)
    if not text:
        return SkippedPost(f"a chat in which the role «{role}» (ingest.chat_role) says nothing", where)
    when = next(
        (m[k] for m in [row or {}, *chat] for k in ("date", "created_at", "create_time", "timestamp") if m.get(k)), None
    )
    title = (row or {}).get("title")
    return Post(
        text=text,
        title=title if isinstance(title, str) and title else _first_words(text),
        date=_day(when),
        date_from="feed",
        name=where,
    )


def _day(value) -> str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return date_from_timestamp(value / 1000 if value > 1e11 else value)
    return parse_date(value) if isinstance(value, str) else None


def _first_words(text: str) -> str:
    return " ".join(text[:200].split()[:8])
