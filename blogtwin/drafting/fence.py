"""The fence: tokens that would state a number, a date, a name, a link or a quotation beyond the notes are not chosen.

It looks at the text that a token would make, so it needs no grammar. What it can't see before a word is complete, the
gates see afterwards.
"""

import functools
import math
import re
from collections import defaultdict

import numpy as np

from blogtwin.drafting.questions import Reach, ReachKind
from blogtwin.text.numbers import DAYS, MONTHS, SCALES, TENS, UNITS, extract_numbers
from blogtwin.text.stopwords import SENTENCE_OPENERS

REPEATED_TOKENS = 5  # no run of so many stands twice in an answer
NAME_PENALTY = -4.0  # nats: a capital inside a sentence that the notes don't have
SPELLED = {w: n for w, n in {**UNITS, **TENS, **SCALES}.items() if w != "one"}
MONTH_SHORT = {m[:3]: m for m in MONTHS} | {"sept": "september"}
DAY_SHORT = {d[:3]: d for d in DAYS} | {"tues": "tuesday", "weds": "wednesday", "thur": "thursday", "thurs": "thursday"}
DIGITS_END = re.compile(r"\d[\d.,:]*$")
WORD_END = re.compile(r"[^\W\d_][^\W\d_'’]*$")
SENTENCE_START = re.compile(r"(?:^|[.!?:…\n][\"”’)\]]*|\n|[-–—*#] )\s*$")
QUOTES = '“”«»„"'
SENTENCE_BREAK = re.compile(r"(?<=[.!?…])\s+")
LINK = re.compile(r"https?:|www\.|\]\(|<\w|!\[|```", re.I)


class Licences:
    """The numbers, words and signs that the notes allow. `source`: the lines that are told now; `names_from`: all of
    the notes, whose names may be spoken of anywhere."""

    def __init__(self, source: str, names_from: str = ""):
        words = {w.lower() for w in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", source)}
        self.digits = {d.rstrip(".,:") for d in re.findall(r"\d[\d.,:]*", source)}
        amounts = extract_numbers(source) | {d.replace(",", "") for d in self.digits}
        self.digits |= amounts | {f"{int(a):,}" for a in amounts if a.isdigit() and len(a) > 3}
        self.words = {w for w, n in SPELLED.items() if str(n) in amounts or w in words}
        self.words |= {w for w in SPELLED if any(_spells(a, w) for a in amounts)}
        whole = {MONTH_SHORT.get(w, w) for w in words} | {DAY_SHORT.get(w, w) for w in words}
        whole |= {MONTHS[int(m) - 1] for m in re.findall(r"\d{4}-(\d\d)-\d\d", source) if 0 < int(m) < 13}
        self.words |= {w for w in [*MONTHS, *DAYS] if w in whole}
        self.words |= {w + "s" for w in self.words}
        named = f"{source}\n{names_from}"
        self.capitals = {w for w in re.findall(r"[^\W\d_]+", named) if w[0].isupper()}
        self.capitals |= {w[0].upper() + w[1:] for w in re.findall(r"(?m)^\W*([^\W\d_]+)", named)}
        self.quotes = any(q in source for q in QUOTES)
        self.brackets = any(b in source for b in "()[]")
        self.links = bool(LINK.search(source))


def _spells(amount: str, word: str) -> bool:
    """Whether `word` is part of the amount written out: twenty and two of 22."""
    if not amount.isdigit() or not 20 < int(amount) < 100:
        return False
    return SPELLED[word] in (int(amount) // 10 * 10, int(amount) % 10)


FORBIDDEN_WORDS = {*SPELLED, *MONTHS, *DAYS, *(f"{d}s" for d in DAYS)} - {"may", "march", "second"}


class Fence:
    """A `Constraint` over one answer: licences, and no run of five tokens twice.

    `pieces`: the text of each token. `before`: what stands before the answer, as text and as token ids. `pull`: nats
    for the beginning of words that the answer should hold and does not hold yet. `notes`: licences of all the notes;
    with them, `reached` holds the facts beyond them that the answer was about to state.
    """

    def __init__(
        self,
        licences: Licences,
        pieces: list[str],
        before: str = "",
        before_ids: list[int] | None = None,
        pull: dict[str, float] | None = None,
        notes: Licences | None = None,
    ):
        self.notes, self.reached = notes, dict[str, Reach]()
        self.licences, self.pieces, self.before = licences, pieces, before
        self.pull = pull or {}
        self.followers: dict[tuple, set[int]] = defaultdict(set)
        self.tokens: list[int] = []  # of what stands before, then of the answer
        for token in before_ids or []:
            self._take(token)
        self.num_before = len(self.tokens)
        self.text = before

    def adjust(self, ids: list[int], candidates: np.ndarray) -> np.ndarray:
        """(n,) nats for the candidates: -inf for a fact without licence or a repeated run."""
        self.follow(ids)
        repeated = self.followers.get(self._last_run(), ())
        tail = self.text[-60:]
        own = self.text[len(self.before) :].lower()
        missing = [(word, nats) for word, nats in self.pull.items() if word not in own]
        nats = np.empty(len(candidates), np.float32)
        for n, token in enumerate(candidates.tolist()):
            piece = self.pieces[token]
            nats[n] = -math.inf if token in repeated else allow(self.licences, tail, piece)
            if missing and nats[n] == 0 and piece[:1] == " " and len(piece) > 2:
                nats[n] = max((gain for word, gain in missing if word.startswith(piece[1:].lower())), default=0.0)
        if self.notes and nats[0] < 0 and int(candidates[0]) not in repeated:
            self._note_reach(tail, self.pieces[int(candidates[0])])
        return nats

    def _note_reach(self, tail: str, piece: str) -> None:
        """Remember what the likeliest token would state, where nothing in the notes says it."""
        kind = forbidden_kind(self.licences, tail, piece)
        said = SENTENCE_BREAK.split(self.text)[-1]
        if kind is None or said in self.reached or allow(self.notes, tail, piece) == 0:
            return
        # A line whose own number is still to come is not short of one.
        if kind == "number" and any(digits not in said for digits in self.licences.digits):
            return
        if kind == "date" and any(word in self.licences.words for word in (*MONTHS, *DAYS)):
            return
        self.reached[said] = Reach(kind, said.strip())

    def is_complete(self, ids: list[int]) -> bool:
        """The model ends the answer itself."""
        return False

    def follow(self, ids: list[int]) -> None:
        """Take in what was written since the last call."""
        for token in ids[len(self.tokens) - self.num_before :]:
            self._take(token)
            self.text += self.pieces[token]

    def _take(self, token: int) -> None:
        self.followers[self._last_run()].add(token)
        self.tokens.append(token)

    def _last_run(self) -> tuple[int, ...]:
        """The tokens that one more may not follow a second time."""
        return tuple(self.tokens[-REPEATED_TOKENS + 1 :])


@functools.lru_cache(4096)  # the candidates of a step share their beginning; a draft's licences are not kept for ever
def allow(licences: Licences, tail: str, piece: str) -> float:
    """Nats for `piece` after `tail`."""
    if not piece:
        return 0.0
    if not licences.quotes and any(q in piece for q in QUOTES):
        return -math.inf
    if not licences.brackets and any(b in piece for b in "()[]"):
        return -math.inf
    text = tail + piece
    if not licences.links and LINK.search(text[-len(piece) - 8 :]):
        return -math.inf
    if not _numbers_allowed(licences, tail, piece):
        return -math.inf
    word = WORD_END.search(text)
    if not word:
        return 0.0
    start = word.start()
    shown = word[0]
    inside = not SENTENCE_START.search(text[:start])
    lower = shown.lower()
    if lower in FORBIDDEN_WORDS and lower not in licences.words:
        return -math.inf
    if inside and lower in ("may", "march") and shown[0].isupper() and lower not in licences.words:
        return -math.inf
    if inside and shown[0].isupper() and not _known_capital(licences, shown):
        return NAME_PENALTY
    return 0.0


def forbidden_kind(licences: Licences, tail: str, piece: str) -> ReachKind | None:
    """The kind of the fact for which `piece` is held back after `tail`; None for a link or a bracket."""
    if any(q in piece for q in QUOTES):
        return "quote"
    if not _numbers_allowed(licences, tail, piece):
        return "number"
    word = WORD_END.search(tail + piece)
    if word is None:
        return None
    lower = word[0].lower()
    if lower in FORBIDDEN_WORDS:
        return "number" if lower in SPELLED else "date"
    return "name" if word[0][0].isupper() else None


def _known_capital(licences: Licences, shown: str) -> bool:
    if shown in ("I", "I’", "I'") or shown.lower() in SENTENCE_OPENERS:
        return True
    return any(c.startswith(shown) or shown == c + "s" for c in licences.capitals) or shown.lower() in licences.words


def _numbers_allowed(licences: Licences, tail: str, piece: str) -> bool:
    """Whether the digits at the end of `tail` may be followed by `piece`: each number must be one of the licensed."""
    running = DIGITS_END.search(tail)
    shown = (running[0] if running else "") + piece
    if running or re.match(r"\s*\d", piece):
        shown = shown.lstrip()
        number = re.match(r"\d[\d.,:]*", shown)
        if number:
            complete = number.end() < len(shown)
            digits = number[0]
            if complete or not digits[-1].isdigit():
                done = digits.rstrip(".,:")
                if done in licences.digits:
                    return True
                return not complete and any(d.startswith(digits) for d in licences.digits)
            return any(d.startswith(digits) for d in licences.digits)
    return True
