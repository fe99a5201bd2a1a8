"""Export the training examples as a dataset for other tools, with a dataset card. The texts are yours: think before you
publish them.

Reads   data/prepared/examples.jsonl
Writes  data/export/<format>/train.jsonl (and validation.jsonl), README.md
Run     python scripts/export_dataset.py --format chatml --include-system --validation-split 0.1
"""

import _path

import argparse

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.paths import PREPARED_DIR
from corpus.dataset_export import FORMATS, split_examples, write_dataset


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=FORMATS, default="chatml")
    parser.add_argument("--include-system", action="store_true", help="start each row with prepare.system")
    parser.add_argument(
        "--validation-split", type=float, default=0.0, metavar="FRACTION", help="fraction of the posts to hold out"
    )
    parser.add_argument("--deduplicate", action="store_true", help="skip near-duplicates of an earlier example")
    parser.add_argument("--quality-filter", action="store_true", help="skip very short, repetitive or wordless outputs")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    if not 0 <= options.validation_split < 1:
        raise UserError(
            f"--validation-split is {options.validation_split:g}: give a fraction of the posts from 0 to under 1, such"
            " as 0.1."
        )
    params, examples = load_params().prepare, read_jsonl(PREPARED_DIR / "examples.jsonl")
    parts = split_examples(
        examples, options.format, options.validation_split, params.seed, options.deduplicate, options.quality_filter
    )
    if not parts["train"]:
        raise UserError(
            f"None of the {len(examples)} examples is left: drop --quality-filter, hold out fewer posts, or look at"
            f" {PREPARED_DIR / 'examples.jsonl'}."
        )
    folder = write_dataset(parts, options.format, params.system if options.include_system else "", params.author)
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in parts.items() if rows)
    echo(f"wrote {folder}: {counts} rows of {len(examples)} examples, and a dataset card (README.md)")


if __name__ == "__main__":
    run_cli(main)
