"""Train a LoRA adapter on the author's posts (train/run.py).

Reads   data/split/train.jsonl, data/split/valid.jsonl
Writes  artifacts/adapter/                          a PEFT LoRA adapter, and backend.json, which says what trained it
        artifacts/train/{loss,valid_loss}.tsv       the loss curves
        artifacts/train/metrics.json                loss before and after, tokens/s, memory, time
        artifacts/train/training.json               the same with the machine and all parameters; not in Git
        artifacts/logs/train.jsonl                  a line for each step, as it happens
        artifacts/checkpoints/                      what a run that is stopped resumes from; deleted on success
Run     python scripts/04_train.py [--resume-from DIR]
"""

import _path

import argparse

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.paths import ADAPTER_DIR, TRAIN_DIR


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--resume-from",
        metavar="DIR",
        help="resume from this checkpoint; by default, from the latest one with the same params and data",
    )
    arguments = parser.parse_args()
    params = load_params()
    from train.run import choose_trainer, plan_run, run_training

    trainer, reason = choose_trainer(params)
    plan = plan_run(params, trainer, reason)
    run_training(params, plan, arguments.resume_from)
    echo(f"wrote {ADAPTER_DIR}/ and {TRAIN_DIR}/metrics.json")


if __name__ == "__main__":
    run_cli(main)
