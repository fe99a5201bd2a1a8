"""Split a post into sentences, without code, headings, and the marks of lists and quotes."""

import re
from collections.abc import Sequence
from typing import TypeVar

from blogtwin.text.markdown import FENCE_ANY_END

Item = TypeVar("Item")
HEADING = re.compile(r"(?m)^[ \t]*#{1,6}[ \t][^\n]*$")
QUOTE = re.compile(r"(?m)^[ \t]*(?:>[ \t]?)+")
ITEM = re.compile(r"(?m)^[ \t]*(?:[-*+]|\d+[.)])[ \t]+")
# Ends of sentences. There are several patterns on purpose: a change to one changes what its user measures.
# In a post: after a stop and the closing quotes and brackets that follow it, after a CJK stop, and after a paragraph.
SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]*_»]))\s+|(?<=[。！？])|\n[ \t]*\n")
# In running prose without typographic quotes, for the measurement of sentence lengths.
PROSE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")
# In notes, and at the end of a part of a post, where a line is a sentence too.
LINE_OR_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
# In a paragraph that is too long for a training row.
CLAUSE_END = re.compile(r"(?<=[.!?:;])(?=\s)")
# In an answer whose number of sentences is checked.
COUNTED_END = re.compile(r"(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\bSt)[.!?…]+[\"'”’)*_]*(?=\s|$)")
# A full stop that ends no sentence.
ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|No|vs|e\.g|i\.e|etc|[A-Z])\.$")


def split_prose(text: str) -> list[str]:
    """The sentences of a paragraph letter by letter; “Mr. Tonkin” is not divided."""
    sentences: list[str] = []
    for piece in SENTENCE_END.split(text):
        if sentences and ABBREVIATION.search(sentences[-1]):
            sentences[-1] += f" {piece}"
        else:
            sentences.append(piece)
    return [sentence.strip() for sentence in sentences if sentence.strip()]


def split_sentences(text: str) -> list[str]:
    """The sentences in order, with white space collapsed."""
    text = QUOTE.sub("", HEADING.sub("\n\n", FENCE_ANY_END.sub("\n\n", text)))
    pieces = SENTENCE_END.split(ITEM.sub("\n\n", text))  # a list item is its own paragraph, and "1." is no sentence
    return [" ".join(p.split()) for p in pieces if re.search(r"\w", p)]


def truncate_words(text: str, n: int) -> str:
    """The first `n` words, with the line breaks between them, so that paragraphs stay."""
    match = re.match(rf"(?:\s*\S+){{0,{n}}}", text)
    assert match is not None  # it may be empty
    return match[0]


def count_sentences(text: str) -> int:
    """Number of sentences of an answer, as a person would count them; the last one may lack its full stop."""
    text = text.strip()
    ends = list(COUNTED_END.finditer(text))
    rest = text[ends[-1].end() :] if ends else text
    return len(ends) + bool(rest.strip())


def split_evenly(items: Sequence[Item], parts: int) -> list[list[Item]]:
    """Sentences, lines or the like in so many runs, in their order; no two runs differ by more than one item."""
    bounds = [round(i * len(items) / parts) for i in range(parts + 1)]
    return [list(items[start:end]) for start, end in zip(bounds, bounds[1:], strict=False)]
