"""The virtual environment of the project: made by Python's venv, or the reason why it can't be.

Standard library only, because nothing is installed yet.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def make_venv(folder: Path) -> None:
    """Create .venv, `folder`. The path is resolved: venv refuses a symlink, and an author's project links to the main
    one's. Exits with the reason where Python can't.

    A Python that is itself a link, as uv and mise put into ~/.local/bin, may give a .venv that does not find its
    standard library: then the file behind the link is asked for one.
    """
    folder = folder.resolve()
    pythons = list(dict.fromkeys([sys.executable, os.path.realpath(sys.executable)]))
    options: dict[str, Any] = {"capture_output": True, "text": True, "errors": "replace"}
    for python in pythons:
        made = subprocess.run([python, "-m", "venv", folder], **options)
        if made.returncode == 0 and runs(folder / "bin/python"):
            return
        if not runs(folder / "bin/python"):
            for link in folder.glob("bin/python*"):  # else venv would keep them
                link.unlink()
    sys.exit(f"error: {why_no_venv(folder, made.stdout + made.stderr)}")


def runs(python: Path) -> bool:
    """Whether a Python starts, and finds its standard library and pip."""
    try:
        return subprocess.run([python, "-c", "import encodings, pip"], capture_output=True).returncode == 0
    except OSError:
        return False


def why_no_venv(folder: Path, said: str) -> str:
    """The sentence for a .venv that could not be made; `said`: by Python's venv."""
    if not can_link(folder.parent):
        return (
            f"{folder.parent} is on a file system without symbolic links (exFAT, FAT, some network folders), which"
            " Python's virtual environments need: move the project to another disk, then run `make setup` again."
        )
    if not importlib.util.find_spec("ensurepip") or "ensurepip is not available" in " ".join(said.split()):
        return (
            "Python can't create a virtual environment here, because it has no ensurepip: on Debian and Ubuntu, run"
            " `apt install python3-venv`."
        )
    last = (said.strip().splitlines() or [f"{sys.executable} gives none that starts"])[-1]
    return f"Python can't create a virtual environment in {folder} ({last[:200]}): try another, `make setup PYTHON=…`."


def can_link(folder: Path) -> bool:
    """Whether the file system of a folder has symbolic links."""
    link = folder / f".link-{os.getpid()}"
    try:
        link.symlink_to("nowhere")
        link.unlink()
    except OSError:
        return False
    return True
