"""What no sentence of a draft may do: each gate by itself, on a sentence that all others let pass."""

import pytest

from blogtwin.drafting.gates import NoChecks, rejection_reason

WINDOW = "The new rope\nrope 22 mm, cost 118 pounds\nDenzil said too thick"
SOURCE = f"{WINDOW}\nold rope lasted 9 years, since Tuesday\nbought from Agnes Pask"
GOOD = "The rope cost 118 pounds and is 22 mm thick."


def reason(sentence: str, before: str = "", checks=None) -> str | None:
    return rejection_reason(sentence, before, WINDOW, SOURCE, checks or NoChecks())


def test_a_sentence_from_the_notes_passes():
    assert reason(GOOD) is None and reason("It was Denzil who said it was too thick.", GOOD) is None


@pytest.mark.parametrize("sentence", ["Too thick.", "Denzil said it was thick " + "and thicker " * 20 + "still."])
def test_too_short_and_too_long(sentence):
    assert reason(sentence) == "length"


def test_a_line_that_is_read_out():
    assert reason("Denzil said: too thick!") == "the line read out"
    assert reason("Denzil said it is too thick!") is None


@pytest.mark.parametrize(
    "sentence",
    [
        "The rope cost 118 pounds and weighs 7 kilograms.",
        "The rope cost 118 pounds in April.",
        "The rope that cost 118 pounds is from Oskar Lind.",
        "The rope is on https://example.org for 118 pounds.",
        "The rope cost 118 pounds and “not a penny less”.",
    ],
)
def test_a_fact_that_the_notes_do_not_hold(sentence):
    assert reason(sentence) == "unsupported fact"


def test_a_number_or_date_of_another_line_waits_for_its_turn_and_a_name_does_not():
    assert reason("The rope that cost 118 pounds lasted 9 years.") == "fact of another line"
    assert reason("The rope cost 118 pounds on Tuesday.") == "fact of another line"
    assert reason("The rope that cost 118 pounds is from Agnes Pask.") is None


def test_a_number_with_another_thing():
    assert reason("The rope cost 22 pounds and is thick.") == "number out of its role"


def test_what_the_draft_says_already():
    assert reason(GOOD, f"Well. {GOOD}") == "repeats what was said"
    assert reason("It was too thick.", "Well. It was too thick.") == "repeats what was said"
    before = "It is well known that the rope cost 118 pounds and is new."
    assert reason("You see, the rope cost 118 pounds and is thick.", before) == "repeats what was said"
    assert reason("You see, the rope cost 118 pounds.", "The rope cost little.") is None


def test_a_sentence_that_turns_in_circles():
    assert reason("Denzil said it is too thick for me and Denzil said it is too thick for me.") == "repeats itself"


class AllCopied:
    def is_copied(self, text: str) -> bool:
        return True


def test_a_run_of_a_post_by_whoever_knows_the_posts():
    assert reason(GOOD, checks=AllCopied()) == "copied from a post"
