"""DVC and Git, asked by their command lines: the one place that starts them."""

import subprocess
import sys
from pathlib import Path

DVC = (sys.executable, "-m", "dvc")  # this Python's own, whatever PATH says


def run_git(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    """`git …` in a folder; its output is text. `options` are subprocess.run's."""
    return subprocess.run(["git", *arguments], cwd=folder, **{"capture_output": True, "text": True, **options})


def run_dvc(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    """`dvc …` in a folder; its output is text. `options` are subprocess.run's."""
    return subprocess.run([*DVC, *arguments], cwd=folder, **{"capture_output": True, "text": True, **options})


def dvc_cache_dir(project: Path = Path(".")) -> Path:
    """The folder of DVC's cache of a project. Raises CalledProcessError where DVC knows none."""
    return (project / run_dvc(project, "cache", "dir", check=True).stdout.strip()).resolve()
