"""Validate the style verifier on blogs of several people: unseen posts of an author against unseen people, texts of 500
words.

Reads   FOLDER: one folder of posts for each author; “shipped” for the authors of eval/style/impostors.npz
Writes  artifacts/validate/verifier.json   {"k10": {"mean_auc", "p5_auc", "min_auc", "brier", "five_auc",
                                           "authors": {…}}, "k20": …}
Run     make validate-metrics BLOGS=FOLDER
"""

import _path

import argparse
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import write_json
from blogtwin.hints import make_command
from blogtwin.paths import ARTIFACTS_DIR
from eval.style.validation import SHIPPED, folder_counts, print_table, shipped_counts, validate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER")
    given = parser.parse_args().folder
    if not given:
        raise UserError(
            f'Name the folder: `{make_command("validate-metrics", BLOGS="folder")}`, or several twins: TWINS="a b c".'
        )
    from rich.progress import track

    counted = shipped_counts() if given == SHIPPED else folder_counts(Path(given))
    found = validate(counted, lambda items, title: track(items, title, transient=True))
    write_json(ARTIFACTS_DIR / "validate/verifier.json", found)
    print_table(found)
    echo(f"wrote {ARTIFACTS_DIR / 'validate/verifier.json'}")


if __name__ == "__main__":
    run_cli(main)
