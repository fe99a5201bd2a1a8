"""DVC and Git, called by their command lines. The other modules call them only through this one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from blogtwin.errors import UserError
from blogtwin.files import atomic_path

DVC = (sys.executable, "-m", "dvc")  # of this Python environment, whatever PATH says


def run_git(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `git …` in a folder and capture its output as text. `options` are those of subprocess.run."""
    return subprocess.run(["git", *arguments], cwd=folder, **{"capture_output": True, "text": True, **options})


def run_dvc(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `dvc …` in a folder and capture its output as text. `options` are those of subprocess.run."""
    return subprocess.run([*DVC, *arguments], cwd=folder, **{"capture_output": True, "text": True, **options})


def dvc_cache_dir(project: Path = Path(".")) -> Path:
    """Path of a project's DVC cache. Raises CalledProcessError where the project has no DVC."""
    return (project / run_dvc(project, "cache", "dir", check=True).stdout.strip()).resolve()


def set_local_config(project: Path, **settings: str) -> None:
    """Write settings into a project's .dvc/config.local; `cache__dir` is dir in the section cache.

    DVC's own command can't write a path with letters outside ASCII, or with a comma.
    """
    file = project / ".dvc/config.local"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    for name, value in settings.items():
        section, key = name.split("__")
        quote = "'" if '"' in value else '"'
        head, line = f"[{section}]\n", f"    {key} = {quote}{value}{quote}\n"
        text = text.replace(head, head + line, 1) if head in text else text + head + line
    with atomic_path(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def share_dvc_settings(project: Path, clone: Path, home: Path) -> Path:
    """Give a clone of a project that one's DVC cache, whose path is returned, and its folder for notes about files if
    it has set one. `home`: where the clone will stand. Raises CalledProcessError."""
    cache = dvc_cache_dir(project)
    # Relative where the project holds the clone, so that both may be moved.
    inside = home.resolve().is_relative_to(project.resolve()) and cache.is_relative_to(project.resolve())
    shown = os.path.relpath(cache, home.resolve() / ".dvc") if inside else str(cache)
    settings = {"cache__dir": shown}
    if site_cache := run_dvc(project, "config", "core.site_cache_dir").stdout.strip():
        settings["core__site_cache_dir"] = site_cache
    set_local_config(clone, **settings)
    return cache


def check_queue_path(*folders: Path) -> None:
    """Raises UserError where DVC's queue can't run: it fails on paths with letters outside ASCII."""
    for folder in folders:
        if not str(folder.resolve()).isascii():
            raise UserError(
                f"DVC's queue can't work in {folder.resolve()}, because of the letters outside ASCII in this path: move"
                " the project to another folder, or run one experiment at a time, without --queue."
            )
