"""Counterfactual notes: every number and name of a set of notes replaced by another of its kind, also in the key.

A model that knows its author's facts by heart tells them also from notes that say something else: from these notes it
has to read. A draft that tells an old value leaks it.
"""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from blogtwin.text.entities import TITLES
from blogtwin.text.numbers import DAYS, MONTHS, ORDINALS, SMALL
from eval import note_keys
from eval.note_sets import Denial, NoteFact, NoteLine, NoteSet

# In a regular expression a number may stand after the b of a word boundary.
LETTERS = re.compile(r"[^\W\d_]+")
TOKEN = re.compile(r"(?:(?<=\\b)|(?<![\w.,:]))\d+(?:st|nd|rd|th)?(?!\w)|(?:(?<=\\b)|(?<![\w\\]))[^\W\d_]+")
WORDS = SMALL[:13]
CALENDAR = ([month.capitalize() for month in MONTHS], [day.capitalize() for day in DAYS])
# Numbers change within their range, so that hours, days of a month, minutes and years stay such.
RANGES = [(2, 12), (13, 31), (32, 59), (60, 99), (100, 999), (1000, 1899), (1900, 2035)]
NAMES = LETTERS.findall("""
    Tarrant Kelso Brannock Hesper Luscombe Pendry Calder Rosmer Ashby Fenwick Orrin Maddern Selwyn Trask Verity Wystan
    Yardley Zennor Bostock Corvin Delphine Eskdale Farrow Gethin Hallam Isolde Jessop Kinver Lorimer Mabyn
""")
SWAPPED_KINDS = ("number", "date", "name")


@dataclass(frozen=True)
class Counterfactual:
    """The changed notes, and the facts of the true ones that they no longer hold."""

    note_set: NoteSet
    old_facts: tuple[NoteFact, ...]


def swap_facts(note_set: NoteSet, seed: int) -> Counterfactual:
    """Every number from 2 on, every month and weekday, and every name of the key become others of their kind, wherever
    they stand in title, notes and key. The same set and seed give the same notes. “One” stays: it is a pronoun too."""
    texts = [note_set.title, note_set.as_text()]
    kinds: dict[str, list[str]] = {"number": [], "date": [], "name": []}
    for line in note_set.notes:
        for fact in line.facts:
            if fact.kind in kinds:
                kinds[fact.kind] += fact.value
    texts += [spelling for spellings in kinds.values() for spelling in spellings]
    mapping = _choose("\n".join(texts), kinds, random.Random(f"{seed} {note_set.passage_sha256}"))

    def change(text: str) -> str:
        return TOKEN.sub(lambda match: _changed(match[0], mapping), text)

    notes = tuple(_change_line(line, change) for line in note_set.notes)
    changed = replace(note_set, title=change(note_set.title), notes=notes)
    told = "\n\n".join(f"{line.line}." for line in notes)
    facts = (fact for line in note_set.notes for fact in line.facts if fact.kind in SWAPPED_KINDS)
    old = tuple(fact for fact in facts if not note_keys.is_told(fact, told))
    return Counterfactual(changed, old)


def _choose(text: str, kinds: dict[str, list[str]], chance: random.Random) -> dict[str, str]:
    """{old: new} of all numbers as digits, months and weekdays as they are written, and words of names."""
    tokens = sorted({match[0] for match in TOKEN.finditer(text)})
    numbers = sorted({n for token in tokens if (n := _value(token)) is not None and n > 1})
    mapping: dict[str, str] = {}
    for low, high in RANGES:
        own = [n for n in numbers if low <= n <= high]
        free = [n for n in range(low, high + 1) if n not in numbers]
        chance.shuffle(free)
        # Where a range has too few others, its own numbers go round.
        others = free[: len(own)] + own[1:] + own[:1]
        mapping |= {str(n): str(new) for n, new in zip(own, others)}
    for names in CALENDAR:
        shift = chance.randrange(1, len(names))
        found = [name for name in names if name in tokens and (name != "May" or "May" in " ".join(kinds["date"]))]
        mapping |= {name: names[(names.index(name) + shift) % len(names)] for name in found}
    words = {word for spelling in kinds["name"] for word in LETTERS.findall(spelling)}
    proper = sorted(w for w in words if w[0].isupper() and len(w) > 1 and w.lower() not in TITLES and w not in mapping)
    new_names = [name for name in NAMES if name not in tokens]
    return mapping | dict(zip(proper, chance.sample(new_names, len(new_names))))


def _changed(token: str, mapping: dict[str, str]) -> str:
    if token in mapping:
        return mapping[token]
    number = _value(token)
    if number is None or str(number) not in mapping:
        return token
    new = int(mapping[str(number)])
    if token[0].isdigit():
        return token if token.isdigit() and token[0] == "0" else str(new) + _ordinal_end(token, new)
    plain = WORDS[new] if token.lower() in WORDS else ORDINALS[new - 1]
    return plain.capitalize() if token[0].isupper() else plain


def _value(token: str) -> int | None:
    """The number that a token is; None for a word."""
    digits = re.match(r"\d+", token)
    if digits:
        return int(digits[0])
    word = token.lower()
    if word in WORDS:
        return WORDS.index(word)
    # A second is a moment as well.
    return ORDINALS.index(word) + 1 if word in ORDINALS[2:12] else None


def _ordinal_end(token: str, number: int) -> str:
    if token.isdigit():
        return ""
    return "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _change_line(line: NoteLine, change: Callable[[str], str]) -> NoteLine:
    def all_of(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(change(text) for text in texts)

    facts = tuple(NoteFact(all_of(fact.value), fact.kind, all_of(fact.of)) for fact in line.facts)
    denies = line.denies and Denial(**{"about": all_of(line.denies.about), "with": all_of(line.denies.denied_by)})
    text = change(line.line)
    # A pattern of words between two numbers may fit the new ones by chance.
    patterns = tuple(p for p in all_of(line.contradicted_by) if not re.search(p, text[:1].upper() + text[1:]))
    return NoteLine(text, facts, denies, patterns)
