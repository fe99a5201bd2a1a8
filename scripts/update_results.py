"""Put the figures of the last run on the sample blog into docs/results.json, from which the pages are built.

Reads   artifacts/eval/metrics.json, artifacts/eval/verdict.txt, artifacts/train/metrics.json,
        artifacts/gguf/parity.json, params.yaml
Writes  docs/results.json, the table `sample`; scripts/build_docs.py then fills the pages
Run     python scripts/update_results.py
"""

import _path

import argparse
import datetime
import json
import subprocess
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import atomic_open
from blogtwin.paths import EVAL_DIR, GGUF_DIR, TRAIN_DIR
from eval.results_tables import update_sample
from eval.summary import read_json, read_verdict

RESULTS_FILE = Path("docs/results.json")
SAMPLE_DIR = "data/sample"


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    source = load_params().ingest.source
    if source != SAMPLE_DIR:
        raise UserError(
            f"ingest.source is {source}, and the documentation shows the sample blog: set it to {SAMPLE_DIR} and run"
            " `make all`."
        )
    scores, training = read_json(EVAL_DIR / "metrics.json"), read_json(TRAIN_DIR / "metrics.json")
    parity = read_json(GGUF_DIR / "parity.json")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    tables = json.loads(RESULTS_FILE.read_text(encoding="utf-8"))
    tables["sample"] = update_sample(
        tables["sample"],
        scores,
        training,
        parity,
        read_verdict(EVAL_DIR / "verdict.txt")[0],
        commit,
        datetime.date.today().isoformat(),
    )
    with atomic_open(RESULTS_FILE) as file:
        file.write(json.dumps(tables, ensure_ascii=False, indent=1) + "\n")
    echo(f"wrote {RESULTS_FILE} (sample, commit {commit}); now run `python scripts/build_docs.py`")


if __name__ == "__main__":
    run_cli(main)
