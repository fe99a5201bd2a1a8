"""Blog exports in one archive or JSON file: Substack, Medium, Ghost; and any .zip of posts."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, parse_date, parse_names
from corpus.readers.html import html_to_markdown, read_html

MAX_ENTRIES = 100_000
MAX_BYTES = 4_000_000_000  # unpacked, all entries together
IGNORED_ENTRIES = ("__MACOSX/", ".git/", "node_modules/")
MEDIUM_ACTIVITY = re.compile(  # folders of a Medium export that hold what the author read and liked
    r"""(?ix)
    (?:^|/)
    (?: blocks | bookmarks | claps | highlights | interests | ips | lists | profile | pubs-following | sessions
      | topics-following | users-following )
    /
    """
)
Reader = Callable[[PurePath, bytes], Post]


def iter_zip(path: Path, max_bytes: float, readers: Mapping[str, Reader]) -> Iterator[Post | SkippedPost]:
    """The posts of a .zip, read in memory: nothing is unpacked to the disk, so no name in it can lead anywhere.

    readers: by file extension. Raises SkippedPost for a .zip that can't be read or is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [e for e in archive.infolist() if not e.is_dir() and not e.filename.startswith(IGNORED_ENTRIES)]
            size = sum(entry.file_size for entry in entries)
            if len(entries) > MAX_ENTRIES or size > MAX_BYTES:
                raise SkippedPost(
                    f"the .zip holds {len(entries):,} files of {size / 1e6:,.0f} MB: unpack it, and name the folder of"
                    " the posts"
                )
            table = next((entry for entry in entries if PurePosixPath(entry.filename).name == "posts.csv"), None)
            metadata = _substack_metadata(_unpack(archive, table, max_bytes)) if table else {}
            for entry in entries:
                yield _read_entry(archive, entry, metadata, max_bytes, readers)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError) as e:
        raise SkippedPost(f"the .zip can't be read: {' '.join(str(e).split())[:100]}") from None


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: float) -> bytes:
    if entry.flag_bits & 1:
        raise SkippedPost("encrypted inside its .zip")
    if entry.file_size > max_bytes:
        raise SkippedPost(f"unpacks to {entry.file_size / 1e6:.0f} MB, more than ingest.max_file_mb")
    try:
        with archive.open(entry) as file:
            data = file.read(int(max_bytes) + 1)
    except SkippedPost:
        raise
    except Exception as e:  # zlib, lzma and zipfile raise many kinds on broken bytes
        raise SkippedPost(f"can't be unpacked: {type(e).__name__}") from None
    if len(data) > max_bytes:
        raise SkippedPost("unpacks to more than ingest.max_file_mb")
    return data


def _read_entry(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    metadata: Mapping[str, dict[str, Any]],
    max_bytes: float,
    readers: Mapping[str, Reader],
) -> Post | SkippedPost:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    name = "/".join(part for part in path.parts if part not in ("/", "..", "."))
    try:
        reader = readers.get(path.suffix.lower())
        if reader is None:
            raise SkippedPost(f"not a post format ({path.suffix[:20] or 'no ending'})")
        data = _unpack(archive, entry, max_bytes)
        if not data:
            raise SkippedPost("the file is empty")
        substack = metadata.get(path.stem.split(".")[0])
        if substack is not None and path.suffix.lower() == ".html":
            post = Post(text=html_to_markdown(decode_text(data)), **substack)
        else:
            post = reader(path, data)
            if post.kind == "post" and reader is read_html and MEDIUM_ACTIVITY.search("/" + name):
                post.kind = "page"
        post.name = name
        return post
    except SkippedPost as e:
        return SkippedPost(str(e), name, e.cause)


def _substack_metadata(data: bytes) -> dict[str, dict[str, Any]]:
    """Substack's posts.csv: {number of the post: the fields of its `Post`}."""
    csv.field_size_limit(10_000_000)
    try:
        rows = list(csv.DictReader(io.StringIO(decode_text(data).replace("\x00", ""))))
    except csv.Error as e:
        raise SkippedPost(f"posts.csv can't be read: {e}") from None
    metadata = {}
    for row in rows:
        key = str(row.get("post_id") or "").split(".")[0]
        if key:
            metadata[key] = {
                "title": str(row.get("title") or "").strip() or key,
                "date": parse_date(row.get("post_date") or row.get("email_sent_at")),
                "date_from": "feed",
                "draft": str(row.get("is_published")).lower() == "false",
                "kind": "page" if row.get("type") in ("page", "thread") else "post",
            }
    return metadata


def iter_ghost(path: Path, max_bytes: float) -> Iterator[Post | SkippedPost]:
    """The posts of a Ghost export, or of a JSON list. Raises SkippedPost for a file of another kind."""
    size = path.stat().st_size
    if size > max_bytes:
        raise SkippedPost(f"the file has {size / 1e6:.0f} MB, more than ingest.max_file_mb")
    try:
        data = json.loads(decode_text(path.read_bytes()))
    except (ValueError, RecursionError) as e:
        raise SkippedPost(f"not JSON: {' '.join(str(e).split())[:80]}") from None
    if isinstance(data, dict) and isinstance(data.get("db"), list) and data["db"] and isinstance(data["db"][0], dict):
        data = data["db"][0].get("data") or {}
    rows = data.get("posts") if isinstance(data, dict) else data
    if not isinstance(rows, list):
        raise SkippedPost("JSON, but no blog export: it has no list of posts")
    authors = _linked_names(data, "users", "posts_authors", "author_id")
    tags = _linked_names(data, "tags", "posts_tags", "tag_id")
    for number, row in enumerate(rows, 1):
        name = f"post {number}"
        try:
            if not isinstance(row, dict):
                raise SkippedPost("no post: not a row of named values", name)
            name = str(row.get("slug") or name)[:200]
            yield _ghost_post(row, authors, tags, name)
        except SkippedPost as e:
            yield SkippedPost(str(e), name, e.cause)


def _ghost_post(
    row: dict[str, Any], authors: Mapping[str, list[str]], tags: Mapping[str, list[str]], name: str
) -> Post:
    content = row.get("html") or row.get("content") or row.get("body") or ""
    if isinstance(content, str) and "<" in content:
        text = html_to_markdown(content)
    else:
        text = content or row.get("plaintext") or row.get("markdown") or row.get("text") or ""
    key = str(row.get("id"))
    return Post(
        text=text if isinstance(text, str) else "",
        title=str(row.get("title") or name)[:1000],
        date=parse_date(row.get("published_at") or row.get("date") or row.get("created_at")),
        date_from="feed",
        tags=tags.get(key) or parse_names(row.get("tags")),
        draft=str(row.get("status") or "published") not in ("published", "sent", "publish") or row.get("draft") is True,
        authors=authors.get(key) or parse_names(row.get("authors") or row.get("author")),
        url=str(row.get("canonical_url") or row.get("url") or "")[:500],
        kind="page" if row.get("type") == "page" or row.get("page") in (1, True) else "post",
        name=name,
    )


def _linked_names(data: Any, table: str, link_table: str, key: str) -> dict[str, list[str]]:
    """Ghost stores authors and tags in tables of their own: {number of the post: names}."""
    if (
        not isinstance(data, dict)
        or not isinstance(data.get(table), list)
        or not isinstance(data.get(link_table), list)
    ):
        return {}
    names: dict[str, str] = {}
    for row in data[table]:
        if isinstance(row, dict):
            names[str(row.get("id"))] = str(row.get("name") or row.get("slug") or "")
    linked: dict[str, list[str]] = {}
    for link in data[link_table]:
        name = names.get(str(link.get(key))) if isinstance(link, dict) else None
        if name:
            linked.setdefault(str(link.get("post_id")), []).append(name)
    return linked
