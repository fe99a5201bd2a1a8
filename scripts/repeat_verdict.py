"""Does the verdict hold? This folder's twin is measured again and again, and so is what must never pass.

Reads   data/split/, artifacts/gguf/twin.gguf, artifacts/eval/base.jsonl: run `make all` first
Writes  artifacts/validate/verdicts.json   {what: {outcome: how often}}
Run     python scripts/repeat_verdict.py [--runs 20]     takes two minutes a run or so
        python scripts/repeat_verdict.py --runs 15 --twin "trained again=FILE" --twin "another author's twin=FILE"
"""

import _path

import argparse
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl, write_json
from blogtwin.paths import ARTIFACTS_DIR, EVAL_DIR

OUTPUT = ARTIFACTS_DIR / "validate/verdicts.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="of this folder's twin, and of each cheat that is drawn")
    parser.add_argument("--twin", action="append", default=[], metavar="NAME=FILE", help="the GGUF of another twin")
    given = parser.parse_args()
    twins: dict[str, list[Path]] = {}
    for one in given.twin:
        name, _, file = one.partition("=")
        if not name or not Path(file).is_file():
            raise UserError(f"--twin is {one!r}: write NAME=FILE, with the twin.gguf of a twin on the same base.")
        twins.setdefault(name, []).append(Path(file))
    from blogtwin.models.registry import resolve_base
    from eval import run
    from eval.repeated_verdict import repeat_verdict

    params = load_params()
    base = resolve_base(params.train.base)
    rows = read_jsonl(EVAL_DIR / "base.jsonl") + run.collect_twins(params, base)
    found = repeat_verdict(params, base, twins, given.runs, rows)
    write_json(OUTPUT, found)
    for name, outcomes in found.items():
        echo(f"{name:24} {', '.join(f'{n} {outcome}' for outcome, n in outcomes.items())}")
    echo(f"wrote {OUTPUT}")


if __name__ == "__main__":
    run_cli(main)
