"""Habits one can count, as a person would name them: they explain a style score, and describe the style to a model."""

import re
from collections.abc import Callable

import numpy as np

from blogtwin.text.markdown import extract_prose
from blogtwin.text.sentences import PROSE_END
from blogtwin.text.stopwords import CONTRACTIONS
from eval.style.features import WORD

FIRST_PERSON, SECOND_PERSON = (
    frozenset(["i", "me", "my", "mine", "myself", "i'm", "i've", "i'd", "i'll"]),
    frozenset(["you", "your", "yours", "yourself", "you're", "you've", "you'll", "you'd"]),
)


def _words(text: str) -> list[str]:
    return [w.lower() for w in WORD.findall(extract_prose(text))]


def _per_thousand(pattern: str) -> Callable[[str], float]:
    return lambda text: 1000 * len(re.findall(pattern, extract_prose(text))) / max(1, len(extract_prose(text).split()))


def _share_of_words(of: frozenset) -> Callable[[str], float]:
    return lambda text: 1000 * sum(w in of for w in _words(text)) / max(1, len(_words(text)))


def _sentence_lengths(text: str) -> list[int]:
    return [
        n for block in extract_prose(text).split("\n\n") for s in PROSE_END.split(block) if (n := len(s.split()))
    ] or [0]


def _per_line(pattern: str) -> Callable[[str], float]:
    return lambda text: 1000 * len(re.findall(pattern, text, re.M)) / max(1, len(text.split()))


# name → (what it is, unit, measure of one Markdown text)
STYLE_FEATURES: dict[str, tuple[str, str, Callable[[str], float]]] = {
    "sentence_words": ("sentence length", "words", lambda t: float(np.mean(_sentence_lengths(t)))),
    "sentence_spread": ("spread of sentence lengths", "words", lambda t: float(np.std(_sentence_lengths(t)))),
    "paragraph_words": (
        "paragraph length",
        "words",
        lambda t: float(np.mean([len(b.split()) for b in extract_prose(t).split("\n\n")])),
    ),
    "commas": ("commas", "per 1,000 words", _per_thousand(",")),
    "dashes": ("dashes", "per 1,000 words", _per_thousand("—| - ")),
    "colons": ("colons", "per 1,000 words", _per_thousand(":")),
    "semicolons": ("semicolons", "per 1,000 words", _per_thousand(";")),
    "parentheses": ("parentheses", "per 1,000 words", _per_thousand(r"\(")),
    "questions": ("questions", "per 1,000 words", _per_thousand(r"\?")),
    "exclamations": ("exclamation marks", "per 1,000 words", _per_thousand("!")),
    "quotation_marks": ("quotation marks", "per 1,000 words", _per_thousand('"')),
    "numbers": ("numbers in figures", "per 1,000 words", _per_thousand(r"\b\d[\d.,]*")),
    "contractions": ("contractions", "per 1,000 words", _share_of_words(CONTRACTIONS)),
    "first_person": ("“I”, “me”, “my”", "per 1,000 words", _share_of_words(FIRST_PERSON)),
    "second_person": ("“you”, “your”", "per 1,000 words", _share_of_words(SECOND_PERSON)),
    "headings": ("headings", "per 1,000 words", _per_line(r"^#{1,6} ")),
    "list_items": ("list items", "per 1,000 words", _per_line(r"^\s*(?:[-*+]|\d+[.)])\s")),
}


def measure(texts: list[str]) -> dict[str, np.ndarray]:
    """{habit: (n,) values} of the texts that have prose."""
    texts = [t for t in texts if extract_prose(t)]
    return {name: np.array([measure(t) for t in texts]) for name, (_, _, measure) in STYLE_FEATURES.items()}


def z_scores(voice: dict[str, np.ndarray], author: dict[str, np.ndarray]) -> dict[str, float]:
    """Per habit (mean of the voice − mean of the author) / spread between the author's texts; within ±0.5 is his own
    way."""
    out = {}
    for name, own in author.items():
        spread = own.std(ddof=1) if len(own) > 1 else 0.0
        gap = voice[name].mean() - own.mean() if len(voice[name]) else float("nan")
        out[name] = float(gap / spread) if spread > 1e-9 else 0.0 if abs(gap) < 1e-9 else float(np.copysign(9.0, gap))
    return out


def style_prompt(texts: list[str]) -> str:
    """The author's habits in words, as one would tell them to a model that is asked to write like this person."""
    own = {name: float(values.mean()) for name, values in measure(texts).items()}
    pace = "short" if own["sentence_words"] < 13 else "long" if own["sentence_words"] > 21 else "medium"
    evenly = "that vary a lot" if own["sentence_spread"] > 0.6 * own["sentence_words"] else "of even length"
    parts = [
        (
            f"Write {pace} sentences {evenly} (about {own['sentence_words']:.0f} words), in paragraphs of about"
            f" {own['paragraph_words']:.0f} words."
        ),
        "Write in the first person." if own["first_person"] > 20 else "Seldom say “I”.",
        "Speak to the reader as “you”." if own["second_person"] > 12 else "Do not address the reader.",
        "Use contractions." if own["contractions"] > 8 else "Do not use contractions.",
    ]
    often = [
        STYLE_FEATURES[n][0]
        for n, least in (
            ("parentheses", 6),
            ("dashes", 4),
            ("semicolons", 3),
            ("questions", 4),
            ("exclamations", 3),
            ("colons", 8),
            ("numbers", 15),
            ("list_items", 8),
            ("headings", 4),
        )
        if own[n] >= least
    ]
    never = [STYLE_FEATURES[n][0] for n in ("exclamations", "semicolons", "questions", "dashes") if own[n] < 0.5]
    if often:
        parts.append(f"Often use {', '.join(often)}.")
    if never:
        parts.append(f"Do not use {', '.join(never)}.")
    return " ".join(parts)
