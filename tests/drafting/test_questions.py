"""What the model wanted to know: from a token that the fence holds back to a question to the writer."""

import numpy as np
import pytest

from blogtwin.drafting.drafter import Drafter
from blogtwin.drafting.fence import Fence, Licences
from blogtwin.drafting.questions import MAX_QUESTIONS, Question, QuestionCollector, Reach, question_for
from tests.drafting.test_drafter import LINES, Scripted, nothing, telling

PIECES = ["The", " rope", " cost", " me", " 2", " pounds", " Tuesday", " Wenna", " 118", ".", " seven"]
NOTES = "rope is thick\n118 boats"


def reached(words: list[int], *likely: int, line: str = "rope is thick") -> list[Reach]:
    """What an answer reaches for whose likeliest next tokens are `likely`."""
    fence = Fence(Licences(line, NOTES), PIECES, notes=Licences(NOTES, NOTES))
    fence.adjust(words, np.array(likely))
    return list(fence.reached.values())


@pytest.mark.parametrize(("token", "kind"), [(4, "number"), (10, "number"), (6, "date"), (7, "name")])
def test_a_fact_that_the_notes_do_not_hold_is_reached_for_where_it_is_likeliest(token, kind):
    assert reached([0, 1, 2, 3], token, 1) == [Reach(kind, "The rope cost me")]
    assert reached([0, 1, 2, 3], 1, token) == []


def test_what_another_line_says_is_no_question():
    assert reached([0, 1, 2, 3], 8) == []


def test_a_line_whose_own_number_is_still_to_come_is_not_short_of_one():
    assert reached([0, 1, 2, 3], 4, line="rope cost 118 pounds") == []
    assert reached([8, 5, 2, 3], 4, line="rope cost 118 pounds") == [Reach("number", "118 pounds cost me")]


def test_without_licences_of_all_the_notes_nothing_is_collected():
    fence = Fence(Licences("rope"), PIECES)
    fence.adjust([0, 1, 2, 3], np.array([4]))
    assert not fence.reached


@pytest.mark.parametrize(
    ("reach", "question"),
    [
        (Reach("number", "The rope cost me"), "What did it cost?"),
        (Reach("number", "It took me about"), "How long did it take?"),
        (Reach("number", "My old one lasted for"), "How long did it last?"),
        (Reach("date", "I fitted it on"), "When was it?"),
        (Reach("name", "It was too thick, said"), "Who was it?"),
        (Reach("name", "I bought it in"), "Where was it?"),
        (Reach("quote", "Denzil said,"), "What were the words?"),
        (Reach("number", "The new rope has"), "How much, or how many: “The new rope has …”?"),
        (Reach("number", "It is"), ""),
        (Reach("quote", "The rope"), ""),
    ],
)
def test_the_words_before_a_fact_say_what_is_asked(reach, question):
    assert question_for(reach) == question


def collect(*rounds: tuple[int, list[list[Reach]]]) -> list[Question]:
    collector = QuestionCollector()
    for line, answers in rounds:
        collector.add(answers, line)
    return collector.questions()


COST, TOOK = Reach("number", "It cost"), Reach("number", "It took")


def test_a_question_is_what_many_candidates_of_a_round_reach_for():
    assert collect((0, [[COST], [], [], []])) == []
    assert collect((0, [[COST], [Reach("number", "The rope cost me")], [], []])) == [
        Question("What did it cost?", (0,), 0.5, "number")
    ]


def test_one_candidate_counts_once_however_often_it_reaches():
    assert collect((0, [[COST, Reach("number", "It cost about")], [], [], []])) == []


def test_a_question_that_comes_up_at_two_lines_is_asked_once_with_its_largest_share():
    found = collect((0, [[COST], [COST], [], []]), (2, [[COST], [COST], [COST], []]))
    assert found == [Question("What did it cost?", (0, 2), 0.75, "number")]


def test_at_most_three_are_asked_and_the_most_wanted_first():
    reaches = [Reach("number", f"The {word} has") for word in ("boat", "rope", "gull", "dog")]
    found = collect(*((n, [[one]] + [[]] * (n < 2)) for n, one in enumerate(reaches)))
    assert len(found) == MAX_QUESTIONS and [q.share for q in found] == [1.0, 1.0, 0.5]


class Reaching(Scripted):
    """All its answers of the first round for the line about Denzil reach for what it cost."""

    def write_rounds(self, requests, take, enough) -> None:
        self.reached = []
        super().write_rounds(requests, take, enough)

    def write(self, request):
        reaches = not self.reached and "Denzil" in request.licensed.split("\n")[1]
        self.reached.append([(COST,) if reaches else ()] * request.count)
        return super().write(request)


def test_the_search_collects_what_its_writer_reached_for_with_the_line_that_was_told():
    drafter = Drafter(Reaching(telling), "The new rope", "\n".join(LINES), 1, 4)
    list(drafter.paragraphs())
    assert drafter.wishes.questions() == [Question("What did it cost?", (1,), 1.0, "number")]


def test_the_share_is_that_of_a_round_however_many_follow_it():
    drafter = Drafter(Reaching(nothing), "The new rope", LINES[1], 1, 4)
    list(drafter.paragraphs())
    assert drafter.rounds == 4 and drafter.wishes.questions() == [Question("What did it cost?", (0,), 1.0, "number")]
