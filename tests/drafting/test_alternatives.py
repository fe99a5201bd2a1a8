"""Other sentences for a line that a draft tells already."""

from blogtwin.drafting.alternatives import MAX_ALTERNATIVES, SentencePlace, find_alternatives
from blogtwin.drafting.drafter import Drafter
from tests.drafting.test_drafter import LINES, TELLING, TITLE, Scripted, nothing

OTHERS = [f"{word}, the rope is 22 mm and cost me 118 pounds." for word in ("So", "Well", "Now", "Yes", "Anyway")]
BOTH = "The rope is 22 mm, cost me 118 pounds and Denzil said it was too thick."


def alternatives(say, lines=(0,), notes=LINES, text=TELLING[LINES[0]], before=""):
    drafter = Drafter(Scripted(say), TITLE, "\n".join(notes), 1, 4)
    return (*find_alternatives(drafter, SentencePlace(tuple(lines), "", before, text)), drafter)


def test_at_most_three_others_come_that_tell_the_line_and_never_the_present_one():
    sentences, reason, _ = alternatives(lambda r: [TELLING[LINES[0]], *OTHERS])
    assert len(sentences) == MAX_ALTERNATIVES and not reason
    assert TELLING[LINES[0]] not in [s.text for s in sentences]
    assert {(s.status, s.lines) for s in sentences} == {("supported", (0,))}


def test_the_search_goes_on_until_there_are_enough():
    sentences, _, drafter = alternatives(lambda r: [OTHERS[drafter_round(r)]])
    assert len(sentences) == 3 and drafter.rounds == 4


def drafter_round(request) -> int:
    return (request.seed - 1) // 1000 - 1


def test_what_breaks_a_gate_or_tells_less_is_no_alternative():
    wrong = ["The rope is 22 mm and cost me 119 pounds.", "The rope cost me 118 pounds and is thick."]
    sentences, reason, _ = alternatives(lambda r: wrong)
    assert sentences == [] and "No other sentence" in reason


def test_for_two_lines_only_sentences_that_tell_both():
    sentences, _, _ = alternatives(lambda r: [OTHERS[0], BOTH], lines=(0, 1))
    assert [(s.text, s.lines) for s in sentences] == [(BOTH, (0, 1))]


def test_a_sentence_that_tells_half_a_line_is_replaced_by_one_that_tells_that_half():
    half = "It cost me 118 pounds in all."
    sentences, _, drafter = alternatives(lambda r: [OTHERS[0], half], text="It did cost 118 pounds.")
    assert [s.text for s in sentences] == [half]
    assert drafter.rejected == {"fact of another line": 1}  # 22 mm belongs to the other half


def test_what_the_draft_says_before_is_not_said_again():
    sentences, _, drafter = alternatives(lambda r: [OTHERS[0]], before=f"{OTHERS[0]} That was it.")
    assert sentences == [] and drafter.rejected["repeats what was said"] > 0


def test_what_is_placed_as_it_stands_has_no_alternative_and_nothing_is_written():
    for notes in (["# Buying it", LINES[0]], ["![p](p.jpg)", LINES[0]]):
        sentences, reason, drafter = alternatives(nothing, notes=notes)
        assert sentences == [] and "placed as it stands" in reason and not drafter.writer.asked
    sentences, reason, drafter = alternatives(nothing, notes=["word " * 100])
    assert sentences == [] and "longer than" in reason and not drafter.writer.asked
