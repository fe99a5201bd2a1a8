"""Days for posts that state none: from Git's history, else from the files' times where these tell anything."""

import datetime
import json
import subprocess
from pathlib import Path

from blogtwin.dvc import run_git

DATES_FILE = ".dates.json"  # what `make blog` writes beside a copy, which has neither history nor times


def post_dates(folder: Path, files: list[Path]) -> dict[str, tuple[str, str]]:
    """{path in the folder: (ISO day, "git" or "file time")}."""
    kept = folder / DATES_FILE
    if kept.is_file():
        try:
            return {
                name: (str(day), str(source))
                for name, (day, source) in json.loads(kept.read_text(encoding="utf-8")).items()
            }
        except (ValueError, TypeError, AttributeError, OSError):
            return {}
    found = {name: (day, "file time") for name, day in _file_times(folder, files).items()}
    return found | {name: (day, "git") for name, day in _first_commits(folder).items()}


def _first_commits(folder: Path) -> dict[str, str]:
    """The day of the commit that first had each file; nothing outside a repository, or when Git takes too long."""
    command = [
        "-c",
        "core.quotePath=false",
        "log",
        "--reverse",
        "--diff-filter=A",
        "--format=%x01%as",
        "--name-only",
        "--relative",
        "-z",
        "--",
        ".",
    ]
    try:
        done = run_git(folder, *command, text=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if done.returncode != 0:
        return {}
    found: dict[str, str] = {}
    day = ""
    for field in done.stdout.decode("utf-8", "replace").replace("\n", "").split("\0"):
        if field.startswith("\x01"):
            field = field[1:]
            day, field = field[:10], field[10:]
        if field:
            found.setdefault(field, day)
    return found


def _file_times(folder: Path, files: list[Path]) -> dict[str, str]:
    """Days of the files' last change. Files that were all written on one day were copied, not written."""
    times = {}
    for path in files:
        try:
            times[str(path.relative_to(folder))] = (
                datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).date().isoformat()
            )
        except (OSError, OverflowError, ValueError):
            continue
    return times if len(set(times.values())) > 1 and len(set(times.values())) >= 0.1 * len(times) else {}
