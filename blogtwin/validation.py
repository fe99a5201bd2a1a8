"""A pydantic validation error as one sentence: where, what, and the nearest right name."""

import difflib
from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def main_problem(error: ValidationError, first: tuple[str, ...] = ("extra_forbidden",)) -> ErrorDetails:
    """The problem of a validation error that is worth reporting.

    Problems of the types `first` come before others: a misspelt name is reported twice, as an unknown and as a missing
    one.
    """
    return min(error.errors(), key=lambda problem: problem["type"] not in first)


def dotted(location: Iterable[int | str], without: tuple[int | str, ...] = ()) -> str:
    """("train", "epochs") → "train.epochs", leaving out the parts in `without`, which mean nothing to the reader."""
    return ".".join(str(part) for part in location if part not in without)


def message_of(problem: ErrorDetails) -> str:
    """pydantic's message, to be put after a colon in a sentence."""
    message = problem["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def nearest_name(name: str, valid_names: Iterable[str], prefix: str = "") -> str:
    """“did you mean …?” with the valid name nearest to `name` (after `prefix`), or the list of valid names."""
    names = list(valid_names)
    matches = difflib.get_close_matches(str(name), names, 1, cutoff=0.5)
    return f"did you mean {prefix}{matches[0]}?" if matches else f"valid names are {', '.join(names)}."
