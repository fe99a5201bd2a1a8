"""One of several authors: a folder authors/NAME with their posts, knobs, adapter and scorecard, beside all others. The
server lists all twins.

It is a clone of this project at its last commit (its code is brought up to date each time), with this one's .venv, base
models and DVC cache; any verb of the Makefile works there.

Run     make blog AUTHOR=anna FROM=~/annas-posts
        make all AUTHOR=anna
"""

import _path

import os
import re
import sys
from pathlib import Path

from blogtwin.author_projects import ensure_project
from blogtwin.console import echo, run_cli
from blogtwin.hints import author_of


def main() -> None:
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        echo(__doc__)
        return
    name, verb, source = [*sys.argv[1:4], ""][:3]
    if source and not re.match(r"https?://", source):
        source = str(Path(source).expanduser().resolve())
    if here := author_of(
        Path.cwd()
    ):  # typed in an author's folder: the authors are the business of the project around it
        folder, author = here[1], name
    else:
        folder, author = ensure_project(name, verb), ""
    os.execvp(
        "make",
        [
            "make",
            "--no-print-directory",
            "-C",
            str(folder),
            verb,
            f"AUTHOR={author}",
            *([f"FROM={source}"] if source else []),
        ],
    )


if __name__ == "__main__":
    run_cli(main)
