"""Run a make verb for one of several authors: in the folder authors/NAME, with their own posts, parameters, adapter and
scorecard. The server lists the twins of all authors.

The folder is a clone of this project at its last commit (its code is updated each time) that shares this one's .venv,
base models and DVC cache. Any verb of the Makefile works there; `blog` creates the folder.

Run     make blog AUTHOR=anna FROM=~/annas-posts
        make all AUTHOR=anna
"""

import _path

import argparse
import os
import re
from pathlib import Path

from blogtwin.author_projects import ensure_project
from blogtwin.console import run_cli
from blogtwin.hints import author_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="the author (AUTHOR=)")
    parser.add_argument("verb", help="what to make, as in the Makefile")
    parser.add_argument("source", nargs="?", default="", help="a folder, file or address of posts (FROM=)")
    arguments = parser.parse_args()
    source = arguments.source
    if source and not re.match(r"https?://", source):
        source = str(Path(source).expanduser().resolve())
    author_here = author_of(Path.cwd())
    if author_here:  # run in an author's folder: the project around it manages the authors
        folder, author = author_here[1], arguments.name
    else:
        folder, author = ensure_project(arguments.name, arguments.verb), ""
    command = ["make", "--no-print-directory", "-C", str(folder), arguments.verb, f"AUTHOR={author}"]
    if source:
        command.append(f"FROM={source}")
    os.execvp("make", command)


if __name__ == "__main__":
    run_cli(main)
