"""The gates of the verdict that count texts, as sequential tests with known error rates.

A fixed share of a fixed number of texts flips from run to run when it lies near its threshold. Here each gate has a
share that must pass and one that must fail, and texts are counted until they tell which it is (Wald, “Sequential Tests
of Statistical Hypotheses”, Annals of Mathematical Statistics 16, 1945). Where they don't, more texts are asked for, up
to a limit; after that, nobody can tell.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

from blogtwin.console import echo

E = TypeVar("E")
MAX_ROUNDS = 4  # of more texts, one for each prompt in a round
MAX_SECONDS = 150.0  # after which no round begins


class Outcome(StrEnum):
    """What a gate says."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "can't tell"


class Count(NamedTuple):
    """`hits` of `texts` have a property."""

    hits: int
    texts: int

    def plus(self, other: "Count") -> "Count":
        """Both together."""
        return Count(self.hits + other.hits, self.texts + other.texts)


@dataclass(frozen=True)
class ShareTest:
    """A test of the share of texts with a property. Where the true share is `good`, it fails with a probability of at
    most `false_fail`; where it is `bad`, it passes with one of at most `false_pass`. Texts are taken as independent."""

    good: float
    bad: float
    false_fail: float
    false_pass: float

    def outcome(self, count: Count) -> Outcome:
        """Of this many texts; UNDECIDED where they don't tell."""
        evidence = count.hits * math.log(self.good / self.bad)
        evidence += (count.texts - count.hits) * math.log((1 - self.good) / (1 - self.bad))
        if evidence >= math.log((1 - self.false_fail) / self.false_pass):
            return Outcome.PASSED
        if evidence <= math.log(self.false_fail / (1 - self.false_pass)):
            return Outcome.FAILED
        return Outcome.UNDECIDED

    def outcome_rates(self, share: float, per_round: int, rounds: int = MAX_ROUNDS) -> dict[Outcome | str, float]:
        """{outcome: its probability; "texts": how many are written on average} where the true share is `share` and a
        round has `per_round` texts, the first and up to `rounds` more. Computed exactly, round by round."""
        at = {0: 1.0}  # {hits so far: probability that it is undecided there}
        found: dict[Outcome | str, float] = {Outcome.PASSED: 0.0, Outcome.FAILED: 0.0, Outcome.UNDECIDED: 0.0}
        written = 0.0
        chances = [math.comb(per_round, k) * share**k * (1 - share) ** (per_round - k) for k in range(per_round + 1)]
        for number in range(1, rounds + 2):
            written += per_round * sum(at.values())
            after: dict[int, float] = {}
            for hits, probability in at.items():
                for more, chance in enumerate(chances):
                    outcome = self.outcome(Count(hits + more, number * per_round))
                    if outcome is Outcome.UNDECIDED and number <= rounds:
                        after[hits + more] = after.get(hits + more, 0.0) + probability * chance
                    else:
                        found[outcome] += probability * chance
            at = after
        return found | {"texts": written}


# Texts over the copying limit (eval/memorization.py), which is the 99th percentile of what authors copy from
# themselves: an author is over it once in a hundred texts. Hits are copying texts, so `good` is the smaller share.
COPYING = ShareTest(good=0.01, bad=0.16, false_fail=0.01, false_pass=0.14)
# Texts within the author's range in a measure of fluency, where nine of ten of the author's own are.
FLUENT = ShareTest(good=0.65, bad=0.35, false_fail=0.01, false_pass=0.01)


def write_until_decided(
    evidence: E, is_undecided: Callable[[E], bool], add_round: Callable[[E, int], E], seconds: float = MAX_SECONDS
) -> E:
    """`evidence` with rounds of more texts, numbered from 1, until every gate is decided, or MAX_ROUNDS or `seconds`
    are over."""
    started = time.monotonic()
    for number in range(1, MAX_ROUNDS + 1):
        if not is_undecided(evidence) or time.monotonic() - started > seconds:
            break
        echo(f"near the line of a gate: the twin writes for each prompt again ({number} of at most {MAX_ROUNDS})")
        evidence = add_round(evidence, number)
    return evidence
