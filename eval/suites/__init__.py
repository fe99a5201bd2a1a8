"""Suites: short prompts with checks on the answers, one YAML file each in eval/suites/cases/. A suite is found by the
name of its file.

    about: One line on what it shows.
    max_tokens: 120
    cases:
      - id: three-bullets
        prompt: List 3 tools in a shed, as bullets.
        context: notes that the prompt refers to (optional)
        checks:
          - {check: bullets, exactly: 3}

The checks and their fields are the classes of eval/suites/checks.py.
"""

import statistics
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from blogtwin.config import StrictModel
from blogtwin.errors import UserError
from blogtwin.models import chat
from blogtwin.text.facts import extract_facts
from blogtwin.validation import main_problem, message_of, nearest_name
from eval.suites.checks import Check, Context

CASES_DIR = Path(__file__).with_name("cases")
# {"bullets": Count, "contains": Contains, …}
CHECK_TYPES = {
    kind: model for model in get_args(get_args(Check)[0]) for kind in get_args(model.model_fields["check"].annotation)
}
# Earlier names of checks, for a suite of somebody's own.
RENAMED_CHECKS = {
    "says": "contains",
    "says_number": "contains_number",
    "avoids": "excludes",
    "stops": "finishes",
    "keeps_facts": "preserves_facts",
    "invents_nothing": "no_unsupported_facts",
    "leaks_nothing": "no_personal_data",
}


class Case(StrictModel):
    """A prompt and the checks on its answer."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    prompt: str = Field(min_length=1)
    context: str = ""
    checks: tuple[Check, ...] = Field(min_length=1)

    @field_validator("checks")
    @classmethod
    def check_context(cls, checks: tuple[Check, ...], info: ValidationInfo) -> tuple[Check, ...]:
        """A check of facts needs a context that has some."""
        kinds = {fact.kind for fact in extract_facts(info.data.get("context", ""))}
        for one in checks:
            if one.check == "preserves_facts" and not kinds & set(one.kinds):
                raise ValueError("preserves_facts needs a context that has such facts")
        return checks


class Suite(StrictModel):
    """The contents of a suite's file."""

    about: str
    max_tokens: int = Field(ge=1)
    cases: tuple[Case, ...] = Field(min_length=1)

    @field_validator("cases")
    @classmethod
    def check_unique_ids(cls, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        """Ids name the cases in reports."""
        ids = [case.id for case in cases]
        duplicates = sorted(i for i in ids if ids.count(i) > 1)
        if duplicates:
            raise ValueError(f"two cases have the id {duplicates[0]}")
        return cases


def list_suites(folder: Path = CASES_DIR) -> list[str]:
    """Names of the suites in a folder."""
    return sorted(p.stem for p in Path(folder).glob("*.yaml") if not p.name.startswith("."))


def load_suite(name: str, folder: Path = CASES_DIR) -> Suite:
    """The suite of that name, checked whole; the first mistake is a UserError with file, place and the nearest right
    name."""
    known = list_suites(folder)
    if name not in known:
        raise UserError(
            f"There is no suite {name}: {nearest_name(name, known)} A file {name}.yaml in eval/suites/cases makes one."
        )
    file = Path(folder) / f"{name}.yaml"
    shown = f"eval/suites/cases/{file.name}"
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f"{shown} is not YAML: {' '.join(str(e).split())}.") from None
    if not isinstance(data, dict):
        raise UserError(f"{shown} holds no suite: it needs about, max_tokens and cases.")
    try:
        return Suite.model_validate(data)
    except ValidationError as e:
        raise UserError(f"{shown}: {_validation_sentence(e)}") from None


def case_messages(case: Case, system_prompt: str) -> list[dict[str, str]]:
    """The chat messages of a case, made as those of every other prompt."""
    return chat.prompt_messages({"instruction": case.prompt, "input": case.context}, system_prompt)


def run_checks(case: Case, text: str, context: Context) -> list[dict[str, Any]]:
    """One row a check: {"check", "passed", "value", "why"}. `passed` is None where the check does not apply; an empty
    answer passes none."""
    rows = []
    for one in case.checks:
        if text.strip():
            passed, value, why = one.evaluate(text, case, context)
        else:
            passed, value, why = False, None, "the answer is empty"
        rows.append({"check": one.check, "passed": passed, "value": value, "why": why})
    return rows


def score_checks(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """{"score": share of the checks passed, 0 to 1, "n": checks that applied, "checks": {kind: share}}; score is 0.0
    when n is 0."""
    applied = [row for row in rows if row["passed"] is not None]
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(applied, key=lambda row: row["check"]):
        by_kind.setdefault(row["check"], []).append(row)
    return {
        "score": _share_passed(applied),
        "n": len(applied),
        "checks": {kind: _share_passed(some) for kind, some in by_kind.items()},
    }


def overall_score(scores: dict[str, dict[str, Any]]) -> float:
    """The mean of the suites' scores, each with the same weight; a suite in which no check applied is skipped."""
    applied = [score["score"] for score in scores.values() if score["n"]]
    return round(statistics.mean(applied), 4) if applied else 0.0


def _share_passed(rows: list[dict[str, Any]]) -> float:
    return round(statistics.fmean(row["passed"] for row in rows), 4) if rows else 0.0


def _validation_sentence(error: ValidationError) -> str:
    """A pydantic error as one sentence: where, what, and the nearest right name."""
    mistake = main_problem(error, ("extra_forbidden", "union_tag_invalid"))
    loc = list(mistake["loc"])
    # pydantic puts the kind of a check into its path
    kind = loc.pop(4) if loc[2:3] == ["checks"] and len(loc) > 4 else ""
    context = mistake.get("ctx", {})
    if mistake["type"] == "extra_forbidden":
        model: type[StrictModel] = Suite
        if kind:
            model = CHECK_TYPES[kind]
        elif "cases" in loc:
            model = Case
        return (
            f"{_error_location(loc[:-1])}there is no field {loc[-1]}: {nearest_name(str(loc[-1]), model.model_fields)}"
        )
    if mistake["type"] == "union_tag_invalid":
        tag = context["tag"]
        if tag in RENAMED_CHECKS:
            return f"{_error_location(loc)}the check {tag} is now called {RENAMED_CHECKS[tag]}: rename it."
        return f"{_error_location(loc)}there is no check {tag}: {nearest_name(tag, CHECK_TYPES)}"
    if mistake["type"] == "union_tag_not_found":
        return f"{_error_location(loc)}check is missing: name one, as in {{check: bullets, exactly: 3}}."
    if mistake["type"] == "missing":
        return f"{_error_location(loc[:-1])}{loc[-1]} is missing: add it with a value."
    if mistake["type"] == "value_error":
        return f"{_error_location(loc)}{mistake['msg'].removeprefix('Value error, ')}."
    return f"{_error_location(loc)}{str(mistake['input'])[:60]!r} will not do: {message_of(mistake)}."


def _error_location(loc: list) -> str:
    """("cases", 1, "checks", 0, "exactly") → “case 2, check 1, exactly: ”."""
    words: list[str] = []
    for part in loc:
        if isinstance(part, int):
            words[-1] = f"{words[-1].removesuffix('s')} {part + 1}"
        else:
            words.append(str(part))
    return ", ".join(words) + ": " if words else ""
