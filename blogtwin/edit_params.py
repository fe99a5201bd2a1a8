"""Values changed in params.yaml with its comments kept."""

import io
from pathlib import Path

import yaml

from blogtwin import renamed_params
from blogtwin.config import load_params
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import atomic_open


def set_params(path: Path, values: dict[str, str], quiet: bool = False) -> None:
    """Set dotted keys; params.yaml is only replaced when the whole is valid with all of them."""
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
        if (new := renamed_params.current(key)) != key:
            raise UserError(
                f"{path}: {key} is now called {new}: set that one." if new else f"{path}: {key} is gone: leave it out."
            )
        *parents, name = key.split(".")
        section = data
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UserError(f"{path}: there is no knob {key}: {parent} is a value, not a section.")
        try:
            read = editor.load(value)
        except YAMLError:  # "[draft"
            read = None
        number_for_word = section.get(name) in ("preset", "auto") and isinstance(read, int | float)
        if (
            isinstance(section.get(name), str) and not number_for_word
        ):  # words, in quotes where DVC (YAML 1.2) or PyYAML (1.1) would read something else
            plain = (
                read == value
                and value.casefold() not in ("yes", "no", "on", "off", "y", "n")
                and not value[:1].isdigit()
            )
            section[name] = value if plain else DoubleQuotedScalarString(value)
        else:
            section[name] = value if read is None and value not in ("null", "~") else read
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
    for key, value in {} if quiet else values.items():
        echo(f"params.yaml: {key} is {value}")


def flattened(text: str) -> dict[str, str]:
    """{dotted name: value} of a params.yaml, as `set_params` takes them."""
    found: dict[str, str] = {}

    def walk(value, name: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else str(key))
        else:
            found[name] = value if isinstance(value, str) else yaml.safe_dump(value).removesuffix("...\n").strip()

    try:
        walk(yaml.safe_load(text) or {}, "")
    except yaml.YAMLError as e:
        raise UserError(f"params.yaml is not YAML: {' '.join(str(e).split())}.") from None
    return found


def changed_values(before: str, after: str, folder: Path) -> dict[str, str]:
    """What was changed from one params.yaml to another, under today's names, also where either is of an older
    version."""
    old, new = (renamed_params.upgraded(flattened(text), folder) for text in (before, after))
    return {name: value for name, value in new.items() if old.get(name) != value}
