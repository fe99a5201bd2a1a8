"""What no sentence of a draft may do, each gate with its reason."""

from typing import Protocol

from blogtwin.drafting.claims import misplaced_numbers
from blogtwin.text.facts import unsupported_facts
from blogtwin.text.tokens import SHINGLE_WORDS, longest_match, ngram_index, tokenise_words

MIN_WORDS, MAX_WORDS = 3, 45  # of a sentence
MAX_REPEATED_WORDS = 7  # in a row, of what the draft says already


class TextChecks(Protocol):
    """What the search asks of the author's posts; its caller builds it, and the scorecard's headline never uses it."""

    def is_copied(self, text: str) -> bool:
        """Whether the text holds a longer run of a post than the author would repeat."""


class NoChecks:
    """No posts to compare with."""

    def is_copied(self, text: str) -> bool:
        """Never."""
        return False


def rejection_reason(sentence: str, before: str, window: str, source: str, checks: TextChecks) -> str | None:
    """Why a sentence can't stand after `before` in a draft from the notes `source`; None where it can. `window`: the
    title and the lines that it may tell."""
    words = tokenise_words(sentence)
    if not MIN_WORDS <= len(words) <= MAX_WORDS:
        return "length"
    if any(words == tokenise_words(line) for line in window.split("\n")):
        return "the line read out"
    if unsupported_facts(source, sentence):
        return "unsupported fact"
    if any(f.kind in ("number", "date") for f in unsupported_facts(window, sentence)):
        return "fact of another line"
    if misplaced_numbers(sentence, window):
        return "number out of its role"
    earlier = [tokenise_words(before)]
    if sentence in before or longest_match(words, ngram_index(earlier), earlier)[0] >= MAX_REPEATED_WORDS:
        return "repeats what was said"
    runs = [tuple(words[i : i + SHINGLE_WORDS - 1]) for i in range(len(words) - SHINGLE_WORDS + 2)]
    if len(set(runs)) < len(runs):
        return "repeats itself"
    if checks.is_copied(sentence):
        return "copied from a post"
    return None
