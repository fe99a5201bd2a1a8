"""What is wrong with a draft from a set of notes, beyond what its facts tell: five checks, each for one kind of error.

misplaced   a number of the notes stands in the text, and nowhere with what it counts or belongs to
undenied    a sentence speaks of what a line denies, and does not deny it; or the text matches what contradicts a line
foreign     a sentence that neither the notes, the title nor any spelling of the key supports
read_out    a sentence that is a line of the notes as it stands, or nearly
disordered  the words stand in no English order (eval.word_order)

They are rules: no model runs. Their limits were set on the sets of validation posts; what they notice of texts that
were spoilt on purpose, and how often they are wrong about the authors' own passages, tests/eval/test_draft_checks.py
measures on the sets of held-out posts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from blogtwin.text.numbers import extract_numbers
from blogtwin.text.sentences import split_sentences
from blogtwin.text.stems import stem
from blogtwin.text.stopwords import STOP_WORDS
from blogtwin.text.tokens import tokenise_words
from eval import note_keys
from eval.note_sets import NoteFact, NoteLine, NoteSet
from eval.word_order import WordOrder

# A sentence is foreign from this weight on: 1 for a content word without support, less one for each with support and
# each fact that the sentence tells.
FOREIGN_WEIGHT, SUPPORTED_WORD, TOLD_FACT = 2.5, 0.5, 1.0
READ_OUT_SHARE = 0.8  # of a sentence's words, in their order in a line
MIN_READ_OUT_WORDS = 4
# A draft raises an alarm from these on, or below the last one.
MIN_MISPLACED, MIN_READ_OUT_SENTENCES, MIN_WORD_ORDER = 1, 0.25, 0.7


@dataclass(frozen=True)
class DraftChecks:
    """What was found; `word_order` in nats per word, nan for a text without a sentence of five words."""

    sentences: int
    misplaced: tuple[NoteFact, ...]
    undenied: tuple[NoteLine, ...]
    foreign: tuple[str, ...]
    read_out: tuple[str, ...]
    word_order: float

    @property
    def foreign_rate(self) -> float:
        """Share of the sentences that nothing in the notes says."""
        return len(self.foreign) / self.sentences if self.sentences else math.nan

    @property
    def read_out_rate(self) -> float:
        """Share of the sentences that read a line of the notes out."""
        return len(self.read_out) / self.sentences if self.sentences else math.nan

    @property
    def alarms(self) -> frozenset[str]:
        """The kinds of error that the draft is suspected of."""
        raised = {
            "misplaced": len(self.misplaced) >= MIN_MISPLACED,
            "undenied": bool(self.undenied),
            "foreign": bool(self.foreign),
            "read_out": self.read_out_rate >= MIN_READ_OUT_SENTENCES,
            "disordered": self.word_order < MIN_WORD_ORDER,
        }
        return frozenset(kind for kind, is_raised in raised.items() if is_raised)


def check_draft(note_set: NoteSet, sentences: Sequence[str], order: WordOrder) -> DraftChecks:
    """All checks of a text, given as its sentences."""
    text = "\n\n".join(sentences)
    supported = supporting_stems(note_set)
    lines = [note_keys.split_words(line) for line in note_set.lines()]
    return DraftChecks(
        len(sentences),
        tuple(fact for line in note_set.notes for fact in line.facts if is_misplaced(fact, text)),
        tuple(line for line in note_set.notes if is_undenied(line, text)),
        tuple(s for s in sentences if foreign_weight(note_set, supported, s) >= FOREIGN_WEIGHT),
        tuple(s for s in sentences if read_out_share(lines, s) >= READ_OUT_SHARE),
        order.mean_gain(sentences),
    )


def is_misplaced(fact: NoteFact, text: str) -> bool:
    """Whether a number of the notes stands in a text, and nowhere in its role: with a word of what it belongs to in its
    sentence or the one before, for authors go on with “It was 22.”"""
    if fact.kind != "number":
        return False
    sentences = split_sentences(text)
    for before, sentence in zip(["", *sentences], sentences, strict=False):
        if note_keys.tells(fact, sentence):
            near = note_keys.split_words(sentence), note_keys.split_words(before)
            if not fact.of or any(note_keys.stands(word, words) for word in fact.of for words in near):
                return False
    values = {value for spelling in fact.value for value in extract_numbers(spelling)}
    return bool(values & extract_numbers(text))


def is_undenied(line: NoteLine, text: str) -> bool:
    """Whether a text says what a line denies, or matches what contradicts the line."""
    spoken = note_keys.denials(line.denies, text) if line.denies else []
    return not all(spoken) or bool(note_keys.contradictions(line, text))


def supporting_stems(note_set: NoteSet) -> frozenset[str]:
    """Stems of the content words of notes, title, and all spellings of the key."""
    texts = [note_set.title, note_set.as_text()]
    for line in note_set.notes:
        texts += [spelling for fact in line.facts for spelling in (*fact.value, *fact.of)]
        if line.denies:
            texts += [*line.denies.about, *line.denies.denied_by]
    return frozenset(content_stems("\n".join(texts)))


def content_stems(text: str) -> list[str]:
    """Stems of the words of more than one letter that are no stop words, numbers among them."""
    words = [word.replace("’", "'").removesuffix("'s") for word in tokenise_words(text)]
    return [stem(word) for word in words if word not in STOP_WORDS and len(word) > 1]


def foreign_weight(note_set: NoteSet, supported: frozenset[str], sentence: str) -> float:
    """How much a sentence says that nothing supports, in words, less what it tells of the notes."""
    stems = content_stems(sentence)
    known = sum(s in supported for s in stems)
    told = sum(note_keys.tells(fact, sentence) for line in note_set.notes for fact in line.facts)
    return len(stems) - known - SUPPORTED_WORD * known - TOLD_FACT * told


def read_out_share(lines: Sequence[Sequence[note_keys.Word]], sentence: str) -> float:
    """The largest share of a sentence's words that stand in one line of the notes in the same order (their longest
    common subsequence); 0 for a sentence of one or two words."""
    words = [word.shown.casefold() for word in note_keys.split_words(sentence)]
    if len(words) < MIN_READ_OUT_WORDS:
        return 0.0
    return max(_common(words, [word.shown.casefold() for word in line]) for line in lines) / len(words)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = row
        row = [0]
        for j, theirs in enumerate(other):
            row.append(before[j] + 1 if word == theirs else max(before[j + 1], row[j]))
    return row[-1]
