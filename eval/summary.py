"""What a finished pipeline prints: the verdict and the most important figures."""

import json
from pathlib import Path
from typing import Any

from blogtwin.errors import UserError
from blogtwin.hints import make_command

LABELS = {
    "base": "base",
    "styled": "base, told your style",
    "five_shot": "base, shown 5 posts",
    "twin": "twin",
    "swap": "another's twin",
    "author": "you",
}


def read_verdict(path: Path) -> list[str]:
    """The lines of verdict.txt: the verdict, which is empty where there is none, then what to try next."""
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else [""]


def read_json(path: Path) -> dict[str, Any]:
    """A stage's JSON file. Raises UserError where the stage has not run."""
    if not path.is_file():
        raise UserError(f"There is no {path} yet: run `{make_command('all')}`.")
    return json.loads(path.read_text(encoding="utf-8"))
