"""Set knobs in params.yaml, comments kept.

Run     python scripts/set_param.py train.base=llama3.2:1b
"""

import _path

import sys
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        echo(__doc__)
        return
    values = {}
    for argument in sys.argv[1:]:
        key, is_there, value = argument.partition("=")
        if not is_there:
            raise UserError(f"{argument} is no KEY=VALUE: write for example train.epochs=3.")
        if key == "train.base":
            from blogtwin.models.registry import registry_entry

            registry_entry(value)
        values[key] = value
    set_params(Path("params.yaml"), values)


if __name__ == "__main__":
    run_cli(main)
