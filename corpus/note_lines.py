"""Lines of notes from an author's sentences, as people jot them down: without articles, auxiliaries and hedges, but
with every verb, denial, preposition, number and name, so that it stays clear who does what to what.

Notes that leave out what a passage says teach a twin to invent it; these leave out only how it is said.
"""

import math
import random
import re

from blogtwin.text.keyphrases import MAX_VERBATIM_RUN, Token, is_negation, is_number, neighbour
from blogtwin.text.numbers import TENS, UNITS
from blogtwin.text.stopwords import word_set

ARTICLES = word_set("a an the")
FORMS_OF_BE = word_set("is are was were be been being am")
AUXILIARIES = word_set("have has had do does did will would shall")
LINKING_WORDS = word_set("that which who whom")
OPENING_WORDS = word_set("and but so then well oh yes now there")
HEDGES = word_set(
    "very just really quite rather perhaps maybe actually simply indeed anyway somehow almost nearly even still already"
    " well now oh"
)
PRONOUN_WITH_VERB = re.compile(r"(?i)(i|you|he|she|it|we|they|that|there)'(?:m|re|s|ve|d|ll)")
PARTICIPLE = re.compile(
    r"[a-z]{2,}(?:ed|en|wn|ne|ght)|gone|been|got|put|made|said|told|had|left|kept|lost|come|run|set|found|sold|heard|held"
    r"|met|paid|sent|sat|shut|stood|won|built|cut"
)
CONNECTORS = word_set(
    "of in on at by to for from with into onto over under after before about between through and or as"
)
# Whoever knows the notes knows these: the first to go from a long run of the sentence's own words.
LIGHT_WORDS = word_set("my your his her its our their i it he she we they him them us me this these those so too also")
MAX_LINE_TOKENS = 12  # of a line; a longer sentence is divided where it has a comma
MIN_LINE_TOKENS = 3  # a shorter line shares its line with the one before


class NoteStyle:
    """How one set of notes is jotted down: people differ in what they leave out, and are consistent in a set."""

    def __init__(self, rng: random.Random):
        self.digits = rng.random() < 0.7  # nine → 9
        self.drops_subject = rng.random() < 0.5  # I, we and it at the start
        self.drops_and = rng.random() < 0.5  # a comma in place of `and`
        self.keeps_articles = rng.random() < 0.1
        self.splits_denials = rng.random() < 0.5  # didn't → not


def jot_down(tokens: list[Token], sentence: list[int], style: NoteStyle) -> list[str]:
    """The lines of notes of one sentence, given as indices of its tokens."""
    start = next((n for n, i in enumerate(sentence) if _lower(tokens[i]) not in OPENING_WORDS), 0)
    kept = [i for n, i in enumerate(sentence[start:]) if not _is_left_out(tokens, i, n, style)]
    return [line for group in _divide(tokens, _break_runs(tokens, kept)) if (line := _render(tokens, group, style))]


def join_short_lines(lines: list[str]) -> list[str]:
    """`lines`, with those of one or two words at the end of the line before."""
    joined: list[str] = []
    for line in lines:
        if joined and min(len(line.split()), len(joined[-1].split())) < MIN_LINE_TOKENS:
            joined[-1] += f"; {line}"
        else:
            joined.append(line)
    return joined


def _is_left_out(tokens: list[Token], i: int, position: int, style: NoteStyle) -> bool:
    """Whether notes do without token i, the one at `position` in its sentence."""
    token, word = tokens[i], _lower(tokens[i])
    following = neighbour(tokens, i, 1)
    if is_negation(token) or token.weight == math.inf:
        return False
    if word in ARTICLES:
        return not style.keeps_articles
    if position == 0 and style.drops_subject and word in ("i", "we", "it"):
        return True
    if word in FORMS_OF_BE or word in HEDGES:
        return True
    if word in AUXILIARIES and following is not None:
        after = _lower(following)
        return word in ("will", "would") or after in ("not", "never") or bool(PARTICIPLE.fullmatch(after))
    return position > 0 and word in LINKING_WORDS


def _break_runs(tokens: list[Token], kept: list[int]) -> list[int]:
    """`kept` without a light word in each run of MAX_VERBATIM_RUN words of the sentence, where there is one: a twin
    that sees its sentences in its notes learns to read notes out."""
    broken: list[int] = []
    run: list[int] = []
    for i in kept:
        run = [*run, i] if run and i == run[-1] + 1 else [i]
        broken.append(i)
        light = [j for j in run[1:] if _lower(tokens[j]) in LIGHT_WORDS]
        if len(run) >= MAX_VERBATIM_RUN and light:
            broken.remove(light[0])
            run = run[run.index(light[0]) + 1 :]
    return broken


def _lower(token: Token) -> str:
    return token.shown.lower().replace("’", "'")


def _divide(tokens: list[Token], kept: list[int]) -> list[list[int]]:
    """The kept tokens, in lines of at most MAX_LINE_TOKENS where there are commas to divide them at."""
    if len(kept) <= MAX_LINE_TOKENS:
        return [kept] if kept else []
    places = [n + 1 for n, i in enumerate(kept[:-1]) if tokens[i].comma and MIN_LINE_TOKENS <= n + 1 <= len(kept) - 3]
    if not places:
        return [kept]
    middle = min(places, key=lambda place: abs(place - len(kept) / 2))
    return [*_divide(tokens, kept[:middle]), *_divide(tokens, kept[middle:])]


def _render(tokens: list[Token], indices: list[int], style: NoteStyle) -> str:
    """The tokens as one line; connectors at its end, which join nothing, go."""
    while indices and _lower(tokens[indices[-1]]) in CONNECTORS:
        indices = indices[:-1]
    words: list[str] = []
    for i in indices:
        word = _shown(tokens, i, style)
        if word == "and" and style.drops_and and words:
            words[-1] = words[-1].rstrip(",") + ","
            continue
        words.append(word + ("," if tokens[i].comma and i != indices[-1] else ""))
    return " ".join(words)


def _shown(tokens: list[Token], i: int, style: NoteStyle) -> str:
    """Token i as notes write it."""
    word = _lower(tokens[i])
    with_verb = PRONOUN_WITH_VERB.fullmatch(word)
    if with_verb:
        return "I" if with_verb[1] == "i" else with_verb[1]
    if style.splits_denials and word in ("didn't", "doesn't", "don't", "isn't", "wasn't", "aren't", "weren't"):
        return "not"
    if style.digits and not any(is_number(token) for token in (*tokens[max(0, i - 1) : i], *tokens[i + 1 : i + 2])):
        value = UNITS.get(word) or TENS.get(word)
        if value and word != "one":
            return str(value)
    return "I" if word == "i" else tokens[i].shown
