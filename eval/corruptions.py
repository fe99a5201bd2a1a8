"""Texts that are spoilt on purpose, one kind at a time, to see whether the judge of drafts notices (eval.draft_checks).

Each takes the sentences of a text that holds for a set of notes, and gives them back spoilt; None where the text has
nothing of the kind to spoil.
"""

import random
import re
from collections.abc import Sequence

from blogtwin.text.numbers import SPELLED_NUMBER, extract_numbers
from eval import note_keys
from eval.note_sets import NoteSet

NUMBER = re.compile(rf"[£$€]?\d+(?:[.,:]\d+)*|{SPELLED_NUMBER.pattern}", SPELLED_NUMBER.flags)
# What takes the denial out of a sentence, tried in this order; all places at once.
UNDENIED = [
    (r"\b([Cc])(?:annot|an't)\b", r"\1an"),
    (r"\b([Ww])on't\b", r"\1ill"),
    (r"n't\b", ""),
    (r"\bnot (?:a|an|one) ", "a "),
    (r"\b(?:not|hardly|nor) ", ""),
    (r"\bnot\b", ""),
    (r"\bno (?:one|longer)\b", "still"),
    (r"\bnever\b", "always"),
    (r"\bno\b", "the"),
    (r"\bnone\b", "all"),
    (r"\bnobody\b", "everybody"),
    (r"\bnothing\b", "everything"),
    (r"\bnowhere\b", "everywhere"),
    (r"\bneither\b", "both"),
    (r"\bwithout\b", "with"),
]


def swap_numbers(note_set: NoteSet, sentences: Sequence[str], seed: str) -> list[str] | None:
    """Two numbers of the notes change places."""
    numbers = [fact for line in note_set.notes for fact in line.facts if fact.kind == "number"]
    values = [{value for spelling in fact.value for value in extract_numbers(spelling)} for fact in numbers]
    places, text = [], "\n".join(sentences)
    for match in NUMBER.finditer(text):
        start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
        sentence = text[start : end if end >= 0 else None]
        found = extract_numbers(match[0])
        if len(found) == 1 and any(found <= v and note_keys.tells(f, sentence) for f, v in zip(numbers, values)):
            places.append(match)
    pairs = [(a, b) for a in places for b in places if a.start() < b.start() and a[0].lower() != b[0].lower()]
    pairs = [(a, b) for a, b in pairs if extract_numbers(a[0]) != extract_numbers(b[0])]
    if not pairs:
        return None
    first, second = random.Random(seed).choice(pairs)
    middle = text[first.end() : second.start()]
    return (text[: first.start()] + second[0] + middle + first[0] + text[second.end() :]).split("\n")


def flip_denial(note_set: NoteSet, sentences: Sequence[str], seed: str) -> list[str] | None:
    """What one line of the notes denies is said."""
    lines = [line for line in note_set.notes if line.denies]
    random.Random(seed).shuffle(lines)
    for line in lines:
        assert line.denies is not None
        about = line.denies.about
        flipped = [_without_denial(s) if _speaks_of(about, s) else s for s in sentences]
        if flipped != list(sentences):
            return flipped
    return None


def shuffle_words(sentences: Sequence[str], seed: str) -> list[str]:
    """The words of each sentence in another order; it begins with a capital and ends with a stop as before."""
    orders, spoilt = random.Random(seed), []
    for sentence in sentences:
        words = sentence.rstrip(".!?…").split()
        words[0] = words[0] if words[0][:2].isupper() or words[0] == "I" else words[0][:1].lower() + words[0][1:]
        orders.shuffle(words)
        text = " ".join(words)
        spoilt.append(f"{text[:1].upper()}{text[1:]}.")
    return spoilt


def read_notes_out(note_set: NoteSet) -> list[str]:
    """The lines of the notes as sentences."""
    return [f"{line.line[0].upper()}{line.line[1:]}." for line in note_set.notes]


def insert_sentence(sentences: Sequence[str], foreign: str, seed: str) -> list[str]:
    """A sentence of another post somewhere among the others."""
    at = random.Random(seed).randrange(len(sentences) + 1)
    return [*sentences[:at], foreign, *sentences[at:]]


def _speaks_of(about: Sequence[str], sentence: str) -> bool:
    words = note_keys.split_words(sentence)
    return any(note_keys.stands(term, words) for term in about)


def _without_denial(sentence: str) -> str:
    flipped = sentence.replace("’", "'")
    for pattern, word in UNDENIED:
        flipped = re.sub(pattern, word, flipped, flags=re.I)
    return " ".join(flipped.split()) if flipped != sentence.replace("’", "'") else sentence
