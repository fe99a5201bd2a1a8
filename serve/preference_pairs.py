"""Blind votes, and the writer's choices in drafts, as preference pairs, which train/preferences/dpo.py trains on
(train.preference_data)."""

from collections.abc import Sequence

from blogtwin.drafting.drafter import group_lines
from blogtwin.drafting.notes import NoteLine
from blogtwin.schemas import PreferencePair
from eval.drafting import notes_example
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


def choice_prompt(lines: Sequence[NoteLine], numbers: Sequence[int]) -> str:
    """What the model was asked for the paragraph in which these lines are told, without the system message."""
    groups = [group for groups in group_lines(lines) for group in groups]
    told = next(group for group in groups if any(line.number in numbers for line in group))
    example = notes_example([line.text for line in told])
    return f"{example['instruction']}\n\n{example['input']}"


def choices_to_pairs(choices: list[dict]) -> list[PreferencePair]:
    """Pairs for DPO: both answers are the paragraph up to and including the sentence that was chosen or rejected."""
    return [PreferencePair.of(choice["prompt"], choice["chosen"], choice["rejected"]) for choice in choices]
