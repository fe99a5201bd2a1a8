"""Posts in JSONL: texts, or chats in which the author is one of the roles."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, parse_date, parse_names
from corpus.readers.public_marks import DRAFT

TEXT_KEYS = ("text", "content", "body", "entry")
DATE_KEYS = ("date", "created_at", "timestamp", "published")
CHAT_DATE_KEYS = ("date", "created_at", "create_time", "timestamp")
MARKS = re.compile(r"\]\([^()\n]*\)|[*_`#>\[\]!]+")  # of Markdown
MAX_TITLE = 200
TITLE_WORDS = 8  # of a text without a title


def iter_jsonl(path: Path, max_bytes: float, role: str) -> Iterator[Post | SkippedPost]:
    """{"text"} rows are posts. {"role", "content"} rows are a chat: the messages of `role` in it are one post.

    A chat ends at a blank line or at another "conversation_id"; a row {"messages": [...]} is a chat by itself.
    max_bytes: of a line; a longer one is skipped.
    """
    chat: list[dict[str, Any]] = []
    chat_key, chat_line = None, 0  # conversation_id, and the number of the first line
    with open(path, "rb") as file:
        for number, row in _iter_rows(file, max_bytes):
            name = f"line {number}"
            if isinstance(row, SkippedPost):
                yield row
                continue
            continues_chat = (
                isinstance(row, dict) and "role" in row and row.get("conversation_id", chat_key) == chat_key
            )
            if chat and not continues_chat:
                yield _post_from_chat(chat, role, f"line {chat_line}")
                chat = []
            if row is None:
                continue
            if not isinstance(row, dict):
                yield SkippedPost("not a row of named values", name)
            elif "role" in row:
                if not chat:
                    chat_key, chat_line = row.get("conversation_id"), number
                chat.append(row)
            elif isinstance(row.get("messages"), list):
                messages = [message for message in row["messages"] if isinstance(message, dict)]
                yield _post_from_chat(messages, role, name, row)
            else:
                yield _post_from_text(row, name)
    if chat:
        yield _post_from_chat(chat, role, f"line {chat_line}")


def _iter_rows(file: BinaryIO, max_bytes: float) -> Iterator[tuple[int, Any]]:
    """(number of the line, its JSON): None for a blank line, a `SkippedPost` for one that can't be read."""
    number = 0
    while line := file.readline(int(max_bytes) + 1):
        number += 1
        name = f"line {number}"
        if len(line) > max_bytes:
            while line and not line.endswith(b"\n"):
                line = file.readline(1_000_000)
            yield number, SkippedPost("the line has more than ingest.max_file_mb", name)
            continue
        try:
            row = json.loads(decode_text(line)) if line.strip() else None
        except (ValueError, RecursionError):
            row = SkippedPost("not JSON", name)
        except SkippedPost as e:
            row = SkippedPost(str(e), name)
        yield number, row


def _post_from_text(row: Mapping[str, Any], name: str) -> Post | SkippedPost:
    text = next((row[key] for key in TEXT_KEYS if isinstance(row.get(key), str)), None)
    if text is None:
        return SkippedPost('neither {"text"} nor {"role", "content"}', name)
    title = row.get("title") if isinstance(row.get("title"), str) else ""
    return Post(
        text=text,
        title=title or first_words(text),
        date=parse_date(next((row[key] for key in DATE_KEYS if row.get(key)), None)),
        date_from="feed",
        tags=parse_names(row.get("tags")),
        authors=parse_names(row.get("author")),
        name=name,
        not_public=DRAFT if row.get("draft") is True else "",
    )


def _post_from_chat(
    messages: list[dict[str, Any]], role: str, name: str, row: Mapping[str, Any] | None = None
) -> Post | SkippedPost:
    """The post of a chat; `row` is what the file says of the chat itself."""
    row = row or {}
    texts = [
        message["content"].strip()
        for message in messages
        if str(message.get("role")).casefold() == role.casefold() and isinstance(message.get("content"), str)
    ]
    text = "\n\n".join(filter(None, texts))
    if not text:
        return SkippedPost(f"a chat in which the role “{role}” (ingest.chat_role) has no message", name)
    dates = [source[key] for source in (row, *messages) for key in CHAT_DATE_KEYS if source.get(key)]
    title = row.get("title")
    return Post(
        text=text,
        title=title if isinstance(title, str) and title else first_words(text),
        date=parse_date(dates[0]) if dates else None,
        date_from="feed",
        name=name,
    )


def first_words(text: str) -> str:
    """A title for a text that has none."""
    return " ".join(MARKS.sub("", text[:400]).split()[:TITLE_WORDS])[:MAX_TITLE]
