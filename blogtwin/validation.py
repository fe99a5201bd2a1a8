"""A pydantic error as one sentence for a person: where, what, and the nearest right name."""

import difflib
from collections.abc import Iterable

from pydantic import ValidationError


def main_problem(error: ValidationError, first: tuple[str, ...] = ("extra_forbidden",)) -> dict:
    """The one of a validation error's problems to name. A misspelt name also shows as a missing one, so those of the
    types `first` come first."""
    return min(error.errors(), key=lambda problem: problem["type"] not in first)


def dotted(location: Iterable, without: tuple = ()) -> str:
    """("train", "epochs") → "train.epochs"; parts that are `without` say nothing to the reader."""
    return ".".join(str(part) for part in location if part not in without)


def message_of(problem: dict) -> str:
    """pydantic's message as a part of a sentence."""
    message = problem["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def nearest_name(name: str, known: Iterable[str], before: str = "") -> str:
    """«did you mean …?», or what there is; `before` stands in front of the nearest name."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, 1, cutoff=0.5)
    return f"did you mean {before}{near[0]}?" if near else f"known are {', '.join(known)}."
