"""Does a twin learn its own author, and not just “a blog”? Twins of several authors on one base model, each evaluated
on every author's posts.

Reads   FOLDER …: at least two folders in which `make all` has made a twin on the same base
Writes  artifacts/validate/twins.json   {"bits_per_byte": {twin: {author: …}}, "own_lowest": {author: 1 or 0},
                                        "style": {author: {twin: …}}}
Run     make validate-metrics TWINS="folder folder folder"
"""

import _path

import argparse
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.files import sha256_file, write_json
from blogtwin.paths import ARTIFACTS_DIR
from eval.cross_evaluation import bits_per_byte, load_twins, own_twin_wins, print_matrix, style_matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    twins = load_twins(parser.parse_args().folders)
    from blogtwin.console import progress_counter, track
    from blogtwin.models.registry import resolve_base

    base = resolve_base(twins[0].params.train.base)
    matrix = bits_per_byte(base, twins, track)
    found = {
        "bits_per_byte": matrix,
        "own_lowest": own_twin_wins(matrix),
        "style": style_matrix(base, twins, progress_counter),
        "n": {t.name: {"prompts": len(t.prompts), "gguf": sha256_file(t.gguf)[:16]} for t in twins},
    }
    write_json(ARTIFACTS_DIR / "validate/twins.json", found)
    print_matrix(found)
    echo(f"wrote {ARTIFACTS_DIR / 'validate/twins.json'}")


if __name__ == "__main__":
    run_cli(main)
