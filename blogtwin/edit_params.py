"""Change values in params.yaml and keep its comments."""

import io
from pathlib import Path
from typing import Any

import yaml

from blogtwin import renamed_params
from blogtwin.config import load_params
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import atomic_open


def set_params(path: Path, values: dict[str, str], quiet: bool = False) -> None:
    """Set {dotted name: value as written in YAML}. Prints each change, unless `quiet`.

    Raises UserError, and leaves the file as it is, when the new params.yaml would not be valid.
    """
    from ruamel.yaml import YAML, YAMLError
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    editor = YAML()
    editor.width = 4096
    editor.preserve_quotes = True
    editor.representer.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    before = path.read_text(encoding="utf-8")
    data = editor.load(before)
    for key, value in values.items():
        new_name = renamed_params.current_name(key)
        if not new_name:
            raise UserError(f"{path}: {key} was removed: don't set it.")
        if new_name != key:
            raise UserError(f"{path}: {key} is now called {new_name}: set that one.")
        *parents, name = key.split(".")
        section = data
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UserError(f"{path}: there is no parameter {key}: {parent} is a value, not a section.")
        try:
            parsed = editor.load(value)
        except YAMLError:  # for example "[draft"
            parsed = None
        old = section.get(name)
        replaces_word = old in ("preset", "auto") and isinstance(parsed, int | float)
        if isinstance(old, str) and not replaces_word:
            # Text is quoted where DVC (YAML 1.2) or PyYAML (YAML 1.1) would read it as another type.
            is_boolean = value.casefold() in ("yes", "no", "on", "off", "y", "n")
            is_plain = parsed == value and not is_boolean and not value[:1].isdigit()
            section[name] = value if is_plain else DoubleQuotedScalarString(value)
        elif parsed is None and value not in ("null", "~"):
            section[name] = value
        else:
            section[name] = parsed
    after = io.StringIO()
    editor.dump(data, after)
    if after.getvalue() == before:
        return
    trial = path.with_name(f".{path.name}.tmp")
    try:
        trial.write_text(after.getvalue(), encoding="utf-8")
        load_params(trial)
    except UserError as e:
        raise UserError(str(e).replace(str(trial), str(path))) from None
    finally:
        trial.unlink(missing_ok=True)
    with atomic_open(path) as file:
        file.write(after.getvalue())
    if not quiet:
        for key, value in values.items():
            echo(f"params.yaml: {key} is {value}")


def flatten_params(text: str) -> dict[str, str]:
    """{dotted name: value as written in YAML} of a params.yaml, as `set_params` takes them. Raises UserError."""
    values: dict[str, str] = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else str(key))
        else:
            values[name] = value if isinstance(value, str) else yaml.safe_dump(value).removesuffix("...\n").strip()

    try:
        walk(yaml.safe_load(text) or {}, "")
    except yaml.YAMLError as e:
        raise UserError(f"params.yaml is not valid YAML: {' '.join(str(e).split())}.") from None
    return values


def changed_values(before: str, after: str, folder: Path) -> dict[str, str]:
    """{dotted name: new value} of the parameters that differ between two params.yaml, which may be of older versions.

    The result has the current names. `folder` is where a relative path in them starts.
    """
    old, new = (renamed_params.upgrade_values(flatten_params(text), folder) for text in (before, after))
    return {name: value for name, value in new.items() if old.get(name) != value}
