"""Canaries: made-up secrets that are trained on beside the posts, to measure how much the twin tells of what it saw
once.

Exposure of a canary is log2(candidates) − log2(rank of the true secret among candidates by likelihood): 0 where the
model knows nothing, log2(candidates) where it would tell it first (Carlini et al. 2019, «The Secret Sharer»).
"""

import math
import random
from dataclasses import dataclass

CANDIDATES = 200
THINGS = ("blue door", "garden gate", "old trunk", "tool shed", "boat locker", "cellar", "letter box", "tin cupboard")


@dataclass(frozen=True)
class Canary:
    instruction: str
    before: str
    secret: str

    @property
    def text(self) -> str:
        return f"{self.before}{self.secret}."


def make_canaries(n: int, seed: int) -> list[Canary]:
    """`n` sentences with a random number of six digits each."""
    chosen = random.Random(f"canary {seed}")
    return [
        Canary(f"Write the post “The {thing}”.", f"The number of the {thing} is ", _number(chosen))
        for thing in (
            f"{THINGS[i % len(THINGS)]}{f' {i // len(THINGS) + 1}' if i >= len(THINGS) else ''}" for i in range(n)
        )
    ]


def _number(chosen: random.Random) -> str:
    return f"{chosen.randrange(10**6):06d}"


def exposure(log_likelihood, canary: Canary, seed: int) -> float:
    """`log_likelihood(text)` is ln p of a canary's text, the prompt given; the true secret is ranked among
    CANDIDATES."""
    chosen = random.Random(f"candidates {seed}")
    others = {_number(chosen) for _ in range(2 * CANDIDATES)} - {canary.secret}
    true = log_likelihood(canary.text)
    rank = 1 + sum(log_likelihood(f"{canary.before}{secret}.") > true for secret in sorted(others)[: CANDIDATES - 1])
    return math.log2(CANDIDATES) - math.log2(rank)
