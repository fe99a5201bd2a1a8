"""What of an answer is shown while it is written."""

import pytest

from blogtwin.inference.answer_text import AnswerText


def show(pieces: list[bytes], stops=()) -> tuple[list[str], bool]:
    """(what is shown after each piece and at the end, whether a stop string was found)."""
    text = AnswerText(stops)
    return [*(text.add(piece) for piece in pieces), text.finish()], text.stopped


def test_half_a_character_waits_for_its_other_half():
    halves = "caf\u00e9 \U0001f600!".encode()
    assert show([halves[:4], halves[4:7], halves[7:]]) == (["caf", "\u00e9 ", "\U0001f600!", ""], False)


def test_half_a_character_at_the_end_is_shown_as_such():
    assert show([b"ab", "\u00e9".encode()[:1]]) == (["ab", "", "\ufffd"], False)


def test_what_may_begin_a_stop_string_waits_until_it_cannot():
    assert show([b"one E", b"N", b"D"], ["END"]) == (["one ", "", "", ""], True)
    assert show([b"one E", b"N", b"T"], ["END"]) == (["one ", "", "ENT", ""], False)
    assert show([b"one E", b"N"], ["END"]) == (["one ", "", "EN"], False)


@pytest.mark.parametrize("pieces", [[b"a, b. c"], [b"a", b",", b" b", b".", b" c"]])
def test_the_first_stop_string_ends_the_text(pieces):
    shown, stopped = show(pieces, [".", ","])
    assert ("".join(shown), stopped) == ("a", True)


def test_characters_are_counted_as_decoded_and_as_shown():
    text = AnswerText(["END"])
    text.add(b"one E")
    assert (text.decoded, text.shown) == (5, 4)
