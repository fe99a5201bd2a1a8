"""The running prose of a post: the only part that is used for the comparison of styles.

Code, quotations, headings, tables, pictures and URLs are removed; list items stay, without their marks. Quotation marks
and dashes become plain ASCII ones where such exist: typography is chosen by the editor, not by the writer.
"""

import re

# Fenced code. There are several patterns on purpose: a change to one changes what its user measures.
# A block; one that is not closed ends with the text.
CODE_FENCE = re.compile(r"(?ms)^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)")
FENCE_ANY_END = re.compile(r"(?ms)^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1|\Z)")  # text may follow the closing fence
FENCE_CLOSED = re.compile(r"(?ms)^[ \t]*(```|~~~).*?^[ \t]*\1")  # only a block that is closed
FENCE_START = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.M)  # the opening line
# A block of a published post, as one alternative of a larger pattern: with the group `fence`, and without a ``` that is
# opened and closed in one line.
PUBLISHED_FENCE = r"^[ \t]*(?P<fence>`{3,}(?!`)|~{3,}(?!~))[^\n`]*\n.*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
NOT_PROSE = re.compile(
    r"(?m)^(?:[ \t]*(?:>|#{1,6}[ \t]|\||:::|!\[).*|(?: {4}|\t)(?![ \t]*(?:[-*+]|\d+[.)])[ \t]).*|[ \t]*(?:[-*_]["
    r" \t]*){3,}|[ \t]*\[\^?[^\]\n]+\]:.*)$"
)
LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\n]*\)")
TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "…": "...", "–": "—"})


def extract_prose(text: str) -> str:
    """The running prose of a Markdown text, paragraphs between blank lines."""
    text = CODE_FENCE.sub("", text)
    text = LINK.sub(r"\1", NOT_PROSE.sub("", text))
    text = re.sub(r"`+[^`\n]*`+", "x", text)  # inline code is used like a noun in its sentence
    text = re.sub(r"https?://\S+", "", text)
    text = re.sub(r"(?m)^[ \t]*(?:[-*+]|\d+[.)])[ \t]+(?:\[[ xX]\][ \t]+)?", "", text)
    text = re.sub(r"(?<!\w)(\*{1,3}|_{1,3})(?=\S)([^*_\n]+?)\1(?!\w)", r"\2", text)
    text = re.sub(r"(?<=\s)--(?=\s)| -- ", "—", text.translate(TYPOGRAPHY))
    paragraphs = (" ".join(block.split()) for block in re.split(r"\n[ \t]*\n", text))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
