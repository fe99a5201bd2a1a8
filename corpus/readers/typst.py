"""Typst, as blogs made with it have it → `Post`: its marks and the words in its functions; none of its code is run."""

import itertools
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from corpus.encoding import decode_text
from corpus.html_to_markdown import code_fence
from corpus.post import Post
from corpus.readers.front_matter import split_front_matter
from corpus.readers.markdown import normalise_line_ends, post_from_front_matter

RAW_OR_COMMENT = re.compile(
    r"(?ms)(?P<mark>`{3,})(?P<language>[\w+-]*)[ \t]*\n?(?P<block>.*?)(?P=mark)|(?P<raw>`[^`\n]*`)"
    r"|(?P<comment>(?<!:)//[^\n]*|/\*(?:(?!/\*).)*?\*/)"
)
STASHED = re.compile("\ue000(\\d+)\ue001")
CALL = re.compile(r"#(?P<name>[A-Za-z_][\w.-]*)")
STATEMENTS = {"set", "show", "let", "import", "include", "metadata", "context", "if", "for", "while"}
# Functions whose content is no prose; of all others the content stays.
DROPPED = {"image", "figure", "table", "grid", "outline", "bibliography", "cite", "raw", "counter", "state", "hide"}
HEAD_CALL = re.compile(r"#metadata\b|#set[ \t]+document\b|#show[ \t]*:[^\n(]{0,200}(?=\()")
HEAD_VALUE = re.compile(
    r"""(?x)
    (?P<key>[A-Za-z][\w-]*) \s* : \s*
    (?: "(?P<text>(?:[^"\\]|\\.)*)" | \[(?P<content>[^\[\]]*)\] | datetime\((?P<day>[^()]*)\)
      | \((?P<items>[^()]*)\) | (?P<word>true|false) )
    """
)
PAIRS = {"(": ")", "[": "]", "{": "}"}
MAX_HEAD_CALLS = 20
MAX_DEPTH = 20  # functions within functions
LINES = (
    (re.compile(r"(?m)^[ \t]*(={1,6})[ \t]+"), lambda m: "#" * len(m[1]) + " "),
    (re.compile(r"(?m)^([ \t]*)\+[ \t]+"), r"\g<1>1. "),
    (re.compile(r"[ \t]\\[ \t]*(?=\n|\Z)"), ""),
    (re.compile(r"(?<![\w\\])\*(?=\S)([^*\n]{1,1000}?)(?<=\S)\*(?!\w)"), r"**\1**"),
    (re.compile(r"(?<![\w\\])_(?=\S)([^_\n]{1,1000}?)(?<=\S)_(?!\w)"), r"*\1*"),
    (re.compile(r"(?m)^[ \t]*/[ \t]+([^:\n]+):[ \t]*"), r"**\1** "),  # a term and its description
    (re.compile(r"[ \t]?(?<![\w\\])@[A-Za-z](?:[\w:.-]*\w)?(?:\[[^\[\]\n]*\])?"), ""),  # a reference
    (re.compile(r"[ \t]?<[A-Za-z][\w:.-]*>"), ""),  # a label
    (re.compile(r"(?<!\\)~"), " "),
    (re.compile(r"(?<!-)---(?!-)"), "—"),
    (re.compile(r"(?<!-)--(?!-)"), "–"),
    (re.compile(r"\\([#*_@<>$~`\[\]\\/])"), r"\1"),
)


def read_typst(name: PurePath, data: bytes) -> Post:
    """Raises SkippedPost for what is no text."""
    head = split_front_matter(normalise_line_ends(decode_text(data)))
    code: list[str] = []

    def stash(match: re.Match) -> str:
        if match["comment"]:
            return ""
        code.append(match["raw"] or code_fence(match["block"].strip("\n"), match["language"]))
        return f"\ue000{len(code) - 1}\ue001"

    text = RAW_OR_COMMENT.sub(stash, head.body.replace("\ue000", ""))
    notes: list[str] = []
    body = "".join(_convert(text, notes))
    body = "\n\n".join([body, *(f"[^{number}]: {note}" for number, note in enumerate(notes, 1))])
    for pattern, replacement in LINES:
        body = pattern.sub(replacement, body)
    body = STASHED.sub(lambda match: code[int(match[1])], re.sub(r"\n{3,}", "\n\n", body))
    return post_from_front_matter(name, {**_stated(text), **head.metadata}, body.strip("\n"), head.mended)


def _stated(text: str) -> dict[str, Any]:
    """What the document says of itself: title, date, tags, draft, in whichever function its template takes them."""
    values: dict[str, Any] = {}
    for call in itertools.islice(HEAD_CALL.finditer(text), MAX_HEAD_CALLS):
        for value in HEAD_VALUE.finditer(_enclosed(text, call.end())[0]):
            stated: Any = value["text"] or value["content"] or value["word"] or ""
            if value["day"] is not None:
                numbers = [int(number) for number in re.findall(r"\d+", value["day"])[:3]]
                stated = "-".join(f"{number:02}" for number in numbers)
            elif value["items"] is not None:
                stated = re.findall(r'"([^"\n]*)"', value["items"])
            values.setdefault({"keywords": "tags"}.get(value["key"], value["key"]), stated)
    return values


def _convert(text: str, notes: list[str], depth: int = 0) -> Iterator[str]:
    """Markup without its functions; what they enclose stays where it is prose. notes: the footnotes, to be filled."""
    position = 0
    while call := CALL.search(text, position):
        if text[call.start() - 1 : call.start()] == "\\":
            yield text[position : call.end()]
            position = call.end()
            continue
        yield text[position : call.start()]
        if call["name"] in STATEMENTS:
            position = _end_of_statement(text, call.end())
            continue
        arguments, contents, position = _arguments(text, call.end())
        if depth < MAX_DEPTH:
            inner = [" ".join("".join(_convert(content, notes, depth + 1)).split()) for content in contents]
            yield _words(call["name"], arguments, inner, notes)
    yield text[position:]


def _words(name: str, arguments: str, contents: list[str], notes: list[str]) -> str:
    """What a function stands for as Markdown."""
    words = " ".join(contents)
    if name == "footnote":
        notes.append(words)
        return f"[^{len(notes)}]"
    if name == "link":
        address = re.search(r'"([^"\n]*)"', arguments)
        return f"[{words}]({address[1]})" if words and address else words or (address[1] if address else "")
    if name in DROPPED:
        return ""
    if name == "quote" and "block" in arguments:
        return f"\n\n> {words}\n\n"
    marks = {"strong": "*", "emph": "_"}.get(name, "")  # as Typst marks them
    return f"{marks}{words}{marks}" if words else ""


def _arguments(text: str, position: int) -> tuple[str, list[str], int]:
    """(what stands in the parentheses after a name, its [contents], where they end)."""
    arguments, contents = "", []
    if text[position : position + 1] == "(":
        arguments, position = _enclosed(text, position)
    while text[position : position + 1] == "[":
        content, position = _enclosed(text, position)
        contents.append(content)
    return arguments, contents, position


def _end_of_statement(text: str, position: int) -> int:
    """Where a statement ends: with its line, unless a bracket or a string is open there."""
    while position < len(text) and text[position] != "\n":
        position = _enclosed(text, position)[1] if text[position] in PAIRS else position + 1
    return position


def _enclosed(text: str, start: int) -> tuple[str, int]:
    """(what stands between the bracket at `start` and the one that closes it, the position after); all that follows
    where none does."""
    closing: list[str] = []
    in_string, position = False, start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == '"' and (not closing or closing[-1] != "]"):  # in content it is a quotation mark
            in_string = not in_string
        elif not in_string and character in PAIRS:
            closing.append(PAIRS[character])
        elif not in_string and closing and character == closing[-1]:
            closing.pop()
            if not closing:
                return text[start + 1 : position], position + 1
        position += 1
    return text[start + 1 :], len(text)
