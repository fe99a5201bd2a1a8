"""The commands that messages tell the user to run, for the current project: the main one or an author's."""

import shlex
from pathlib import Path

from blogtwin.paths import AUTHORS_DIR


def author_of(folder: Path) -> tuple[str, Path] | None:
    """(author's name, main project) when `folder` is in an author's project, authors/NAME; None in the main project."""
    for project in (folder, *folder.parents):
        main = project.parent.parent
        is_project = (project / "dvc.yaml").is_file() and (main / "dvc.yaml").is_file()
        if project.parent.name == AUTHORS_DIR.name and is_project:
            return project.name, main
    return None


def make_command(verb: str, folder: Path = Path("."), **variables: str) -> str:
    """A make command for the user, in the project of `folder`: `make all`, or `make all AUTHOR=anna` in an author's.

    It works in both projects: in an author's, scripts/author_project.py runs it in the main one.
    """
    author = author_of(folder.resolve())
    if author and verb != "setup":  # all authors share one .venv
        variables = {"AUTHOR": author[0], **variables}
    return " ".join(["make", verb, *(f"{name}={value}" for name, value in variables.items())])


def shell_command(command: str) -> str:
    """Another command for the user, which must run in this project's folder: in an author's, with a `cd` before it."""
    here = Path.cwd()
    return f"cd {shlex.quote(str(here))} && {command}" if author_of(here) else command
