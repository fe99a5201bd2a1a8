"""Selects the trainer (the backend) and says why. The only place that knows the trainers' names.

Each trainer is a module with `train(job: TrainingJob) -> TrainingMetrics`. It
- trains a LoRA adapter on `job.train_rows`, starting from `job.init_adapter` (a warm start) or from the base model;
- keeps the epoch with the lowest loss on `job.valid_rows`, and stops early (params.early_stopping_patience);
- writes that epoch as a PEFT adapter into `job.output_dir`, and reports through `job.log`;
- resumes from `job.checkpoints.latest()` if there is one, and then ends as an uninterrupted run would have;
- on out of memory reads fewer rows at a time with more gradient accumulation, which changes no result;
- raises FloatingPointError if the loss or the gradient is not finite.
"""

import functools
import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from blogtwin.config import TrainParams
from blogtwin.errors import UserError
from blogtwin.hardware import is_cpu_forced, is_sharded
from blogtwin.models.registry import BaseModelFiles
from train import probe
from train.checkpoints import Checkpoints
from train.training_log import TrainingLog

# Signs of a GPU: its vendor's tool, or a device file of its driver. Without any of them no trainer is tried on a GPU.
GPU_TOOLS = ("nvidia-smi", "rocm-smi", "xpu-smi")
GPU_DEVICE_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
PROBE_TIMEOUT_SECONDS = 120  # for train/probe.py, after which the trainer counts as broken


@dataclass(frozen=True)
class TrainingJob:
    """Everything a trainer needs."""

    base: BaseModelFiles
    train_rows: list[dict]  # TRL's conversational rows: {"prompt": [messages], "completion": [message]}
    valid_rows: list[dict]  # the same
    params: TrainParams
    output_dir: Path  # where the adapter is written
    log: TrainingLog
    checkpoints: Checkpoints
    init_adapter: Path | None = None  # folder of the PEFT adapter to start from (a warm start); None: the base model


class TrainingMetrics(TypedDict):
    """What a trainer returns."""

    loss_before: float  # validation loss before training, nats per label
    loss_after: float  # of the best epoch
    best_epoch: float  # 0.0: no epoch was better than the adapter of the warm start
    steps: int  # optimiser steps
    tokens: int  # trained on, over all epochs
    tokens_per_s: float  # in steps, without validation
    seconds: float  # of the whole training, with the runs that it was resumed from
    trainable_share: float  # trainable weights ÷ all weights
    peak_memory_mb: float  # MiB
    dtype: str
    device: str
    unsloth: NotRequired[str]  # its version


def select_backend(wanted: str) -> tuple[str, str]:
    """(backend, reason) for `wanted`, which is train.backend. Raises UserError if the wanted one can't run here."""
    if wanted != "auto":
        reason = unusable_reason(wanted)
        if is_sharded() and wanted != "cpu":
            reason = "it can't train a model that accelerate shards by FSDP"
        if reason:
            raise UserError(f"train.backend is {wanted}, but {reason}: set train.backend to auto.")
        return wanted, f"train.backend is {wanted}"
    if is_sharded():
        return "cpu", "accelerate shards the model by FSDP, which unsloth can't: transformers and PEFT, on GPUs too"
    no_mlx = unusable_reason("mlx")
    if not no_mlx:
        return "mlx", "this is Apple silicon and mlx-lm works"
    no_cuda = unusable_reason("cuda")
    if not no_cuda:
        return "cuda", "there is a GPU and unsloth works on it"
    return "cpu", no_mlx if platform.system() == "Darwin" else no_cuda


def unusable_reason(name: str) -> str:
    """Why a trainer can't run here; "" if it can."""
    if name == "cpu":
        return ""
    if is_cpu_forced():
        return "FORCE_CPU is set"
    return _mlx_unusable_reason() if name == "mlx" else _cuda_unusable_reason()


def uses_gpu(wanted: str) -> bool:
    """Whether `wanted` (train.backend) trains on a GPU with PyTorch. Preference training then runs there too."""
    return select_backend(wanted)[0] == "cuda"


def preload(name: str) -> None:
    """Import a trainer that patches transformers, before anything else imports transformers."""
    if name == "cuda":
        importlib.import_module("train.cuda")


def train(name: str, job: TrainingJob) -> TrainingMetrics:
    """Train with the trainer of that name."""
    return importlib.import_module(f"train.{name}").train(job)


def _mlx_unusable_reason() -> str:
    """Why mlx can't run here; "" if it can. mlx-lm runs on Linux too, but is selected there only by the tests."""
    if platform.system() == "Darwin" and platform.machine() != "arm64":
        return "this Mac has no Apple silicon"
    if platform.system() != "Darwin" and not os.environ.get("BLOGTWIN_MLX_ON_LINUX"):
        return "this is not a Mac"
    if importlib.util.find_spec("mlx_lm") is None:
        return "mlx-lm is not installed"
    return probe_trainer("mlx")


def _cuda_unusable_reason() -> str:
    """Why unsloth can't run here; "" if it can."""
    signs = [tool for tool in GPU_TOOLS if shutil.which(tool)]
    signs += [path for path in GPU_DEVICE_FILES if os.path.exists(path)]
    if not signs:
        return "no GPU is found"
    reason = probe_trainer("cuda")
    return f"{reason}, though {signs[0]} is here" if reason else ""


@functools.cache
def probe_trainer(name: str) -> str:
    """Why a trainer doesn't work; "" if it does. Runs train/probe.py, with the sys.path of this process."""
    command = [sys.executable, "-P", "-m", probe.__name__, name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"trying {name} took more than {PROBE_TIMEOUT_SECONDS} seconds"
    answers = [line.removeprefix(probe.ANSWER) for line in done.stdout.splitlines() if line.startswith(probe.ANSWER)]
    if not answers:
        output = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        return f"trying {name} failed ({output[-1][:200]})"
    return answers[-1].strip()
