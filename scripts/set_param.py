"""Set knobs in params.yaml, comments kept.

Run     python scripts/set_param.py train.base=llama3.2:1b
"""

import io
import sys
from pathlib import Path

from _shared import UserError, load_params, run, say, writing


def set_param(path: Path, key: str, value) -> None:
    """Set one dotted key; params.yaml is only replaced when the whole is valid with it."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    before = path.read_text(encoding="utf-8")
    data = yaml.load(before)
    *parents, name = key.split(".")
    section = data
    for parent in parents:
        section = section.setdefault(parent, {})
    section[name] = yaml.load(value) if isinstance(value, str) and ":" not in value else value
    after = io.StringIO()
    yaml.dump(data, after)
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
    with writing(path) as file:
        file.write(after.getvalue())
    say(f"params.yaml: {key} is {value}")


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        say(__doc__)
        return
    for argument in sys.argv[1:]:
        key, is_there, value = argument.partition("=")
        if not is_there:
            raise UserError(f"{argument} is no KEY=VALUE: write for example train.epochs=3.")
        if key == "train.base":
            from train.base import describe

            describe(value)
        set_param(Path("params.yaml"), key, value)


if __name__ == "__main__":
    run(main)
