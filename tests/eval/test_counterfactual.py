"""Counterfactual notes: other numbers and names, the same in notes and key."""

import re

import pytest

from eval import note_keys
from eval.counterfactual import swap_facts
from eval.note_sets import Denial, NoteFact, NoteLine, NoteSet, list_set_files
from tests.support.note_sets import make_note_set

NOTES = make_note_set(
    "The 22 mm rope",
    NoteLine(
        "rope 22 mm, Kit's, 3rd of 5",
        (
            NoteFact(("22 mm", "22"), "number", ("rope",)),
            NoteFact(("Kit", "Kit's"), "name", ("rope",)),
            NoteFact(("3rd", "third"), "number"),
            NoteFact(("5", "five"), "number"),
        ),
        contradicted_by=(r"(?i)\b5 mm", r"\bKit's hook"),
    ),
    NoteLine("Mrs Vine did not come", (NoteFact(("Mrs Vine", "Vine"), "name"),), Denial(("come",))),
    NoteLine("fitted Tuesday 14 March", (NoteFact(("14 March", "March 14"), "date", ("fitted",)),)),
    NoteLine("1 of them in 1998", (NoteFact(("1998",), "date"),)),
)


def test_numbers_and_names_change_alike_in_title_notes_and_key():
    swapped = swap_facts(NOTES, 1).note_set
    line = swapped.notes[0]
    size, name = line.facts[0].value[1], line.facts[1].value[0]
    assert swapped.title == f"The {size} mm rope" and size != "22" and name != "Kit"
    assert line.line.startswith(f"rope {size} mm, {name}'s, ") and line.facts[1].value[1] == f"{name}'s"
    assert line.contradicted_by[1] == rf"\b{name}'s hook" and "5 mm" not in line.contradicted_by[0]


def test_a_number_stays_in_its_range_and_its_spellings_agree():
    swapped = swap_facts(NOTES, 1).note_set
    size, third, five = (int(re.match(r"\d+", swapped.notes[0].facts[i].value[0])[0]) for i in (0, 2, 3))
    assert 13 <= size <= 31 and 2 <= third <= 12 and 2 <= five <= 12 and third != five
    assert 1900 <= int(swapped.notes[3].facts[0].value[0]) <= 2035
    plain = [
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "second",
    ]
    assert swapped.notes[0].facts[2].value[1] in plain
    assert note_keys.tells(swapped.notes[0].facts[3], f"There are {swapped.notes[0].facts[3].value[1]}.")


def test_titles_one_and_denials_stay():
    swapped = swap_facts(NOTES, 1).note_set
    assert swapped.notes[1].line.startswith("Mrs ") and swapped.notes[1].line.endswith(" did not come")
    assert swapped.notes[1].denies == Denial(("come",)) and swapped.notes[3].line.startswith("1 of them")


def test_months_and_weekdays_become_others():
    swapped = swap_facts(NOTES, 1).note_set
    assert not {"Tuesday", "March", "14"} & set(swapped.notes[2].line.split())
    assert swapped.notes[2].facts[0].value[0] in swapped.notes[2].line


def test_the_same_seed_gives_the_same_notes():
    assert swap_facts(NOTES, 1) == swap_facts(NOTES, 1)
    assert swap_facts(NOTES, 1).note_set != swap_facts(NOTES, 2).note_set


def test_old_facts_are_those_that_the_new_notes_do_not_hold():
    found = swap_facts(NOTES, 1)
    told = "\n\n".join(f"{line.line}." for line in found.note_set.notes)
    assert {fact.value[0] for fact in found.old_facts} >= {"22 mm", "Kit", "Mrs Vine", "14 March", "1998"}
    assert not any(note_keys.is_told(fact, told) for fact in found.old_facts)


@pytest.mark.slow
@pytest.mark.parametrize("path", list_set_files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_changed_line_tells_what_its_changed_key_asks_for(path):
    problems = []
    for line in swap_facts(NoteSet.from_file(path), 13).note_set.notes:
        read_out = f"{line.line[0].upper()}{line.line[1:]}."
        problems += [f"“{line.line}”: {f.value[0]}" for f in line.facts if not note_keys.is_told(f, read_out)]
        problems += [f"“{line.line}” matches {p}" for p in note_keys.contradictions(line, read_out)]
    assert problems == []
