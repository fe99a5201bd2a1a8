"""DVC, asked by its command line."""

import sys
from pathlib import Path


def dvc_cache_dir(project: Path = Path(".")) -> Path:
    """The folder of DVC's cache of a project. Raises CalledProcessError where DVC knows none."""
    import subprocess

    done = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], cwd=project, capture_output=True, text=True, check=True)
    return (project / done.stdout.strip()).resolve()
