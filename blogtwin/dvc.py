"""DVC and Git, called by their command lines. The other modules call them only through this one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

DVC = (sys.executable, "-m", "dvc")  # of this Python environment, whatever PATH says
SITE_CACHE_SETTING = "core.site_cache_dir"  # see blogtwin/workplace.py


def run_git(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `git …` in a folder and capture its output as text. `options` are those of subprocess.run."""
    return subprocess.run(["git", *arguments], cwd=folder, **{"capture_output": True, "text": True, **options})


def run_dvc(
    folder: Path, *arguments: str, python: str = sys.executable, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run `dvc …` in a folder and capture its output as text. `options` are those of subprocess.run."""
    command = [python, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, **{"capture_output": True, "text": True, **options})


def dvc_cache_dir(project: Path = Path(".")) -> Path:
    """Path of a project's DVC cache. Raises CalledProcessError where the project has no DVC."""
    return (project / run_dvc(project, "cache", "dir", check=True).stdout.strip()).resolve()


def share_dvc_settings(project: Path, clone: Path, **options: Any) -> Path:
    """Give a clone of a project that one's DVC cache, whose path is returned, and its folder for notes about files if
    one is set. Raises CalledProcessError."""
    cache = dvc_cache_dir(project)
    run_dvc(clone, "cache", "dir", "--quiet", "--local", str(cache), check=True, **options)
    site_cache = run_dvc(project, "config", SITE_CACHE_SETTING, **options).stdout.strip()
    if site_cache:
        run_dvc(clone, "config", "--quiet", "--local", SITE_CACHE_SETTING, site_cache, check=True, **options)
    return cache
