"""The head of a text file → its values and the text after it: YAML, TOML or JSON between fences, or lines without.

A strict parser reads first. What it refuses is read again key by key: the keys that are sound get the parser, the
others are taken as the text that stands there. No broken head costs the post below it.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from corpus.post import parse_date

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML without its C library
    from yaml import SafeLoader  # type: ignore[assignment]

# fmt: off
KNOWN_KEYS = {  # a head without fences has one of them
    "title", "date", "tags", "tag", "category", "categories", "author", "authors", "slug", "status", "summary",
    "layout", "modified", "permalink", "lang", "language", "published", "draft", "keywords", "description", "subtitle",
    "created", "updated", "publishdate", "pubdate", "excerpt", "url", "visibility", "type", "date created",
}
# fmt: on
FENCE = re.compile(r"(?P<mark>-{3,}|\+{3,}|;{3,})(?P<language>[a-z]{0,5})[ \t]*\n")
CLOSING = {
    "-": re.compile(r"(?m)^(?:-{3,}|\.{3,})[ \t]*$"),
    "+": re.compile(r"(?m)^\+{3,}[ \t]*$"),
    ";": re.compile(r"(?m)^;{3,}[ \t]*$"),
}
KEY_LINE = re.compile(
    r"""(?x)
    (?P<quote>["']?) (?P<key>[^\W\d][\w.@/-]* (?:[ ][\w.@/-]+){0,3}) (?P=quote) [ \t]* (?P<sign>[:=]) (?P<value>.*)
    """
)
JS_VALUE = re.compile(
    r"""(?mx)
    ^[ \t{]*["']?(?P<key>[A-Za-z_]\w*)["']?[ \t]*:[ \t]*
    (?: "(?P<double>[^"\n]*)" | '(?P<single>[^'\n]*)' | (?P<boolean>true|false) | (?P<date>\d{4}-\d\d-\d\d) )
    """
)
JSON_OBJECT = re.compile(r'\{\s*"[^"\n]{1,60}"\s*:')
# Of Nikola: ".. title: A", in a comment of HTML or by themselves.
NIKOLA_HEAD = re.compile(r"(?:<!--[ \t]*\n)?(?P<content>(?:\.\.[ \t]+\w+:[^\n]*(?:\n|\Z))+)\s*(?:-->[ \t]*(?:\n|\Z))?")
PANDOC_HEAD = re.compile(
    r"%[ \t]+(?P<title>[^\n]+)\n(?:%[ \t]*(?P<author>[^\n]*)\n)?(?:%[ \t]*(?P<date>[^\n]*)\n)?\s*?\n"
)
Parser = Callable[[str], Any]
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


class _TextLoader(SafeLoader):
    """YAML whose values stay text, as their author wrote them: `No`, `10:30` and `1_000` are titles."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern]]] = {}


_TextLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
_TextLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])


def split_front_matter(text: str) -> Head:
    """The head of a text whose lines end in "\\n"; without one, no values and the whole text."""
    whole, text = text, text.strip()
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
        metadata = _try(load, content)
        if isinstance(metadata, dict) and _is_plausible(metadata):
            return Head(_with_raw_values(metadata, content) if name == "YAML" else _flatten(metadata), body)
        if not content.strip():
            return Head({}, body)
    if name in ("JSON", "JavaScript"):
        values = _load_javascript(content)
        return Head(values, body, [REFUSED.format(name)]) if values and closing else None
    return _split_by_line(content, body, name, load, closed=bool(closing), whole=text[fence.end() :])


def _split_by_line(content: str, body: str, name: str, load: Parser, closed: bool, whole: str) -> Head | None:
    """A head that its parser refuses, or that no line closes. `whole`: the text after the opening fence."""
    end = _head_end(content, closed)
    values = _read_chunks(content[:end], load)
    if not (_is_plausible(values) if closed else _known_keys(values)):
        return Head({}, body, [REFUSED.format(name)]) if closed and name == "TOML" else None  # +++ is no rule
    if end < len(content) or not closed:
        return Head(values, whole[end:].strip(), [UNCLOSED])
    return Head(values, body, [REFUSED.format(name)])


def _known_keys(values: Mapping[Any, Any]) -> set[str]:
    return KNOWN_KEYS & {str(key).lower() for key in values}


def _is_plausible(values: Mapping[Any, Any]) -> bool:
    """True if these are keys of a head; «I said: no» between two rules is not."""
    return bool(_known_keys(values)) or any(re.fullmatch(r"[^\WA-Z][\w.-]*", str(key)) for key in values)


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


def _read_chunks(content: str, load: Parser) -> dict[str, Any]:
    """Key by key: by the parser where it can, else by hand."""
    values: dict[str, Any] = {}
    for chunk in _chunks(content):
        chunk = re.sub(r"(?m)^\t+", lambda m: "  " * len(m[0]), chunk)
        value = _try(load, chunk)
        values |= _with_raw_values(value, chunk) if isinstance(value, dict) else _read_by_hand(chunk)
    return values


def _chunks(content: str) -> list[str]:
    """`content` cut before each line that begins with a key."""
    chunks: list[list[str]] = []
    for line in content.split("\n"):
        if KEY_LINE.match(line):
            chunks.append([line])
        elif chunks and line.strip():
            chunks[-1].append(line)
    return ["\n".join(lines) for lines in chunks]


def _read_by_hand(chunk: str) -> dict[str, Any]:
    """{key: what stands after it}: a text, a list of texts, or the values of the keys that are indented below it."""
    first, *rest = chunk.split("\n")
    match = KEY_LINE.match(first)
    assert match, "a chunk begins with a key"
    value: Any = plain_value(match["value"])
    if value in ("|", ">", "|-", ">-", "|+", ">+"):
        return {match["key"]: "\n".join(line.strip() for line in rest)}
    items = [item[1] for item in (re.match(r"\s*-[ \t]+(.+)", line) for line in rest) if item]
    if items and not value:
        return {match["key"]: [plain_value(item) for item in items]}
    nested = [inner for inner in (KEY_LINE.match(line.strip()) for line in rest) if inner]
    if nested and not value:
        return {match["key"]: {inner["key"]: plain_value(inner["value"]) for inner in nested}}
    if isinstance(value, str):
        value = " ".join([value, *(line.strip() for line in rest)]).strip()
    return {match["key"]: value}


def plain_value(value: str) -> Any:
    """A value without the quotes around it; a list where it is one from bracket to bracket."""
    value = value.strip()
    if re.fullmatch(r"\[[^\[\]]*\]", value):
        return [plain_value(item) for item in value[1:-1].split(",") if item.strip()]
    for quote in ('"', "'"):
        if value.startswith(quote) and value.count(quote) == 1:  # never closed
            return value[1:]
        if len(value) > 1 and value.startswith(quote) and value.endswith(quote) and value.count(quote) == 2:
            return value[1:-1]
    return value


def _with_raw_values(metadata: Mapping[Any, Any], content: str) -> dict[str, Any]:
    """YAML's values; a title or tags that it reads as something other than text are taken as they stand there."""
    values = {key: value for key, value in metadata.items() if isinstance(key, str)}
    for key, value in values.items():
        is_title = key.lower() == "title" and not (isinstance(value, str) and value)
        if is_title or (value is None and key.lower() in ("tags", "keywords", "categories")):
            raw = re.search(rf"(?m)^{re.escape(key)}[ \t]*:[ \t]*([\[{{#!&].*)$", content)
            values[key] = raw[1].strip() if raw else value
            if is_title and isinstance(values[key], list):
                values[key] = ", ".join(item for item in values[key][:20] if isinstance(item, str))
    return values


def _flatten(metadata: dict[str, Any]) -> dict[str, Any]:
    """The values of a head, and those of Zola's table of tags beside them."""
    taxonomies = metadata.get("taxonomies")
    return {**taxonomies, **metadata} if isinstance(taxonomies, dict) else metadata


def _split_json(text: str) -> Head | None:
    """JSON at the very start, as Hugo takes it; None for a text about JSON."""
    decoded = _try(json.JSONDecoder().raw_decode, text)
    if decoded and isinstance(decoded[0], dict):
        metadata, end = decoded
        is_head = _known_keys(metadata) and re.match(r"[ \t]*(?:\n|\Z)", text[end:])
        return Head(_flatten(metadata), text[end:].strip()) if is_head else None
    closing = re.compile(r"(?m)^\}[ \t]*$").search(text)
    values = _load_javascript(text[: closing.start()]) if closing else {}
    if closing and _known_keys(values):
        return Head(values, text[closing.end() :].strip(), [REFUSED.format("JSON")])
    return None


def _split_unfenced(text: str) -> Head | None:
    """Heads of Pelican, MultiMarkdown, Nikola, pandoc, and of Hexo without its first fence; None for prose."""
    nikola = NIKOLA_HEAD.match(text)
    if nikola:
        pairs = re.findall(r"(?m)^\.\.[ \t]+(\w+):[ \t]*(.*?)[ \t]*$", nikola["content"])
        return Head(dict(pairs), text[nikola.end() :].strip())
    pandoc = PANDOC_HEAD.match(text)
    if pandoc:
        values = {key: (value or "").strip() for key, value in pandoc.groupdict().items()}
        return Head(values, text[pandoc.end() :].strip())
    bare_json = re.match(r'"\w+"[ \t]*:', text) and CLOSING[";"].search(text)
    if bare_json:
        metadata = _try(_load_bare_json, text[: bare_json.start()])
        return Head(metadata, text[bare_json.end() :].strip()) if isinstance(metadata, dict) else None
    return _split_key_lines(text)


def _split_key_lines(text: str) -> Head | None:
    """`Key: value` lines up to a blank line or a line of dashes, if their keys are those of a head."""
    content, dashes = _leading_key_lines(text)
    first = KEY_LINE.match(content)
    if not first or first["sign"] != ":" or first["key"].lower() not in KNOWN_KEYS:
        return None
    values = _read_chunks(content, _load_yaml if dashes else _load_nothing)
    return Head(values, text[len(content) + dashes :].strip()) if _is_certain(values) else None


def split_properties(text: str, certain: bool = False) -> Head | None:
    """The properties below the title of a page, as Notion writes them; None for prose. certain: it is Notion's page."""
    text = text.strip("\n")
    content, dashes = _leading_key_lines(text)
    values = _read_chunks(content, _load_nothing)
    if dashes or not values or not (certain or _is_certain(values)):
        return None
    return Head(values, text[len(content) :].strip("\n"))


def _is_certain(values: Mapping[str, Any]) -> bool:
    """True if `Key: value` lines can only be a head: two known keys, or one whose value is none of a sentence's."""
    known = _known_keys(values)
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


def _try(load: Parser, content: str) -> Any:
    """What a parser makes of a head; None where it refuses. They raise many kinds of errors."""
    try:
        return load(content)
    except Exception:
        return None


def _load_yaml(content: str) -> Any:
    return yaml.load(content, Loader=_TextLoader)


def _load_nothing(content: str) -> None:
    """For heads that are in no language: what stands after a key is its value."""


def _load_json(content: str) -> Any:
    return json.loads(content)


def _load_bare_json(content: str) -> Any:
    """The JSON of Hexo, whose braces may be left out."""
    content = content.strip().removesuffix(",")
    return json.loads(content if content.startswith("{") else "{" + content + "}")


def _load_javascript(content: str) -> dict[str, Any]:
    """The plain values of an object in JavaScript, which is never run."""
    return {
        value["key"]: value["double"] or value["single"] or value["boolean"] or value["date"] or ""
        for value in JS_VALUE.finditer(content)
    }


PARSERS: dict[str, tuple[str, Parser]] = {  # by what may stand after the opening fence: (its name, how it is read)
    "yaml": ("YAML", _load_yaml),
    "toml": ("TOML", tomllib.loads),
    "json": ("JSON", _load_json),
    "js": ("JavaScript", _load_javascript),
    "bare": ("JSON", _load_bare_json),
}
