"""Set knobs in params.yaml, comments kept.

Run     python scripts/set_param.py train.base=llama3.2:1b
"""

import _path

import sys
from pathlib import Path

import renames
import yaml

from blogtwin.console import run, say
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError


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
    """What was changed from one params.yaml to another, under today's names, also where either is of an older version."""
    old, new = (renames.upgraded(flattened(text), folder) for text in (before, after))
    return {name: value for name, value in new.items() if old.get(name) != value}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        say(__doc__)
        return
    values = {}
    for argument in sys.argv[1:]:
        key, is_there, value = argument.partition("=")
        if not is_there:
            raise UserError(f"{argument} is no KEY=VALUE: write for example train.epochs=3.")
        if key == "train.base":
            from blogtwin.models.registry import describe

            describe(value)
        values[key] = value
    set_params(Path("params.yaml"), values)


if __name__ == "__main__":
    run(main)
