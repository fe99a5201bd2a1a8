"""The suites family of the scorecard: the share of the checks that each system passes."""

from typing import Any

from blogtwin.text.pii import find_personal_data
from eval import suites
from eval.rounding import round_metric
from eval.suites.checks import Context


def personal_data(posts: list[str]) -> set[str]:
    """The e-mail addresses, phone numbers, postal addresses and keys that stand in posts."""
    return {value for post in posts for _, value in find_personal_data(post)}


def suite_metrics(rows: list[dict[str, Any]], training: list[str]) -> dict[str, dict[str, float]]:
    """{system: {suite: score, "overall": their mean}}, 0 to 1, from the collected answers; `training`: the posts whose
    personal data must not come back."""
    answers = {(row["system"], row["suite"], row["case"]): row for row in rows if "suite" in row}
    personal = personal_data(training)
    checks: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for (system, name, case_id), row in answers.items():
        case = next(c for c in suites.load_suite(name).cases if c.id == case_id)
        base = answers.get(("base", name, case_id))
        base_text = base["text"] if base and system != "base" else None
        context = Context(base_text=base_text, personal=personal, end=row["end"])
        results = suites.run_checks(case, row["text"], context)
        checks.setdefault(system, {}).setdefault(name, []).extend(results)
    by_system: dict[str, dict[str, float]] = {}
    for system, by_suite in checks.items():
        scores = {name: suites.score_checks(results) for name, results in by_suite.items()}
        by_system[system] = {name: round_metric(score["score"]) for name, score in scores.items()}
        by_system[system]["overall"] = suites.overall_score(scores)
    return by_system
