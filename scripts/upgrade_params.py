"""Write the parameters of params.yaml under the names they have today, in place; every other byte of it stays.

`make setup`, and so every verb, calls this where scripts/renamed_params.py sees an old name: DVC reads params.yaml
before any stage runs, and would stop at a name or a file that is gone. Conflict markers that Git left in it (`git pull
--autostash`, `git merge`) are resolved the same way: the new text, with the values that were changed here.

Reads   params.yaml, scripts/renamed_params.py; of a conflict, Git's three versions
Writes  params.yaml, and a line for each change
Run     python scripts/upgrade_params.py
"""

import _path

import sys
from pathlib import Path

import yaml

from blogtwin.console import echo, run_cli
from blogtwin.upgrade_params import upgrade_file

PARAMS = Path("params.yaml")


def main() -> None:
    if sys.argv[1:]:
        echo(__doc__)
        return
    try:
        for sentence in upgrade_file(PARAMS):
            echo(f"{PARAMS}: {sentence}")
    except (FileNotFoundError, UnicodeDecodeError, yaml.YAMLError):
        return  # load_params has a sentence for it


if __name__ == "__main__":
    run_cli(main)
