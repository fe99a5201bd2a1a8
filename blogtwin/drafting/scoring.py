"""Which of the candidates is taken: the one that tells most of the line, in its roles, and says little else."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blogtwin.drafting.candidates import Candidate
from blogtwin.drafting.claims import (
    Claim,
    ClaimCheck,
    check_claim,
    foreign_share,
    is_negated,
    order_agreement,
    person_mismatches,
    turned_round,
)
from blogtwin.drafting.room import WORDS_PER_WORD, Room
from blogtwin.text.tokens import tokenise_words

# Weights of the parts of a score, set by hand on the notes of validation posts.
RECALL, TOLD, NEXT, ROLE, NEGATION, FOREIGN = 1.5, 0.5, 0.35, 0.4, 0.6, 1.2
LIKELIHOOD, COPIED, ORDER, LENGTH, PERSON, OPPOSITE = 0.3, 1.0, 0.3, 0.3, 0.25, 0.5
PROSE = 1.0  # how likely a sentence is without the notes, in the draft so far; among those that tell a line alike
MAX_COMPARED = 6  # candidates that are compared by that
COPIED_WORDS = 4  # words in a row that a sentence shares with the notes are copied
MAX_FOREIGN = 0.4  # share of content words the notes don't have, up to which a sentence is accepted at once
FREELY_COPIED = 0.2  # share of a sentence's words in runs of the notes, up to which it costs nothing
MAX_COPIED = 0.5  # share of a sentence's words in runs of the notes, up to which it is accepted at once
MIN_LOG_LIKELIHOOD = -3.0  # nats per token: below this all texts are equally unlikely


@dataclass(frozen=True)
class Scored:
    """A candidate, how it tells the next lines, and its score. `tells_next`: it tells the second of them too."""

    candidate: Candidate
    checks: tuple[ClaimCheck, ...]
    foreign: float
    copied: float
    negation_agrees: bool
    tells_next: bool
    score: float

    @property
    def tells_first(self) -> bool:
        """Whether the first line is told, and denied where it denies."""
        return self.checks[0].is_told and self.negation_agrees

    @property
    def is_accepted(self) -> bool:
        """Whether no better candidate needs to be looked for."""
        return self.tells_first and self.foreign <= MAX_FOREIGN and self.copied <= MAX_COPIED

    def tells_like(self, other: "Scored") -> bool:
        """Whether it tells no less of the next lines than `other`, in no fewer of their roles, and denies alike."""
        mine, theirs = self.checks[0], other.checks[0]
        return (
            (self.negation_agrees, self.tells_next) == (other.negation_agrees, other.tells_next)
            and mine.recall >= theirs.recall
            and mine.roles >= theirs.roles
            and len(mine.missing) <= len(theirs.missing)
        )


def score_candidate(candidate: Candidate, todo: Sequence[Claim], known: frozenset[str], room: Room = "own") -> Scored:
    """Score a candidate for the next lines to be told (one or two); higher is better. `known`: stems of all notes and
    the title."""
    found = tuple(check_claim(claim, candidate.text) for claim in todo[:2])
    foreign = foreign_share(candidate.text, known)
    first = found[0]
    score = RECALL * first.recall + TOLD * first.is_told + ROLE * (first.roles if first.facts else 0)
    negated = is_negated(candidate.text)
    # A sentence that tells two lines denies where one of them does.
    tells_next = len(found) > 1 and found[1].is_told and negated == (todo[0].negated or todo[1].negated)
    negation_agrees = tells_next or negated == todo[0].negated
    if not negation_agrees:
        score -= NEGATION
    if tells_next:
        score += NEXT * found[1].recall
    score -= FOREIGN * foreign
    copied = copied_share(candidate.text, [claim.line for claim in todo[:2]])
    score -= COPIED * max(0.0, copied - FREELY_COPIED)
    score += ORDER * order_agreement(todo[0], candidate.text)
    told = " ".join(claim.line for claim in todo[: 1 + tells_next])
    score -= PERSON * person_mismatches(told, candidate.text) + OPPOSITE * turned_round(told, candidate.text)
    expected = WORDS_PER_WORD[room] * len(told.split())
    score -= LENGTH * abs(math.log(len(candidate.text.split()) / expected))
    score += LIKELIHOOD * max(MIN_LOG_LIKELIHOOD, candidate.mean_log_likelihood)
    return Scored(candidate, found, foreign, copied, negation_agrees, tells_next, score)


def rank_by_prose(found: Sequence[Scored], log_likelihoods: Callable[[list[str]], list[float]]) -> list[Scored]:
    """Candidates, best first. Of those that tell as much as the one with the highest score, in its roles, that one
    which is likely as prose comes first: jotted words that were strung together are not.

    `log_likelihoods(texts)`: nats per token of each, by a model that does not see the notes.
    """
    ranked = sorted(found, key=lambda one: -one.score)
    alike = [one for one in ranked if one.tells_like(ranked[0])][:MAX_COMPARED]
    if len(alike) < 2:
        return ranked
    prose = log_likelihoods([one.candidate.text for one in alike])
    scores = {id(one): one.score + PROSE * nats for one, nats in zip(alike, prose, strict=True)}
    alike.sort(key=lambda one: -scores[id(one)])
    return [*alike, *(one for one in ranked if id(one) not in scores)]


def copied_share(sentence: str, lines: Sequence[str]) -> float:
    """Share of the sentence's words that stand in runs of four or more words of the notes."""
    words = tokenise_words(sentence)
    runs = set()
    for line in lines:
        noted = tokenise_words(line)
        runs |= {tuple(noted[i : i + COPIED_WORDS]) for i in range(len(noted) - COPIED_WORDS + 1)}
    covered: set[int] = set()
    for i in range(len(words) - COPIED_WORDS + 1):
        if tuple(words[i : i + COPIED_WORDS]) in runs:
            covered.update(range(i, i + COPIED_WORDS))
    return len(covered) / len(words) if words else 0.0
