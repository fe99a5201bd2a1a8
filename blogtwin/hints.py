"""The commands that messages tell the user to run, for the project that they are run in: the main one or an
author's."""

import shlex
from pathlib import Path

from blogtwin.paths import AUTHORS_DIR


def author_of(folder: Path) -> tuple[str, Path] | None:
    """(name, the project around it) when `folder` lies in an author's project, authors/NAME; None in the project
    itself."""
    for here in (folder, *folder.parents):
        around = here.parent.parent
        if here.parent.name == AUTHORS_DIR.name and (here / "dvc.yaml").is_file() and (around / "dvc.yaml").is_file():
            return here.name, around
    return None


def make_command(verb: str, folder: Path = Path("."), **variables: str) -> str:
    """A make command to tell the user, for the project that `folder` lies in: `make all`, or `make all AUTHOR=anna` in
    an author's.

    It can be typed in either project: scripts/author_project.py goes to the one around it.
    """
    author = author_of(folder.resolve())
    of_author = {"AUTHOR": author[0]} if author and verb != "setup" else {}  # all authors have one .venv
    return " ".join(["make", verb, *(f"{name}={value}" for name, value in {**of_author, **variables}.items())])


def shell_command(command: str) -> str:
    """Another command to tell the user, which must be run in this project's folder: in an author's, with the way
    there."""
    here = Path.cwd()
    return f"cd {shlex.quote(str(here))} && {command}" if author_of(here) else command
