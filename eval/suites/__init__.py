"""Suites: short prompts with checks on the answers, one YAML file each in eval/suites/cases/. A file put there is found
by its name.

    about: One line on what it shows.
    max_tokens: 120
    cases:
      - id: three-bullets
        prompt: List 3 tools in a shed, as bullets.
        context: notes that the prompt is about (optional)
        checks:
          - {check: bullets, exactly: 3}

The checks and their fields are the classes of eval/suites/checks.py.
"""

import statistics
from pathlib import Path
from typing import get_args

import yaml
from pydantic import Field, ValidationError, field_validator

from blogtwin.config import StrictModel
from blogtwin.errors import UserError
from blogtwin.models import chat
from blogtwin.text.facts import extract_facts
from blogtwin.validation import main_problem, message_of, nearest_name
from eval.suites.checks import Check, Context

CASES_DIR = Path(__file__).with_name("cases")
# {"bullets": Count, "says": Says, …}
CHECK_TYPES = {
    kind: model for model in get_args(get_args(Check)[0]) for kind in get_args(model.model_fields["check"].annotation)
}


class Case(StrictModel):
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    prompt: str = Field(min_length=1)
    context: str = ""
    checks: tuple[Check, ...] = Field(min_length=1)

    @field_validator("checks")
    @classmethod
    def have_what_they_need(cls, checks, info):
        kinds = {f.kind for f in extract_facts(info.data.get("context", ""))}
        if any(c.check == "keeps_facts" and not kinds & set(c.kinds) for c in checks):
            raise ValueError("keeps_facts needs a context with such facts to keep")
        return checks


class Suite(StrictModel):
    about: str
    max_tokens: int = Field(ge=1)
    cases: tuple[Case, ...] = Field(min_length=1)

    @field_validator("cases")
    @classmethod
    def have_ids_of_their_own(cls, cases):
        ids = [c.id for c in cases]
        if twice := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"two cases have the id {twice[0]}")
        return cases


def list_suites(folder: Path = CASES_DIR) -> list[str]:
    """The suites there are, by name."""
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


def case_messages(case: Case, system: str) -> list[dict]:
    """The chat messages of a case, rendered as every other prompt of the project is."""
    return chat.prompt_messages({"instruction": case.prompt, "input": case.context}, system)


def run_checks(case: Case, text: str, context: Context) -> list[dict]:
    """A row a check: {"check", "passed", "value", "why"}. `passed` is None where there was nothing to judge; an empty
    answer passes none."""
    rows = []
    for one in case.checks:
        passed, value, why = one.judge(text, case, context) if text.strip() else (False, None, "the answer is empty")
        rows.append({"check": one.check, "passed": passed, "value": value, "why": why})
    return rows


def score_checks(rows: list[dict]) -> dict:
    """{"score": share of the checks passed, "n": checks that could be judged, "checks": {kind: share}}; score is 0.0
    when n is 0."""
    judged = [r for r in rows if r["passed"] is not None]
    kinds = sorted({r["check"] for r in judged})
    return {
        "score": _share(judged),
        "n": len(judged),
        "checks": {kind: _share([r for r in judged if r["check"] == kind]) for kind in kinds},
    }


def overall_score(scores: dict[str, dict]) -> float:
    """The mean of the suites' scores, each suite the same weight; one in which nothing could be judged is left out."""
    judged = [s["score"] for s in scores.values() if s["n"]]
    return round(statistics.mean(judged), 4) if judged else 0.0


def _share(rows: list[dict]) -> float:
    return round(statistics.fmean(r["passed"] for r in rows), 4) if rows else 0.0


def _validation_sentence(error: ValidationError) -> str:
    """A pydantic error as one sentence: where, what, and the nearest right name."""
    mistake = main_problem(error, ("extra_forbidden", "union_tag_invalid"))
    loc = list(mistake["loc"])
    kind = (
        loc.pop(4) if loc[2:3] == ["checks"] and len(loc) > 4 else ""
    )  # pydantic puts the kind of a check into its path
    context = mistake.get("ctx", {})
    if mistake["type"] == "extra_forbidden":
        model = CHECK_TYPES[kind] if kind else Case if "cases" in loc else Suite
        return f"{_error_location(loc[:-1])}there is no field {loc[-1]}: {nearest_name(loc[-1], model.model_fields)}"
    if mistake["type"] == "union_tag_invalid":
        return f"{_error_location(loc)}there is no check {context['tag']}: {nearest_name(context['tag'], CHECK_TYPES)}"
    if mistake["type"] == "union_tag_not_found":
        return f"{_error_location(loc)}check is missing: say which, as in {{check: bullets, exactly: 3}}."
    if mistake["type"] == "missing":
        return f"{_error_location(loc[:-1])}{loc[-1]} is missing: put it there with a value."
    if mistake["type"] == "value_error":
        return f"{_error_location(loc)}{mistake['msg'].removeprefix('Value error, ')}."
    return f"{_error_location(loc)}{str(mistake['input'])[:60]!r} will not do: {message_of(mistake)}."


def _error_location(loc: list) -> str:
    """("cases", 1, "checks", 0, "exactly") → “case 2, check 1, exactly: ”."""
    words: list[str] = []
    for part in loc:
        words[-1:] = (
            [f"{words[-1].removesuffix('s')} {part + 1}"] if isinstance(part, int) else [*words[-1:], str(part)]
        )
    return ", ".join(words) + ": " if words else ""
