"""The values of a head: by a strict parser where it can read them, else key by key, by hand."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

import yaml

SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some builds of PyYAML lack its C library

# fmt: off
KNOWN_KEYS = {  # a head without fences has one of them
    "title", "date", "tags", "tag", "category", "categories", "author", "authors", "slug", "status", "summary",
    "layout", "modified", "permalink", "lang", "language", "published", "draft", "keywords", "description", "subtitle",
    "created", "updated", "publishdate", "pubdate", "excerpt", "url", "visibility", "type", "date created", "subject",
}
# fmt: on
KEY_LINE = re.compile(
    r"""(?x)
    (?P<quote>["']?) (?P<key>[^\W\d][\w.@/-]* (?:[ ][\w.@/-]+){0,3}) (?P=quote) [ \t]* (?P<sign>:(?!:)|=) (?P<value>.*)
    """
)
ELISION = re.compile(r"(?i)'(?:tis|twas|til|till|cause|em|n|round|bout|\d\ds?)\b")  # an apostrophe, no quotation mark
JS_VALUE = re.compile(
    r"""(?mx)
    ^[ \t{]*["']?(?P<key>[A-Za-z_]\w*)["']?[ \t]*:[ \t]*
    (?: "(?P<double>[^"\n]*)" | '(?P<single>[^'\n]*)' | (?P<boolean>true|false) | (?P<date>\d{4}-\d\d-\d\d) )
    """
)
Parser = Callable[[str], Any]


class _TextLoader(SafeLoader):
    """YAML whose values stay text, as their author wrote them: `No`, `10:30` and `1_000` are titles."""

    # {first character of a value: what else it may be}
    yaml_implicit_resolvers = {
        **dict.fromkeys("~n", [("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"))]),
        "": [("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"))],
        "<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))],
    }


def known_keys(values: Mapping[Any, Any]) -> set[str]:
    return KNOWN_KEYS & {str(key).lower() for key in values}


def read_chunks(content: str, load: Parser) -> dict[str, Any]:
    """Key by key: by the parser where it can, else by hand."""
    values: dict[str, Any] = {}
    for chunk in _chunks(content):
        chunk = re.sub(r"(?m)^\t+", lambda m: "  " * len(m[0]), chunk)
        value = try_load(load, chunk)
        values |= with_raw_values(value, chunk) if isinstance(value, dict) else _read_by_hand(chunk)
    return values


def _chunks(content: str) -> list[str]:
    """`content` cut before each line that begins with a key."""
    chunks: list[list[str]] = []
    for line in content.split("\n"):
        if KEY_LINE.match(line if chunks else line.lstrip()) or (chunks and _is_stray_key(line, chunks[-1][0])):
            chunks.append([line.strip()])
        elif chunks and line.strip():
            chunks[-1].append(line)
    return ["\n".join(lines) for lines in chunks]


def _is_stray_key(line: str, first: str) -> bool:
    """True for a key that is indented though nothing above it can hold it."""
    key, above = KEY_LINE.match(line.strip()), KEY_LINE.match(first)
    return bool(key and key["key"].lower() in KNOWN_KEYS and above and above["value"].strip(" |>-+"))


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
    is_open = re.match(r"[\"']", value) and value.count(value[0]) == 1
    if is_open and not ELISION.match(value):  # never closed
        return value[1:]
    for quote in ('"', "'"):
        inner = re.sub(r"(?<=\w)'(?=\w)", "", value[1:-1])  # 'It's mine'
        if len(value) > 1 and value.startswith(quote) and value.endswith(quote) and quote not in inner:
            return value[1:-1]
    return value


def with_raw_values(metadata: Mapping[Any, Any], content: str) -> dict[str, Any]:
    """YAML's values; a title or tags that it reads as something other than text are taken as they stand there."""
    values = {key: value for key, value in metadata.items() if isinstance(key, str)}
    for key, value in values.items():
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list) and len(value[0]) == 1:
            values[key] = value[0][0]  # a link of Obsidian: [[2016-03-09]]
            continue
        is_mark = isinstance(value, str) and re.search(rf"(?m)^{re.escape(key)}[ \t]*:[ \t]*(?:&|!(?!!))", content)
        is_title = key.lower() == "title" and (is_mark or not (isinstance(value, str) and value))
        if is_title or (value is None and key.lower() in ("tags", "keywords", "categories")):
            raw = re.search(rf"(?m)^{re.escape(key)}[ \t]*:[ \t]*([\[{{#!&].*)$", content)
            values[key] = raw[1].strip() if raw else value
            if is_title and isinstance(values[key], list):
                values[key] = ", ".join(item for item in values[key][:20] if isinstance(item, str))
    return values


def flatten(metadata: dict[str, Any]) -> dict[str, Any]:
    """The values of a head, and those of Zola's table of tags beside them."""
    taxonomies = metadata.get("taxonomies")
    return {**taxonomies, **metadata} if isinstance(taxonomies, dict) else metadata


def try_load(load: Parser, content: str) -> Any:
    """What a parser makes of a head; None where it refuses. They raise many kinds of errors."""
    try:
        return load(content)
    except Exception:
        return None


def load_yaml(content: str) -> Any:
    return yaml.load(content, Loader=_TextLoader)


def load_nothing(content: str) -> None:
    """For heads that are in no language: what stands after a key is its value."""


def _load_json(content: str) -> Any:
    return json.loads(content)


def load_bare_json(content: str) -> Any:
    """The JSON of Hexo, whose braces may be left out."""
    content = content.strip().removesuffix(",")
    return json.loads(content if content.startswith("{") else "{" + content + "}")


def load_javascript(content: str) -> dict[str, Any]:
    """The plain values of an object in JavaScript, which is never run."""
    return {
        value["key"]: value["double"] or value["single"] or value["boolean"] or value["date"] or ""
        for value in JS_VALUE.finditer(content)
    }


PARSERS: dict[str, tuple[str, Parser]] = {  # by what may stand after the opening fence: (its name, how it is read)
    "yaml": ("YAML", load_yaml),
    "toml": ("TOML", tomllib.loads),
    "json": ("JSON", _load_json),
    "js": ("JavaScript", load_javascript),
    "bare": ("JSON", load_bare_json),
}
