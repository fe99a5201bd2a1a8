"""Run the pipeline with other parameters, as an experiment that DVC keeps (`make exp`): `dvc exp run`, after a look
whether Git has what it needs, a first commit and a name for the next ones.

Reads   params.yaml, and what you give to DVC
Writes  an experiment: `dvc exp show` lists it

Run     make exp S="-S train.learning_rate=1e-4"
        python scripts/run_experiment.py --queue -S train.lora_rank=8
"""

import _path

import os
import sys

from blogtwin.console import echo, run_cli
from blogtwin.dvc import DVC
from blogtwin.paths import ROOT
from blogtwin.repository import add_pointers, check_commit, check_identity


def main() -> None:
    if sys.argv[1:2] in (["-h"], ["--help"]):
        echo(__doc__)
        return
    check_commit(ROOT)
    check_identity(ROOT)
    add_pointers(ROOT)
    os.execv(DVC[0], [*DVC, "exp", "run", *sys.argv[1:]])


if __name__ == "__main__":
    run_cli(main)
