"""A post's sentences, without what is none: code, headings, the marks of lists and quotes."""

import re

CODE = re.compile(r"(?ms)^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1|\Z)")
HEADING = re.compile(r"(?m)^[ \t]*#{1,6}[ \t][^\n]*$")
QUOTE = re.compile(r"(?m)^[ \t]*(?:>[ \t]?)+")
ITEM = re.compile(r"(?m)^[ \t]*(?:[-*+]|\d+[.)])[ \t]+")
# A sentence ends after its stop and the quotes and brackets that close there, after a CJK stop, and with its paragraph.
END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]*_»]))\s+|(?<=[。！？])|\n[ \t]*\n")


def sentences(text: str) -> list[str]:
    """The sentences in order, white space folded."""
    text = QUOTE.sub("", HEADING.sub("\n\n", CODE.sub("\n\n", text)))
    pieces = END.split(ITEM.sub("\n\n", text))  # an item is a paragraph of its own, and "1." no sentence
    return [" ".join(p.split()) for p in pieces if re.search(r"\w", p)]


def first_words(text: str, n: int) -> str:
    """The first `n` words with the line breaks between them: what is compared at one length keeps its paragraphs."""
    return re.match(rf"(?:\s*\S+){{0,{n}}}", text)[0]
