"""Texts of about the length that was asked for.

A small model can't count the words it has written. So the loop that writes (decoding.py) counts for it: the text can't
end before SHORTEST of the words that were asked for; from then on it ends with its paragraph, or with the sentence that
is nearest to that number, and at LATEST with its line. (vLLM's `min_tokens` and the ExponentialDecayLengthPenalty of
transformers do the like, in tokens.)

The model is not shown a sentence that only says the length: a small one takes it for its topic. Of 24 texts of the
sample's twin that were asked for by “About 200 words.”, 7 spoke of that number and 5 of words.
"""

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from blogtwin.models.decoding import Constraint
from blogtwin.text.sentences import ABBREVIATION

if TYPE_CHECKING:
    from blogtwin.models.llama_cpp import LlamaModel

SHORTEST, LATEST = 0.85, 1.3  # of the words that were asked for
MIN_WORDS, MAX_WORDS = 20, 2000  # that somebody asks a post to have
SEARCHED_CHARACTERS = 600  # of a message, from its start: further down is what somebody attached, or wants rewritten
TOKENS_PER_WORD = 2.2  # at most, of a text in a language that the tokenizer knows
# “About 200 words.”, “in 150 words”, “of roughly 90 words”: with a word before that makes it a wish, since a note may
# say how many words somebody wrote.
WISH = re.compile(
    r"(?:^|[.!?:,;(]\s*|\b(?:write|in|of|with|is|be)\s+)(?:about|around|roughly|approximately|some|~|≈|ca?\.)?\s*"
    r"(\d{2,4})(?:\s*(?:-|–|to)\s*(\d{2,4}))?\s+words\b",
    re.I | re.M,
)
# “About 200 words.”, “80 to 120 words, please”: nothing else, as a sentence of its own.
WISH_SENTENCE = re.compile(
    r"(?:^|(?<=[.!?…”\"])\s+)(?:(?:about|around|roughly|approximately|some|~|≈|ca?\.)\s*)?"
    r"\d{2,4}(?:\s*(?:-|–|to)\s*\d{2,4})?\s+words(?: long)?(?:,? please)?[.!]?(?=\s|$)[ \t]*",
    re.I | re.M,
)
STOP = re.compile(r"[.!?…][\"”’)\]*_]*(?=\s|$)")
SENTENCE_END = re.compile(r"[^\W\d][.!?…][\"”’)\]*_]*$")


def length_request(words: int) -> str:
    """How a prompt asks for a length, in the words of the training examples."""
    return f"About {words} words."


def requested_words(prompt: str) -> int:
    """How many words a prompt asks for; of a range its middle; 0 where it does not say, or nobody would mean it."""
    found = [
        (int(low) + int(high or low)) // 2
        for line in prompt[:SEARCHED_CHARACTERS].split("\n")
        if not line.lstrip().startswith(("-", "*", "•", ">"))
        for low, high in WISH.findall(line)
    ]
    return found[-1] if found and MIN_WORDS <= found[-1] <= MAX_WORDS else 0


def max_answer_tokens(prompt: str, usual: int) -> int:
    """The token limit of an answer: the `usual` one, or as many as the words need that the prompt asks for."""
    return max(usual, round(requested_words(prompt) * TOKENS_PER_WORD))


def hide_length_request(prompt: str) -> str:
    """The prompt without sentences that only say how many words are wanted, where something else is left."""
    head, rest = prompt[:SEARCHED_CHARACTERS], prompt[SEARCHED_CHARACTERS:]
    return (WISH_SENTENCE.sub("", head) + rest).strip() or prompt


def sentence_end_near(text: str, words: int) -> int | None:
    """Where the sentence ends that is nearest to `words` words, as far as a text shows that is still written; None
    where it is yet to come."""
    for number, stop in enumerate(STOP.finditer(text), 1):
        count = len(text[: stop.end()].split())
        if stop.end() < len(text) and _is_nearest(count, number, words) and ends_sentence(text[: stop.end()]):
            return stop.end()
    return None


def _is_nearest(count: int, sentences: int, words: int) -> bool:
    """Whether one more sentence, as long as those so far on average, would lead further away from `words`."""
    return count + count / max(1, sentences) / 2 >= words


class WordTarget(Constraint):
    """Ends an answer near `words` words, where a paragraph or a sentence ends."""

    def __init__(self, model: "LlamaModel", words: int):
        self.model, self.words = model, words
        self.written = b""
        self.taken = 0

    def adjust(self, ids: list[int], candidates: np.ndarray) -> np.ndarray:
        """(n,) nats for the candidates: -inf for an end that comes too early, and for all else where it is time."""
        count, text = self._follow(ids)
        ends = np.array([self.model.ends(int(token)) for token in candidates])
        if count < SHORTEST * self.words:
            return np.where(ends, -math.inf, 0.0)
        if _is_nearest(count, len(STOP.findall(text)), self.words) and ends_sentence(text):
            return np.where(ends, 0.0, -math.inf)
        return np.zeros(len(candidates))

    def is_complete(self, ids: list[int]) -> bool:
        """Whether a paragraph has ended that makes the text long enough, or a line that makes it too long."""
        count, text = self._follow(ids)
        if count < SHORTEST * self.words or not text.endswith("\n"):
            return False
        return ends_sentence(text.rstrip()) or count >= LATEST * self.words

    def _follow(self, ids: list[int]) -> tuple[int, str]:
        """(words of the text so far, the text)."""
        for token in ids[self.taken :]:
            self.written += self.model.piece(token)
        self.taken = len(ids)
        text = self.written.decode("utf-8", "ignore")
        return len(text.split()), text


def ends_sentence(text: str) -> bool:
    """Whether a text ends with a sentence: not with a number's point or an abbreviation."""
    return bool(SENTENCE_END.search(text)) and not ABBREVIATION.search(text)
