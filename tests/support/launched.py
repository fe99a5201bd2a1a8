"""Training jobs in the processes that `accelerate launch` starts: what the tests of several processes run there."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.training_jobs import job, read, settings
from tests.support.workspace import ROOT, environment

FSDP = ("--config_file", "train/accelerate/fsdp.yaml")
REPLICAS = ("--config_file", "train/accelerate/replicas.yaml")
ALONE = ("--cpu",)


def launch(folder: Path, works: list[dict[str, Any]], *options: str) -> subprocess.CompletedProcess[str]:
    """Run `works`, the arguments of `train`, one after another, in two processes, or in one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = folder / "run.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom tests.support.launched import train\n"
        f"for work in {works!r}:\n    train(**work)\n"
    )
    command = [sys.executable, "-m", "accelerate.commands.launch", *options]
    command += ["--num_processes", "1" if options == ALONE else "2", "--main_process_port", str(port), str(script)]
    env = {**environment(folder), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=1200)


def train(base: dict, folder: str, knobs: dict, fp32: bool = False, kill_at: int = 0, rows: int = 12) -> dict:
    """Train as this process of several, or alone; returns what was logged, and writes it to folder/out-RANK.

    The adapter is written to folder/adapter-RANK, checkpoints to folder/checkpoints. `fp32`: also on a CPU that has
    bf16, for losses that can be compared. `kill_at`: a step in which the process kills itself.
    """
    from train import cpu
    from train.training_log import TrainingLog

    rank = os.environ.get("RANK", "alone")
    inner, has_bf16 = TrainingLog.log_step, cpu.has_bf16
    try:
        if fp32:
            cpu.has_bf16 = lambda: False
        if kill_at:
            TrainingLog.log_step = lambda log, step, *rest: (
                os.kill(os.getpid(), 9) if step == kill_at else inner(log, step, *rest)
            )
        Path(folder).mkdir(exist_ok=True)
        work = job(read(base), Path(folder) / f"adapter-{rank}", settings(**knobs), rows)
        shared = dataclasses.replace(work.checkpoints, folder=Path(folder) / "checkpoints")
        numbers = cpu.train(dataclasses.replace(work, checkpoints=shared))
    finally:
        TrainingLog.log_step, cpu.has_bf16 = inner, has_bf16
    logged = {
        "curve": [s[1] for s in work.log.steps],
        "valids": [v[2] for v in work.log.validations],
        "tokens": work.log.tokens,
        "best": numbers["best_epoch"],
        "steps": numbers["steps"],
    }
    (Path(folder) / f"out-{rank}").write_text(json.dumps(logged))
    return logged


def logged(folder: Path, rank: int = 0) -> dict:
    """What `train` wrote."""
    return json.loads((folder / f"out-{rank}").read_text())
