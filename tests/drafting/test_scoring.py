"""Which candidate is taken: of two that differ in one thing, the better one."""

import pytest

from blogtwin.drafting.candidates import Candidate
from blogtwin.drafting.claims import content_stems, parse_claim
from blogtwin.drafting.scoring import MAX_COMPARED, copied_share, rank_by_prose, score_candidate

NOTES = ["rope 22 mm, cost 118 pounds", "Denzil did not like it", "dog chased cat under boat"]
KNOWN = frozenset(content_stems("\n".join(NOTES)))


def scored(sentence: str, first: int = 0, likelihood: float = -1.0):
    todo = [parse_claim(n, line) for n, line in enumerate(NOTES)][first:]
    return score_candidate(Candidate(sentence, likelihood, 12), todo, KNOWN)


@pytest.mark.parametrize(
    ("first", "better", "worse"),
    [
        (0, "The rope is 22 mm and cost me 118 pounds.", "The rope is a rope and cost me 118 pounds."),
        (0, "The rope cost 118 pounds for 22 mm of it.", "The thing was 118, I think, for 22 of it."),
        (1, "It was Denzil who did not like it.", "It was Denzil who did really like it."),
        (2, "The dog chased the cat under the boat.", "The cat chased the dog under the boat."),
        (2, "The dog chased the cat under my boat.", "The dog chased the cat under the boat, with the harbour asleep."),
        (
            2,
            "Under the boat a dog chased the cat.",
            "Under the boat a dog chased the cat, " + "and so it was " * 4 + ".",
        ),
    ],
    ids=["told", "role", "denial", "order", "foreign", "length"],
)
def test_the_sentence_that_says_what_the_notes_say_is_preferred(first, better, worse):
    assert scored(better, first).score > scored(worse, first).score


def test_a_foreign_word_costs_where_one_of_the_notes_costs_nothing():
    known, foreign = (scored(f"The dog chased the cat under the boat and {word}.", 2) for word in ("rope", "lantern"))
    assert known.score > foreign.score and (known.foreign, foreign.foreign) == (0, 0.2)


def test_a_denial_costs_also_where_the_line_is_not_told():
    plain, denying = scored("The rope, I think, cost pounds."), scored("The rope, never think, cost pounds.")
    assert not plain.checks[0].is_told and plain.score > denying.score + 0.5


def test_a_line_in_its_own_run_of_words_costs():
    own, run = (
        scored("Dog and then now chased a cat under boat.", 2),
        scored("Dog chased cat under boat and then now a.", 2),
    )
    assert (own.copied, run.copied) == (0, pytest.approx(5 / 9)) and own.score > run.score


def test_of_equal_sentences_the_likelier_is_taken_and_hopeless_ones_are_equal():
    sentence = "The rope is 22 mm and cost 118 pounds."
    assert scored(sentence, likelihood=-1).score > scored(sentence, likelihood=-2).score
    assert scored(sentence, likelihood=-5).score == scored(sentence, likelihood=-9).score


def test_a_sentence_that_tells_the_next_line_too_is_worth_more():
    todo = [parse_claim(0, "rope 22 mm, cost 118 pounds"), parse_claim(1, "Denzil liked it")]
    both, one = (
        score_candidate(Candidate(f"My rope is 22 mm and cost 118 pounds, and {end}", -1, 12), todo, KNOWN)
        for end in ("Denzil liked it.", "Denzil has it.")
    )
    assert both.checks[1].is_told and not one.checks[1].is_told and both.score > one.score


def test_a_sentence_that_tells_two_lines_may_deny_for_the_second():
    assert scored("The rope, 22 mm, cost 118 pounds and Denzil did not like it.").negation_agrees


def test_a_denial_that_no_line_has_does_not_agree():
    assert not scored("The rope, 22 mm, did not cost 118 pounds.").negation_agrees


def test_accepted_is_told_and_neither_foreign_nor_read_out():
    assert scored("The rope is 22 mm thick and cost me 118 pounds.").is_accepted
    assert not scored("The rope is 22 mm.").is_accepted
    foreign = "The rope is 22 mm and cost 118 pounds, while gulls wheel above quiet harbour walls tonight."
    assert scored(foreign).checks[0].is_told and not scored(foreign).is_accepted
    read_out = "Rope 22 mm cost 118 pounds indeed."
    assert scored(read_out).checks[0].is_told and not scored(read_out).is_accepted


def test_copied_is_what_stands_in_runs_of_four_words():
    assert copied_share("well the dog chased a cat", ["dog chased cat under boat"]) == 0
    assert copied_share("so dog chased cat under it", ["dog chased cat under boat"]) == pytest.approx(4 / 6)
    assert copied_share("", ["dog"]) == 0


def test_prose_decides_among_those_that_tell_alike_and_raises_none_that_tells_less():
    jotted, prose = "My rope is 22 mm, cost 118 pounds.", "The rope is 22 mm and it cost 118 pounds."
    less = "It is a rope of 22 mm that I have."
    found = [scored(less), scored(jotted), scored(prose)]
    asked = []

    def likelihoods(texts):
        asked.append(texts)
        return [{jotted: -4.0, prose: -2.0}[text] for text in texts]

    assert [one.candidate.text for one in rank_by_prose(found, likelihoods)] == [prose, jotted, less]
    assert sorted(asked[0]) == sorted([jotted, prose])
    assert rank_by_prose([found[0]], likelihoods) == [found[0]] and len(asked) == 1  # nothing to compare


def test_only_the_best_are_compared_as_prose():
    found = [scored(f"My rope is 22 mm and cost 118 pounds, {'so ' * n}I said.") for n in range(MAX_COMPARED + 3)]
    compared = []
    ranked = rank_by_prose(found, lambda texts: compared.extend(texts) or [0.0] * len(texts))
    assert len(compared) == MAX_COMPARED and len(ranked) == len(found)
