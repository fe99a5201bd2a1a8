"""How much room a draft takes: the words of its sentences, and a sentence more where there is room for it."""

from collections.abc import Sequence
from typing import Literal

from blogtwin.drafting.candidates import Candidate
from blogtwin.drafting.claims import foreign_share, is_negated

Room = Literal["tight", "own", "roomy"]
# Words of a sentence for each word of the lines that it tells: what candidates are compared with.
WORDS_PER_WORD: dict[Room, float] = {"tight": 1.0, "own": 1.6, "roomy": 2.2}
MAX_FOREIGN_ADDITION = 0.6  # share of content words that the notes don't have, in a sentence that adds no fact


def best_addition(candidates: Sequence[Candidate], known: frozenset[str]) -> Candidate | None:
    """Of candidates that state no number, date or name beyond the notes, the one that speaks most of what they speak
    of. A denial might deny a line, and is never taken. `known`: stems of the notes and the title."""
    near = sorted(
        ((foreign_share(one.text, known), one) for one in candidates if not is_negated(one.text)),
        key=lambda pair: (pair[0], -pair[1].mean_log_likelihood),
    )
    return near[0][1] if near and near[0][0] <= MAX_FOREIGN_ADDITION else None
