"""Does a twin learn its own author, and not just «a blog»? Twins of several authors on one base, each on everybody's posts.

Reads   FOLDER …: at least two folders in which `make all` has made a twin on the same base
Writes  artifacts/validate/twins.json   {"bits_per_byte": {twin: {author: …}}, "own_lowest": {author: 1 or 0}, "style": {author: {twin: …}}}
Run     make validate-metrics TWINS="folder folder folder"
"""

import _path

import argparse
from pathlib import Path

from blogtwin.console import run, say
from blogtwin.files import digest, write_json
from blogtwin.paths import ARTIFACTS
from eval.cross_evaluation import all_of, bits_per_byte, own_lowest, show, style_matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    twins = all_of(parser.parse_args().folders)
    from blogtwin.console import counting, track
    from blogtwin.models.registry import resolve

    base = resolve(twins[0].params.train.base)
    matrix = bits_per_byte(base, twins, track)
    found = {
        "bits_per_byte": matrix,
        "own_lowest": own_lowest(matrix),
        "style": style_matrix(base, twins, counting),
        "n": {t.name: {"prompts": len(t.asked), "gguf": digest(t.gguf)[:16]} for t in twins},
    }
    write_json(ARTIFACTS / "validate/twins.json", found)
    show(found)
    say(f"wrote {ARTIFACTS / 'validate/twins.json'}")


if __name__ == "__main__":
    run(main)
