"""What a finished pipeline prints: the verdict and the figures that matter."""

import json

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


def read_verdict(path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0] if path.is_file() else ""


def read_json(path) -> dict:
    if not path.is_file():
        raise UserError(f"There is no {path} yet: run `{make_command('all')}`.")
    return json.loads(path.read_text())
