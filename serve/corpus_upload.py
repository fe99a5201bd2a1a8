"""Uploaded posts: saved to a folder of the user's data as they come, and assessed as stage 01 reads them.

An archive stays one: the reader of stage 01 unpacks it in memory, within limits, and the reader is the same for
`make blog`.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from blogtwin.config import Params
from blogtwin.errors import is_disk_full
from blogtwin.files import atomic_directory
from corpus.containers import ArchiveTooLarge, UnpackLimits, open_zip
from corpus.ingest import ingest_folder, mail_senders
from corpus.left_out import find_changes, unread_formats
from corpus.post import SkippedPost
from corpus.readers import ARCHIVE_FORMATS, is_needed, is_post_format, post_suffixes
from corpus.report import assess_size
from corpus.unpacking import as_zip
from serve.apart import Unreadable, run_apart
from serve.errors import ApiError

MAX_FILES = 5000
COPY_BYTES = 1_000_000  # at a time
READ_SECONDS = 600.0  # for all files of an upload
MAX_REASONS = 3  # named where no file is a post


def save_corpus(home: Path, name: str, uploads: list[tuple[str, BinaryIO]], max_bytes: float, params: Params) -> dict:
    """Save (file name, open file) as a new corpus, piece by piece; what `assess_upload` says of it.

    max_bytes: of all files together, and of what an archive unpacks to. Raises ApiError, and then nothing is saved.
    """
    target = home / "corpora" / name
    if target.exists():
        raise ApiError(409, "corpus_exists", f"There is already a corpus {name}.", "Choose another name.")
    if len(uploads) > MAX_FILES or sum(data.seek(0, os.SEEK_END) for _, data in uploads) > max_bytes:
        raise ApiError(
            413,
            "too_large",
            f"More than {MAX_FILES} files or {max_bytes / 1e6:.0f} MB.",
            "Upload fewer files at a time.",
        )
    limits = UnpackLimits(bytes=max_bytes, entries=MAX_FILES)
    with atomic_directory(target) as folder:
        for file, data in uploads:
            place = folder.joinpath(*safe_path(file).parts)
            write_post(place, data)
        report = assess_upload(folder, params, limits)
        if not report["posts"]:
            reasons = "; ".join(f"{row['source']}: {row['reason']}" for row in report["discarded"][:MAX_REASONS])
            raise ApiError(
                422,
                "no_posts",
                f"None of these files is a post. {reasons}".strip(),
                f"Send {', '.join(post_suffixes())}.",
            )
    return report


def check_archive(path: Path, name: str, limits: UnpackLimits) -> None:
    """Raises ApiError for an archive that can't be opened or is too large."""
    try:
        with as_zip(path, path, limits, is_needed) as archive, open_zip(archive, limits, is_post_format):
            pass
    except ArchiveTooLarge as e:
        raise ApiError(413, "too_large", f"{name[:80]}: {e}.", "Upload fewer files at a time.") from None
    except SkippedPost as e:
        raise ApiError(422, "unsafe_archive", f"{name[:80]}: {e}.", "Send a plain zip without a password.") from None


def write_post(place: Path, content: BinaryIO) -> None:
    """Copy an upload, which is on the disk itself where it is large, to a file of a corpus. Raises ApiError for a name
    that is too long, or also a folder's."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        content.seek(0)
        with open(place, "wb") as file:
            shutil.copyfileobj(content, file, COPY_BYTES)
    except OSError as e:
        if is_disk_full(e):
            raise
        raise ApiError(
            422,
            "unsafe_name",
            f"{place.name[:80]!r} can't be saved under its name ({e.strerror}).",
            "Give the files plain, short names, none of which is also a folder.",
        ) from None


def safe_path(name: str) -> PurePosixPath:
    """The file's path, relative and without `..`. Raises ApiError 422 for any other."""
    path = PurePosixPath(name.replace("\\", "/"))
    if (
        path.is_absolute()
        or ".." in path.parts
        or not path.parts
        or ":" in path.parts[0]
        or any(len(p.encode()) > 200 or "\0" in p for p in path.parts)
    ):
        raise ApiError(422, "unsafe_name", f"{name[:80]!r} is not a usable file name.", "Use plain file names.")
    return path


def assess_upload(folder: Path, params: Params, limits: UnpackLimits) -> dict:
    """What stage 01 keeps of a corpus: {posts, words, formats, languages, first, last, discarded, ready, advice}.

    `first` and `last`: ISO dates of the oldest and newest post, or None. The files are read in a process of its own.
    Raises ApiError for an archive that is unsafe or too large, and for files that take too much time or memory.
    """
    try:
        report = run_apart(read_corpus, folder, params, limits, timeout=READ_SECONDS)
    except Unreadable as e:
        raise ApiError(422, "unreadable", f"These files can't be read: {e}.", "Upload fewer files at a time.") from None
    if "refused" in report:
        raise ApiError(*report["refused"])
    return report


def read_corpus(folder: Path, params: Params, limits: UnpackLimits) -> dict:
    """What `assess_upload` returns; {"refused": the arguments of its ApiError} for an archive."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ARCHIVE_FORMATS.get(path.suffix.lower()) == "zip":
            try:
                check_archive(path, path.relative_to(folder).as_posix(), replace(limits))
            except ApiError as e:  # which can't be sent between processes
                return {"refused": (e.status_code, e.code, e.message, e.hint)}
    ingest = params.ingest
    posts, discarded = ingest_folder(
        folder,
        ingest.min_words,
        ingest.max_file_mb * 1e6,
        ingest.author,
        ingest.chat_role,
        ingest.post_types,
        limits=limits,
    )
    dates = sorted(p["date"] for p in posts if p["date"])

    def counts(key: str) -> dict[str, int]:
        values = [p[key] for p in posts]
        return {value: values.count(value) for value in sorted(set(values))}

    words = sum(p["word_count"] for p in posts)
    ready, sentence = assess_size(len(posts), words)
    advice = [sentence]
    advice += (
        ["Some posts are in another language: a twin learns one language best."] if len(counts("lang")) > 1 else []
    )
    advice += [f"{unread}."] if (unread := unread_formats(discarded)) else []
    advice += [f"Mail: {senders}."] if (senders := mail_senders(posts)) else []
    advice += [f"{change.name}: {change}." for change in find_changes(posts, discarded)]
    advice += [f"{len(discarded)} files were skipped; `discarded` lists the reasons."] if discarded else []
    span = {"first": dates[0] if dates else None, "last": dates[-1] if dates else None}
    return {
        "posts": len(posts),
        "words": words,
        "formats": counts("format"),
        "languages": counts("lang"),
        **span,
        "discarded": discarded,
        "ready": ready,
        "advice": advice,
    }
