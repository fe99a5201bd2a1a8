"""The evaluation of drafts as a whole: cases, rows that were written before, rivals side by side, style."""

import pytest

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.text.numbers import extract_numbers
from eval.corruptions import read_notes_out, shuffle_words
from eval.draft_style import join_drafts, style_difference
from eval.drafting import best_of
from eval.drafting_run import evaluate, load_cases, render_figures, score_row, score_rows
from eval.note_sets import read_paragraphs
from eval.style.impostors import load_impostors
from tests.support.workspace import ROOT

pytestmark = pytest.mark.slow  # reads posts, and loads the second extractor
PARAMS = load_params(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def cases():
    return {kind: load_cases("sample", "valid", 4, kind, 1) for kind in (False, True)}


def as_row(case, text, system, swapped=False) -> dict:
    notes = case.note_set.as_text()
    return {"name": case.name, "system": system, "counterfactual": swapped, "notes": notes, "draft": text}


def test_cases_are_sets_of_one_split_with_the_authors_passages(cases):
    true, swapped = cases[False], cases[True]
    assert [case.name for case in true] == [case.name for case in swapped] and len(true) == 4
    assert all(case.passage and not case.old_facts and case.note_set.split == "valid" for case in true)
    assert all(case.old_facts and case.note_set.as_text() != one.note_set.as_text() for one, case in zip(true, swapped))


def test_notes_by_rule_hold_the_numbers_of_the_same_passages(cases):
    for case, jotted in zip(cases[False], load_cases("sample", "valid", 4, False, 1, by_rule=True), strict=True):
        assert jotted.name == case.name and jotted.note_set.as_text() != case.note_set.as_text()
        numbers = extract_numbers(case.passage)
        assert numbers and extract_numbers(jotted.note_set.as_text()) >= numbers
        own = score_row(as_row(jotted, case.passage, "drafter"), jotted, "sample")
        assert own.rate("fact_recall") == 1 and own.rate("own_words_rate") == 0
        read_out = "\n\n".join(f"{line}." for line in jotted.note_set.lines())
        assert score_row(as_row(jotted, read_out, "drafter"), jotted, "sample").rate("read_out_rate") > 0.8


def test_a_blog_without_sets_is_refused():
    with pytest.raises(UserError, match="no sets of notes of nobody .*sample"):
        load_cases("nobody", "test", 9, False, 1)


def test_the_drafter_stands_beside_its_rivals_and_the_author(cases, monkeypatch, tmp_path):
    """Passages of the author as the drafter's, shuffled ones as the rival's: the gain is the difference."""
    monkeypatch.chdir(tmp_path)  # no posts of an author here: style is not measured
    rows = [as_row(case, case.passage, "drafter") for case in cases[False]]
    rows += [as_row(case, " ".join(shuffle_words(case.passage.split(". "), "a")), "one_draft") for case in cases[False]]
    rows += [as_row(case, "\n\n".join(read_notes_out(case.note_set)), "drafter", True) for case in cases[True]]
    figures = evaluate(rows, score_rows(rows, cases, "sample"), PARAMS)
    assert set(figures) == {"drafter", "one_draft", "drafter_counterfactual", "author", "over_one_draft"}
    assert figures["drafter"] | {"seconds_p95": 0, "seconds_median": 0} == figures["author"] | {
        "seconds_p95": 0,
        "seconds_median": 0,
    }
    assert figures["drafter"]["fact_recall"] == 1 and "disordered" not in figures["drafter"]["alarms"]
    assert figures["one_draft"]["alarms"]["disordered"] == 4 and figures["over_one_draft"]["fact_recall"] > 0.1
    swapped = figures["drafter_counterfactual"]
    assert swapped["fact_recall"] == 1 and swapped["leak_rate"] == 0 and swapped["alarms"]["read_out"] == 4
    assert "style_gain" not in figures["over_one_draft"]
    assert "fact_recall                1.0" in render_figures(figures)


def test_true_facts_in_a_draft_from_changed_notes_are_leaks(cases):
    case = cases[True][0]
    assert score_row(as_row(case, cases[False][0].passage, "drafter", True), case, "sample").rate("leak_rate") == 1


def test_a_row_of_other_notes_is_refused(cases):
    row = as_row(cases[False][0], "A text.", "drafter") | {"notes": "other notes"}
    with pytest.raises(UserError, match="written from other notes"):
        score_row(row, cases[False][0], "sample")


def test_the_writers_own_lines_of_a_row_count_as_untold(cases):
    case = cases[False][0]
    row = as_row(case, case.passage, "drafter") | {"sentences": [[case.passage, "own_words", [0]]]}
    assert score_row(row, case, "sample").rate("fact_recall") == 0


def test_the_best_of_several_texts_tells_most_and_adds_least(cases):
    case = cases[False][0]
    notes = case.note_set.as_text()
    told = " ".join(read_notes_out(case.note_set))
    assert best_of(["It was a day.", told, f"{told} We met Oskar in Lisbon."], case.note_set.title, notes) == told


def test_drafts_are_joined_until_both_have_enough_words():
    ours, theirs = ["a b", "c d", "e f", "g"], ["a", "b", "c", "d"]
    joined = join_drafts(ours, theirs, 2)
    assert joined == [("a b\n\nc d", "a\n\nb"), ("e f\n\ng", "c\n\nd")]
    assert join_drafts(ours, theirs, 3) == [("a b\n\nc d\n\ne f\n\ng", "a\n\nb\n\nc\n\nd")]
    assert join_drafts(ours, theirs, 9) == []


def test_the_authors_passages_are_nearer_to_his_style_than_notes_read_out():
    cases = load_cases("sample", "test", 99, False, 1)
    held_out = ["\n\n".join(read_paragraphs(post)) for post in sorted((ROOT / "data/sample").glob("*.md"))[:16]]
    own = [case.passage for case in cases]
    notes = [" ".join(read_notes_out(case.note_set)) for case in cases]
    found = style_difference(held_out, load_impostors(), own, notes, 1)
    assert found["style_texts"] >= 4 and found["style_gain_lo"] > 0
    assert found["style"] > found["style_rival"]
