"""Uploaded posts → a folder of their own in the user's data, read once as stage 01 would, with what that found."""

import io
import stat
import zipfile
from pathlib import Path, PurePosixPath

from blogtwin.errors import is_disk_full
from blogtwin.files import atomic_directory
from corpus.ingest import ingest_folder
from corpus.readers import SINGLE_POST_READERS
from corpus.report import assess_size
from serve.errors import ApiError

MAX_FILES = 5000


def save_corpus(home: Path, name: str, uploads: list[tuple[str, bytes]], max_bytes: float) -> Path:
    """A new corpus of (file name, content); zips are opened. Raises ApiError, and then nothing is kept."""
    target = home / "corpora" / name
    if target.exists():
        raise ApiError(409, "corpus_exists", f"There is a corpus {name} already.", "Take another name.")
    with atomic_directory(target) as folder:
        count, size, kept = 0, 0, 0
        for file, data in uploads:
            for path, content in iter_upload(file, data, max_bytes):
                count, size = count + 1, size + len(content)
                if count > MAX_FILES or size > max_bytes:
                    raise ApiError(
                        413,
                        "too_large",
                        f"More than {MAX_FILES} files or {max_bytes / 1e6:.0f} MB.",
                        "Send less at once.",
                    )
                if path.suffix.lower() in SINGLE_POST_READERS and not any(
                    p.startswith((".", "__MACOSX")) for p in path.parts
                ):
                    kept += 1
                    write_post(folder.joinpath(*path.parts), content)
        if not kept:
            raise ApiError(
                422,
                "no_posts",
                "There is no post among these files.",
                f"Send {', '.join(sorted(SINGLE_POST_READERS))} files, or a .zip of them.",
            )
    return target


def iter_upload(file: str, data: bytes, max_bytes: float):
    """(safe relative path, content) of an upload; of a zip, of each file in it."""
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
                    "Send less at once.",
                )
            for entry in entries:
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise ApiError(422, "unsafe_archive", f"{file[:80]} holds a link.", "Send the files themselves.")
                path = safe_path(entry.filename)
                with archive.open(entry) as content:  # what the directory claims of a size is not to be believed
                    read = content.read(entry.file_size + 1)
                if len(read) > entry.file_size:
                    raise ApiError(
                        422, "unsafe_archive", f"{file[:80]} holds more than it says.", "Make the archive again."
                    )
                yield path, read
    except ApiError:
        raise
    except Exception:  # BadZipFile, and whatever zipfile lets through on broken or encrypted ones
        raise ApiError(
            422, "unsafe_archive", f"{file[:80]} can't be opened as a zip.", "Send a plain one, without a password."
        ) from None


def write_post(place: Path, content: bytes) -> None:
    """Write a file of a corpus. Raises ApiError where its name and another's do not go together, or it is too long."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    except OSError as e:
        if is_disk_full(e):
            raise
        raise ApiError(
            422,
            "unsafe_name",
            f"{place.name[:80]!r} can't be put where it says ({e.strerror}).",
            "Give the files plain, short names, none of which is also a folder.",
        ) from None


def safe_path(name: str) -> PurePosixPath:
    """A path that stays where it is put. Raises ApiError."""
    path = PurePosixPath(name.replace("\\", "/"))
    if (
        path.is_absolute()
        or ".." in path.parts
        or not path.parts
        or ":" in path.parts[0]
        or any(len(p.encode()) > 200 or "\0" in p for p in path.parts)
    ):
        raise ApiError(422, "unsafe_name", f"{name[:80]!r} is no name for a post.", "Use plain file names.")
    return path


def assess_upload(folder: Path, params) -> dict:
    """What stage 01 makes of it: {posts, words, formats, languages, first, last, discarded, ready, advice}."""
    posts, discarded = ingest_folder(folder, params.ingest.min_words, params.ingest.max_file_mb * 1e6)
    dates = sorted(p["date"] for p in posts if p["date"])

    def counts(key: str) -> dict[str, int]:
        values = [p[key] for p in posts]
        return {value: values.count(value) for value in sorted(set(values))}

    words = sum(p["word_count"] for p in posts)
    ready, sentence = assess_size(len(posts), words)
    advice = [sentence]
    advice += ["Some posts are not of the main language: a twin learns one best."] if len(counts("lang")) > 1 else []
    advice += [f"{len(discarded)} files were left out; `discarded` says why."] if discarded else []
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
