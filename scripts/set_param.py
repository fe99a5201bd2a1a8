"""Set knobs in params.yaml, comments kept.

Run     python scripts/set_param.py train.base=llama3.2:1b
"""

import io
import sys
from pathlib import Path

from _shared import UserError, load_params, run, say, writing


def set_params(path: Path, values: dict[str, str]) -> None:
    """Set dotted keys; params.yaml is only replaced when the whole is valid with all of them."""
    from ruamel.yaml import YAML, YAMLError
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    before = path.read_text(encoding="utf-8")
    data = yaml.load(before)
    for key, value in values.items():
        *parents, name = key.split(".")
        section = data
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UserError(f"{path}: there is no knob {key}: {parent} is a value, not a section.")
        try:
            read = yaml.load(value)
        except YAMLError:  # "[draft"
            read = None
        number_for_word = section.get(name) in ("preset", "auto") and isinstance(read, int | float)
        if isinstance(section.get(name), str) and not number_for_word:  # words, in quotes where DVC (YAML 1.2) or PyYAML (1.1) would read something else
            plain = read == value and value.casefold() not in ("yes", "no", "on", "off", "y", "n") and not value[:1].isdigit()
            section[name] = value if plain else DoubleQuotedScalarString(value)
        else:
            section[name] = value if read is None else read
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
    for key, value in values.items():
        say(f"params.yaml: {key} is {value}")


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
            from train.base import describe

            describe(value)
        values[key] = value
    set_params(Path("params.yaml"), values)


if __name__ == "__main__":
    run(main)
