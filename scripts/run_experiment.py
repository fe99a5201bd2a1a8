"""Run the pipeline with other parameters, as an experiment that DVC keeps (`make exp`): `dvc exp run`, after a look
whether Git has what it needs, a first commit and a name for the next ones.

Reads   params.yaml, and what you give to DVC
Writes  an experiment: `dvc exp show` lists it

Run     make exp S="-S train.learning_rate=1e-4"
        python scripts/run_experiment.py --queue -S train.lora_rank=8
"""

import _path

import os
import re
import sys
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.dvc import DVC, check_queue_path, run_git
from blogtwin.errors import UserError
from blogtwin.paths import ROOT
from blogtwin.repository import add_pointers, check_commit, check_identity


def check_tracked(source: str) -> None:
    """Raises UserError for a folder of posts that Git does not know: DVC's copy of the project would lack it."""
    if Path(source).is_dir() and not run_git(ROOT, "ls-files", "--", source, f"{source.rstrip('/')}.dvc").stdout:
        raise UserError(
            f"A queued experiment runs in a copy of the project that has only what Git knows, and not {source}: run"
            f" `dvc add {source}` first."
        )


def main() -> None:
    if sys.argv[1:2] in (["-h"], ["--help"]):
        echo(__doc__)
        return
    check_commit(ROOT)
    check_identity(ROOT)
    add_pointers(ROOT)
    if {"--queue", "--temp"} & set(sys.argv):
        check_queue_path(ROOT)
        for source in re.findall(r"\bingest\.source=(\S+)", " ".join(sys.argv)):
            check_tracked(source)
    os.execv(DVC[0], [*DVC, "exp", "run", *sys.argv[1:]])


if __name__ == "__main__":
    run_cli(main)
