"""The measure of drafts, on drafts whose answer is known: each corruption alone lowers the figure that is for it."""

import math
from dataclasses import replace

import pytest

from blogtwin.drafting.drafter import DraftParagraph, DraftSentence
from eval.corruptions import shuffle_words
from eval.draft_scores import OWN_WORDS, compare, score_draft, summarise
from eval.note_sets import Denial, NoteFact, NoteLine
from tests.support.note_sets import make_note_set


def fact(kind, *value, of=()) -> NoteFact:
    return NoteFact(tuple(value), kind, tuple(of))


ROPE = make_note_set(
    "The new rope",
    NoteLine(
        "rope 22 mm, cost 118 pounds",
        (
            fact("number", "22 mm", of=["rope", "thick"]),
            fact("number", "118 pounds", "118", of=["cost", "paid"]),
        ),
    ),
    NoteLine(
        "Denzil said too thick",
        (fact("name", "Denzil", of=["said"]), fact("term", "too thick")),
        contradicted_by=("(?i)not too thick",),
    ),
    NoteLine(
        "pump did not need oil",
        (fact("term", "pump", of=["oil"]),),
        denies=Denial(about=("oil",)),
    ),
    NoteLine("fitted 14 March, took 3 hours", (fact("date", "14 March", of=["fitted"]), fact("number", "3 hours"))),
)
GOOD = [
    "My new rope is 22 mm thick, and I cost myself 118 pounds.",
    "Denzil said it was too thick.",
    "The pump did not need any oil.",
    "I fitted it on 14 March, in 3 hours.",
]


def paragraphs(sentences, status="supported") -> list[DraftParagraph]:
    return [DraftParagraph([DraftSentence(text, status, (n,)) for n, text in enumerate(sentences)])]


def score(sentences, status="supported", seconds=2.0):
    return score_draft("rope", ROPE, paragraphs(sentences, status), seconds, seconds / 2)


def changed(number: int, text: str):
    return score([*GOOD[:number], text, *GOOD[number + 1 :]])


def rates(found) -> dict[str, float]:
    return {name: found.rate(name) for name in found.counts}


def test_a_draft_that_says_what_the_notes_say_is_perfect():
    found = score(GOOD)
    assert rates(found) == {
        "fact_recall": 1,
        "role_accuracy": 1,
        "negation_accuracy": 1,
        "unsupported_rate": 0,
        "unsupported_rate_second": 0,
        "foreign_rate": 0,
        "read_out_rate": 0,
        "own_words_rate": 0,
    }
    assert found.counts["fact_recall"] == (7, 7) and found.counts["role_accuracy"] == (5, 5)
    assert found.counts["negation_accuracy"] == (1, 1) and found.counts["own_words_rate"] == (0, 4)
    assert found.contradictions == 0 and found.words == len(" ".join(GOOD).split())
    assert found.alarms == frozenset() and found.facts == 6  # 22, 118, Denzil, 14, March, 3


MEANT_TO_BE_ZERO = ("unsupported_rate", "unsupported_rate_second", "foreign_rate", "read_out_rate")


def lowered(found) -> set[str]:
    """The figures that say a draft is worse than the good one."""
    good = rates(score(GOOD))
    worse = {name for name in ("fact_recall", "role_accuracy", "negation_accuracy") if found.rate(name) < good[name]}
    worse |= {name for name in MEANT_TO_BE_ZERO if found.rate(name) > 0}
    return worse | ({"contradictions"} if found.contradictions else set())


def test_a_fact_left_out_lowers_what_is_told_and_what_is_in_its_role():
    found = changed(0, "My new rope is 22 mm thick, and I cost myself a lot.")
    assert lowered(found) == {"fact_recall", "role_accuracy"}
    assert found.counts["fact_recall"] == (6, 7) and found.counts["role_accuracy"] == (4, 5)


def test_numbers_swapped_between_things_are_out_of_their_roles():
    found = score(
        [
            "My new rope is 118 pounds.",
            "Denzil said it was too thick.",
            GOOD[2],
            "I fitted it on 14 March, 22 mm in 3 hours.",
        ]
    )
    assert lowered(found) == {"role_accuracy"} and found.counts["role_accuracy"] == (3, 5)


def test_numbers_swapped_between_units_are_not_told():
    assert "fact_recall" in lowered(changed(0, "My new rope is 118 mm thick, and I cost myself 22 pounds."))


def test_a_flipped_denial_lowers_that_figure_alone():
    assert lowered(changed(2, "I saw that the pump did need some oil.")) == {"negation_accuracy"}


def test_a_denial_that_is_never_told_counts_as_untold():
    found = changed(2, "The pump was there.")
    assert found.counts["negation_accuracy"] == (0, 1)


def test_the_opposite_of_a_line_is_a_contradiction():
    assert lowered(changed(1, "Denzil said it was not too thick.")) == {"contradictions"}


@pytest.mark.parametrize(
    "foreign, second",
    [
        ("It weighs 77 kilograms.", True),
        ("We were in Lisbon with Oskar Lind.", True),
        ("That was on 9 June.", True),
        ("“Never a rope,” I said.", False),  # quotations are for the first extractor alone
    ],
)
def test_a_foreign_sentence_with_a_fact_is_unsupported(foreign, second):
    found = score([*GOOD, foreign])
    assert lowered(found) - {"foreign_rate"} == {"unsupported_rate"} | (
        {"unsupported_rate_second"} if second else set()
    )
    assert 0 < found.rate("unsupported_rate") < 0.5


def test_a_number_in_words_is_the_number_in_digits_for_both_extractors():
    assert lowered(changed(3, "I fitted it on 14 March, in three hours.")) == set()


def test_shuffled_words_lose_what_stands_in_more_than_one_word():
    found = score(shuffle_words(GOOD, "rope"))
    assert "fact_recall" in lowered(found) and found.rate("fact_recall") < 0.8


def test_shuffled_words_around_single_word_facts_are_noticed():
    """By the order of words alone; a single sentence among good ones need not raise the alarm."""
    found = changed(1, "It said too thick Denzil was.")
    assert found.alarms <= {"disordered"} and found.word_order < score(GOOD).word_order - 0.03
    more = score([GOOD[0], "It said too thick Denzil was.", "Any oil the pump need not did.", GOOD[3]])
    assert more.alarms == {"disordered"}


def test_a_shuffled_draft_raises_an_alarm():
    assert "disordered" in score(shuffle_words(GOOD, "rope")).alarms


def test_a_foreign_sentence_without_a_fact_is_noticed():
    found = score([*GOOD, "Gulls wheel above the quiet harbour, and nobody remembers why."])
    assert lowered(found) == {"foreign_rate"} and found.alarms == {"foreign"}


def test_notes_that_are_read_out_are_noticed():
    found = score([f"{line.line[0].upper()}{line.line[1:]}." for line in ROPE.notes])
    assert lowered(found) == {"read_out_rate"} and "read_out" in found.alarms


def test_a_line_that_is_read_out_with_one_word_changed_is_noticed():
    assert lowered(changed(0, "Rope 22 mm, cost me 118 pounds.")) == {"read_out_rate"}


def test_a_fact_of_the_true_notes_is_a_leak_from_changed_ones():
    old = (fact("name", "Pask"), fact("number", "9 years"))
    found = score_draft("rope", ROPE, paragraphs([*GOOD, "Pask had it."]), 1.0, 0.5, old_facts=old)
    assert found.counts["leak_rate"] == (1, 2) and summarise([found], 7)["leak_rate"] == 0.5


def test_two_systems_are_compared_by_the_notes_that_both_drafted_from():
    worse = changed(0, "My new rope is 22 mm thick, and I cost myself a lot.")
    ours = [score(GOOD), replace(score(GOOD), name="other")]
    gain = compare(ours, [worse], 7)
    assert gain["fact_recall"] == round(1 / 7, 4) and gain["negation_accuracy"] == 0


@pytest.mark.parametrize("status", OWN_WORDS)
def test_what_is_not_the_models_own_counts_as_untold(status):
    found = score(GOOD, status)
    assert found.counts["fact_recall"] == (0, 7) and found.counts["role_accuracy"] == (0, 5)
    assert found.words == 0 and found.counts["own_words_rate"][0] == (4 if status == "own_words" else 0)


def test_a_sentence_of_two_statuses_mixes():
    mixed = [DraftParagraph([DraftSentence(GOOD[0], "supported", (0,)), DraftSentence(GOOD[1], "own_words", (1,))])]
    found = score_draft("rope", ROPE, mixed, 1.0, 0.5)
    assert found.counts["fact_recall"] == (2, 7) and found.counts["own_words_rate"] == (1, 4)


def test_nothing_to_count_is_no_rate():
    found = score(["It was."])
    assert math.isnan(found.rate("unsupported_rate")) and found.rate("fact_recall") == 0
    assert math.isnan(found.rate("leak_rate")) and "leak_rate" not in summarise([found], 7)


def test_a_summary_pools_the_counts_and_keeps_the_interval_of_the_drafts():
    good, half = score(GOOD, seconds=1.0), score(GOOD[:1], seconds=5.0)
    figures = summarise([good, half, good], 7)
    assert figures["n"] == 3 and figures["fact_recall"] == round((7 + 2 + 7) / 21, 4)
    assert figures["fact_recall_lo"] < figures["fact_recall"] < figures["fact_recall_hi"]
    assert figures["negation_accuracy"] == round(2 / 3, 4) and figures["unsupported_rate"] == 0
    assert (figures["seconds_median"], figures["seconds_p95"], figures["contradictions"]) == (1.0, 5.0, 0)
    assert figures["first_seconds_p95"] == 2.5
    assert figures["words"] == round((2 * good.words + half.words) / 3, 1)


def test_a_summary_of_worse_drafts_is_worse():
    good, bad = (summarise([found] * 2, 7) for found in (score(GOOD), changed(1, "Denzil said it was not too thick.")))
    assert good["contradictions"] == 0 and bad["contradictions"] == 2
    invented = [score([*GOOD, "It weighs 77 kilograms."]), score(GOOD)]
    facts = sum(found.counts["unsupported_rate"][1] for found in invented)
    assert facts > 8 and summarise(invented, 7)["unsupported_rate"] == round(1 / facts, 4)
