"""A worse twin never replaces a better one: the rule, case by case."""

import pytest

from eval.compare_runs import compare_runs, measured_samples
from eval.promotion import Scorecard, decide, gates_of
from eval.verdict import GATES

PASSED = dict.fromkeys(GATES, True)


def samples(bits: float, posts: range = range(12)) -> list[dict]:
    """Bits per byte of some held-out posts, in which posts differ by more than the two twins do."""
    return [{"id": f"p{n}", "twin": {"bits_per_byte": bits + n / 10 + (n % 3) / 1000, "text": "x"}} for n in posts]


def card(bits: float = 1.5, posts: int = 40, rows: range = range(12), **gates: bool | None) -> Scorecard:
    return Scorecard({**PASSED, **gates}, samples(bits, rows), posts)


CASES = {
    "better": (card(1.5), card(1.4), True, "better in bits per byte of the held-out post: 2.051 → 1.951"),
    "better, of fewer posts": (card(1.5, 40), card(1.4, 30), True, "is better in bits"),
    "worse": (card(1.4), card(1.5), False, "worse in bits per byte of the held-out post: 1.951 → 2.051"),
    "worse, of more posts": (card(1.4, 40), card(1.5, 90), False, "is worse in bits"),
    "better, but a gate is lost": (card(1.5), card(1.4, copying=False), False, "fails the gate “copying”"),
    "better, and a gate is as it was": (card(1.5, fluent=False), card(1.4, fluent=False), True, "is better"),
    "the same, of more posts": (
        card(),
        card(posts=43),
        True,
        "12 prompts can't tell them apart, and",
    ),
    "the same": (card(), card(), False, "the new one knows no more posts (40; the live one 40)"),
    "the same, of more posts, neither fluent": (
        card(fluent=False),
        card(posts=43, fluent=False),
        False,
        "12 prompts can't tell them apart, and the new one fails the gate “fluent”",
    ),
    "the same, of more posts, of a gate nobody can tell": (
        card(),
        card(posts=43, fluent=None),
        True,
        "12 prompts can't",
    ),
    "other held-out posts": (card(), card(9, 43, range(20, 32)), True, "they have no held-out posts in common, and"),
    "the new one was not measured": (card(), Scorecard({}, [], 50), False, "the new one was not measured"),
    "the live one was not measured": (Scorecard({}, [], 50), card(), True, "the live one was not measured"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_rule(case):
    live, new, promoted, reason = CASES[case]
    decision = decide(live, new)
    assert decision.promoted == promoted and reason in decision.reason
    assert decision.worse == ("worse" in case or "gate is lost" in case)


def test_figures_without_texts_are_compared_as_the_samples_are():
    one, other = samples(1.4), [*samples(1.5), {"id": "p99", "base": {}}]
    assert compare_runs(measured_samples(one), measured_samples(other)) == compare_runs(one, other)
    assert "text" not in str(measured_samples(one)) and len(measured_samples(other)) == 12


def test_a_scorecard_without_a_verdict_was_not_measured():
    assert gates_of(
        {"twin": {"verdict": {"copying": 0, "disjoint": None, "fluent": 1, "closer_than_prompting": 1}}}
    ) == {
        "disjoint": None,
        "copying": False,
        "fluent": True,
    }
    assert gates_of({}) == {}
