"""Where posts lie: files of a folder, and entries of a .zip, which may be archives themselves.

Nothing in an archive is unpacked under its own name, so no name in it leads anywhere. Entries of one post are read in
memory; exports go to a temporary file, because their readers stream.
"""

import contextlib
import re
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Protocol

from blogtwin.errors import is_disk_full
from corpus.post import SkippedPost

# fmt: off
IGNORED_DIRS = {  # folders that hold no posts; each is named once in discarded.jsonl, not file by file
    ".git", ".svn", ".obsidian", ".trash", ".dvc", "node_modules", "__pycache__", ".venv", "__MACOSX", "_site",
    "_layouts", "_includes", "_sass", "_data", "archetypes", "layouts", "themes", ".astro", ".next", ".jekyll-cache",
    ".ipynb_checkpoints", ".quarto", "_freeze", ".github", ".gitlab", ".circleci", ".vscode", ".idea", "vendor",
}
# fmt: on
# Folders into which a generator of sites writes its pages, with the files by one of which its project is known.
RENDERED_DIRS = {
    "public": ("hugo.toml", "hugo.yaml", "config.toml", "config.yaml", "_config.yml", "gatsby-config.js"),
    "output": ("pelicanconf.py", "conf.py"),
    "dist": ("astro.config.mjs", "astro.config.ts", "astro.config.js"),
}
# What a browser puts beside a page that it saves, in the languages that browsers speak: pictures, scripts and frames.
PAGE_DIR = re.compile(r"(.+)(?:_files|\.files|_file|-filer|-Dateien|_fichiers|_archivos|_arquivos|_bestanden|_pliki)")
CHUNK_BYTES = 1_000_000
MAX_LINE_BYTES = 500  # of a first line
MAX_NAME = 500  # characters of an entry's name


def is_ignored_dir(name: str, has_file: Callable[[str], bool]) -> bool:
    """Whether a folder holds no posts. has_file: whether a file of a name lies beside it."""
    page = PAGE_DIR.fullmatch(name)
    is_saved = page is not None and (has_file(f"{page[1]}.html") or has_file(f"{page[1]}.htm"))
    return name in IGNORED_DIRS or is_saved or any(has_file(file) for file in RENDERED_DIRS.get(name, ()))


class ArchiveTooLarge(SkippedPost):
    """Why an archive is not read: it holds more than the limits allow."""


@dataclass
class UnpackLimits:
    """How much may still be unpacked from an archive and from all archives inside it."""

    bytes: float = 4e9
    entries: int = 100_000
    depth: int = 4  # archives within each other

    def take(self, size: int) -> None:
        """Count `size` bytes as unpacked. Raises SkippedPost when that is too many."""
        self.bytes -= size
        if self.bytes < 0:
            raise ArchiveTooLarge(
                "not read: the archive unpacks to too much; unpack it, and name the folder of the posts"
            )


class SourceFile(Protocol):
    """A file in a folder or an archive. Its methods raise SkippedPost, or OSError for a file that can't be opened."""

    @property
    def name(self) -> PurePath:
        """Its path on the disk, or in its archive."""

    def read(self, max_bytes: float) -> bytes:
        """Its content. Raises SkippedPost if that has more than `max_bytes`, or none."""

    def first_line(self) -> bytes:
        """Its first line, MAX_LINE_BYTES at most."""

    def on_disk(self) -> AbstractContextManager[Path]:
        """A path under which its content can be read."""


@dataclass(frozen=True)
class DiskFile:
    """A `SourceFile` of a folder."""

    path: Path
    name: PurePath  # in the folder: what stands above it says nothing of the post

    def read(self, max_bytes: float) -> bytes:
        size = check_file(self.path)
        if size > max_bytes:
            raise SkippedPost(f"the file has {size / 1e6:.0f} MB, more than ingest.max_file_mb")
        return self.path.read_bytes()

    def first_line(self) -> bytes:
        check_file(self.path)
        with open(self.path, "rb") as file:
            return file.readline(MAX_LINE_BYTES)

    @contextlib.contextmanager
    def on_disk(self) -> Iterator[Path]:
        check_file(self.path)
        yield self.path


def check_file(path: Path) -> int:
    """The size of a file in bytes. Raises SkippedPost if it is empty or no regular file."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise SkippedPost("not a regular file")
    if status.st_size == 0:
        raise SkippedPost("the file is empty")
    return status.st_size


@dataclass(frozen=True)
class ZipEntry:
    """A `SourceFile` of a .zip that is open."""

    name: PurePosixPath
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    limits: UnpackLimits

    def read(self, max_bytes: float) -> bytes:
        if self.info.file_size > max_bytes:
            raise SkippedPost(f"unpacks to {self.info.file_size / 1e6:.0f} MB, more than ingest.max_file_mb")
        with self._open() as file:
            data = file.read(int(max_bytes) + 1)  # the size in the archive's directory may be a lie
        self.limits.take(len(data))
        if len(data) > max_bytes:
            raise SkippedPost("unpacks to more than ingest.max_file_mb")
        if not data:
            raise SkippedPost("the file is empty")
        return data

    def first_line(self) -> bytes:
        with self._open() as file:
            return file.readline(MAX_LINE_BYTES)

    @contextlib.contextmanager
    def on_disk(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="blogtwin-") as folder:
            path = Path(folder, "entry" + self.name.suffix.lower()[:20])
            with open(path, "wb") as target:
                self._copy(target)
            check_file(path)
            yield path

    def _copy(self, target: IO[bytes]) -> None:
        with self._open() as file:
            while part := file.read(CHUNK_BYTES):
                self.limits.take(len(part))
                target.write(part)

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        if self.info.flag_bits & 1:
            raise SkippedPost("encrypted inside its .zip")
        try:
            with self.archive.open(self.info) as file:
                yield file
        except SkippedPost:
            raise
        except Exception as e:  # zlib, lzma and zipfile raise many kinds on broken bytes
            if is_disk_full(e):
                raise
            raise SkippedPost(f"can't be unpacked: {type(e).__name__}") from None


@contextlib.contextmanager
def open_zip(
    path: Path, limits: UnpackLimits, is_post_format: Callable[[PurePath], bool]
) -> Iterator[list[ZipEntry | SkippedPost]]:
    """The files of a .zip, and what in it is none, while the .zip is open.

    Raises SkippedPost for a .zip that can't be read, or holds more than `limits` allow.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError) as e:
        raise SkippedPost(f"the .zip can't be read: {' '.join(str(e).split())[:100]}") from None
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        size = sum(info.file_size for info in infos if is_post_format(PurePosixPath(info.filename)))
        limits.entries -= len(infos)
        if limits.entries < 0 or size > limits.bytes:
            raise ArchiveTooLarge(
                f"the .zip holds {len(infos):,} files of {size / 1e6:,.0f} MB: unpack it, and name the folder of the"
                " posts"
            )
        yield list(_entries(archive, infos, limits))


def _entries(
    archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], limits: UnpackLimits
) -> Iterator[ZipEntry | SkippedPost]:
    ignored: set[str] = set()
    names = {info.filename.replace("\\", "/") for info in infos}

    def is_ignored(parts: tuple[str, ...]) -> bool:
        return is_ignored_dir(parts[-1], lambda name: "/".join([*parts[:-1], name]) in names)

    for info in infos:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        name = PurePosixPath(*[part for part in path.parts if part not in ("/", "..")])
        folder = next((i for i in range(len(name.parts) - 1) if is_ignored(name.parts[: i + 1])), None)
        if folder is not None:
            ignored_dir = "/".join(name.parts[: folder + 1])
            if ignored_dir not in ignored:
                ignored.add(ignored_dir)
                yield SkippedPost("not a folder of posts", ignored_dir[:MAX_NAME])
        elif name != path or not name.parts or name.parts[0].endswith(":"):
            yield SkippedPost("refused: its name leads out of the archive", str(name)[:MAX_NAME])
        elif stat.S_ISLNK(info.external_attr >> 16):
            yield SkippedPost("a link inside its .zip", str(name)[:MAX_NAME])
        else:
            yield ZipEntry(name, archive, info, limits)
