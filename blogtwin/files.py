"""Atomic writes (to a temporary name, renamed at the end), JSON and JSONL files, and the SHA-256 of a file."""

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from blogtwin.errors import UserError
from blogtwin.hints import make_command
from blogtwin.signals import defer_sigint


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path in the same folder, renamed to `path` on success and deleted on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_open(path: Path | str, mode: str = "w") -> Iterator[IO[Any]]:
    """Open `path` for writing. It is replaced on success and unchanged on failure. Text is written as UTF-8."""
    encoding = None if "b" in mode else "utf-8"
    with atomic_path(path) as temporary, open(temporary, mode, encoding=encoding) as file:
        yield file


@contextlib.contextmanager
def atomic_directory(folder: Path | str) -> Iterator[Path]:
    """An empty temporary folder, which replaces `folder` on success and is deleted on failure."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        with defer_sigint():  # between these two lines neither the old folder nor the new one exists
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_jsonl(path: Path | str) -> list[dict]:
    """The rows of a JSONL file. Raises UserError where it does not exist."""
    try:
        # Split on \n only: a post may contain U+2028 and other characters at which splitlines() would split.
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").split("\n") if line.strip()]
    except FileNotFoundError:
        raise UserError(f"There is no {path} yet: run `{make_command('all')}`, or the stage that writes it.") from None


def write_jsonl(path: Path | str, rows: Iterable[dict]) -> None:
    write_jsonl_files({path: rows})


def write_jsonl_files(tables: dict[Any, Iterable[dict]]) -> None:
    """Write {path: rows} as JSONL files: all of them or none."""
    write_files({path: to_jsonl(rows) for path, rows in tables.items()})


def to_jsonl(rows: Iterable[dict]) -> Iterator[str]:
    """Each row as a line of a JSONL file, with its newline."""
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_files(files: dict[Any, Iterable[str]]) -> None:
    """Write {path: lines} as files: all of them or none. Each is complete on disk before the first is renamed."""
    with contextlib.ExitStack() as stack:
        for path, lines in files.items():
            file = stack.enter_context(atomic_open(path))
            file.writelines(lines)
            file.flush()
        with defer_sigint():
            stack.close()


def write_json(path: Path | str, data: Any) -> None:
    with atomic_open(path) as file:
        json.dump(data, file, ensure_ascii=False, indent=2)
        file.write("\n")


def read_json_object(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None for a file that is missing, incomplete or holds another thing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def nan_to_none(data: Any) -> Any:
    """`data` with None instead of NaN and infinity, which JSON lacks. `dvc metrics diff` shows None as a dash."""
    if isinstance(data, dict):
        return {key: nan_to_none(value) for key, value in data.items()}
    if isinstance(data, list):
        return [nan_to_none(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
