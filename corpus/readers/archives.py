"""Blog exports in one archive: Substack, Medium; and any .zip of posts."""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, parse_date
from corpus.readers.html import html_to_markdown
from corpus.readers.html_post import read_html_file

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
            if post.kind == "post" and reader is read_html_file and MEDIUM_ACTIVITY.search("/" + name):
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
