"""What of a post is the author's own running prose: the only part on which styles are compared.

Code, quotations, headings, tables, pictures and addresses go; list items stay, without their marks. Quotation marks and
dashes keep their kind but lose their typography, since an editor chooses it and not the writer.
"""

import re

FENCE = re.compile(r"(?ms)^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)")
NOT_PROSE = re.compile(r"(?m)^(?:[ \t]*(?:>|#{1,6}[ \t]|\||:::|!\[).*|(?: {4}|\t)(?![ \t]*(?:[-*+]|\d+[.)])[ \t]).*|[ \t]*(?:[-*_][ \t]*){3,}|[ \t]*\[\^?[^\]\n]+\]:.*)$")
LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\n]*\)")
TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "…": "...", "–": "—"})


def prose(text: str) -> str:
    """The running prose of a Markdown text, paragraphs between blank lines."""
    text = FENCE.sub("", text)
    text = LINK.sub(r"\1", NOT_PROSE.sub("", text))
    text = re.sub(r"`+[^`\n]*`+", "x", text)  # a piece of code is a noun in its sentence
    text = re.sub(r"https?://\S+", "", text)
    text = re.sub(r"(?m)^[ \t]*(?:[-*+]|\d+[.)])[ \t]+(?:\[[ xX]\][ \t]+)?", "", text)
    text = re.sub(r"(?<!\w)(\*{1,3}|_{1,3})(?=\S)([^*_\n]+?)\1(?!\w)", r"\2", text)
    text = re.sub(r"(?<=\s)--(?=\s)| -- ", "—", text.translate(TYPOGRAPHY))
    return "\n\n".join(block for raw in re.split(r"\n[ \t]*\n", text) if (block := " ".join(raw.split())))
