"""DVC and Git, called by their command lines. The other modules call them only through this one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

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
