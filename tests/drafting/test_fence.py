"""The fence by itself: what may follow a text, whatever model chooses."""

import math

import numpy as np
import pytest

from blogtwin.drafting.fence import NAME_PENALTY, REPEATED_TOKENS, Fence, Licences, allow

LINE = "rope 22 mm, 1,200 m, fitted Tuesday 14 March with Denzil"
ALLOWED, FORBIDDEN = 0.0, -math.inf


def fate(tail: str, piece: str, notes: str = LINE, others: str = "") -> float:
    return allow(Licences(notes, others), tail, piece)


@pytest.mark.parametrize(
    ("tail", "piece"),
    [
        ("It is", " 22"),
        ("It is", " 2"),
        ("It is 2", "2"),
        ("It is 22", " mm"),
        ("It is 22", "."),
        ("It is 1", ","),
        ("It is 1,2", "00"),
        ("It is 12", "00"),
        ("It is 1200", " metres"),
        ("on the 14", "th"),
    ],
)
def test_the_notes_numbers_may_be_written_digit_by_digit(tail, piece):
    assert fate(tail, piece) == ALLOWED


@pytest.mark.parametrize(
    ("tail", "piece"),
    [
        ("It is", " 3"),
        ("It is", " 23"),
        ("It is 2", "3"),
        ("It is 2", " mm"),
        ("It is 2", "."),
        ("It is 22", "2"),
        ("It is 22", ".5"),
        ("It is 1", ",3"),
        ("It is 120", " metres"),
        ("It is 14", ":30"),
        ("It is ", "7"),
        ("It is 2", "\n"),
        ("It is 2", " "),
        ("model B", "7"),
        ("model B1", "1"),
    ],
)
def test_no_other_number_can_be_begun_or_left_half_written(tail, piece):
    assert fate(tail, piece) == FORBIDDEN


def test_number_words_are_those_of_the_notes_numbers():
    assert fate("It took", " seven") == FORBIDDEN and fate("It took sev", "en") == FORBIDDEN
    assert fate("It is", " twenty") == ALLOWED and fate("It is twenty", "-two") == ALLOWED
    assert fate("It is", " thirty") == FORBIDDEN and fate("It is twenty", "-three") == FORBIDDEN
    assert fate("It took", " three", "took 3 hours") == ALLOWED
    assert fate("It took", " 3", "took three hours") == ALLOWED
    assert fate("at", " one") == ALLOWED  # mostly no number
    assert fate("a", " dozen") == FORBIDDEN and fate("a", " dozen", "a dozen eggs") == ALLOWED


def test_months_and_weekdays_are_those_of_the_notes():
    assert fate("on", " Tuesday") == ALLOWED and fate("on", " Monday") == FORBIDDEN
    assert fate("in", " March") == ALLOWED and fate("in", " April") == FORBIDDEN
    assert fate("in", " June", "on 2019-06-20") == ALLOWED
    assert fate("on", " Tuesday", "came on Tues") == ALLOWED and fate("in", " September", "in Sept") == ALLOWED


def test_may_and_march_are_months_only_with_a_capital():
    assert fate("it", " may") == ALLOWED and fate("in", " May") == FORBIDDEN
    assert fate("we", " march", "we walk") == ALLOWED and fate("in", " March", "we walk") == FORBIDDEN


def test_a_capital_inside_a_sentence_is_a_name_that_must_be_known():
    assert fate("with", " Bob") == NAME_PENALTY and fate("with", " Denzil") == ALLOWED
    assert fate("with", " Constance") == NAME_PENALTY and fate("with", " Constance", others="Constance left") == ALLOWED
    assert fate("It broke.", " Bob") == ALLOWED  # a sentence may begin with any word
    assert fate("and", " I") == ALLOWED and fate("with Den", "zil") == ALLOWED


def test_quotation_marks_brackets_links_and_code_need_a_licence():
    for piece, notes in ((" “", "he said “no”"), (' "', 'he said "no"'), (" (", "the rope (new)")):
        assert fate("he said", piece) == FORBIDDEN and fate("he said", piece, notes) == ALLOWED
    assert fate("see", " https:") == FORBIDDEN and fate("see http", "s:") == FORBIDDEN
    assert fate("see", " https:", "see https://example.org") == ALLOWED
    assert fate("see", " ```") == FORBIDDEN and fate("see", " www.") == FORBIDDEN


def test_each_licence_of_a_sign_is_its_own():
    assert fate("he said", " “", "rope (new)") == FORBIDDEN and fate("he said", " (", "“no”") == FORBIDDEN


PIECES = ["", "a", " rope", " was", " long", " and", " old", " fit", " 9"]


def test_no_run_of_five_tokens_stands_twice():
    fence = Fence(Licences(LINE), PIECES)
    once = [2, 3, 4, 5, 6]
    assert len(once) == REPEATED_TOKENS
    nats = fence.adjust([*once, *once[:-1]], np.arange(len(PIECES)))
    assert nats[6] == FORBIDDEN and nats[7] == ALLOWED


def test_what_stands_before_the_answer_is_not_repeated_either():
    before = [2, 3, 4, 5, 6]
    fence = Fence(Licences(LINE), PIECES, " rope was long and old", before)
    assert fence.adjust(before[:-1], np.arange(len(PIECES)))[6] == FORBIDDEN
    assert Fence(Licences(LINE), PIECES).adjust(before[:-1], np.arange(len(PIECES)))[6] == ALLOWED


def test_a_run_that_begins_before_the_answer_is_seen():
    before = [2, 3, 4, 5, 6, 2, 3]
    assert Fence(Licences(LINE), PIECES, "", before).adjust([4, 5], np.arange(len(PIECES)))[6] == FORBIDDEN


def test_a_wanted_word_is_likelier_until_it_stands_there():
    fence = Fence(Licences(LINE), PIECES, pull={"fitted": 1.0})
    assert fence.adjust([2], np.arange(len(PIECES)))[7] == 1.0
    pieces = [*PIECES, " fitted"]
    fence = Fence(Licences(LINE), pieces, pull={"fitted": 1.0})
    assert fence.adjust([2, 9], np.arange(len(pieces)))[7] == 0.0


def test_a_pull_makes_nothing_forbidden_likelier():
    fence = Fence(Licences("rope"), [*PIECES, " seven"], pull={"seven": 9.0})
    assert fence.adjust([2], np.arange(10))[9] == FORBIDDEN
