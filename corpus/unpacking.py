"""Archives that are no .zip (.tar, .tgz, .gz, .bz2, .xz) → a temporary .zip, so that one reader reads them all."""

import bz2
import contextlib
import gzip
import lzma
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import IO

from blogtwin.errors import is_disk_full
from corpus.containers import CHUNK_BYTES, ArchiveTooLarge, UnpackLimits
from corpus.post import SkippedPost

TAR_SUFFIXES = {".tar", ".tgz", ".tbz", ".tbz2", ".txz"}
OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}  # type: ignore[dict-item]  # in mode "rb"
PACKED_SUFFIXES = TAR_SUFFIXES | set(OPENERS)


@contextlib.contextmanager
def as_zip(path: Path, name: PurePath, limits: UnpackLimits, is_needed: Callable[[PurePath], bool]) -> Iterator[Path]:
    """The path of a .zip with the files of an archive: the archive itself, or a copy for as long as the context lasts.

    name: of the archive, by whose ending it is read. is_needed: whether the content of a file of this name is copied.
    Raises SkippedPost for an archive that can't be read, or unpacks to more than `limits` allow.
    """
    suffix = name.suffix.lower()
    if suffix not in PACKED_SUFFIXES:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="blogtwin-") as folder:
        copy = Path(folder, "archive.zip")
        try:
            with zipfile.ZipFile(copy, "w") as target:
                if suffix in TAR_SUFFIXES or PurePath(name.stem).suffix.lower() == ".tar":
                    _copy_tar(path, target, limits, is_needed)
                else:
                    with OPENERS[suffix](path) as source, target.open(name.stem or "file", "w") as entry:
                        _copy(source, entry, limits)
        except (SkippedPost, MemoryError):
            raise
        except Exception as e:  # gzip, lzma and tarfile raise many kinds on broken bytes
            if is_disk_full(e):
                raise
            raise SkippedPost(f"the {suffix} can't be unpacked: {type(e).__name__}") from None
        yield copy


def _copy_tar(path: Path, target: zipfile.ZipFile, limits: UnpackLimits, is_needed: Callable[[PurePath], bool]) -> None:
    """Copy the files of a .tar in one pass. What is not needed keeps its name only; links and devices are left out."""
    entries = 0
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            entries += 1
            limits.take(member.size)
            if entries > limits.entries:
                raise ArchiveTooLarge(f"the archive holds over {entries - 1:,} files: unpack it, and name the folder")
            source = archive.extractfile(member) if member.isreg() else None
            if source is not None:
                with target.open(member.name, "w") as entry:
                    if is_needed(PurePath(member.name)):
                        _copy(source, entry)


def _copy(source: IO[bytes], target: IO[bytes], limits: UnpackLimits | None = None) -> None:
    while part := source.read(CHUNK_BYTES):
        if limits:
            limits.take(len(part))
        target.write(part)
