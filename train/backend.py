"""Which trainer runs, and why. The one place that knows their names.

Each trainer is a module with `train(job) -> dict`: it trains a LoRA adapter on `job.train_rows`, beginning with `job.start`, keeps the epoch with the best
loss on `job.valid_rows`, writes a PEFT adapter into `job.folder`, reports through `job.log` and returns its numbers. It goes on
from `job.checkpoints.newest()` if there is one, and ends as an unbroken run would have.
"""

import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from _shared import Train, UserError
from train.base import Base
from train.checkpoints import Checkpoints
from train.log import Log
from train.machine import force_cpu


@dataclass(frozen=True)
class Job:
    base: Base
    train_rows: list[dict]  # TRL's conversational rows: {"prompt": [messages], "completion": [message]}
    valid_rows: list[dict]
    params: Train
    folder: Path  # where the adapter goes
    log: Log
    checkpoints: Checkpoints
    start: Path | None = None  # the folder of a PEFT adapter to begin with; without it, at the base


def pick(wanted: str) -> tuple[str, str]:
    """(backend, reason). Raises UserError when the wanted one can't run here."""
    forced = "FORCE_CPU is set" if force_cpu() else ""
    reasons = {"mlx": forced or _no_mlx(), "cuda": forced or _no_cuda(), "cpu": ""}
    if wanted != "auto":
        if reasons[wanted]:
            raise UserError(f"train.backend is {wanted}, but {reasons[wanted]}: set train.backend to auto.")
        return wanted, "train.backend asks for it"
    if forced:
        return "cpu", forced
    if not reasons["mlx"]:
        return "mlx", "this is Apple silicon and mlx-lm is installed"
    if not reasons["cuda"]:
        return "cuda", "a GPU is here and unsloth is installed"
    return "cpu", reasons["mlx"] if platform.system() == "Darwin" else reasons["cuda"]


def import_first(name: str) -> None:
    """Import what patches transformers, before transformers is imported."""
    if name == "cuda":
        importlib.import_module("train.cuda")


def train(name: str, job: Job) -> dict:
    return importlib.import_module(f"train.{name}").train(job)


def _no_mlx() -> str:
    """Why mlx can't run here; "" when it can. mlx-lm runs on Linux as well, where it is only picked when asked for."""
    if importlib.util.find_spec("mlx_lm") is None:
        return "mlx-lm is not installed"
    if platform.system() == "Darwin" and platform.machine() != "arm64":
        return "this Mac has no Apple silicon"
    return "" if platform.system() == "Darwin" or os.environ.get("BLOGTWIN_MLX_ON_LINUX") else "this is no Mac"


def _no_cuda() -> str:
    if not any(shutil.which(tool) for tool in ("nvidia-smi", "rocm-smi", "xpu-smi")):
        return "no GPU is found"
    if shutil.which("nvidia-smi") and subprocess.run(["nvidia-smi", "-L"], capture_output=True).returncode != 0:
        return "nvidia-smi finds no GPU"
    if importlib.util.find_spec("unsloth") is None:
        return "a GPU is here, but unsloth is not installed (`pip install -r train/requirements-cuda.txt`)"
    return ""
