"""What only some Markdown has, Obsidian's, Djot's, Python-Markdown's or Quarto's → the words in it, or nothing."""

import re
from collections.abc import Callable

from corpus.markup_patterns import NO_BLANK_LINE

# --- Obsidian ---------------------------------------------------------------------------------------------------------

OBSIDIAN_COMMENT = re.compile(rf"(?s)%%(?:(?!%%){NO_BLANK_LINE}.)*?%%")
OBSIDIAN_COMMENT_BLOCK = re.compile(r"(?ms)^%%[ \t]*\n(?:(?!^%%).)*?^[^\n%]*%%[ \t]*$")  # may hold blank lines
OBSIDIAN_BLOCK_ID = re.compile(r"(?m)(?<=\S)[ \t]+\^[a-zA-Z0-9]*\d[a-zA-Z0-9]*$")
TEMPLATER = re.compile(rf"(?s)<%(?:(?!<%|%>){NO_BLANK_LINE}.)*?%>")
_FIELD = r"[*_]{0,2}[^\W\d_][\w-]*(?:[ ][\w-]+){0,3}[*_]{0,2}::"
FIELD_LINE = re.compile(rf"(?m)^[ \t]*(?:[-*+][ \t]+)?{_FIELD}[ \t]+\S[^\n]*(?:\n|\Z)")  # key:: value
FIELD_IN_BRACKETS = re.compile(rf"\[{_FIELD}[ \t]+(?P<square>[^\[\]\n]*)\](?!\()|\({_FIELD}[ \t]+(?P<round>[^()\n]*)\)")
_TAG = r"\#[^\W\d_](?:[\w/-]*|[\w/ -]{0,40}\#(?=[ \t,]|$))"  # of two words in Bear: #tea pots#
TAG_LINE = re.compile(
    rf"""(?mxi)
    ^[ \t]* (?: (?:[*_]{{0,2}}tags?[*_]{{0,2}}[ \t]*:[*_]{{0,2}}[ \t]*) {_TAG} | {_TAG} (?=[ \t,]+\#) )
    (?:[ \t,]+{_TAG})* [ \t]* $
    """
)
TAG_LIST = re.compile(  # Tags: a, b
    r"(?i)[ \t]*[*_]{0,2}(?:tags?|labels?|categor(?:y|ies)|keywords)[*_]{0,2}[ \t]*:[*_]{0,2}[ \t]*"
    r"[^\s,.;:!?][^,.;:!?\n]{0,40}(?:,[^,.;:!?\n]{1,40}){0,20}"
)
DRAWER = re.compile(r"(?m)^[ \t]*:[A-Z]+:[ \t]*\n(?:(?![ \t]*:[A-Z]+:)[^\n]*\n){0,50}[ \t]*:END:[ \t]*$")  # of Logseq
BLOCK_REFERENCE = re.compile(r"\(\((?:[0-9a-f]{8}-[0-9a-f-]{20,30}|(?=[\w-]*\d)[\w-]{9})\)\)")  # of Logseq, of Roam
HIGHLIGHT = re.compile(r"(?<![=\w])==(?=[^\s=])(?P<words>[^=\n]+?)(?<=[^\s=])==(?![=\w])")
ROAM_HIGHLIGHT = re.compile(r"(?<![\^\w])\^\^(?=[^\s^])(?P<words>[^^\n]+?)(?<=[^\s^])\^\^(?![\^\w])")
LAST_TAG = re.compile(r"\n[ \t]*#[a-z][\w/-]*\s*\Z")  # a heading has text below it

# --- Djot, pandoc, Quarto, kramdown, CriticMarkup ---------------------------------------------------------------------

_ATTRIBUTES = r"\{(?:[.#%]|[\w-]+=)[^{}\n]*\}"
DIVISION = re.compile(r"(?m)^[ \t>]*:{3,}[^\n]*$")
ATTRIBUTE_LINE = re.compile(rf"(?m)^[ \t]*{_ATTRIBUTES}[ \t]*$")
SPAN = re.compile(rf"\[(?P<words>(?:[^\[\]\n]|\[[^\[\]\n]*\]){{0,500}})\]{_ATTRIBUTES}")
INLINE_ATTRIBUTES = re.compile(r"(?<=[)*_\ue001])\{(?:[.#][^{}\n]*\}?|=\w+\})|(?<=[)\ue001])\{[\w-]+=[\"'\w][^{}\n]*\}")
CRITIC_COMMENT = re.compile(r"\{>>(?:(?!\{|<<\})[^\n])*<<\}")
CRITIC_CHANGE = re.compile(  # {++new++}, {==marked==}, {~~old~>new~~}
    r"\{(?P<mark>\+\+|==|~~)(?:(?<=~~)[^{}~\n]*~>)?(?P<words>[^{}\n]*?)(?P=mark)\}"
)
DJOT_MARK = re.compile(r"\{(?P<mark>[=+~^])(?P<words>[^{}\n]+?)(?P=mark)\}")  # {=marked=}, {+inserted+}, H{~2~}O
KRAMDOWN_COMMENT = re.compile(r"(?s)\{::comment\}(?:(?!\{::).)*?\{:/(?:comment)?\}")
DELETION = re.compile(r"\{-(?:[^{}\n-]|-(?!\}))*-\}")
CITATION = re.compile(r"[ \t]?(?<!\\)\[(?:(?:see|cf\.|e\.g\.)[ \t,]*)?-?@[A-Za-z][^\[\]\n]*\](?![(\[:])")

# --- Python-Markdown --------------------------------------------------------------------------------------------------

ADMONITION = re.compile(
    r'(?P<indent>[ ]*)(?:(?:!!!|\?{3}\+?)[ \t]+[\w -]*|===[!+]?[ \t]+(?="))(?:"(?P<title>[^"\n]*)")?[ \t]*'
)
FENCE_LINE = re.compile(r"[ \t]*(`{3,}|~{3,})")


def unwrap_admonitions(text: str) -> str:
    """`!!! note "Title"` and the indented lines below it → the title and those lines, which are no code."""
    if not re.search(r"(?m)^[ ]*(?:!!!|\?{3}|===[!+]?[ \t]+\")", text):
        return text
    lines: list[str] = []
    indent, fence = -1, ""  # of the admonition that is open; the fence that is
    for line in text.split("\n"):
        match = None if fence else ADMONITION.fullmatch(line)
        if match:
            indent = len(match["indent"])
            lines += ["", f"**{match['title']}**", ""] if match["title"] else [""]
            continue
        if indent >= 0 and line.strip() and not line.startswith(" " * (indent + 4)):
            indent = -1
        line = line[:indent] + line[indent + 4 :] if indent >= 0 and line.strip() else line
        marks = FENCE_LINE.match(line)
        if marks and not fence:
            fence = marks[1]
        elif marks and marks[1].startswith(fence):
            fence = ""
        lines.append(line)
    return "\n".join(lines)


def _field_words(match: re.Match) -> str:
    """The value of a field in a sentence, if it is words; a number or a date is none."""
    value = match["square"] or match["round"] or ""
    return value if re.search(r"[^\W\d_]{2}", value) else ""


def _djot_words(match: re.Match) -> str:
    return f"^{match['words']}" if match["mark"] == "^" else match["words"]


# What a text must hold for a pattern to find anything in it: most texts hold none, and a search for it is quick.
MARKED: tuple[tuple[str, re.Pattern, str | Callable[[re.Match], str]], ...] = (
    ("%%", OBSIDIAN_COMMENT_BLOCK, ""),
    ("%%", OBSIDIAN_COMMENT, ""),
    (" ^", OBSIDIAN_BLOCK_ID, ""),
    ("<%", TEMPLATER, ""),
    ("::", FIELD_LINE, ""),
    ("::", FIELD_IN_BRACKETS, _field_words),
    ("((", BLOCK_REFERENCE, ""),
    (":END:", DRAWER, ""),
    ("{-", DELETION, ""),
    ("<<}", CRITIC_COMMENT, ""),
    ("}", CRITIC_CHANGE, r"\g<words>"),
    ("}", DJOT_MARK, _djot_words),
    ("^}", DJOT_MARK, _djot_words),  # a power of a power
    ("{::", KRAMDOWN_COMMENT, ""),
    ("==", HIGHLIGHT, r"\g<words>"),
    ("^^", ROAM_HIGHLIGHT, r"\g<words>"),
    ("#", TAG_LINE, ""),
    ("#", LAST_TAG, ""),
    (":::", DIVISION, ""),
    ("{", ATTRIBUTE_LINE, ""),
    ("]{", SPAN, r"\g<words>"),
    ("{", INLINE_ATTRIBUTES, ""),
    ("@", CITATION, ""),
)


def strip_dialects(text: str) -> str:
    """Without comments, fields, lists of tags, templates, attributes, divisions and citations."""
    for mark, pattern, replacement in MARKED:
        if mark in text:
            text = pattern.sub(replacement, text)
    return _strip_tag_lists(text)


def _strip_tag_lists(text: str) -> str:
    """Without the list of tags before the first blank line, and without the one after the last."""
    end = text.rstrip()
    last = end.rfind("\n\n")
    if last >= 0 and TAG_LIST.fullmatch(end, last + 2):
        text = end[:last]
    first = text.find("\n\n")
    return text[first:] if first >= 0 and TAG_LIST.fullmatch(text, 0, first) else text
