"""Gates that count texts: their error rates, and when more texts are written."""

import pytest

from eval.gates import COPYING, FLUENT, MAX_ROUNDS, Count, Outcome, write_until_decided


@pytest.mark.parametrize(("gate", "wrong_at_good", "wrong_at_bad"), [(FLUENT, 0.01, 0.01), (COPYING, 0.01, 0.14)])
def test_the_error_rates_are_at_most_those_that_are_stated(gate, wrong_at_good, wrong_at_bad):
    for per_round in (6, 12, 30):
        assert gate.outcome_rates(gate.good, per_round)[Outcome.FAILED] <= wrong_at_good
        assert gate.outcome_rates(gate.bad, per_round)[Outcome.PASSED] <= wrong_at_bad


def test_a_twin_well_inside_passes_and_a_cheat_fails_and_the_line_is_told_from_neither():
    good, cheat, line = (FLUENT.outcome_rates(share, 12) for share in (0.8, 0.1, 0.5))
    assert good[Outcome.PASSED] > 0.99 and good[Outcome.FAILED] < 0.001 and good["texts"] < 24
    assert cheat[Outcome.FAILED] > 0.999 and cheat["texts"] < 14
    assert line[Outcome.UNDECIDED] > 0.4 and line["texts"] > 36
    assert sum(line[outcome] for outcome in Outcome) == pytest.approx(1)


def test_the_exact_rates_are_those_of_a_simulation():
    import numpy as np

    random, share, tries = np.random.default_rng(5), 0.6, 4000
    found = dict.fromkeys(Outcome, 0)
    for _ in range(tries):
        count = Count(0, 0)
        for _ in range(MAX_ROUNDS + 1):
            count = count.plus(Count(int(random.binomial(12, share)), 12))
            if FLUENT.outcome(count) is not Outcome.UNDECIDED:
                break
        found[FLUENT.outcome(count)] += 1
    exact = FLUENT.outcome_rates(share, 12)
    assert all(found[outcome] / tries == pytest.approx(exact[outcome], abs=0.03) for outcome in Outcome)


def test_one_copied_text_of_twelve_is_no_verdict_and_three_are():
    assert COPYING.outcome(Count(0, 12)) is Outcome.PASSED
    assert COPYING.outcome(Count(1, 12)) is COPYING.outcome(Count(2, 24)) is Outcome.UNDECIDED
    assert COPYING.outcome(Count(3, 12)) is Outcome.FAILED


def test_texts_are_written_until_the_gate_is_decided():
    rounds = []

    def add(count: Count, number: int) -> Count:
        rounds.append(number)
        return count.plus(Count(9, 12))

    def is_near(count: Count) -> bool:
        return FLUENT.outcome(count) is Outcome.UNDECIDED

    assert write_until_decided(Count(11, 12), is_near, add) == Count(11, 12) and not rounds
    assert write_until_decided(Count(8, 12), is_near, add) == Count(17, 24) and rounds == [1]
    rounds.clear()
    assert write_until_decided(Count(8, 12), is_near, lambda count, n: (rounds.append(n), count)[1]) == Count(8, 12)
    assert rounds == [1, 2, 3, 4]
    rounds.clear()
    write_until_decided(Count(8, 12), is_near, add, seconds=-1)
    assert not rounds
