"""Measure how fast the CPU trainer is, compared with TRL's own SFTTrainer on the same rows, and with the machine's
speed in matrix products.

The runs are processes of their own, one after the other: ours; TRL with its defaults (a few steps, for its speed); and
TRL with packing as ours and as many steps, to compare the validation loss. (TRL's output layer needs Triton: without a
GPU, train/trl_compat.py replaces it.)

Reads   data/split/train.jsonl, data/split/valid.jsonl
Writes  artifacts/bench/train.json
Run     make bench
        python scripts/bench_train.py --steps 4
"""

import _path

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import write_json
from blogtwin.paths import ARTIFACTS_DIR
from train.benchmark import run_worker

BENCH_FILE = ARTIFACTS_DIR / "bench/train.json"
RUNS = ("ours", "packed", "stock")
TARGET_SPEEDUP = 4.0  # over TRL with its defaults
TARGET_ROOFLINE_SHARE = 0.6
MAX_LOSS_DIFFERENCE = 0.02  # nats per label, from TRL with packing


def measure_in_process(run: str, steps: int) -> dict:
    """What a run measures in a process of its own: a Measurement, or a Roofline for "roof" (train/benchmark.py)."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        # Large memory pages are part of our trainer's set-up (blogtwin/environment.py), not of TRL's.
        large_pages = {} if run == "ours" else {"THP_MEM_ALLOC_ENABLE": "0"}
        done = subprocess.run(
            [sys.executable, __file__, "--steps", str(steps), "--worker", run, str(answer)],
            capture_output=True,
            text=True,
            env={**os.environ, **large_pages},
        )
        if done.returncode:
            output = done.stderr.strip() or done.stdout.strip()
            raise UserError(f"The run “{run}” failed: {output.splitlines()[-1][:300]}")
        measured = json.loads(answer.read_text())
    numbers = [
        f"{name} {value:,.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in measured.items()
    ]
    echo(f"{run}: {', '.join(numbers)}")
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12, help="optimiser steps of ours, and of TRL packed as ours")
    parser.add_argument("--worker", nargs=2, metavar=("RUN", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.steps < 1:
        raise UserError(f"--steps is {arguments.steps}: give 1 or more.")
    if arguments.worker:
        write_json(Path(arguments.worker[1]), run_worker(arguments.worker[0], arguments.steps))
        return
    before = measure_in_process("roof", arguments.steps)
    runs = {name: measure_in_process(name, arguments.steps) for name in RUNS}
    after = measure_in_process("roof", arguments.steps)  # a machine's speed drifts: the better one counts
    best = max(before, after, key=lambda r: r["tokens_per_s"])
    summary = {
        "tokens_per_s": runs["ours"]["tokens_per_s"],
        "stock_trl_tokens_per_s": runs["stock"]["tokens_per_s"],
        "ratio": runs["ours"]["tokens_per_s"] / runs["stock"]["tokens_per_s"],
        "packed_trl_tokens_per_s": runs["packed"]["tokens_per_s"],
        "roof_tokens_per_s": best["tokens_per_s"],
        "roof_gflops": best["gflops"],
        "roof_dtype": best["dtype"],
        "roof_share": runs["ours"]["tokens_per_s"] / best["tokens_per_s"],
        "loss": runs["ours"]["loss"],
        "loss_difference": runs["ours"]["loss"] - runs["packed"]["loss"],
        "peak_memory_mb": runs["ours"]["peak_memory_mb"],
        "steps": arguments.steps,
    }
    write_json(
        BENCH_FILE, {name: round(value, 4) if isinstance(value, float) else value for name, value in summary.items()}
    )
    for reached, sentence in (
        (
            summary["ratio"] >= TARGET_SPEEDUP,
            f"{summary['ratio']:.1f} times as fast as TRL's defaults (target: {TARGET_SPEEDUP:g})",
        ),
        (
            summary["roof_share"] >= TARGET_ROOFLINE_SHARE,
            f"{summary['roof_share']:.0%} of the roofline (target: {TARGET_ROOFLINE_SHARE:.0%})",
        ),
        (
            abs(summary["loss_difference"]) <= MAX_LOSS_DIFFERENCE,
            f"validation loss {summary['loss_difference']:+.3f} from TRL's with packing (target: within"
            f" {MAX_LOSS_DIFFERENCE:g})",
        ),
    ):
        echo(f"{'reached' if reached else 'missed '}  {sentence}")
    echo(f"wrote {BENCH_FILE}")


if __name__ == "__main__":
    run_cli(main)
