"""The verdict again and again: the cheats, how outcomes are counted, and one whole run of a small twin."""

import json

import pytest

from eval.gates import Count
from eval.repeated_verdict import cheats, count_outcomes, outcome
from eval.scorecard import CorpusTexts
from eval.verdict import Evidence
from tests.support.workspace import make_small_workspace

POSTS = CorpusTexts(
    prompts=[{"output": "The Ladder is old. It has thirteen rungs."}, {"output": "Rain fell on Hull. It was late."}],
    held_out=[],
    training=["A rope is a rope. It is long.", "The ferry was late. Nobody came.", "Bread is made of flour."],
    titles=["rope", "ferry", "bread"],
    leaked_posts=0,
)


def evidence(inside: int, low: float, copies: int = 0) -> Evidence:
    return Evidence(
        0,
        Count(copies, 24),
        {"repetition": Count(inside, 24)},
        "",
        {"five_shot": [("masked", low)]},
        {"masked": (0.9, low)},
    )


def test_every_cheat_has_a_text_for_each_prompt_and_those_that_are_drawn_differ():
    found = cheats(POSTS, ["base", "base"], 120, 5)
    assert all(len(texts) == 2 for texts in found.values())
    for name in ("verbatim", "markov of order 1", "markov of order 2", "shuffled"):
        assert len({tuple(found[f"{name} {number}"]) for number in range(1, 6)}) > 1, name
    assert set(found["verbatim 1"]) < set(POSTS.training)
    assert found["lower case 1"][0] == "the ladder is old. it has thirteen rungs."
    assert found["one sentence 1"][0].startswith("The Ladder is old. The Ladder is old. ")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (evidence(20, 0.2), "closer"),
        (evidence(20, -0.2), "not above the rivals"),
        (evidence(2, 0.2), "failed: fluent"),
        (evidence(12, 0.2), "can't tell: fluent"),
        (evidence(12, 0.2, copies=20), "failed: copying"),
    ],
)
def test_an_outcome_is_closer_or_says_why_not(found, expected):
    assert outcome(found) == expected


def test_outcomes_are_counted_by_what_was_measured():
    counts = count_outcomes({"the twin 1": "closer", "the twin 2": "closer", "the twin 12": "x", "base 1": "x"})
    assert counts == {"the twin": {"closer": 2, "x": 1}, "base": {"x": 1}}


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.model
@pytest.mark.timeout(1800)
def test_a_small_twin_and_the_cheats_are_measured_as_often_as_asked(tmp_path, run_in):
    workspace = make_small_workspace(tmp_path / "blogtwin")
    run_in(workspace, "dvc repro eval", timeout=1200)
    run_in(workspace, 'python scripts/repeat_verdict.py --runs 2 --twin "itself=artifacts/gguf/twin.gguf"', timeout=900)
    found = json.loads((workspace / "artifacts/validate/verdicts.json").read_text())
    times = {name: sum(outcomes.values()) for name, outcomes in found.items()}
    assert times["the twin"] == times["verbatim"] == times["shuffled"] == 2 and times["itself"] == times["base"] == 1
    assert all("closer" not in outcomes for outcomes in found.values()), found
    wrong = run_in(workspace, "python scripts/repeat_verdict.py --twin nothing", ok=False)
    assert wrong.returncode == 1 and "write NAME=FILE" in wrong.stderr
