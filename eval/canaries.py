"""Canaries: made-up secrets that are trained on with the posts, to measure how much the twin reveals of what it saw
once.

The exposure of a canary is log2(candidates) − log2(rank of the true secret among the candidates by likelihood): about
1.4 bits on average for a model that has not memorised it, log2(candidates) for one that would reveal it first (Carlini
et al. 2019, “The Secret Sharer”).
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

NUM_CANDIDATES = 200
THINGS = ("blue door", "garden gate", "old trunk", "tool shed", "boat locker", "cellar", "letter box", "tin cupboard")


@dataclass(frozen=True)
class Canary:
    """A training example with a secret: the sentence is `before`, the secret and a full stop."""

    instruction: str
    before: str
    secret: str

    @property
    def text(self) -> str:
        """The sentence with its secret."""
        return f"{self.before}{self.secret}."


def make_canaries(n: int, seed: int) -> list[Canary]:
    """`n` sentences, each with a random number of six digits; the same seed makes the same."""
    rng = random.Random(f"canary {seed}")
    canaries = []
    for i in range(n):
        thing = THINGS[i % len(THINGS)]
        if i >= len(THINGS):
            thing += f" {i // len(THINGS) + 1}"
        canaries.append(Canary(f"Write the post “The {thing}”.", f"The number of the {thing} is ", _number(rng)))
    return canaries


def _number(rng: random.Random) -> str:
    return f"{rng.randrange(10**6):06d}"


def exposure(log_likelihood: Callable[[str], float], canary: Canary, seed: int) -> float:
    """In bits, 0 to log2(NUM_CANDIDATES). `log_likelihood(text)` is ln p of a canary's text, given its prompt."""
    rng = random.Random(f"candidates {seed}")
    others = {_number(rng) for _ in range(2 * NUM_CANDIDATES)} - {canary.secret}
    true = log_likelihood(canary.text)
    candidates = sorted(others)[: NUM_CANDIDATES - 1]
    rank = 1 + sum(log_likelihood(f"{canary.before}{secret}.") > true for secret in candidates)
    return math.log2(NUM_CANDIDATES) - math.log2(rank)
