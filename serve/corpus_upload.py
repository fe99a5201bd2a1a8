"""Uploaded posts: saved to a folder of the user's data, and assessed as stage 01 reads them."""

import io
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from blogtwin.config import Params
from blogtwin.errors import is_disk_full
from blogtwin.files import atomic_directory
from corpus.ingest import ingest_folder
from corpus.readers import SINGLE_POST_READERS
from corpus.report import assess_size
from serve.errors import ApiError

MAX_FILES = 5000


def save_corpus(home: Path, name: str, uploads: list[tuple[str, bytes]], max_bytes: float) -> Path:
    """Save (file name, content) as a new corpus; zips are unpacked. Raises ApiError, and then nothing is saved."""
    target = home / "corpora" / name
    if target.exists():
        raise ApiError(409, "corpus_exists", f"There is already a corpus {name}.", "Choose another name.")
    with atomic_directory(target) as folder:
        count, size, num_posts = 0, 0, 0
        for file, data in uploads:
            for path, content in iter_upload(file, data, max_bytes):
                count, size = count + 1, size + len(content)
                if count > MAX_FILES or size > max_bytes:
                    raise ApiError(
                        413,
                        "too_large",
                        f"More than {MAX_FILES} files or {max_bytes / 1e6:.0f} MB.",
                        "Upload fewer files at a time.",
                    )
                if path.suffix.lower() in SINGLE_POST_READERS and not any(
                    p.startswith((".", "__MACOSX")) for p in path.parts
                ):
                    num_posts += 1
                    write_post(folder.joinpath(*path.parts), content)
        if not num_posts:
            raise ApiError(
                422,
                "no_posts",
                "None of these files is a post.",
                f"Send {', '.join(sorted(SINGLE_POST_READERS))} files, or a .zip of them.",
            )
    return target


def iter_upload(file: str, data: bytes, max_bytes: float) -> Iterator[tuple[PurePosixPath, bytes]]:
    """(safe relative path, content) of an upload, or of each file in a zip. Raises ApiError."""
    if not file.lower().endswith(".zip"):
        yield safe_path(file), data
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [e for e in archive.infolist() if not e.is_dir()]
            if len(entries) > MAX_FILES or sum(e.file_size for e in entries) > max_bytes:
                raise ApiError(
                    413,
                    "too_large",
                    f"{file[:80]} unpacks to more than {MAX_FILES} files or {max_bytes / 1e6:.0f} MB.",
                    "Upload fewer files at a time.",
                )
            for entry in entries:
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise ApiError(422, "unsafe_archive", f"{file[:80]} contains a link.", "Send the files themselves.")
                path = safe_path(entry.filename)
                with archive.open(entry) as content:  # the size in the archive's directory may be a lie
                    read = content.read(entry.file_size + 1)
                if len(read) > entry.file_size:
                    raise ApiError(
                        422,
                        "unsafe_archive",
                        f"{file[:80]} contains more data than its directory says.",
                        "Create the archive again.",
                    )
                yield path, read
    except ApiError:
        raise
    except Exception:  # BadZipFile, and whatever zipfile lets through on broken or encrypted ones
        raise ApiError(
            422, "unsafe_archive", f"{file[:80]} can't be opened as a zip.", "Send a plain zip without a password."
        ) from None


def write_post(place: Path, content: bytes) -> None:
    """Write a file of a corpus. Raises ApiError for a name that is too long, or also a folder's."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
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


def assess_upload(folder: Path, params: Params) -> dict:
    """What stage 01 keeps of a corpus: {posts, words, formats, languages, first, last, discarded, ready, advice}.

    `first` and `last`: ISO dates of the oldest and newest post, or None.
    """
    posts, discarded = ingest_folder(folder, params.ingest.min_words, params.ingest.max_file_mb * 1e6)
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
