"""What a passage is about: its tokens weighted by inverse document frequency, key phrases, and notes that keep every
fact."""

import math
import re
from collections import Counter
from dataclasses import dataclass, replace

from blogtwin.text import entities, numbers
from blogtwin.text.sentences import split_sentences
from blogtwin.text.stopwords import NEGATIONS, STOP_WORDS
from blogtwin.text.tokens import tokenise_words

MAX_VERBATIM_RUN = 6  # words in a row that are never the passage's own
STRIPPED_MARKS = "*_#>“”\"‘’'()[]{}.,;:!?…"
FACT_NEIGHBOUR_WEIGHT = 15.0  # the weight of what a number or a denial makes no sense without: its unit, what is denied
NON_TOPICAL = NEGATIONS | {*numbers.MONTHS, *numbers.DAYS}  # never what a passage is about


class InverseDocumentFrequency:
    """How much a word tells: its rarity among the author's posts (idf); 0 where it tells nothing."""

    def __init__(self, texts: list[str]):
        self.n = len(texts)
        self.found = Counter(word for text in texts for word in set(tokenise_words(text)))

    def __call__(self, word: str) -> float:
        often = self.n >= 8 and self.found[word] > 0.6 * self.n  # in any language, the words that are in most posts
        return 0.0 if word in STOP_WORDS or often else 1 + math.log((1 + self.n) / (1 + self.found[word]))


@dataclass(frozen=True)
class Token:
    shown: str
    sentence: int
    size: int  # words
    rarity: float  # what it tells by itself
    weight: float  # the same where it stands; inf for a number or a name
    comma: bool  # whether one follows


def extract_key_phrases(found: list[Token], most: int) -> list[str]:
    """Runs of up to three telling words that stand together, the most telling first (TF-IDF), no word twice."""
    times = Counter(t.shown.lower() for t in found)
    runs: list[list[Token]] = []
    before = -2
    for i, token in enumerate(found):
        if token.rarity and token.shown.lower() not in NON_TOPICAL and not re.fullmatch(r"[\W\d]+", token.shown):
            if (
                before == i - 1
                and runs[-1][-1].sentence == token.sentence
                and not runs[-1][-1].comma
                and len(runs[-1]) < 3
            ):
                runs[-1].append(token)
            else:
                runs.append([token])
            before = i
    ranked = sorted(
        runs,
        key=lambda run: (
            -sum((t.rarity + (t.weight == math.inf)) * (1 + math.log(times[t.shown.lower()])) for t in run)
            / len(run) ** 0.7
        ),
    )
    chosen, seen = [], set()
    for run in ranked:
        own = {t.shown.lower() for t in run}
        if not own & seen and len(chosen) < most:
            chosen.append(" ".join(t.shown for t in run))
            seen |= own
    return chosen


def join_terms(terms: list[str]) -> str:
    return terms[0] if len(terms) == 1 else f"{', '.join(terms[:-1])} and {terms[-1]}"


def tokenise(passage: str, weights: InverseDocumentFrequency) -> list[Token]:
    """The words of a passage's sentences with what they tell; marks and punctuation around them are gone."""
    known = {word for name in entities.extract_names(passage) for word in name.split()}
    found = []
    for number, sentence in enumerate(split_sentences(passage)):
        written = [
            (w, bool(re.search(r"[,;:][\"”’)*_]*$", raw)))
            for raw in re.split(r"\s+|—|--|(?<=\w)–(?=[^\W\d])", sentence)
            if (w := raw.strip(STRIPPED_MARKS)) and tokenise_words(w)
        ]
        for place, (word, comma) in enumerate(written):
            follower = written[place + 1][0] if place + 1 < len(written) else ""
            fact = is_fact(word, follower, known)
            plain = word if place or fact or not word.istitle() else word.lower()
            rarity = max(map(weights, tokenise_words(word.replace("’", "'"))), default=0.0)
            found.append(Token(plain, number, len(tokenise_words(word)), rarity, math.inf if fact else rarity, comma))
    return [reweight(found, i) for i in range(len(found))]


def reweight(found: list[Token], i: int) -> Token:
    """The token with the weight it has after its neighbours: “4 mm” is no fact without its unit, “not” none without
    what is denied."""
    before, here, after = (
        found[j] if 0 <= j < len(found) and found[j].sentence == found[i].sentence else None for j in (i - 1, i, i + 1)
    )
    if here.weight == math.inf:
        return here
    unit = is_number(before) and (here.rarity > 0 or is_number(after))  # 4 mm, 7 of 9, 10 to 11
    denied = before and is_negation(before) and here.rarity > 0
    return replace(here, weight=FACT_NEIGHBOUR_WEIGHT) if unit or denied or is_negation(here) else here


def is_number(token: Token | None) -> bool:
    return token is not None and token.weight == math.inf and not token.shown[0].isupper()


def is_negation(token: Token) -> bool:
    """What is left of “it has not stopped” must not say that it has."""
    low = token.shown.lower().replace("’", "'")
    return low in NEGATIONS or low.endswith("n't")


def is_fact(word: str, follower: str, known: set[str]) -> bool:
    """A number in digits or words, a day or a month, or part of a name."""
    low = word.lower()
    pieces = low.split("-")
    counted = numbers.UNITS.keys() | numbers.TENS.keys() | numbers.SCALES.keys()
    if low in ("a", "an"):
        return follower.lower() in numbers.SCALES  # “a hundred” is a number, “hundred” none
    if any(c.isdigit() for c in word) or any(p in counted - {"one"} for p in pieces):
        return True
    if word[0].isupper() and low.rstrip("s") in {*numbers.MONTHS, *numbers.DAYS}:
        return True
    return any(c.isupper() for c in word) and any(
        entities.normalise_name(w) in known for w in entities.WORD.findall(word)
    )


def group_by_sentence(found: list[Token], kept: list[int] | None = None) -> list[list[int]]:
    """The numbers of the tokens (of those `kept`), a list a sentence; none is empty."""
    groups: dict[int, list[int]] = {}
    for i in range(len(found)) if kept is None else kept:
        groups.setdefault(found[i].sentence, []).append(i)
    return list(groups.values())


def salient_tokens(found: list[Token], sentence: list[int], most: int) -> list[int]:
    """All facts of a sentence with what belongs to them, and its most telling words while they are fewer than
    `most`."""
    ranked = sorted((i for i in sentence if found[i].weight > 0), key=lambda i: -found[i].weight)
    return sorted(i for place, i in enumerate(ranked) if place < most or found[i].weight >= FACT_NEIGHBOUR_WEIGHT)


def break_verbatim_runs(found: list[Token], kept: list[int]) -> list[int]:
    """Without the least telling of each RUN words that stand in a row in the passage; facts stay."""
    out: list[int] = []
    row: list[int] = []  # the tokens at the end of `out` that follow each other in the passage
    for i in kept:
        if row and i != row[-1] + 1:
            row = []
        row.append(i)
        out.append(i)
        if (
            sum(found[j].size for j in row) >= MAX_VERBATIM_RUN
            and found[
                least := min(
                    row, key=lambda j: (found[j].weight == math.inf, is_repeated(found, j), found[j].weight, -j)
                )
            ].weight
            < math.inf
        ):
            out.remove(least)
            row = row[row.index(least) + 1 :]
    return out


def is_repeated(found: list[Token], i: int) -> bool:
    """Whether the word before or after is the same: without one of the two, the row would stand as it stood."""
    return any(0 <= j < len(found) and found[j].shown.lower() == found[i].shown.lower() for j in (i - 1, i + 1))


def render_tokens(found: list[Token], some: list[int]) -> str:
    return " ".join(found[i].shown + ("," if found[i].comma and i != some[-1] else "") for i in some)
