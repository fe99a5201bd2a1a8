"""Notes to voice: what stands of the notes and what is made up, on texts whose answer is known."""

import json
import math
import re
import statistics

import pytest

from blogtwin.config import load_params
from blogtwin.files import nan_to_none
from blogtwin.text.facts import extract_facts
from corpus import ingest
from corpus.cleaning import clean_markdown
from corpus.examples import build_examples
from eval import grounding, scorecard
from eval.report import render_report
from tests.support.workspace import ROOT

CASE = {
    "id": "a-1",
    "passage": "Denzil bought 3 boats at Port Lanner. They rang a bell.",
    "given": "- Denzil bought 3 boats Port Lanner\n- rang bell",
    "terms": ["boats", "rang"],
}


def count(text):
    return len(text.split())


@pytest.fixture(scope="module")
def sample():
    """(examples of the newest twelve posts of data/sample, the texts of the others)."""
    params = load_params(ROOT / "params.yaml")
    posts, _ = ingest.ingest_folder(ROOT / "data/sample", params.ingest.min_words, 1e7)
    rows = [
        build_examples(post, clean_markdown(post["text"]), count, 1024, 120, 7)
        for post in sorted(posts, key=lambda p: p["date"])
    ]
    return [some[0] for some in rows[-12:]], ["\n\n".join(r["output"] for r in some) for some in rows[:-12]]


@pytest.fixture(scope="module")
def cases(sample):
    return grounding.build_cases(*sample, count, 7, 12)


def test_a_draft_is_scored_by_hand():
    """Denzil, 3 and Port Lanner, boats and rang are wanted; of Denzil, Pask, 3 and 40, two are new. The 3 are boats in
    notes and draft."""
    found = grounding.score_draft(CASE, "Then Denzil came with Pask. He had 3 boats and 40 ropes.")
    assert found == {
        "fact_recall": 3 / 5,
        "unsupported_rate": 2 / 4,
        "unsupported_rate_second": 2 / 4,
        "role_accuracy": 1.0,
        "facts": 4,
        "words": 12,
    }
    nothing = pytest.approx(math.nan, nan_ok=True)
    assert grounding.score_draft(CASE, "") == {
        "fact_recall": 0.0,
        "unsupported_rate": nothing,
        "unsupported_rate_second": nothing,
        "role_accuracy": 0.0,
        "facts": 0,
        "words": 0,
    }
    assert grounding.score_draft(CASE, CASE["given"])["fact_recall"] == 1.0


def test_words_are_found_in_their_other_forms():
    assert (
        grounding.score_draft(CASE, "the boat")["fact_recall"] == 1 / 5
        and grounding.score_draft(CASE, "boating")["fact_recall"] == 1 / 5
        and grounding.score_draft(CASE, "the bath")["fact_recall"] == 0
    )


def test_the_author_keeps_all_and_invents_nothing(cases):
    """Else the notes would leave out what the draft is judged by, or the ruler would see facts where there are none."""
    assert len(cases) == 12
    found = [grounding.score_draft(c, c["passage"]) for c in cases]
    assert statistics.mean(s["fact_recall"] for s in found) > 0.98
    assert statistics.mean(s["unsupported_rate"] for s in found if s["facts"]) < 0.03
    assert statistics.mean(s["facts"] for s in found) > 4


def test_numbers_of_the_authors_passage_are_in_their_roles_and_of_a_text_with_moved_numbers_are_not(cases):
    """The author's own share is a ceiling under 1: he writes more between a number and its thing than notes have."""
    own = [grounding.score_draft(c, c["passage"])["role_accuracy"] for c in cases]
    moved = [grounding.score_draft(c, move_numbers(c["passage"]))["role_accuracy"] for c in cases]
    assert 0.6 < statistics.mean(own) <= 1 and statistics.mean(moved) < statistics.mean(own) - 0.3


def move_numbers(text: str) -> str:
    """Each number in digits where the next one stood."""
    numbers = re.findall(r"\d+", text)
    later = iter(numbers[1:] + numbers[:1])
    return re.sub(r"\d+", lambda _: next(later), text)


def test_the_second_extractor_is_nearly_silent_about_the_author(cases):
    found = [grounding.score_draft(c, c["passage"])["unsupported_rate_second"] for c in cases]
    assert statistics.mean(v for v in found if not math.isnan(v)) < 0.1


def test_a_text_about_something_else_keeps_little_and_invents_all(cases):
    found = [
        grounding.score_draft(c, "In Zanzibar Quentin counted 4711 marbles and 977 spoons before Hortense woke.")
        for c in cases
    ]
    assert statistics.mean(s["fact_recall"] for s in found) < 0.1 and min(s["unsupported_rate"] for s in found) == 1.0


def test_another_post_s_text_lies_between(cases):
    """The author's text on another subject: what all posts have in common is not what the notes ask for."""
    found = [grounding.score_draft(c, other["passage"]) for c, other in zip(cases, cases[1:] + cases[:1])]
    assert (
        statistics.mean(s["fact_recall"] for s in found)
        < 0.4
        < statistics.mean(s["unsupported_rate"] for s in found if s["facts"])
    )


def test_cases_are_the_same_each_time_and_hold_what_a_draft_may_hold(sample, cases):
    assert (
        grounding.build_cases(*sample, count, 7, 12) == cases
        and grounding.build_cases(*sample, count, 7, 3) == cases[:3]
        and grounding.build_cases(*sample, count, 7, 0) == []
    )
    for case, example in zip(cases, sample[0]):
        assert (
            case["passage"] in example["output"]
            and count(case["passage"]) <= grounding.PASSAGE_TOKENS
            and count(case["given"]) < count(case["passage"])
        )
        assert 0 < len(case["terms"]) <= grounding.NUM_TERMS
        assert not {f.value for f in extract_facts(case["passage"]) if f.kind in ("name", "number")} & set(
            case["terms"]
        ), "a fact is no key term too"


def test_five_shot_is_shown_training_passages_after_their_notes(sample, cases):
    """The rival that prompting gives: the same task, done five times by the author, none of it held out."""
    shown = grounding.build_cases(
        [{"id": f"t{i}", "output": text} for i, text in enumerate(sample[1])], sample[1], count, 7, 5
    )
    base, five_shot = grounding.notes_systems("You write.", shown)
    said = five_shot.messages(grounding.to_example(cases[0]))
    assert [m["role"] for m in said] == ["system", *["user", "assistant"] * 5, "user"] and len(
        base.messages(grounding.to_example(cases[0]))
    ) == 2
    assert [m["content"] for m in said if m["role"] == "assistant"] == [c["passage"] for c in shown]
    assert said[-1]["content"] == f"{grounding.NOTES_PROMPT}\n\n{cases[0]['given']}"
    assert not any(c["passage"] in m["content"] for c in cases for m in said)


def rows(cases, **voices):
    """What each voice made of each case: voice=function of the case."""
    return [
        {"system": name, "notes": c, "text": write(c), "end": "stop", "written_tokens": 9}
        for name, write in voices.items()
        for c in cases
    ]


def test_figures_stand_on_the_card_with_their_intervals(cases):
    """fact_recall and unsupported_rate of each system and of the author, and what the twin has over its rivals, case by
    case; no nan in the JSON."""
    heard = rows(
        cases,
        base=lambda c: "Nothing was said of it.",
        five_shot=lambda c: "In Zanzibar Quentin counted 4711 marbles.",
        twin=lambda c: c["given"],
    )
    metrics, gain = grounding.grounding_metrics(heard, 7)
    twin, base = metrics["twin"], metrics["base"]
    assert (
        twin["fact_recall"] > 0.98
        and twin["unsupported_rate"] == 0
        and twin["n"] == len(cases)
        and twin["fact_recall_lo"] <= twin["fact_recall"] <= twin["fact_recall_hi"]
    )
    assert (
        base["fact_recall"] < 0.05
        and math.isnan(base["unsupported_rate"])
        and metrics["five_shot"]["unsupported_rate"] == 1.0
    )
    assert gain["over_five_shot"]["fact_recall_lo"] > 0.5 and gain["over_five_shot"]["unsupported_rate_hi"] < -0.9
    assert metrics["author"]["fact_recall"] > 0.98
    json.dumps(nan_to_none(metrics), allow_nan=False)


def test_where_no_notes_were_asked_for_nothing_is_on_the_card():
    assert grounding.grounding_metrics([], 7) == ({}, {})


def test_the_report_has_them_only_where_they_are():
    metrics = {name: {"style": {}, "copying": {}, "likelihood": {}} for name in ("base", "twin", "author")} | {
        "gain": {},
        "n": {"prompts": 1, "held_out_posts": 1, "training_posts": 1, "impostors": 1},
    }
    made = scorecard.Scorecard(metrics, [], {}, "Not yet.", [], {}, {}, [], [])
    assert "from notes" not in render_report(made, "", "x")
    metrics["twin"]["notes"] = {"fact_recall": 0.655, "unsupported_rate": None}
    page = render_report(made, "", "x")
    assert "Fact recall from notes" in page and ">66<" in page


@pytest.mark.slow
def test_a_voice_writes_from_notes_within_its_limit(tiny, tmp_path, monkeypatch, cases):
    """Through llama.cpp: a row for each voice and case, no draft longer than its limit, the same each time."""
    from eval import systems
    from eval.collect import OutputCollector

    monkeypatch.setattr(systems, "ANSWERS_DIR", tmp_path / "answers")
    collector = OutputCollector(tiny.gguf, tiny, load_params(ROOT / "params.yaml"))
    found = collector.collect_notes(grounding.notes_systems("You write.", cases[:2]), cases[2:4])
    assert [(r["system"], r["notes"]["id"]) for r in found] == [
        (v, c["id"]) for v in ("base", "five_shot") for c in cases[2:4]
    ]
    assert (
        all(0 < r["written_tokens"] <= grounding.DRAFT_TOKENS for r in found) and collector.collect_notes([], []) == []
    )
    assert collector.collect_notes(grounding.notes_systems("You write.", cases[:2]), cases[2:4]) == found
