"""A fact is cut from notes, and looked for among a draft's questions."""

import pytest

from blogtwin.drafting.questions import Question
from eval.note_sets import NoteFact, NoteLine, NoteSet
from eval.questions import CutNotes, cut_fact, is_asked, summarise


def note_set(*lines: NoteLine) -> NoteSet:
    filler = [NoteLine("nothing to cut here", (NoteFact(("cut",), "term"),)) for _ in range(4)]
    return NoteSet("T", "p", "0" * 64, "0" * 64, (0, 0), "valid", (*lines, *filler))


@pytest.mark.parametrize(
    ("line", "value", "rest"),
    [
        ("rope 22 mm, cost 118 pounds", "118 pounds", "rope 22 mm, cost"),
        ("I say seal, 9 days, from afar", "9 days", "I say seal, from afar"),
        ("Denzil said too thick", "Denzil", "said too thick"),
    ],
)
def test_the_fact_is_gone_and_the_rest_of_the_line_and_the_other_lines_stay(line, value, rest):
    cut = cut_fact(note_set(NoteLine(line, (NoteFact((value,), "name"),))), 1)
    assert cut.notes.split("\n") == [rest, *["nothing to cut here"] * 4]
    assert (cut.line, cut.kind, cut.value) == (0, "name", value)


def test_a_word_that_is_no_number_date_or_name_and_a_line_of_nothing_else_are_not_cut():
    assert cut_fact(note_set(NoteLine("Denzil Tregenza Denzil", (NoteFact(("Denzil Tregenza",), "name"),))), 1) is None
    assert cut_fact(note_set(), 1) is None


CUT = CutNotes("a\nb\nc\nd", 1, "number", "7")


def question(line: int, kind: str) -> Question:
    return Question("?", (line,), 0.5, kind)


def test_a_fact_is_asked_for_at_its_own_line_and_by_its_own_kind():
    assert is_asked(CUT, [question(0, "number"), question(1, "number")])
    assert not is_asked(CUT, [question(0, "number"), question(1, "name")]) and not is_asked(CUT, [])


def test_recall_and_chance():
    cases = [(CUT, [question(1, "number")]), (CUT, [question(2, "number"), question(0, "name")]), (CUT, [])]
    found = summarise(cases)
    once = 2 / 3 / 4  # two of three questions ask for a number, at one of four lines
    expected = (once + 1 - (1 - once) ** 2 + 0) / 3
    assert (found["n"], found["recall_at_3"], found["questions"]) == (3, 0.3333, 3)
    assert found["chance"] == pytest.approx(expected, abs=1e-4)
