"""Do a draft's questions ask for what its notes lack? A fact is cut from a set of notes, and looked for among the
questions.

recall_at_3  drafts one of whose questions, at most three, asks at the line of the cut fact for a fact of its kind
chance       the same of as many questions that ask at any line for any kind, each kind as often as in all drafts
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blogtwin.drafting.questions import Question
from eval.note_sets import NoteSet

CUT_KINDS = ("number", "date", "name")
MIN_WORDS = 2  # of a line from which a fact was cut


@dataclass(frozen=True)
class CutNotes:
    """Notes without one of their facts; `line` is the number of the line that lacks it."""

    notes: str
    line: int
    kind: str
    value: str


def cut_fact(note_set: NoteSet, seed: int) -> CutNotes | None:
    """The notes without one number, date or name, chosen by chance; None where there is none to cut."""
    cuts = []
    lines = [line.line for line in note_set.notes]
    for number, line in enumerate(note_set.notes):
        for fact in line.facts:
            shown = next((v for v in fact.value if re.search(rf"\b{re.escape(v)}\b", line.line, re.I)), None)
            if fact.kind not in CUT_KINDS or shown is None:
                continue
            rest = re.sub(rf"\b{re.escape(shown)}\b", "", line.line, count=1, flags=re.I)
            rest = re.sub(r"(?:^|(?<=[,;:]))\s*[,;:]", "", " ".join(rest.split()))  # no two commas side by side
            rest = re.sub(r"\s+([,;:.])", r"\1", rest).strip()
            if len(rest.split()) >= MIN_WORDS:
                cut = "\n".join([*lines[:number], rest, *lines[number + 1 :]])
                cuts.append(CutNotes(cut, number, fact.kind, shown))
    return random.Random(seed).choice(cuts) if cuts else None


def is_asked(cut: CutNotes, questions: Sequence[Question]) -> bool:
    """Whether one of the questions asks for the fact that was cut."""
    return any(cut.line in question.lines and question.kind == cut.kind for question in questions)


def summarise(cases: Sequence[tuple[CutNotes, Sequence[Question]]]) -> dict[str, Any]:
    """Recall of the questions of all drafts, and what chance would reach."""
    kinds: Counter[str] = Counter(question.kind for _, questions in cases for question in questions)
    asked = sum(kinds.values())
    chances = []
    for cut, questions in cases:
        once = kinds[cut.kind] / asked / (cut.notes.count("\n") + 1) if asked else 0.0
        chances.append(1 - (1 - once) ** len(questions))
    return {
        "n": len(cases),
        "recall_at_3": round(sum(is_asked(*case) for case in cases) / len(cases), 4),
        "chance": round(sum(chances) / len(cases), 4),
        "questions": asked,
    }
