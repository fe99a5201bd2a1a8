"""Documentation generated from code: the parameters of params.yaml, the presets, and the settings of a
pydantic-settings class.

A page holds `<!-- generated: NAME -->` … `<!-- /generated -->`; `fill_markers` replaces what stands between the two.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any

import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

BLOCK = re.compile(r"(<!-- generated: ([^>]+?) -->\n).*?(<!-- /generated -->)", re.S)
LINE_WIDTH = 116
TYPE_NAMES = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    list[str]: "JSON list of text",
    Path: "path",
}
JSON_TYPES = {
    "integer": "integer",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "array": "JSON list of text",
}
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "not empty",
    "pattern": "matching `{}`",
}


def fill_markers(text: str, blocks: dict[str, str], page: str) -> str:
    """The page with every generated block replaced. Raises KeyError for a marker without a block in `blocks`."""

    def replacement(match: re.Match[str]) -> str:
        if match[2] not in blocks:
            raise KeyError(f"{page} asks for the generated block {match[2]!r}; there are: {', '.join(sorted(blocks))}")
        return f"{match[1]}\n{blocks[match[2]].strip()}\n\n{match[3]}"

    return BLOCK.sub(replacement, text)


def parameter_reference(text: str, model: type[BaseModel]) -> str:
    """Every parameter of a params.yaml (its text): name, type, range, default, and the comment above it. A heading per
    section."""
    comments, defaults = parameter_comments(text), yaml.safe_load(text)
    parts = []
    for section, field in model.model_fields.items():
        parameters: Any = field.annotation
        entries = [
            _entry(name, kind, default, comments.get(name, ""))
            for name, kind, default in _parameters(section, parameters, defaults[section])
        ]
        parts.append(f"## {section}\n\n" + "\n".join(entries))
    return "\n\n".join(parts)


def parameter_comments(text: str) -> dict[str, str]:
    """{"section.name": comment above it} of a params.yaml."""
    found: dict[str, str] = {}
    section, lines = "", []
    for line in text.splitlines():
        if comment := re.match(r"\s*# ?(.*)", line):
            lines.append(comment[1])
        elif key := re.match(r"( *)([\w-]+):", line):
            section = section if key[1] else key[2]
            if key[1]:
                found[f"{section}.{key[2]}"] = " ".join(lines)
            lines = []
        else:
            lines = []
    return found


def preset_reference(presets: dict[str, dict]) -> str:
    """What each preset sets, as a table."""
    names = list(presets)
    rows = []
    for parameter in presets[names[0]]:
        rows.append([f"`train.{parameter}`", *(str(presets[name][parameter]) for name in names)])
    return markdown_table(["parameter", *names], rows)


def settings_reference(model: type[BaseModel]) -> str:
    """Every variable of a pydantic-settings class: its environment variable, type, range, default and the comment above
    it."""
    comments, prefix = _class_comments(model), model.model_config.get("env_prefix", "")
    schemas = model.model_json_schema()["properties"]
    return "\n".join(
        _entry(
            f"{prefix}{name}".upper(), type_of(field, schemas[name]), _setting_default(field), comments.get(name, "")
        )
        for name, field in model.model_fields.items()
    )


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def type_of(field: FieldInfo, schema: dict) -> str:
    """Type and range of a field, in words."""
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
        return "one of " + ", ".join(f"`{value}`" for value in values)
    kind: Any = field.annotation
    name = JSON_TYPES.get(schema.get("type", ""), "")
    if isinstance(kind, UnionType):
        name = " or ".join(TYPE_NAMES[one] for one in kind.__args__)
    bounds = [
        form.format(f"{schema[key]:g}" if isinstance(schema[key], (int, float)) else schema[key])
        for key, form in BOUNDS.items()
        if key in schema
    ]
    return ", ".join([TYPE_NAMES.get(kind, name) or "text", *bounds])


def _parameters(prefix: str, model: type[BaseModel], defaults: dict) -> Iterator[tuple[str, str, str]]:
    """(dotted name, type in words, default) of a section; a section inside it comes first as a whole, then part by
    part."""
    schemas = model.model_json_schema()["properties"]
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        dotted = f"{prefix}.{name}"
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            yield dotted, "a section", ""
            yield from _parameters(dotted, field.annotation, defaults[name])
        else:
            yield dotted, type_of(field, schemas[name]), _code(defaults[name])


def _entry(name: str, kind: str, default: str, comment: str) -> str:
    """One item of a list. A `<name>` outside code would be read as an HTML tag."""
    comment = "".join(
        part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(re.split(r"(`[^`]*`)", comment))
    )
    item = f"**`{name}`** ({kind}{default and f', default {default}'})" + (f": {comment}" if comment else "")
    return textwrap.fill(
        item, LINE_WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _code(value: object) -> str:
    if value == "" or value == []:
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _setting_default(field: FieldInfo) -> str:
    """The default in words; a path depends on the machine."""
    value = field.default
    if isinstance(value, Path):
        return "the user's data folder"
    return (
        "" if value is PydanticUndefined else _code(value.get_secret_value() if isinstance(value, SecretStr) else value)
    )


def _class_comments(model: type) -> dict[str, str]:
    """{field: comment above it} of a class."""
    found, lines = {}, []
    for line in textwrap.dedent(inspect.getsource(model)).splitlines():
        if comment := re.match(r"    # ?(.*)", line):
            lines.append(comment[1])
        else:
            if field := re.match(r"    (\w+):", line):
                found[field[1]] = " ".join(lines)
            lines = []
    return found
