"""Set parameters in params.yaml; its comments are kept.

Run     python scripts/set_param.py train.base=llama3.2:1b
        python scripts/set_param.py train.base=auto     the base that `make doctor` advises
        python scripts/set_param.py train.epochs=3 train.lora_rank=32
"""

import _path

import argparse
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError


def advised_base() -> str:
    """The base that `make doctor` advises, which is said with the reason."""
    from train.diagnosis import collect

    recommended = collect()["recommended"]
    echo(f"BASE=auto is {recommended['base']}: {recommended['reason']}")
    return str(recommended["base"])


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

            value = advised_base() if value == "auto" else value
            check_base(value)
        values[key] = value
    set_params(Path("params.yaml"), values)


if __name__ == "__main__":
    run_cli(main)
