"""What a passage is about: its tokens weighted by inverse document frequency, key phrases, and notes with all facts."""

import math
import re
from collections import Counter
from dataclasses import dataclass, replace

from blogtwin.text import entities, numbers
from blogtwin.text.sentences import split_sentences
from blogtwin.text.stopwords import NEGATIONS, STOP_WORDS
from blogtwin.text.tokens import tokenise_words

MAX_VERBATIM_RUN = 6  # notes never have this many words in a row in common with their passage
STRIPPED_MARKS = "*_#>“”\"‘’'()[]{}.,;:!?…"
# Weight of a word without which a number or a negation makes no sense: its unit, or what is negated.
FACT_NEIGHBOUR_WEIGHT = 15.0
NON_TOPICAL = NEGATIONS | {*numbers.MONTHS, *numbers.DAYS}  # never part of a key phrase


class InverseDocumentFrequency:
    """Inverse document frequency of words in the author's posts; 0 for stop words and for words in most posts."""

    def __init__(self, texts: list[str]):
        self.n = len(texts)
        # {word: number of posts that contain it}
        self.counts = Counter(word for text in texts for word in set(tokenise_words(text)))

    def __call__(self, word: str) -> float:
        is_common = self.n >= 8 and self.counts[word] > 0.6 * self.n  # stop words, in any language
        return 0.0 if word in STOP_WORDS or is_common else 1 + math.log((1 + self.n) / (1 + self.counts[word]))


@dataclass(frozen=True)
class Token:
    """A word of a passage as it is written, without the punctuation around it."""

    shown: str
    sentence: int  # index of its sentence
    size: int  # number of words in it, as `tokenise_words` counts them
    rarity: float  # inverse document frequency
    weight: float  # the same in its context: inf for a number or a name
    comma: bool  # whether a comma, semicolon or colon follows


def extract_key_phrases(tokens: list[Token], max_phrases: int) -> list[str]:
    """Up to `max_phrases` runs of one to three rare words, by descending TF-IDF; no word occurs in two of them."""
    frequency = Counter(t.shown.lower() for t in tokens)
    runs: list[list[Token]] = []
    previous = -2  # index of the last token in a run
    for i, token in enumerate(tokens):
        if token.rarity and token.shown.lower() not in NON_TOPICAL and not re.fullmatch(r"[\W\d]+", token.shown):
            if previous == i - 1 and _continues(runs[-1], token):
                runs[-1].append(token)
            else:
                runs.append([token])
            previous = i

    def score(run: list[Token]) -> float:
        weights = ((t.rarity + (t.weight == math.inf)) * (1 + math.log(frequency[t.shown.lower()])) for t in run)
        return sum(weights) / len(run) ** 0.7

    phrases: list[str] = []
    seen: set[str] = set()
    for run in sorted(runs, key=lambda run: -score(run)):
        words = {t.shown.lower() for t in run}
        if not words & seen and len(phrases) < max_phrases:
            phrases.append(" ".join(t.shown for t in run))
            seen |= words
    return phrases


def _continues(run: list[Token], token: Token) -> bool:
    """Whether the next token may be added to a run: same sentence, no comma in between, at most three tokens."""
    return run[-1].sentence == token.sentence and not run[-1].comma and len(run) < 3


def join_terms(terms: list[str]) -> str:
    """["a", "b", "c"] → "a, b and c"."""
    return terms[0] if len(terms) == 1 else f"{', '.join(terms[:-1])} and {terms[-1]}"


def tokenise(passage: str, weights: InverseDocumentFrequency) -> list[Token]:
    """The tokens of a passage, weighted; punctuation and markup around the words is stripped."""
    name_words = {word for name in entities.extract_names(passage) for word in name.split()}
    tokens: list[Token] = []
    for number, sentence in enumerate(split_sentences(passage)):
        words = []  # (word, whether a comma follows)
        for raw in re.split(r"\s+|—|--|(?<=\w)–(?=[^\W\d])", sentence):
            word = raw.strip(STRIPPED_MARKS)
            if tokenise_words(word):
                words.append((word, bool(re.search(r"[,;:][\"”’)*_]*$", raw))))
        for i, (word, comma) in enumerate(words):
            next_word = words[i + 1][0] if i + 1 < len(words) else ""
            fact = is_fact(word, next_word, name_words)
            shown = word if i or fact or not word.istitle() else word.lower()  # a capital that only opens the sentence
            rarity = max(map(weights, tokenise_words(word.replace("’", "'"))), default=0.0)
            tokens.append(Token(shown, number, len(tokenise_words(word)), rarity, math.inf if fact else rarity, comma))
    return [reweight(tokens, i) for i in range(len(tokens))]


def reweight(tokens: list[Token], i: int) -> Token:
    """Token i with FACT_NEIGHBOUR_WEIGHT if a fact needs it: “4” its unit “mm”, “not” the word that it negates."""
    token, before, after = tokens[i], neighbour(tokens, i, -1), neighbour(tokens, i, 1)
    if token.weight == math.inf:
        return token
    is_unit = is_number(before) and (token.rarity > 0 or is_number(after))  # 4 mm, 7 of 9, 10 to 11
    is_negated = before is not None and is_negation(before) and token.rarity > 0
    if is_unit or is_negated or is_negation(token):
        return replace(token, weight=FACT_NEIGHBOUR_WEIGHT)
    return token


def neighbour(tokens: list[Token], i: int, offset: int) -> Token | None:
    """The token before (-1) or after (1) token i, if it is in the same sentence."""
    j = i + offset
    return tokens[j] if 0 <= j < len(tokens) and tokens[j].sentence == tokens[i].sentence else None


def is_number(token: Token | None) -> bool:
    """Whether a token is a fact without a capital: a number, or a number word."""
    return token is not None and token.weight == math.inf and not token.shown[0].isupper()


def is_negation(token: Token) -> bool:
    """Whether a token negates the next one. Notes keep both: those of “it has not stopped” must not say that it has."""
    low = token.shown.lower().replace("’", "'")
    return low in NEGATIONS or low.endswith("n't")


def is_fact(word: str, next_word: str, name_words: set[str]) -> bool:
    """Whether a word is a number in digits or words, a day or a month, or part of a name.

    `name_words`: the words of all names in the passage.
    """
    low = word.lower()
    pieces = low.split("-")
    counted = numbers.UNITS.keys() | numbers.TENS.keys() | numbers.SCALES.keys()
    if low in ("a", "an"):
        return next_word.lower() in numbers.SCALES  # “a hundred”
    if any(c.isdigit() for c in word) or any(p in counted - {"one"} for p in pieces):
        return True
    if word[0].isupper() and low.rstrip("s") in {*numbers.MONTHS, *numbers.DAYS}:
        return True
    parts = {entities.normalise_name(part) for part in entities.WORD.findall(word)}
    return any(c.isupper() for c in word) and not parts.isdisjoint(name_words)


def group_by_sentence(tokens: list[Token], indices: list[int] | None = None) -> list[list[int]]:
    """The indices of the tokens (all, or those in `indices`), one list per sentence; no list is empty."""
    groups: dict[int, list[int]] = {}
    for i in range(len(tokens)) if indices is None else indices:
        groups.setdefault(tokens[i].sentence, []).append(i)
    return list(groups.values())


def salient_tokens(tokens: list[Token], sentence: list[int], max_tokens: int) -> list[int]:
    """The `max_tokens` tokens of a sentence with the highest weights, and always all facts and their neighbours."""
    ranked = sorted((i for i in sentence if tokens[i].weight > 0), key=lambda i: -tokens[i].weight)
    return sorted(i for n, i in enumerate(ranked) if n < max_tokens or tokens[i].weight >= FACT_NEIGHBOUR_WEIGHT)


def break_verbatim_runs(tokens: list[Token], indices: list[int]) -> list[int]:
    """`indices` without one token of each run of MAX_VERBATIM_RUN words of the passage: the one with the least weight.

    Facts stay, so that a run of facts alone remains.
    """

    def priority(i: int) -> tuple[bool, bool, float, int]:
        return tokens[i].weight == math.inf, is_repeated(tokens, i), tokens[i].weight, -i

    selected: list[int] = []
    run: list[int] = []  # the tokens at the end of `selected` that are consecutive in the passage
    for i in indices:
        if run and i != run[-1] + 1:
            run = []
        run.append(i)
        selected.append(i)
        if sum(tokens[j].size for j in run) >= MAX_VERBATIM_RUN:
            least = min(run, key=priority)
            if tokens[least].weight < math.inf:
                selected.remove(least)
                run = run[run.index(least) + 1 :]
    return selected


def is_repeated(tokens: list[Token], i: int) -> bool:
    """Whether the token before or after is the same word: removing one of the two would leave the run as it was."""
    word = tokens[i].shown.lower()
    return any(0 <= j < len(tokens) and tokens[j].shown.lower() == word for j in (i - 1, i + 1))


def render_tokens(tokens: list[Token], indices: list[int]) -> str:
    """The tokens as text, with their commas, except after the last."""
    last = indices[-1] if indices else None
    return " ".join(tokens[i].shown + ("," if tokens[i].comma and i != last else "") for i in indices)
