"""A post's sentences, without what is none: code, headings, the marks of lists and quotes."""

import re

from blogtwin.text.markdown import FENCE_ANY_END

HEADING = re.compile(r"(?m)^[ \t]*#{1,6}[ \t][^\n]*$")
QUOTE = re.compile(r"(?m)^[ \t]*(?:>[ \t]?)+")
ITEM = re.compile(r"(?m)^[ \t]*(?:[-*+]|\d+[.)])[ \t]+")
# Where sentences end. Each reading has its use, and a change to one changes what its user measures.
# In a post: after the stop and the quotes and brackets that close there, after a CJK stop, and with the paragraph.
SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]*_»]))\s+|(?<=[。！？])|\n[ \t]*\n")
PROSE_END = re.compile(
    r"(?<=[.!?])[\"')\]]*\s+"
)  # in running prose without typography: what sentence lengths are measured by
LINE_OR_SENTENCE_END = re.compile(
    r"(?<=[.!?])\s+|\n+"
)  # in notes and in the end of a part, whose lines are sentences too
CLAUSE_END = re.compile(r"(?<=[.!?:;])(?=\s)")  # in a paragraph that is too long for a training row
COUNTED_END = re.compile(
    r"(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\bSt)[.!?…]+[\"'”’)*_]*(?=\s|$)"
)  # in an answer that is to have so many


def split_sentences(text: str) -> list[str]:
    """The sentences in order, white space folded."""
    text = QUOTE.sub("", HEADING.sub("\n\n", FENCE_ANY_END.sub("\n\n", text)))
    pieces = SENTENCE_END.split(ITEM.sub("\n\n", text))  # an item is a paragraph of its own, and "1." no sentence
    return [" ".join(p.split()) for p in pieces if re.search(r"\w", p)]


def truncate_words(text: str, n: int) -> str:
    """The first `n` words with the line breaks between them: what is compared at one length keeps its paragraphs."""
    return re.match(rf"(?:\s*\S+){{0,{n}}}", text)[0]


def count_sentences(text: str) -> int:
    """Ends of sentences, and a last one that has none: as a person would count an answer's."""
    ends = list(COUNTED_END.finditer(text.strip()))
    return len(ends) + bool(text.strip()[ends[-1].end() if ends else 0 :].strip())
