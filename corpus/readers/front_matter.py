"""The head of a text file → its values and the text after it: YAML, TOML or JSON between fences, or lines without.

A strict parser reads first. What it refuses is read again key by key: the keys that are sound get the parser, the
others are taken as the text that stands there. No broken head costs the post below it.
"""

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from corpus.post import parse_date
from corpus.readers.head_values import (
    KEY_LINE,
    KNOWN_KEYS,
    PARSERS,
    Parser,
    flatten,
    known_keys,
    load_bare_json,
    load_javascript,
    load_nothing,
    load_yaml,
    read_chunks,
    try_load,
    with_raw_values,
)

FENCE = re.compile(r"(?P<mark>-{3,}|\+{3,}|;{3,})(?P<language>[a-z]{0,5})[ \t]*\n")
CLOSING = {
    "-": re.compile(r"(?m)^(?:-{3,}|\.{3,})[ \t]*$"),
    "+": re.compile(r"(?m)^\+{3,}[ \t]*$"),
    ";": re.compile(r"(?m)^;{3,}[ \t]*$"),
}
JSON_OBJECT = re.compile(r'\{\s*"[^"\n]{1,60}"\s*:')
# Of Nikola: ".. title: A", in a comment of HTML or by themselves.
NIKOLA_HEAD = re.compile(
    r"(?:<!--[ \t]*\n)?(?P<content>(?:\.\.[ \t]+\w+:(?!:)[^\n]*(?:\n|\Z))+)\s*(?:-->[ \t]*(?:\n|\Z))?"
)
LEADING_COMMENT = re.compile(r"<!--(?:(?!-->).)*-->\s*(?=(?:---|\+\+\+)[ \t]*\n)", re.S)
PICO_HEAD = re.compile(r"/\*[ \t]*\n(?P<content>(?:(?!\*/).)*)\n[ \t]*\*/[ \t]*(?:\n|\Z)", re.S)
PANDOC_HEAD = re.compile(
    r"%[ \t]+(?P<title>[^\n]+)\n(?:%[ \t]*(?P<author>[^\n]*)\n)?(?:%[ \t]*(?P<date>[^\n]*)\n)?\s*?\n"
)
LOGSEQ_HEAD = re.compile(r"(?:- )?(?P<content>(?:[ ]{0,2}[^\W\d_][\w/-]*::(?:[ \t][^\n]*)?(?:\n|\Z))+)")
BOLD_KEY = re.compile(r"(?:[-*+][ \t]+)?(?P<mark>\*\*|__)(?P<key>[^\W\d_][\w -]{0,30}?)(?::(?P=mark)|(?P=mark):)[ \t]*")
# A line that says when the post was written, and no more: "*Posted on March 9th, 2026 at 7:00 pm*"
DAY_LINE = re.compile(
    r"(?i)[*_(\[\s]*(?:(?:posted|published|written|dated?)(?:[ ]on)?:?[*_]*[ ]+)?(?P<day>[^\n]*\d[^\n]*?)[*_)\]\s]*"
)
WORD_OF_DAY = re.compile(
    r"(?i)jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|st|nd|rd|th|of|at|the"
    r"|am|pm|t|z|utc|gmt"
)
MAX_DAY_LINE = 60  # characters
MAX_UNFENCED_CHARACTERS = 10_000
STATES = {"draft", "published", "publish", "private", "hidden", "pending", "future", "scheduled"}
REFUSED = "front matter that {} refuses"
UNCLOSED = "front matter without its closing line"


@dataclass
class Head:
    """A head that was split off, and what was put right in it."""

    metadata: dict[str, Any]  # texts, and lists and mappings of texts
    body: str  # the text after it, without blank lines around
    mended: list[str] = field(default_factory=list)  # see `Post.mended`


def split_front_matter(text: str) -> Head:
    """The head of a text whose lines end in "\\n"; without one, no values and the whole text."""
    whole, text = text, text.strip()
    comment = LEADING_COMMENT.match(text)
    text = text[comment.end() :] if comment else text
    fence = FENCE.match(text)
    if fence:
        head = _split_fenced(text, fence)
    elif JSON_OBJECT.match(text):
        head = _split_json(text)
    else:
        head = _split_unfenced(text)
    return head or Head({}, whole)


def _split_fenced(text: str, fence: re.Match) -> Head | None:
    """The head between two fences, or after one; None for the author's words between two rules."""
    mark, language = fence["mark"][0], fence["language"]
    closing = CLOSING[mark].search(text, fence.end())
    content = text[fence.end() : closing.start() if closing else len(text)]
    body = text[closing.end() :].strip() if closing else ""
    name, load = PARSERS.get(language) or PARSERS[{"+": "toml", ";": "bare"}.get(mark, "yaml")]
    if closing:
        metadata = try_load(load, content)
        if isinstance(metadata, dict) and _is_plausible(metadata):
            return Head(with_raw_values(metadata, content) if name == "YAML" else flatten(metadata), body)
        if not content.strip():
            return Head({}, body)
    if name in ("JSON", "JavaScript"):
        values = load_javascript(content)
        return Head(values, body, [REFUSED.format(name)]) if values and closing else None
    return _split_by_line(content, body, name, load, closed=bool(closing), whole=text[fence.end() :])


def _split_by_line(content: str, body: str, name: str, load: Parser, closed: bool, whole: str) -> Head | None:
    """A head that its parser refuses, or that no line closes. `whole`: the text after the opening fence."""
    content = textwrap.dedent(content) if closed and content[:1].isspace() else content
    end = _head_end(content, closed)
    values = read_chunks(content[:end], load)
    if not (_is_plausible(values) if closed else known_keys(values)):
        return Head({}, body, [REFUSED.format(name)]) if closed and name == "TOML" else None  # +++ is no rule
    if end < len(content) or not closed:
        return Head(values, whole[end:].strip(), [UNCLOSED])
    return Head(values, body, [REFUSED.format(name)])


def _is_plausible(values: Mapping[Any, Any]) -> bool:
    """True if these are keys of a head; «I said: no» between two rules is not."""
    return bool(known_keys(values)) or any(re.fullmatch(r"[^\WA-Z][\w.-]*", str(key)) for key in values)


def _head_end(content: str, closed: bool) -> int:
    """Where the head ends in `content`: at the first line that is the author's prose.

    In a head that a fence closes, prose stands after a blank line, and no key that heads are known for comes after it.
    """
    position, after_blank, prose = 0, False, len(content)
    for line in content.splitlines(keepends=True):
        key_line = KEY_LINE.match(line)
        if not line.strip():
            after_blank = True
        elif key_line and (closed or not after_blank):
            if closed and key_line["key"].lower() in KNOWN_KEYS:
                prose = len(content)
            after_blank = False
        elif not closed and (after_blank or not re.match(r"[ \t]+\S|-[ \t]|#", line)):
            return position
        elif after_blank and prose == len(content) and not re.match(r"[ \t]+\S|-[ \t]|#", line):
            prose = position
        position += len(line)
    return prose


def _split_json(text: str) -> Head | None:
    """JSON at the very start, as Hugo takes it; None for a text about JSON."""
    decoded = try_load(json.JSONDecoder().raw_decode, text)
    if decoded and isinstance(decoded[0], dict):
        metadata, end = decoded
        is_head = known_keys(metadata) and re.match(r"[ \t]*(?:\n|\Z)", text[end:])
        return Head(flatten(metadata), text[end:].strip()) if is_head else None
    closing = re.compile(r"(?m)^\}[ \t]*$").search(text)
    values = load_javascript(text[: closing.start()]) if closing else {}
    if closing and known_keys(values):
        return Head(values, text[closing.end() :].strip(), [REFUSED.format("JSON")])
    return None


def _split_unfenced(text: str) -> Head | None:
    """Heads of Pelican, MultiMarkdown, Nikola, pandoc, and of Hexo without its first fence; None for prose."""
    nikola = NIKOLA_HEAD.match(text)
    if nikola:
        values = dict(re.findall(r"(?m)^\.\.[ \t]+(\w+):[ \t]*(.*?)[ \t]*$", nikola["content"]))
        state = {"draft", "private"} & set(re.split(r"[\s,]+", values.get("tags", "").lower()))  # tags that are marks
        return Head(
            {**values, "status": values.get("status") or "".join(sorted(state)[:1])}, text[nikola.end() :].strip()
        )
    logseq = LOGSEQ_HEAD.match(text)
    if logseq:
        lines = re.sub(r"\[\[|\]\]", "", logseq["content"]).replace("::", ":", logseq["content"].count("::"))
        values = read_chunks(textwrap.dedent(lines), load_nothing)
        return Head(values, text[logseq.end() :].strip()) if known_keys(values) else None
    pico = PICO_HEAD.match(text)
    if pico:
        values = read_chunks(textwrap.dedent(pico["content"]), load_nothing)
        return Head(values, text[pico.end() :].strip()) if _is_certain(values) else None
    pandoc = PANDOC_HEAD.match(text)
    if pandoc:
        values = {key: (value or "").strip() for key, value in pandoc.groupdict().items()}
        return Head(values, text[pandoc.end() :].strip())
    bare_json = re.match(r'"\w+"[ \t]*:', text) and CLOSING[";"].search(text)
    if bare_json:
        metadata = try_load(load_bare_json, text[: bare_json.start()])
        return Head(metadata, text[bare_json.end() :].strip()) if isinstance(metadata, dict) else None
    return _split_key_lines(text)


def _split_key_lines(text: str) -> Head | None:
    """`Key: value` lines up to a blank line or a line of dashes, if their keys are those of a head."""
    content, dashes = _leading_key_lines(text)
    first = KEY_LINE.match(content)
    if not first or first["sign"] != ":" or first["key"].lower() not in KNOWN_KEYS:
        return None
    values = read_chunks(content, load_yaml if dashes else load_nothing)
    if not _is_certain(values):
        return None
    rest = text[len(content) + dashes :].strip()
    more = _split_key_lines(rest) if set(values) <= {"Title", "title"} else None  # a blank line below the title
    if more:
        return Head({**values, **more.metadata}, more.body)
    return Head(values, re.sub(r"\A-{3,}[ \t]*\n\s*", "", rest))


def split_properties(text: str, certain: bool = False) -> Head | None:
    """The properties below the title of a page, as Notion writes them; None for prose. certain: it is Notion's page."""
    first, *rest = re.split(r"\n[ \t]*\n", text.strip("\n"), maxsplit=1)
    lines = "".join(BOLD_KEY.sub(r"\g<key>: ", line) for line in first.splitlines(keepends=True))
    content, dashes = _leading_key_lines(lines)
    values = read_chunks(content, load_nothing)
    if content != lines or dashes or not values or not (certain or _is_certain(values)):
        return None
    return Head(values, "".join(rest).strip("\n"))


def split_day_line(text: str) -> tuple[str | None, str]:
    """(the day that a line at the very start gives, the text after it); (None, the whole text) where none does."""
    line, _, rest = text.lstrip().partition("\n")
    match = (
        DAY_LINE.fullmatch(line) if len(line) <= MAX_DAY_LINE and (not rest or re.match(r"[ \t]*\n", rest)) else None
    )
    if not match or not all(map(WORD_OF_DAY.fullmatch, re.findall(r"[^\W\d_]+", match["day"]))):
        return None, text
    day = parse_date(match["day"])
    return (day, rest.strip("\n")) if day else (None, text)


def _is_certain(values: Mapping[str, Any]) -> bool:
    """True if `Key: value` lines can only be a head: two known keys, or one whose value is none of a sentence's."""
    known = known_keys(values)
    lowered = {key.lower(): value for key, value in values.items()}
    says_state = str(lowered.get("status", "")).lower() in STATES
    return len(known) > 1 or "title" in known or says_state or ("date" in known and bool(parse_date(lowered["date"])))


def _leading_key_lines(text: str) -> tuple[str, int]:
    """(the lines of keys that a text begins with, the length of the line of dashes after them); else ("", 0)."""
    end = 0
    for number, line in enumerate(text[:MAX_UNFENCED_CHARACTERS].splitlines(keepends=True)):
        if not line.strip():
            break
        if number and re.fullmatch(r"-{3,}[ \t]*\n?", line):
            return text[:end], len(line)
        if not (KEY_LINE.match(line) or (end and re.match(r"[ \t]+\S|-[ \t]+\S", line))):
            return "", 0
        end += len(line)
    return text[:end], 0
