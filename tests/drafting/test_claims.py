"""What a line states, and whether a sentence tells it: facts, roles, units, denials, order."""

import pytest

from blogtwin.drafting.claims import (
    check_claim,
    misplaced_numbers,
    number_roles,
    order_agreement,
    parse_claim,
    person_mismatches,
    spelled_to_digits,
    stem,
    turned_round,
)
from blogtwin.text.facts import Fact

ROPE = parse_claim(0, "rope 22 mm, 40 m, cost 118 pounds")


def told(line: str, sentence: str) -> bool:
    return check_claim(parse_claim(0, line), sentence).is_told


def test_a_claim_has_the_lines_facts_words_and_subject():
    assert ROPE.facts == {Fact("number", "22"), Fact("number", "40"), Fact("number", "118")}
    assert ROPE.subject == "rope" and {"rope", "cost", stem("pounds"), stem("mm")} == ROPE.terms
    assert not ROPE.negated and ROPE.line == "rope 22 mm, 40 m, cost 118 pounds"


def test_a_fact_belongs_to_the_words_between_its_commas():
    assert ROPE.roles[Fact("number", "118")] == {"cost", stem("pounds")}
    assert ROPE.roles[Fact("number", "22")] == {"rope", stem("mm")}


def test_a_name_is_a_fact_and_no_word_of_the_line():
    claim = parse_claim(0, "the rope was sold by Denzil")
    assert Fact("name", "denzil") in claim.facts and stem("denzil") not in claim.terms


def test_a_sentence_with_every_fact_and_word_tells_the_line():
    assert check_claim(ROPE, "The rope is 22 mm thick and 40 m long, and it cost 118 pounds.").is_told


def test_units_and_numbers_may_be_written_out():
    assert check_claim(ROPE, "The rope, 22 millimetres by 40 metres, cost me 118 pounds.").is_told
    assert told("fitting took 3 hours", "The fitting took three hours.")
    assert told("fitting took 3 h", "The fitting took 3 hours.")
    assert stem("mm") == stem("millimetre") and stem("£") == stem("pounds") and stem("hrs") == stem("hours")


def test_a_missing_fact_is_named_and_the_line_untold():
    check = check_claim(ROPE, "The rope is 22 mm thick, 40 m long and cost me many pounds.")
    assert check.missing == {Fact("number", "118")} and not check.is_told and 0 < check.recall < 1


@pytest.mark.parametrize("sentence", ["The fitting took hours until 3 March.", "On March 3 the fitting took hours."])
def test_the_day_of_a_date_is_no_amount(sentence):
    check = check_claim(parse_claim(0, "fitting took 3 hours"), sentence)
    assert check.missing == {Fact("number", "3")} and not check.is_told


def test_a_date_is_told_by_day_and_month():
    line = "fitted on Tuesday 14 March"
    assert told(line, "I fitted it on Tuesday, the 14th of March.")
    assert not told(line, "I fitted it on Tuesday.") and not told(line, "I fitted it on Tuesday 15 March.")


def test_a_sentence_that_leaves_the_subject_out_tells_another_line():
    check = check_claim(parse_claim(0, "rope cost 118 pounds"), "The hat cost 118 pounds.")
    assert not check.missing and not check.has_subject and not check.is_told


def test_a_fact_without_any_of_its_words_is_out_of_its_role():
    check = check_claim(parse_claim(0, "old rope lasted: 9 years"), "The old rope was one of 9.")
    assert check.roles == 0 and not check.is_told


@pytest.mark.parametrize("denial", ["did not need", "didn’t need", "never needed", "needed no"])
def test_every_form_of_denying_agrees_with_a_line_that_denies(denial):
    assert told("pump did not need oil", f"The pump {denial} oil.")


@pytest.mark.parametrize(
    ("line", "sentence", "count"),
    [
        ("sat in her chair", "I sat in her chair.", 0),  # notes leave «I» out
        ("sat in her chair", "I sat in my chair.", 2),
        ("pump goes again", "My pump goes again.", 0),
        ("pump goes again", "He says that the pump goes again.", 1),
        ("Denzil says gull, he’s wrong", "Denzil says that it is a gull and he's wrong.", 0),
        ("they kept our rope", "They kept the rope of you.", 2),
    ],
)
def test_persons_that_a_sentence_loses_or_brings_in(line, sentence, count):
    assert person_mismatches(line, sentence) == count


@pytest.mark.parametrize(
    ("sentence", "count"),
    [
        ("The lid came off after 25 minutes.", 0),
        ("The lid was on, after 25 minutes.", 1),
        ("The lid came off on the 25th minute.", 0),
        ("The lid was on before 25 minutes.", 2),
    ],
)
def test_words_of_a_line_that_a_sentence_turns_round(sentence, count):
    assert turned_round("lid off after 25 minutes", sentence) == count


def test_recall_rises_with_each_fact_and_word():
    sentences = [
        "It was.",
        "The rope was.",
        "The rope was 22 mm.",
        "The rope was 22 mm and 40 m.",
        "Rope 22 mm, 40 m, 118.",
    ]
    recalls = [check_claim(ROPE, sentence).recall for sentence in sentences]
    assert recalls == sorted(set(recalls)) and recalls[0] == 0
    assert check_claim(ROPE, ROPE.line).recall == 1


def test_number_words_become_digits():
    assert spelled_to_digits("three hours and twenty-two millimetres") == "3 hours and 22 millimetres"


def test_a_number_counts_the_next_word_else_the_last_one():
    assert number_roles("It took three hours.") == {"3": [frozenset({stem("hours")})]}
    assert number_roles("The price was 118.") == {"118": [frozenset({stem("price")})]}


NOTED = "The new rope\nrope 22 mm, cost 118 pounds"


def test_swapped_numbers_are_out_of_their_roles():
    assert misplaced_numbers("The rope cost 22 pounds and is 118 mm thick.", NOTED) == ["22", "118"]
    assert misplaced_numbers("The rope is twenty-two millimetres thick and cost 118 pounds.", NOTED) == []


def test_a_number_told_twice_is_out_of_its_role():
    assert misplaced_numbers("It is 22 mm, and 22 mm it is.", NOTED) == ["22"]
    assert misplaced_numbers("It is 22 mm, and mine is 22 mm.", f"{NOTED}\nmine 22 mm") == []


def test_a_number_the_notes_do_not_have_is_for_the_gates():
    assert misplaced_numbers("It weighs 7 kilograms.", NOTED) == []


def test_order_tells_who_did_what_to_whom():
    claim = parse_claim(0, "dog chased cat under boat")
    assert order_agreement(claim, "The dog chased the cat under the boat.") == 1
    assert order_agreement(claim, "The cat chased the dog.") < 0.5
    assert order_agreement(claim, "Nothing of that.") == 1
