"""What a line of notes states, and whether a sentence tells it: its facts, its words, and whether it denies.

Meaning is not understood here: a claim is told where a sentence holds the line's numbers, names and dates, with the
words that stand around them in the notes.
"""

import re
from dataclasses import dataclass

from blogtwin.text import stems
from blogtwin.text.facts import Fact, extract_facts, stated_facts
from blogtwin.text.numbers import SPELLED_NUMBER, extract_dates, extract_numbers, weak_numbers
from blogtwin.text.stopwords import NEGATIONS, STOP_WORDS, word_set
from blogtwin.text.tokens import tokenise_words

NEGATION = re.compile(rf"\b(?:{'|'.join(sorted(NEGATIONS | {'nor', 'cannot'}))})\b|n['’]t\b", re.I)
UNITS = {
    "mm": "millimetres", "cm": "centimetres", "m": "metres", "km": "kilometres", "g": "grams", "kg": "kilograms",
    "l": "litres", "ml": "millilitres", "h": "hours", "hr": "hours", "hrs": "hours", "min": "minutes",
    "mins": "minutes", "s": "seconds", "sec": "seconds", "secs": "seconds", "ms": "milliseconds", "£": "pounds",
    "$": "dollars", "€": "euros", "%": "percent",
}  # fmt: skip


def is_negated(text: str) -> bool:
    """Whether the text denies something."""
    return bool(NEGATION.search(text))


def stem(word: str) -> str:
    """The word's stem by Porter 2, a unit written out."""
    return stems.stem(UNITS.get(word, word))


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order; numbers are left out."""
    return [stem(w) for w in tokenise_words(text) if w not in STOP_WORDS and not w[0].isdigit() and (len(w) > 1)]


def foreign_share(text: str, known: frozenset[str], without_words: float = 1.0) -> float:
    """Share of a text's content words whose stems are not `known`; `without_words` where it has none."""
    found = content_stems(text)
    return sum(s not in known for s in found) / len(found) if found else without_words


@dataclass(frozen=True)
class Claim:
    """What a line states. `terms`: stems of its words. `roles`: for each fact the stems around it in the line.
    `subject`: the first of its words, which mostly is what the line is about."""

    number: int
    line: str
    facts: frozenset[Fact]
    terms: frozenset[str]
    negated: bool
    roles: dict[Fact, frozenset[str]]
    subject: str


def parse_claim(number: int, line: str) -> Claim:
    """The claim of a line of notes."""
    facts = extract_facts(line)
    named = {stem(w) for f in facts if f.kind == "name" for w in tokenise_words(f.value)}
    terms = frozenset(content_stems(line)) - named
    roles = {fact: _neighbours(fact, line, terms) for fact in facts}
    subject = next((s for s in content_stems(line) if s in terms), "")
    return Claim(number, line, frozenset(facts), terms, is_negated(line), roles, subject)


def _neighbours(fact: Fact, line: str, terms: frozenset[str]) -> frozenset[str]:
    """The nearest content words of the part of the line (between commas and the like) where the fact stands."""
    for part in re.split(r"[,;:–—]\s+|\s+-\s+", line):
        if stated_facts([fact], part):
            near = frozenset(content_stems(part)) & terms
            if near:
                return near
    return terms


WORD_OR_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*")
MIN_TERMS = 0.5  # share of a line's words in a sentence that tells it
MIN_ROLES = 0.5  # share of a line's facts that are in their roles there
REACH = 3  # words after a number, or before it, among which is what it counts


def number_roles(text: str) -> dict[str, list[frozenset[str]]]:
    """{number: for each time it stands there, the stems of what it counts}: the first content word after it, else the
    last one before it; numbers in digits."""
    found: dict[str, list[frozenset[str]]] = {}
    for sentence in re.split(r"[\n;]|(?<=[.!?])\s", spelled_to_digits(text)):
        words = WORD_OR_NUMBER.findall(sentence)
        for i, word in enumerate(words):
            if not word[0].isdigit():
                continue
            after = _content(words[i + 1 : i + 1 + REACH])[:1]
            before = _content(words[max(0, i - REACH) : i])[-1:]
            found.setdefault(word.replace(",", ""), []).append(frozenset(after or before))
    return found


def _content(words: list[str]) -> list[str]:
    """Stems up to the next number."""
    return [stem(w.lower()) for w in words if w.lower() not in STOP_WORDS and not w[0].isdigit()]


def spelled_to_digits(text: str) -> str:
    """The text with its number words as digits: three hours → 3 hours."""

    def digits(match: re.Match) -> str:
        values = extract_numbers(match[0])
        return values.pop() if len(values) == 1 else match[0]

    return SPELLED_NUMBER.sub(digits, text)


def misplaced_numbers(sentence: str, source: str) -> list[str]:
    """Numbers of a sentence that count something else than in the notes, or stand there more often."""
    noted, said = number_roles(source), number_roles(sentence)
    wrong = []
    for number, roles in said.items():
        allowed = noted.get(number)
        if allowed is None:
            continue  # the fence and the gates look for these
        if len(roles) > len(allowed) or any(role and not any(role & a for a in allowed if a) for role in roles):
            wrong.append(number)
    return wrong


def order_agreement(claim: Claim, sentence: str) -> float:
    """Share of the claim's neighbouring words that stand in the sentence in the same order: “dog rolled” is not “rolled
    the dog”."""
    noted = list(dict.fromkeys(content_stems(claim.line)))
    place = {s: i for i, s in reversed(list(enumerate(content_stems(sentence))))}
    told = [place[s] for s in noted if s in place]
    pairs = list(zip(told, told[1:], strict=False))
    return sum(a < b for a, b in pairs) / len(pairs) if pairs else 1.0


PERSONS = [
    word_set("i me my mine myself i'm i've i'd i'll"),
    word_set("we us our ours ourselves we're we've we'd we'll"),
    word_set("you your yours yourself you're you've you'd you'll"),
    word_set("he him his himself he's he'd he'll"),
    word_set("she her hers herself she's she'd she'll"),
    word_set("they them their theirs themselves they're they've they'd they'll"),
]
FIRST_PERSON = 0


def persons(text: str) -> set[int]:
    """Which of PERSONS the pronouns of a text speak of."""
    words = {word.replace("’", "'") for word in tokenise_words(text)}
    return {n for n, forms in enumerate(PERSONS) if forms & words}


def person_mismatches(line: str, sentence: str) -> int:
    """How many persons the sentence loses or brings in. Notes leave «I» out, so that it may come in, but not for
    another one: “on her shelf” is not “on my shelf”."""
    noted, said = persons(line), persons(sentence)
    added = said - noted
    if noted <= said:
        added.discard(FIRST_PERSON)
    return len(added) + len(noted - said - {FIRST_PERSON})


OPPOSITES = [
    ("on", "off"), ("up", "down"), ("in", "out"), ("before", "after"), ("more", "less"), ("over", "under"),
    ("above", "below"), ("first", "last"), ("left", "right"), ("with", "without"), ("always", "never"),
    ("early", "late"), ("open", "shut"), ("inside", "outside"), ("north", "south"), ("east", "west"),
]  # fmt: skip


def turned_round(line: str, sentence: str) -> int:
    """How many words of the line stand in the sentence only as their opposites: “lid off” is not “lid on”. Such words
    are too common to count as terms."""
    noted, said = set(tokenise_words(line)), set(tokenise_words(sentence))
    pairs = [*OPPOSITES, *((b, a) for a, b in OPPOSITES)]
    return sum(a in noted and b not in noted and b in said and a not in said for a, b in pairs)


@dataclass(frozen=True)
class ClaimCheck:
    """How well a sentence (or a text) tells a claim; shares in [0, 1]."""

    facts: frozenset[Fact]
    missing: frozenset[Fact]
    terms: float
    roles: float
    has_subject: bool

    @property
    def recall(self) -> float:
        """Share of the claim that is told: facts count twice, and its words together as much as one fact."""
        total = 2 * (len(self.facts) + len(self.missing)) + 2
        return (2 * len(self.facts) + 2 * self.terms) / total

    @property
    def is_told(self) -> bool:
        """Every fact stands there, with what the line begins with and enough of its other words; whether it is denied
        is another question."""
        return not self.missing and self.terms >= MIN_TERMS and self.roles >= MIN_ROLES and self.has_subject


def check_claim(claim: Claim, sentence: str) -> ClaimCheck:
    """How well a sentence tells a claim."""
    told = frozenset(stated_facts(claim.facts, sentence) if claim.facts else ())
    undated = extract_dates(sentence)[1]  # the 3 of March is no three
    amounts = extract_numbers(undated) | weak_numbers(undated)
    told = frozenset(f for f in told if f.kind != "number" or f.value in amounts)
    stems = set(content_stems(sentence))
    terms = len(claim.terms & stems) / len(claim.terms) if claim.terms else 1.0
    in_role = [not claim.roles[f] or bool(claim.roles[f] & stems) for f in told]
    return ClaimCheck(
        told,
        claim.facts - told,
        terms,
        sum(in_role) / len(in_role) if in_role else 1.0,
        not claim.subject or claim.subject in stems,
    )
