"""Posts in one file of JSON: a JSON Feed, an export of Ghost, Blogger, Day One, micro.blog or Mastodon, the answers of
WordPress's REST API, or a plain list of posts."""

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, parse_date, parse_names
from corpus.readers.feed_dirt import is_teaser, strip_footers
from corpus.readers.front_matter import split_front_matter
from corpus.readers.ghost_documents import document_to_markdown
from corpus.readers.html import html_to_markdown
from corpus.readers.jsonl import first_words
from corpus.readers.public_marks import DRAFT, PASSWORD, TRASHED, status_reason

LIST_KEYS = ("posts", "items", "entries", "articles", "notes", "results", "documents", "data")
HTML_KEYS = ("content_html", "html", "body_html", "contentHtml", "content", "body")
TEXT_KEYS = ("content_text", "markdown", "contentMarkdown", "body_markdown", "plaintext", "text", "textContent")
DOCUMENT_KEYS = ("lexical", "mobiledoc")
# fmt: off
DATE_KEYS = (
    "published_at", "date_published", "publishedAt", "published", "pubDate", "post_date", "date", "creationDate",
    "created_at", "createdAt", "created", "timestamp", "dateAdded", "userEditedTimestampUsec", "updated",
)
# fmt: on
ADDRESS_KEYS = ("canonical_url", "url", "link", "permalink")
PUBLIC = ("published", "publish", "sent", "public", "live", "inherit")
IS_HTML = re.compile(r"</?[a-zA-Z][^<>]*>|&(?:#\d+|#x[0-9a-fA-F]+|[a-z]{2,8});")
LIST_START = re.compile(r'(?:\A\s*|"(?:posts|items|entries|articles)"\s*:\s*)\[\s*')
BETWEEN_ROWS = re.compile(r"[\s,]*")
ROW_START = re.compile(r'\}\s*,?\s*\{(?=\s*"[^"\n]{1,60}"\s*:)')  # of the post after another
MAX_TRIES = 300  # to find the post after one that is broken, in a whole file
DAY_ONE_PHOTO = re.compile(r"!\[[^\]\n]*\]\(dayone-moment:[^()\n]*\)")
DAY_ONE_ESCAPE = re.compile(r"\\([.!()\[\]{}#+~|-])")


@dataclass
class Source:
    """What a file says of all its posts: their rows, and the names that stand elsewhere."""

    rows: list[Any]
    authors: list[str] = field(default_factory=list)  # of posts that name none
    authors_by_post: Mapping[str, list[str]] = field(default_factory=dict)  # by the id of the post
    tags_by_post: Mapping[str, list[str]] = field(default_factory=dict)
    is_journal: bool = False  # Day One's
    is_feed: bool = False


def iter_json(path: Path, max_bytes: float) -> Iterator[Post | SkippedPost]:
    """The posts of a file of JSON. Raises SkippedPost for one without posts, and for one of more than `max_bytes`."""
    size = path.stat().st_size
    if size > max_bytes:
        raise SkippedPost(f"the file has {size / 1e6:.0f} MB, more than ingest.max_file_mb")
    text = decode_text(path.read_bytes())
    try:
        source = _find_posts(json.loads(text, strict=False))  # control characters in a text are no reason
    except (ValueError, RecursionError) as e:
        rows = list(_sound_rows(text))
        if all(isinstance(row, SkippedPost) for row in rows):
            raise SkippedPost(f"not JSON: {' '.join(str(e).split())[:80]}") from None
        source = Source(rows)
    if source is None:
        raise SkippedPost("JSON, but no blog export: it has no list of posts")
    for number, row in enumerate(source.rows, 1):
        name = f"post {number}"
        try:
            if isinstance(row, SkippedPost):
                raise row
            if not isinstance(row, dict):
                raise SkippedPost("no post: not a row of named values")
            if isinstance(row.get("content"), dict) and row["content"].get("protected") is True:
                raise SkippedPost(PASSWORD, cause="not public")
            row = {key: _plain(value) for key, value in row.items()}
            name = str(row.get("slug") or name)[:200]
            yield _to_post(row, source, name)
        except SkippedPost as e:
            yield SkippedPost(str(e), name, e.cause)


def _sound_rows(text: str) -> Iterator[dict[str, Any] | SkippedPost]:
    """The posts of a list in JSON that is broken: those before and after what can't be read, and a reason for that."""
    start, decoder, tries = LIST_START.search(text), json.JSONDecoder(strict=False), iter(range(MAX_TRIES))
    position = start.end() if start else len(text)
    while position < len(text) and text[position] != "]":
        try:
            row, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            row, end = None, position
        if isinstance(row, dict):
            yield row
            position = BETWEEN_ROWS.match(text, end).end()  # type: ignore[union-attr]  # always matches
            continue
        position = _next_row(text, position + 1, decoder, tries)
        if position < len(text):
            yield SkippedPost("its JSON is broken")
    if position >= len(text):
        yield SkippedPost("the JSON breaks off here: what came after is not in it")


def _next_row(text: str, position: int, decoder: json.JSONDecoder, tries: Iterator[int]) -> int:
    """Where the next whole post begins in a list of posts; the length of `text` where none does."""
    for match, _ in zip(ROW_START.finditer(text, position), tries, strict=False):
        try:
            row = decoder.raw_decode(text, match.end() - 1)[0]
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and any(row.get(key) for key in (*HTML_KEYS, *TEXT_KEYS, *DOCUMENT_KEYS)):
            return match.end() - 1
    return len(text)


def _find_posts(data: Any) -> Source | None:
    """The posts of a file by its shape; None where it has none."""
    if isinstance(data, list):
        return Source(data)
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("db"), list) and data["db"] and isinstance(data["db"][0], dict):  # Ghost
        data = data["db"][0]
    if isinstance(data.get("data"), dict):
        data = data["data"]
    if isinstance(data.get("orderedItems"), list):  # an outbox of ActivityPub
        return Source([_activity(row, data) for row in data["orderedItems"]])
    if isinstance(data.get("feed"), dict) and isinstance(data["feed"].get("entry"), list):  # Blogger
        return Source(data["feed"]["entry"], is_feed=True)
    rows = next((data[key] for key in LIST_KEYS if isinstance(data.get(key), list)), None)
    if rows is None:
        return Source([data]) if data.get("title") and _text_of(data) else None
    return Source(
        rows,
        parse_names(data.get("authors")) or parse_names(data.get("author")),
        _linked_names(data, "users", "posts_authors", "author_id"),
        _linked_names(data, "tags", "posts_tags", "tag_id"),
        is_journal="entries" in data and any(isinstance(row, dict) and "creationDate" in row for row in rows),
        is_feed="items" in data,
    )


def _activity(activity: Any, outbox: Mapping[str, Any]) -> Any:
    """What an activity of Mastodon published, as a row of the other exports."""
    row = activity.get("object") if isinstance(activity, dict) else None
    if not isinstance(row, dict):
        return {"type": "repost"}
    author = str(activity.get("actor") or outbox.get("id") or "").removesuffix("/outbox")
    answered = str(row.get("inReplyTo") or "")
    audience = [*_texts(row.get("to") or activity.get("to")), *_texts(row.get("cc") or activity.get("cc"))]
    return {
        **row,
        "title": row.get("name"),
        "type": "answer" if answered and not (author and answered.startswith(f"{author}/")) else row.get("type"),
        "visibility": "" if any(one.endswith("#Public") or one == "as:Public" for one in audience) else "private",
        "tags": [str(tag.get("name")).lstrip("#") for tag in row.get("tag") or () if _is_hashtag(tag)],
    }


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value or "")]


def _is_hashtag(tag: Any) -> bool:
    return isinstance(tag, dict) and tag.get("type") == "Hashtag"


def _plain(value: Any, depth: int = 0) -> Any:
    """WordPress's {"rendered": …} and Blogger's {"$t": …} as the text in it."""
    if isinstance(value, dict):
        text = next((value[key] for key in ("rendered", "$t") if isinstance(value.get(key), str)), None)
        if text is not None or depth > 1:
            return value if text is None else text
        return {key: _plain(inner, depth + 1) for key, inner in value.items()}
    return [_plain(inner, depth + 1) for inner in value] if isinstance(value, list) and depth < 2 else value


def _to_post(row: dict[str, Any], source: Source, name: str) -> Post:
    if row.get("type") == "comment" or row.get("in_reply_to") or row.get("thr$in-reply-to"):
        raise SkippedPost("a comment", cause="not yours")
    if row.get("type") == "repost":
        raise SkippedPost("a repost of somebody else's post", cause="not yours")
    if row.get("type") == "answer":
        raise SkippedPost("an answer to somebody else's post, not a post")
    text = _text_of(row)
    if text.startswith("---"):  # dev.to keeps the head of the file
        text = split_front_matter(text).body
    if source.is_journal:
        text = DAY_ONE_ESCAPE.sub(r"\1", DAY_ONE_PHOTO.sub("", text)).strip("\n")
    title = " ".join(html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", "", str(row.get("title") or "")[:1000])).split())
    if not title and (heading := re.match(r"\s*#{1,2}[ \t]+([^\n]+)\n", text + "\n")):
        title, text = heading[1].strip("# \t"), text[heading.end() :].strip("\n")
    address = _address(row)[:500]
    if source.is_feed:
        text = strip_footers(text, address, title)
        if is_teaser(text, address):
            raise SkippedPost("only the start of a post: its feed holds no whole texts, an export of the blog does")
    if not text.strip():
        raise SkippedPost("no text in it")
    key, users = str(row.get("id")), source.authors_by_post
    named = parse_names(row.get("authors")) or parse_names(row.get("author"))
    days = (parse_date(row[key]) for key in DATE_KEYS if not isinstance(row.get(key), (bool, dict, type(None))))
    return Post(
        text=text,
        title=title or first_words(text) or name,
        date=next((day for day in days if day), None),
        date_from="feed",
        tags=source.tags_by_post.get(key) or _tags(row),
        not_public=_not_public(row),
        authors=users.get(key) or named or users.get(f"user {row.get('author_id')}") or source.authors,
        url=address,
        kind="page" if row.get("type") == "page" or row.get("page") in (1, True) else "post",
        name=name,
    )


def _not_public(row: Mapping[str, Any]) -> str:
    """Why a post was never published, or not for everybody; empty for a public one."""
    status = status_reason(str(row.get("status") or "published"), PUBLIC)
    if status or row.get("isTrashed") is True:
        return status or TRASHED
    if str(row.get("visibility")).lower() == "private":
        return "private"
    is_draft = any(row.get(key) is True for key in ("draft", "is_draft", "isDraft"))
    return (
        DRAFT if is_draft or any(row.get(key) is False for key in ("published", "is_published", "isPublished")) else ""
    )


def _text_of(row: Mapping[str, Any]) -> str:
    """The text of a post as Markdown, from the first field that has any."""
    for key in HTML_KEYS:
        value = row.get(key)
        if isinstance(value, str) and value.strip():
            return html_to_markdown(value) if IS_HTML.search(value) else value
    for key in DOCUMENT_KEYS:
        if row.get(key) and (text := document_to_markdown(row[key])):
            return text
    return next((row[key] for key in TEXT_KEYS if isinstance(row.get(key), str)), "")


def _address(row: Mapping[str, Any]) -> str:
    """Where a post stood; Blogger lists its addresses by what they are for."""
    for key in ADDRESS_KEYS:
        value = row.get(key)
        for link in value if isinstance(value, list) else []:
            if isinstance(link, dict) and link.get("rel") == "alternate":
                value = link.get("href")
        if isinstance(value, str) and value:
            return value
    return ""


def _tags(row: Mapping[str, Any]) -> list[str]:
    """The tags of a post; WordPress's numbers of them, and Blogger's marks of kinds, are none."""
    values = row.get("tags") or row.get("labels") or row.get("category")
    if isinstance(values, list):
        values = [value.get("term") or value if isinstance(value, dict) else value for value in values]
        values = [value for value in values if not isinstance(value, int) and "#kind" not in str(value)[:200]]
    return parse_names(values)


def _linked_names(data: Mapping[str, Any], table: str, link_table: str, key: str) -> dict[str, list[str]]:
    """Ghost stores authors and tags in tables of their own: {id of the post: names}; "user ID" for its old form."""
    rows, links = data.get(table), data.get(link_table)
    if not isinstance(rows, list):
        return {}
    names = {str(row.get("id")): str(row.get("name") or row.get("slug") or "") for row in rows if isinstance(row, dict)}
    linked: dict[str, list[str]] = {f"user {number}": [name] for number, name in names.items() if table == "users"}
    for link in links if isinstance(links, list) else []:
        name = names.get(str(link.get(key))) if isinstance(link, dict) else None
        if name:
            linked.setdefault(str(link.get("post_id")), []).append(name)
    return linked
