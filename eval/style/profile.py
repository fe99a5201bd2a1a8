"""Style features that a person would name and count: they explain a style score, and describe the style to a model."""

import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from blogtwin.text.markdown import extract_prose
from blogtwin.text.sentences import PROSE_END
from blogtwin.text.stopwords import CONTRACTIONS
from eval.rounding import round_metric, round_values
from eval.style.features import WORD

FIRST_PERSON = frozenset(["i", "me", "my", "mine", "myself", "i'm", "i've", "i'd", "i'll"])
SECOND_PERSON = frozenset(["you", "your", "yours", "yourself", "you're", "you've", "you'll", "you'd"])
MAX_CLOSE_Z = 0.5  # within this of the author's mean, a feature is as the author has it


def _words(text: str) -> list[str]:
    return [w.lower() for w in WORD.findall(extract_prose(text))]


def _per_thousand(pattern: str) -> Callable[[str], float]:
    return lambda text: 1000 * len(re.findall(pattern, extract_prose(text))) / max(1, len(extract_prose(text).split()))


def _words_per_thousand(wanted: frozenset[str]) -> Callable[[str], float]:
    return lambda text: 1000 * sum(word in wanted for word in _words(text)) / max(1, len(_words(text)))


def _sentence_lengths(text: str) -> list[int]:
    """Words of each sentence; [0] for a text without any."""
    lengths = []
    for block in extract_prose(text).split("\n\n"):
        lengths += [len(sentence.split()) for sentence in PROSE_END.split(block) if sentence.strip()]
    return lengths or [0]


def _paragraph_lengths(text: str) -> list[int]:
    return [len(block.split()) for block in extract_prose(text).split("\n\n")]


def _per_line(pattern: str) -> Callable[[str], float]:
    return lambda text: 1000 * len(re.findall(pattern, text, re.M)) / max(1, len(text.split()))


# name → (what it is, unit, measure of one Markdown text)
STYLE_FEATURES: dict[str, tuple[str, str, Callable[[str], float]]] = {
    "sentence_words": ("sentence length", "words", lambda t: float(np.mean(_sentence_lengths(t)))),
    "sentence_spread": ("spread of sentence lengths", "words", lambda t: float(np.std(_sentence_lengths(t)))),
    "paragraph_words": ("paragraph length", "words", lambda t: float(np.mean(_paragraph_lengths(t)))),
    "commas": ("commas", "per 1,000 words", _per_thousand(",")),
    "dashes": ("dashes", "per 1,000 words", _per_thousand("—| - ")),
    "colons": ("colons", "per 1,000 words", _per_thousand(":")),
    "semicolons": ("semicolons", "per 1,000 words", _per_thousand(";")),
    "parentheses": ("parentheses", "per 1,000 words", _per_thousand(r"\(")),
    "questions": ("questions", "per 1,000 words", _per_thousand(r"\?")),
    "exclamations": ("exclamation marks", "per 1,000 words", _per_thousand("!")),
    "quotation_marks": ("quotation marks", "per 1,000 words", _per_thousand('"')),
    "numbers": ("numbers in figures", "per 1,000 words", _per_thousand(r"\b\d[\d.,]*")),
    "contractions": ("contractions", "per 1,000 words", _words_per_thousand(CONTRACTIONS)),
    "first_person": ("“I”, “me”, “my”", "per 1,000 words", _words_per_thousand(FIRST_PERSON)),
    "second_person": ("“you”, “your”", "per 1,000 words", _words_per_thousand(SECOND_PERSON)),
    "headings": ("headings", "per 1,000 words", _per_line(r"^#{1,6} ")),
    "list_items": ("list items", "per 1,000 words", _per_line(r"^\s*(?:[-*+]|\d+[.)])\s")),
}


def measure(texts: list[str]) -> dict[str, np.ndarray]:
    """{feature: (n,) values} of the texts that have prose."""
    texts = [text for text in texts if extract_prose(text)]
    values = {}
    for name, (_, _, count) in STYLE_FEATURES.items():
        values[name] = np.array([count(text) for text in texts])
    return values


def z_scores(system: dict[str, np.ndarray], author: dict[str, np.ndarray]) -> dict[str, float]:
    """Per feature (mean of the system − mean of the author) / standard deviation between the author's texts; within
    ±0.5 is the author's own way. ±9 where the author's texts are all alike and the system's mean is not theirs."""
    z: dict[str, float] = {}
    for name, own in author.items():
        spread = own.std(ddof=1) if len(own) > 1 else 0.0
        gap = system[name].mean() - own.mean() if len(system[name]) else float("nan")
        if spread > 1e-9:
            z[name] = float(gap / spread)
        else:
            z[name] = 0.0 if abs(gap) < 1e-9 else float(np.copysign(9.0, gap))
    return z


@dataclass
class ProfileMetrics:
    """z-scores of each system, and the values that they come from: {system: {feature: one value a text}}."""

    by_system: dict[str, dict[str, float]]
    values: dict[str, dict[str, list[float]]]


def profile_metrics(texts: dict[str, list[str]], models: list[str], held_out: list[str]) -> ProfileMetrics:
    """The models' texts against the author's `held_out` posts; `within_half`: share of the features within ±0.5."""
    tables = {name: measure(texts[name]) for name in models} | {"author": measure(held_out)}
    found = ProfileMetrics({}, {})
    for name, table in tables.items():
        found.values[name] = {feature: values.tolist() for feature, values in table.items()}
        if name != "author":
            z = z_scores(table, tables["author"])
            within = statistics.mean(abs(value) <= MAX_CLOSE_Z for value in z.values())
            found.by_system[name] = {**round_values(z), "within_half": round_metric(within)}
    return found


def style_prompt(texts: list[str]) -> str:
    """The author's style features in words, as instructions to a model that is asked to write like this person."""
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
