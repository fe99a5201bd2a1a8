"""Set parameters in params.yaml; its comments are kept.

Run     python scripts/set_param.py train.base=llama3.2:1b
        python scripts/set_param.py train.epochs=3 train.lora_rank=32
"""

import _path

import argparse
from pathlib import Path

from blogtwin.console import run_cli
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assignments", nargs="+", metavar="KEY=VALUE", help="a dotted name and its new value")
    values = {}
    for assignment in parser.parse_args().assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UserError(f"{assignment} is not KEY=VALUE: write for example train.epochs=3.")
        if key == "train.base":
            from blogtwin.models.registry import check_base

            check_base(value)
        values[key] = value
    set_params(Path("params.yaml"), values)


if __name__ == "__main__":
    run_cli(main)
