"""Dates for posts that state none: from Git's history, else from the files' modification times."""

import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

from blogtwin.dvc import run_git

DATES_FILE = ".dates.json"  # `make blog` writes it next to its copy of the posts, which has neither


def post_dates(folder: Path, files: list[Path]) -> dict[str, tuple[str, str]]:
    """{path in `folder`: (ISO day, "git" or "file time")} of the files with a date; DATES_FILE decides if it exists."""
    saved = folder / DATES_FILE
    if saved.is_file():
        try:
            rows = json.loads(saved.read_text(encoding="utf-8"))
            return {name: (str(day), str(source)) for name, (day, source) in rows.items()}
        except (ValueError, TypeError, AttributeError, OSError):
            return {}
    dates = {name: (day, "file time") for name, day in _modification_days(folder, files).items()}
    return dates | {name: (day, "git") for name, day in _first_commit_days(folder).items()}


def _first_commit_days(folder: Path) -> dict[str, str]:
    """{path: day of the commit that added it}; empty outside a repository, or when Git takes over a minute."""
    log = ("log", "--reverse", "--diff-filter=A", "--format=%x01%as", "--name-only", "--relative", "-z", "--", ".")
    try:
        result = run_git(folder, "-c", "core.quotePath=false", *log, text=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if result.returncode != 0:
        return {}
    output: Any = result.stdout  # bytes: names may be in any encoding
    days: dict[str, str] = {}
    day = ""
    # NUL between the fields; the first file of a commit stands in one field with the commit's day: "\x012019-08-22a.md"
    for field in output.decode("utf-8", "replace").replace("\n", "").split("\0"):
        name = field
        if field.startswith("\x01"):
            day, name = field[1:11], field[11:]
        if name:
            days.setdefault(name, day)
    return days


def _modification_days(folder: Path, files: list[Path]) -> dict[str, str]:
    """{path: day of its last change}; empty where most files share a few days: those were copied, not written."""
    days = {}
    for path in files:
        try:
            changed = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
        except (OSError, OverflowError, ValueError):
            continue
        days[str(path.relative_to(folder))] = changed.date().isoformat()
    different = len(set(days.values()))
    return days if different > 1 and different >= 0.1 * len(days) else {}
