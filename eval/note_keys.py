"""Whether the keys of a set of notes hold for a text: what is told, in its role, denied, contradicted, copied.

Words are compared by their stems and numbers by their value, sentence by sentence: “three hours” tells “3 hours”.
"""

import re
from dataclasses import dataclass

from blogtwin.text.facts import extract_facts, preserved_facts
from blogtwin.text.numbers import NUMBER_HINTS, ORDINALS, SPELLED_NUMBER, extract_numbers
from blogtwin.text.sentences import split_sentences
from blogtwin.text.stems import stem
from blogtwin.text.stopwords import NEGATIONS
from blogtwin.text.tokens import longest_match, ngram_index, tokenise_words
from eval.note_sets import Denial, NoteFact, NoteLine, NoteSet

MIN_PASSAGE_WORDS, MAX_PASSAGE_WORDS = 60, 220
MAX_GAP = 2  # words that may stand between two words of a spelling: “took it all off” is “took off”
NO_PROSE = re.compile(r"(?m)^[ \t]*(?:#{1,6}[ \t]|[-*+][ \t]|\d+[.)][ \t]|>|\||```|~~~| {4})")
DENYING_WORDS = NEGATIONS | {"cannot", "nor", "nought", "nil"}
ORDINAL_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
CURRENCIES = {"£": "pounds", "$": "dollars", "€": "euros"}
TOKEN = re.compile(r"\d+(?:st|nd|rd|th)\b|\d+(?:[.:]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*|&")


@dataclass(frozen=True)
class Word:
    """A word as it is compared, and as it was written."""

    stem: str
    shown: str


def split_words(text: str) -> list[Word]:
    """The words of a sentence or a spelling; numbers as digits, money as “5 pounds”, hyphens open."""
    text = re.sub("[‘’]", "'", re.sub("[*_`]", "", text))
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"([£$€])\s?(\d+(?:\.\d+)?)", lambda m: f"{m[2]} {CURRENCIES[m[1]]}", text).replace("%", " percent")
    text = SPELLED_NUMBER.sub(_number_in_digits, text)
    text = re.sub(r"\b(?:" + "|".join(ORDINALS) + r")\b", _ordinal_in_digits, text, flags=re.I)
    return [Word(_stem(shown), shown) for shown in TOKEN.findall(text)]


def stands(spelling: str, words: list[Word], max_gap: int = MAX_GAP) -> bool:
    """Whether the words of a spelling stand in a sentence in their order, at most `max_gap` others between two."""
    wanted = [word.stem for word in split_words(spelling)]
    found = [word.stem for word in words]
    return any(_follows(wanted, found, start, max_gap) for start in range(len(found)))


def tells(fact: NoteFact, sentence: str) -> bool:
    """Whether a sentence holds the fact in one of its spellings."""
    words = split_words(sentence)
    if fact.kind == "name":
        return any(_name_stands(spelling, words) for spelling in fact.value)
    if fact.kind == "date":
        return any(_date_stands(spelling, sentence, words) for spelling in fact.value)
    return any(stands(spelling, words) for spelling in fact.value)


def is_told(fact: NoteFact, text: str) -> bool:
    """Whether a text tells the fact, in whatever place."""
    return any(tells(fact, sentence) for sentence in split_sentences(text))


def is_in_role(fact: NoteFact, text: str) -> bool:
    """Whether a sentence tells the fact beside a word of its role; without `of`, told is in role."""
    if not fact.of:
        return is_told(fact, text)
    return any(
        tells(fact, sentence) and any(stands(word, split_words(sentence)) for word in fact.of)
        for sentence in split_sentences(text)
    )


def denials(denial: Denial, text: str) -> list[bool]:
    """For each sentence that speaks of what is denied: whether it denies."""
    spoken = [split_words(s) for s in split_sentences(text)]
    spoken = [words for words in spoken if any(stands(term, words) for term in denial.about)]
    return [any(map(_is_denying, words)) or any(stands(w, words) for w in denial.denied_by) for words in spoken]


def contradictions(line: NoteLine, text: str) -> list[str]:
    """The patterns of the line that match the text."""
    return [pattern for pattern in line.contradicted_by if re.search(pattern, text)]


def copied_run(line: str, post: str) -> int:
    """The longest run of words of a note line that stands in the post; runs under five words count as 0."""
    source = [tokenise_words(post)]
    return longest_match(tokenise_words(line), ngram_index(source), source)[0]


def find_key_problems(note_set: NoteSet, passage: str, post: str) -> list[str]:
    """What of a set does not hold for the author's own passage, in sentences; roles are for `roles` to count."""
    problems = []
    count = len(passage.split())
    if not MIN_PASSAGE_WORDS <= count <= MAX_PASSAGE_WORDS:
        problems.append(f"the passage has {count} words, not {MIN_PASSAGE_WORDS} to {MAX_PASSAGE_WORDS}")
    if NO_PROSE.search(passage):
        problems.append("the passage holds a heading, a list, a quotation, a table or code")
    for line in note_set.notes:
        problems += [f"“{line.line}”: {problem}" for problem in _line_problems(line, passage, post)]
    return problems


def roles(note_set: NoteSet, passage: str) -> list[tuple[NoteFact, bool]]:
    """The facts of a set that have a role, and whether the passage shows it."""
    facts = [fact for line in note_set.notes for fact in line.facts if fact.of]
    return [(fact, is_in_role(fact, passage)) for fact in facts]


def _line_problems(line: NoteLine, passage: str, post: str) -> list[str]:
    problems = [f"the passage does not tell {fact.value[0]}" for fact in line.facts if not is_told(fact, passage)]
    if line.denies:
        found = denials(line.denies, passage)
        if not found:
            problems.append(f"no sentence of the passage speaks of {', '.join(line.denies.about)}")
        elif not all(found):
            problems.append(f"a sentence speaks of {', '.join(line.denies.about)} and does not deny")
    problems += [f"the passage matches contradicted_by “{pattern}”" for pattern in contradictions(line, passage)]
    if run := copied_run(line.line, post):
        problems.append(f"{run} words in a row stand in the post")
    return problems


def _stem(shown: str) -> str:
    plain = re.sub(r"'s$", "", shown.casefold())
    return plain if plain[0].isdigit() else stem(plain)


def _number_in_digits(match: re.Match) -> str:
    """A number in words as digits; a run that is several numbers stays as it is."""
    values = extract_numbers(match[0]) or {NUMBER_HINTS.get(match[0].lower(), match[0])}
    return values.pop() if len(values) == 1 else match[0]


def _ordinal_in_digits(match: re.Match) -> str:
    number = ORDINALS.index(match[0].lower()) + 1
    return f"{number}{ORDINAL_ENDINGS.get(number, 'th')}"


def _follows(wanted: list[str], found: list[str], start: int, max_gap: int) -> bool:
    """Whether `wanted` stands in `found` from `start` on, each word as near to the one before as can be."""
    if not wanted or found[start] != wanted[0]:
        return False
    at = start
    for next_stem in wanted[1:]:
        near = found[at + 1 : at + 2 + max_gap]
        if next_stem not in near:
            return False
        at += 1 + near.index(next_stem)
    return True


def _name_stands(spelling: str, words: list[Word]) -> bool:
    """Side by side, and with a capital where the spelling has one: Kit is no kit."""
    wanted = split_words(spelling)
    for start in range(len(words) - len(wanted) + 1):
        pairs = list(zip(wanted, words[start : start + len(wanted)]))
        if all(a.stem == b.stem and a.shown[0].isupper() <= b.shown[0].isupper() for a, b in pairs):
            return True
    return False


def _date_stands(spelling: str, sentence: str, words: list[Word]) -> bool:
    """By day, month and year in any order; a year alone, which is no date to the program, by its digits."""
    dates = {fact for fact in extract_facts(spelling) if fact.kind == "date"}
    return dates <= preserved_facts(spelling, sentence) if dates else stands(spelling, words)


def _is_denying(word: Word) -> bool:
    plain = word.shown.casefold()
    return plain in DENYING_WORDS or plain.endswith("n't")
