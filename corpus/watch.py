"""What `make watch` looks at: a folder or an export, copied again when it changed, or a feed, whose new posts are added
to those of before."""

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from blogtwin.config import IngestParams
from blogtwin.files import atomic_path
from corpus.import_posts import BLOG_DIR, import_posts, resolve_source, track_with_dvc
from corpus.ingest import find_files, ingest_folder

Fingerprint = tuple[tuple[str, int, int], ...]


def is_address(source: str) -> bool:
    """Whether `source` is the address of a feed."""
    return source.startswith(("http://", "https://"))


def fingerprint(source: str) -> Fingerprint:
    """(path, size, modification time) of each file of a folder, or of one file. Raises UserError where it is not
    there."""
    place = resolve_source(source)
    files = find_files(place)[0] if place.is_dir() else [place]
    status = [(str(file), file.stat()) for file in files if file.is_file()]
    return tuple((name, one.st_size, one.st_mtime_ns) for name, one in status)


def bring_posts(source: str, params: IngestParams, known: set[str], before: Fingerprint | None) -> Fingerprint | None:
    """Bring what changed in `source` to data/blog. `known`: ids of the posts that are there; `before`: what the last
    look returned. Raises UserError, with data/blog unchanged."""
    if is_address(source):
        add_feed(source, params, known)
        return None
    now = fingerprint(source)
    if now != before:
        track_with_dvc(import_posts(source))
    return now


def add_feed(address: str, params: IngestParams, known: set[str]) -> int:
    """Add a feed to data/blog as files of their own if it has a post that is not known; how many it has. A feed forgets
    old posts: those of earlier downloads stay."""
    from corpus.feed_address import download_feed

    with tempfile.TemporaryDirectory() as folder:
        download_feed(address, Path(folder))
        posts, _ = ingest_folder(
            Path(folder), params.min_words, params.max_file_mb * 1e6, params.author, params.chat_role, params.post_types
        )
        new = {post["id"] for post in posts} - known
        if new:
            stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
            downloaded = [file for file in Path(folder).rglob("*") if file.is_file()]
            for file in downloaded:
                with atomic_path(BLOG_DIR / f"{file.stem}-{stamp}{file.suffix}") as temporary:
                    shutil.copyfile(file, temporary)
            track_with_dvc(len(downloaded))
    return len(new)
