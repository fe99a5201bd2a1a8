"""What the model wanted to know: facts that many candidates reached for, and that the notes don't hold, as questions to
the writer.

Where a fence keeps a candidate from stating a fact, the words before it say what the fact would have been about: after
“it cost me”, a price. Most candidates of a round reach for the same where this author would have told it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from blogtwin.text.stopwords import STOP_WORDS

MAX_QUESTIONS = 3
MIN_SHARE = 0.3  # of a round's candidates that reach for a fact which is asked for
MAX_QUOTED_WORDS = 8

ReachKind = Literal["number", "date", "name", "quote"]
Topic = tuple[ReachKind, str]


@dataclass(frozen=True)
class Reach:
    """A fact without licence that a candidate was about to state: its kind, and the sentence before it."""

    kind: ReachKind
    before: str


@dataclass(frozen=True)
class Question:
    """A question to the writer. `lines`: numbers of the note lines that were told when it came up. `share`: of the
    candidates of a round, at most, that reached for its answer, in [0, 1]. `kind`: of the answer."""

    question: str
    lines: tuple[int, ...]
    share: float
    kind: ReachKind


# (kind, the words before the fact, the question); the first that fits is taken.
PATTERNS: tuple[tuple[ReachKind, str, str], ...] = (
    ("number", r"(?:cost|costs|costing|paid|pay|price of|worth|charged)(?: \w+){0,2}", "What did it cost?"),
    ("number", r"(?:took|takes|take|taken|spent)(?: \w+){0,2}", "How long did it take?"),
    ("number", r"(?:lasted|lasts|last|kept|waited|lived|stood)(?: \w+){0,2}", "How long did it last?"),
    ("number", r"(?:since|until|till)", "Since when, or until when?"),
    ("number", r"(?:weighs|weighed|weighing)(?: \w+){0,2}", "What does it weigh?"),
    ("number", r"(?:aged|age of|turned)", "How old?"),
    ("date", r"(?:in|on|by|since|until|last|next|every|of|the|a|an)?", "When was it?"),
    ("name", r"(?:said|says|told|asked|called|with|by|and|met|from|for)", "Who was it?"),
    ("name", r"(?:in|at|near|to|through|across|around|into|on)(?: the)?", "Where was it?"),
    ("quote", r"(?:said|says|say|told|asked|wrote|called|shouted)(?: \w+){0,2}[:,]?", "What were the words?"),
)
RULES = [(kind, re.compile(rf"\b(?:{words})\W*$", re.I), question) for kind, words, question in PATTERNS]
GENERAL: dict[ReachKind, str] = {"number": "How much, or how many", "date": "When", "name": "Who, or what"}


def question_for(reach: Reach) -> str:
    """The question that the fact would answer; nothing where the words before it don't say what it is about."""
    for kind, before, question in RULES:
        if kind == reach.kind and before.search(reach.before):
            return question
    words = reach.before.split()
    if reach.kind not in GENERAL or not any(word.lower().strip(".,;:") not in STOP_WORDS for word in words):
        return ""
    return f"{GENERAL[reach.kind]}: “{' '.join(words[-MAX_QUOTED_WORDS:])} …”?"


def _topic(reach: Reach, question: str) -> Topic:
    """What two candidates reach for alike: the same question, or a fact of one kind after the same last word."""
    if question in (rule[2] for rule in RULES):
        return reach.kind, question
    words = [word.lower().strip(".,;:") for word in reach.before.split()]
    return reach.kind, next((word for word in reversed(words) if word not in STOP_WORDS), "")


class QuestionCollector:
    """Reaches of a draft's candidates, round by round."""

    def __init__(self) -> None:
        self.found: dict[Topic, Question] = {}

    def add(self, answers: Sequence[Sequence[Reach]], line: int) -> None:
        """Take in a round for the note line `line`: what each answer reached for."""
        counts: Counter[Topic] = Counter()
        texts: dict[Topic, str] = {}
        for reaches in answers:
            asked = {_topic(reach, question): question for reach in reaches if (question := question_for(reach))}
            counts.update(asked.keys())
            texts = asked | texts
        for topic, count in counts.items():
            share = round(count / len(answers), 2)
            before = self.found.get(topic, Question(texts[topic], (), share, topic[0]))
            lines = tuple(sorted({*before.lines, line}))
            self.found[topic] = replace(before, lines=lines, share=max(share, before.share))

    def questions(self) -> list[Question]:
        """At most three, what most candidates reached for first."""
        often = [question for question in self.found.values() if question.share >= MIN_SHARE]
        return sorted(often, key=lambda question: -question.share)[:MAX_QUESTIONS]
