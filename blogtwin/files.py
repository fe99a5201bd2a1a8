"""Files written whole or not at all: under a temporary name first, renamed at the end. JSONL, and SHA-256 of a file."""

import contextlib
import hashlib
import json
import math
import os
import shutil
from pathlib import Path

from blogtwin.errors import UserError
from blogtwin.hints import make_command
from blogtwin.signals import defer_sigint


@contextlib.contextmanager
def atomic_path(path):
    """A temporary name beside `path`, which takes its name when the block ends well and is removed when it does not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_open(path, mode="w"):
    """Open `path` for writing; it is there when the block ends well, and as it was when it does not."""
    with (
        atomic_path(path) as temporary,
        open(temporary, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file,
    ):
        yield file


@contextlib.contextmanager
def atomic_directory(folder):
    """A fresh temporary folder that takes the name `folder` when the block ends well, and is gone when it does not."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        with defer_sigint():  # between these two there is neither the old folder nor the new one
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_jsonl(path) -> list[dict]:
    """The rows of a JSONL file."""
    try:
        # split on \n only: a post may hold U+2028 and the like, which splitlines() would take for a line end
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").split("\n") if line.strip()]
    except FileNotFoundError:
        raise UserError(f"There is no {path} yet: run `{make_command('all')}`, or the stage that writes it.") from None


def write_jsonl(path, rows) -> None:
    write_jsonl_files({path: rows})


def write_jsonl_files(tables: dict) -> None:
    """{path: rows} → JSONL files, all of them or none."""
    write_files({path: to_jsonl(rows) for path, rows in tables.items()})


def to_jsonl(rows):
    """Each row as a line of a JSONL file."""
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_files(files: dict) -> None:
    """{path: lines} → files, all of them or none: each is whole on the disk before the first takes its name."""
    with contextlib.ExitStack() as stack:
        for path, lines in files.items():
            file = stack.enter_context(atomic_open(path))
            file.writelines(lines)
            file.flush()
        with defer_sigint():
            stack.close()


def write_json(path, data) -> None:
    with atomic_open(path) as file:
        json.dump(data, file, ensure_ascii=False, indent=2)
        file.write("\n")


def sha256_file(path) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def nan_to_none(data):
    """JSON has no nan: what can't be said is null, and `dvc metrics diff` shows a dash."""
    if isinstance(data, dict):
        return {key: nan_to_none(value) for key, value in data.items()}
    if isinstance(data, list):
        return [nan_to_none(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
