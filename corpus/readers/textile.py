"""Textile, as Textpattern and old Jekyll blogs have it → `Post`."""

import re
from pathlib import PurePath

from corpus.encoding import decode_text
from corpus.html_to_markdown import code_fence
from corpus.post import Post
from corpus.readers.front_matter import split_front_matter
from corpus.readers.markdown import (
    MAX_MARKED_LINE,
    change_outside,
    convert_phrases,
    normalise_line_ends,
    post_from_front_matter,
)

_STYLE = r"(?:\([^()\n]*\)|\{[^{}\n]*\}|\[[^\[\]\n]*\]|[<>=-](?![\w\s]))*"
BLOCK = re.compile(
    rf"(?P<kind>h[1-6]|p|bq|bc|pre|notextile|fn\d{{1,3}}|\#{{3}}){_STYLE}(?P<long>\.{{1,2}})(?::\S+)?[ \t]"
)
LIST_ITEM = re.compile(rf"(?P<marks>[*#]{{1,6}}){_STYLE}[ \t]+(?P<words>.*)")
DEFINITION = re.compile(r"-[ \t]+(?P<term>[^\n]+?)[ \t]*:=[ \t]*(?P<words>.*)")
RAW_HTML = re.compile(r"(?is)<(pre|script|style)\b[^<>]*>.*?</\1>|==(?:(?!==).)*==")
_PHRASE = r"(?<![\w{0}]){0}(?=\S)(?:\([^()\n]*\))?([^{0}\n]+?)(?<=\S){0}(?![\w{0}])"
PHRASES = (
    (re.compile(r'"([^"\n]{1,500}?)(?:\([^()"\n]*\))?":(?=[\w/#.])(\S*[\w/#&=)])'), r"[\1](\2)"),
    (re.compile(r"(?<![\w!])!(?=[^\s!])[^!\s]+(?:\([^()\n]*\))?!(?::\S+)?"), ""),
    (re.compile(r"\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*"), r"**\1**"),
    (re.compile(_PHRASE.format(r"\*")), r"**\1**"),
    (re.compile(r"__(?=\S)([^_\n]+?)(?<=\S)__"), r"*\1*"),
    (re.compile(_PHRASE.format("_")), r"*\1*"),
    (re.compile(r"\?\?(?=\S)([^?\n]+?)\?\?"), r"*\1*"),
    (re.compile(r"(?<![\w%])%(?=\S)(?:\{[^{}\n]*\}|\([^()\n]*\))?([^%\n]+?)%(?![\w%])"), r"\1"),
    (re.compile(r"(?<=\w)\[(\d{1,3})\](?!\()"), r"[^\1]"),
)
INLINE_CODE = re.compile(r"(?<![\w@])@(?=\S)(?P<code>[^@\n]+?)@(?![\w@])")


def read_textile(name: PurePath, data: bytes) -> Post:
    """The part of Textile that posts are written in; classes and styles go."""
    head = split_front_matter(normalise_line_ends(decode_text(data)))
    return post_from_front_matter(name, head.metadata, _textile_to_markdown(head.body), head.mended)


def _textile_to_markdown(text: str) -> str:
    return change_outside(text, ((*m.span(), m[0].strip("=")) for m in RAW_HTML.finditer(text)), _convert_blocks)


def _convert_blocks(text: str) -> str:
    blocks: list[str] = []
    going_on = ""  # the kind of the block that a ".." has opened
    for block in re.split(r"\n[ \t]*\n", text):
        block = block.strip("\n")
        match = BLOCK.match(block)
        kind, words = (match["kind"], block[match.end() :]) if match else (going_on, block)
        if match:
            going_on = kind if match["long"] == ".." else ""
        rendered = _render_block(kind, words)
        if not match and going_on in ("bc", "pre") and blocks:  # one fence around all of them
            blocks[-1] = code_fence(blocks[-1].split("\n", 1)[1].rsplit("\n", 1)[0] + "\n\n" + words)
        else:
            blocks.append(rendered)
    return "\n\n".join(blocks)


def _render_block(kind: str, words: str) -> str:
    if kind in ("bc", "pre"):
        return code_fence(words.strip("\n"))
    if kind == "###":
        return ""  # a comment
    if kind == "notextile":
        return words
    text = "\n".join(_convert_line(line) for line in words.split("\n"))
    if kind.startswith("h") and kind:
        return "#" * int(kind[1]) + " " + " ".join(text.split())
    if kind.startswith("fn"):
        return f"[^{kind[2:]}]: {text}"
    return "\n".join(f"> {line}" for line in text.split("\n")) if kind == "bq" else text


def _convert_line(line: str) -> str:
    item, definition = LIST_ITEM.match(line), DEFINITION.match(line)
    if item:
        bullet = "-" if item["marks"][-1] == "*" else "1."
        return "  " * (len(item["marks"]) - 1) + f"{bullet} {_convert_phrases(item['words'])}"
    if definition:
        return f"{_convert_phrases(definition['term'])}: {_convert_phrases(definition['words'].removesuffix('=:'))}"
    return _convert_phrases(line)


def _convert_phrases(line: str) -> str:
    """Emphasis, links and pictures of a line; what stands in code is not looked at."""
    return line if len(line) > MAX_MARKED_LINE else convert_phrases(line, PHRASES, INLINE_CODE)
