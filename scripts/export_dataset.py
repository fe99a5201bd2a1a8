"""The training examples in the formats of other tools, with a dataset card. The texts are yours: think before you
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
from blogtwin.files import atomic_directory, read_jsonl, write_jsonl
from blogtwin.paths import PREPARED_DIR
from corpus.dataset_export import EXPORT_DIR, dataset_card


def main() -> None:
    from corpus import dataset_export

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=dataset_export.FORMATS, default="chatml")
    parser.add_argument("--include-system", action="store_true", help="put prepare.system in front")
    parser.add_argument(
        "--validation-split", type=float, default=0.0, metavar="SHARE", help="share of the posts held out"
    )
    parser.add_argument("--deduplicate", action="store_true", help="leave out what is near to an example before")
    parser.add_argument(
        "--quality-filter", action="store_true", help="leave out very short, repetitive or wordless outputs"
    )
    asked = parser.parse_args()
    if not 0 <= asked.validation_split < 1:
        raise UserError(
            f"--validation-split is {asked.validation_split:g}: give a share of the posts from 0 to under 1, such as"
            " 0.1."
        )
    params, examples = load_params(), read_jsonl(PREPARED_DIR / "examples.jsonl")
    system = params.prepare.system if asked.include_system else ""
    parts = dataset_export.split_examples(
        examples, asked.format, asked.validation_split, params.prepare.seed, asked.deduplicate, asked.quality_filter
    )
    if not parts["train"]:
        raise UserError(
            f"None of the {len(examples)} examples is left: leave out --quality-filter, hold fewer posts out, or look"
            f" at {PREPARED_DIR / 'examples.jsonl'}."
        )
    parts = {name: rows for name, rows in parts.items() if rows}
    with atomic_directory(EXPORT_DIR / asked.format) as folder:
        for name, rows in parts.items():
            write_jsonl(
                folder / f"{name}.jsonl", [dataset_export.format_row(row, asked.format, system) for row in rows]
            )
        (folder / "README.md").write_text(dataset_card(asked.format, parts, params.prepare.author), encoding="utf-8")
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in parts.items())
    echo(
        f"wrote {EXPORT_DIR / asked.format}: {counts} rows of {len(examples)} examples, and a dataset card (README.md)"
    )


if __name__ == "__main__":
    run_cli(main)
