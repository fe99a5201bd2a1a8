"""Exports of blogs that come as one archive or JSON: Substack, Medium, Ghost; and any .zip of posts."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, parse_date, parse_names
from corpus.readers.html import html_to_markdown, read_html

MAX_ENTRIES = 100_000
MAX_BYTES = 4_000_000_000  # unpacked, all entries together
IGNORED_ENTRIES = ("__MACOSX/", ".git/", "node_modules/")


def iter_zip(path: Path, max_bytes: float, single: dict) -> Iterator[Post | SkippedPost]:
    """Posts of a .zip, read in memory: nothing is unpacked to the disk, so no name in it can lead anywhere."""
    try:
        with zipfile.ZipFile(path) as opened:
            entries = [e for e in opened.infolist() if not e.is_dir() and not e.filename.startswith(IGNORED_ENTRIES)]
            if len(entries) > MAX_ENTRIES or sum(e.file_size for e in entries) > MAX_BYTES:
                raise SkippedPost(
                    f"the .zip holds {len(entries):,} files of {sum(e.file_size for e in entries) / 1e6:,.0f} MB:"
                    " unpack it, and name the folder of the posts"
                )
            table = next((e for e in entries if PurePosixPath(e.filename).name == "posts.csv"), None)
            about = _substack(_unpack(opened, table, max_bytes)) if table else {}
            for entry in entries:
                yield _entry(opened, entry, about, max_bytes, single)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError) as e:
        raise SkippedPost(f"the .zip can't be read: {' '.join(str(e).split())[:100]}") from None


def _unpack(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: float) -> bytes:
    if entry.flag_bits & 1:
        raise SkippedPost("encrypted inside its .zip")
    if entry.file_size > max_bytes:
        raise SkippedPost(f"unpacks to {entry.file_size / 1e6:.0f} MB, more than ingest.max_file_mb")
    try:
        with opened.open(entry) as file:
            data = file.read(int(max_bytes) + 1)
    except SkippedPost:
        raise
    except Exception as e:  # zlib, lzma and zipfile raise what they like on broken bytes
        raise SkippedPost(f"can't be unpacked: {type(e).__name__}") from None
    if len(data) > max_bytes:
        raise SkippedPost("unpacks to more than ingest.max_file_mb")
    return data


def _entry(opened, entry, about: dict, max_bytes: float, single: dict) -> Post | SkippedPost:
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    where = "/".join(part for part in name.parts if part not in ("/", "..", "."))
    try:
        reader = single.get(name.suffix.lower())
        if reader is None:
            raise SkippedPost(f"not a post format ({name.suffix[:20] or 'no ending'})")
        data = _unpack(opened, entry, max_bytes)
        if not data:
            raise SkippedPost("the file is empty")
        row = about.get(name.stem.split(".")[0])
        if row is not None and name.suffix.lower() == ".html":
            post = Post(text=html_to_markdown(decode_text(data)), **row)
        else:
            post = reader(name, data)
            if (
                post.kind == "post"
                and reader is read_html
                and re.search(
                    r"(?i)(?:^|/)(?:blocks|bookmarks|claps|highlights|interests|ips|lists|profile|pubs-following|sessions|topics-following|users-following)/",
                    "/" + where,
                )
            ):
                post.kind = "page"  # Medium exports what was read, too
        post.name = where
        return post
    except SkippedPost as e:
        return SkippedPost(str(e), where)


def _substack(data: bytes) -> dict[str, dict]:
    """Substack's posts.csv: {number of the post: what it says of it}."""
    csv.field_size_limit(10_000_000)
    try:
        rows = list(csv.DictReader(io.StringIO(decode_text(data).replace("\x00", ""))))
    except csv.Error as e:
        raise SkippedPost(f"posts.csv can't be read: {e}") from None
    about = {}
    for row in rows:
        key = str(row.get("post_id") or "").split(".")[0]
        if key:
            about[key] = {
                "title": str(row.get("title") or "").strip() or key,
                "date": parse_date(row.get("post_date") or row.get("email_sent_at")),
                "date_from": "feed",
                "draft": str(row.get("is_published")).lower() == "false",
                "kind": "page" if row.get("type") in ("page", "thread") else "post",
            }
    return about


def iter_ghost(path: Path, max_bytes: float) -> Iterator[Post | SkippedPost]:
    """A Ghost export, or a JSON list of posts."""
    if path.stat().st_size > max_bytes:
        raise SkippedPost(f"the file has {path.stat().st_size / 1e6:.0f} MB, more than ingest.max_file_mb")
    try:
        data = json.loads(decode_text(path.read_bytes()))
    except (ValueError, RecursionError) as e:
        raise SkippedPost(f"not JSON: {' '.join(str(e).split())[:80]}") from None
    if isinstance(data, dict) and isinstance(data.get("db"), list) and data["db"] and isinstance(data["db"][0], dict):
        data = data["db"][0].get("data") or {}
    rows = data.get("posts") if isinstance(data, dict) else data
    if not isinstance(rows, list):
        raise SkippedPost("JSON, and no export of a blog: no list of posts in it")
    people, tags = _linked(data, "users", "posts_authors", "author_id"), _linked(data, "tags", "posts_tags", "tag_id")
    for number, row in enumerate(rows, 1):
        where = f"post {number}"
        try:
            if not isinstance(row, dict):
                raise SkippedPost("no post: not a row of named values", where)
            where = str(row.get("slug") or where)[:200]
            yield _ghost_post(row, people, tags, where)
        except SkippedPost as e:
            yield SkippedPost(str(e), where)


def _ghost_post(row: dict, people: dict, tags: dict, where: str) -> Post:
    markup = row.get("html") or row.get("content") or row.get("body") or ""
    text = (
        html_to_markdown(markup)
        if isinstance(markup, str) and "<" in markup
        else markup or row.get("plaintext") or row.get("markdown") or row.get("text") or ""
    )
    key = str(row.get("id"))
    return Post(
        text=text if isinstance(text, str) else "",
        title=str(row.get("title") or where)[:1000],
        date=parse_date(row.get("published_at") or row.get("date") or row.get("created_at")),
        date_from="feed",
        tags=tags.get(key) or parse_names(row.get("tags")),
        draft=str(row.get("status") or "published") not in ("published", "sent", "publish") or row.get("draft") is True,
        authors=people.get(key) or parse_names(row.get("authors") or row.get("author")),
        url=str(row.get("canonical_url") or row.get("url") or "")[:500],
        kind="page" if row.get("type") == "page" or row.get("page") in (1, True) else "post",
        name=where,
    )


def _linked(data, what: str, through: str, key: str) -> dict[str, list[str]]:
    """Ghost keeps authors and tags in tables of their own: {number of the post: names}."""
    if not isinstance(data, dict) or not isinstance(data.get(what), list) or not isinstance(data.get(through), list):
        return {}
    called = {
        str(one.get("id")): str(one.get("name") or one.get("slug") or "") for one in data[what] if isinstance(one, dict)
    }
    found: dict[str, list[str]] = {}
    for one in data[through]:
        if isinstance(one, dict) and called.get(str(one.get(key))):
            found.setdefault(str(one.get("post_id")), []).append(called[str(one.get(key))])
    return found
