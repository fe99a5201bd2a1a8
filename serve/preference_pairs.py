"""Blind votes as preference pairs, which train/preferences/dpo.py trains on (train.preference_data)."""

from blogtwin.schemas import PreferencePair
from serve.vote_statistics import AUTHOR, MORE_SIMILAR, PREFERRED, TIE


def votes_to_pairs(votes: list[dict]) -> list[PreferencePair]:
    """Pairs for DPO. The text that sounds more like the author is chosen, or where that was not asked, the one that
    reads better.

    Skipped are ties, empty texts and equal texts, which teach nothing, and comparisons with the author's own text: it
    is a held-out post, which must not be trained on.
    """
    rows = []
    for vote in votes:
        chosen = vote[MORE_SIMILAR] or vote[PREFERRED]
        if chosen == TIE or AUTHOR in (vote["left_model"], vote["right_model"]):
            continue
        better, worse = (vote[f"{side}_text"] for side in (chosen, "right" if chosen == "left" else "left"))
        if better and worse and better != worse:
            rows.append(PreferencePair.of(vote["prompt"], better, worse))
    return rows
