"""What of a post is the author's own running prose: the only part on which styles are compared.

Code, quotations, headings, tables, pictures and addresses go; list items stay, without their marks. Quotation marks and
dashes keep their kind but lose their typography, since an editor chooses it and not the writer.
"""

import re

# Fenced code. Each reading has its use, and a change to one changes what its user measures.
CODE_FENCE = re.compile(
    r"(?ms)^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)"
)  # a block; one without an end goes on to the end
FENCE_ANY_END = re.compile(r"(?ms)^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1|\Z)")  # … whose closing line may go on
FENCE_CLOSED = re.compile(r"(?ms)^[ \t]*(```|~~~).*?^[ \t]*\1")  # only where it ends
FENCE_START = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.M)  # its first line
# A block in what was published, as one alternative of a larger pattern: with the group `fence`, and no ``` that opens
# and closes in a line.
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
    text = re.sub(r"`+[^`\n]*`+", "x", text)  # a piece of code is a noun in its sentence
    text = re.sub(r"https?://\S+", "", text)
    text = re.sub(r"(?m)^[ \t]*(?:[-*+]|\d+[.)])[ \t]+(?:\[[ xX]\][ \t]+)?", "", text)
    text = re.sub(r"(?<!\w)(\*{1,3}|_{1,3})(?=\S)([^*_\n]+?)\1(?!\w)", r"\2", text)
    text = re.sub(r"(?<=\s)--(?=\s)| -- ", "—", text.translate(TYPOGRAPHY))
    return "\n\n".join(block for raw in re.split(r"\n[ \t]*\n", text) if (block := " ".join(raw.split())))
