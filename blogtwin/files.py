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
from blogtwin.signals import ctrl_c_later


@contextlib.contextmanager
def renamed(path):
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
def writing(path, mode="w"):
    """Open `path` for writing; it is there when the block ends well, and as it was when it does not."""
    with renamed(path) as temporary, open(temporary, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
        yield file


@contextlib.contextmanager
def making(folder):
    """A fresh temporary folder that takes the name `folder` when the block ends well, and is gone when it does not."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        with ctrl_c_later():  # between these two there is neither the old folder nor the new one
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
    write_all({path: rows})


def write_all(tables: dict) -> None:
    """{path: rows} → JSONL files, all of them or none."""
    write_texts({path: json_lines(rows) for path, rows in tables.items()})


def json_lines(rows):
    """Each row as a line of a JSONL file."""
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_texts(files: dict) -> None:
    """{path: lines} → files, all of them or none: each is whole on the disk before the first takes its name."""
    with contextlib.ExitStack() as stack:
        for path, lines in files.items():
            file = stack.enter_context(writing(path))
            file.writelines(lines)
            file.flush()
        with ctrl_c_later():
            stack.close()


def write_json(path, data) -> None:
    with writing(path) as file:
        json.dump(data, file, ensure_ascii=False, indent=2)
        file.write("\n")


def digest(path) -> str:
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
