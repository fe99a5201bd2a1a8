"""Which trainer runs, and why. The one place that knows their names.

Each trainer is a module with `train(job) -> dict`: it trains a LoRA adapter on `job.train_rows`, beginning with
`job.start`, keeps the epoch with the best loss on `job.valid_rows`, writes a PEFT adapter into `job.folder`, reports
through `job.log` and returns its numbers. It goes on from `job.checkpoints.newest()` if there is one, and ends as an
unbroken run would have.
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

from blogtwin.config import TrainParams
from blogtwin.errors import UserError
from blogtwin.hardware import is_cpu_forced
from blogtwin.models.registry import BaseModelFiles
from train import works
from train.checkpoints import Checkpoints
from train.training_log import TrainingLog

# What a machine has that may have a GPU: the tools of their makers, and what their drivers make. Without any, none is
# looked for.
TOOLS = ("nvidia-smi", "rocm-smi", "xpu-smi")
DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
SECONDS = 120  # for a trainer to say that it works, before it counts as broken


@dataclass(frozen=True)
class TrainingJob:
    base: BaseModelFiles
    train_rows: list[dict]  # TRL's conversational rows: {"prompt": [messages], "completion": [message]}
    valid_rows: list[dict]
    params: TrainParams
    folder: Path  # where the adapter goes
    log: TrainingLog
    checkpoints: Checkpoints
    start: Path | None = None  # the folder of a PEFT adapter to begin with; without it, at the base


def select_backend(wanted: str) -> tuple[str, str]:
    """(backend, reason). Raises UserError when the wanted one can't run here."""
    if wanted != "auto":
        if why := unusable(wanted):
            raise UserError(f"train.backend is {wanted}, but {why}: set train.backend to auto.")
        return wanted, "train.backend asks for it"
    no_mlx = unusable("mlx")
    if not no_mlx:
        return "mlx", "this is Apple silicon and mlx-lm works"
    no_cuda = unusable("cuda")
    if not no_cuda:
        return "cuda", "a GPU is here and unsloth works on it"
    return "cpu", no_mlx if platform.system() == "Darwin" else no_cuda


def unusable(name: str) -> str:
    """Why a trainer can't run here; "" when it can."""
    if name == "cpu":
        return ""
    if is_cpu_forced():
        return "FORCE_CPU is set"
    return _no_mlx() if name == "mlx" else _no_cuda()


def on_gpu(wanted: str) -> bool:
    """Whether PyTorch trains on the GPU: what follows the trainer (train/preferences/__init__.py) goes where that
    was."""
    return select_backend(wanted)[0] == "cuda"


def preload(name: str) -> None:
    """Import what patches transformers, before transformers is imported."""
    if name == "cuda":
        importlib.import_module("train.cuda")


def train(name: str, job: TrainingJob) -> dict:
    return importlib.import_module(f"train.{name}").train(job)


def _no_mlx() -> str:
    """Why mlx can't run here; "" when it can. mlx-lm runs on Linux as well, where it is only picked when asked for."""
    if platform.system() == "Darwin" and platform.machine() != "arm64":
        return "this Mac has no Apple silicon"
    if platform.system() != "Darwin" and not os.environ.get("BLOGTWIN_MLX_ON_LINUX"):
        return "this is no Mac"
    if importlib.util.find_spec("mlx_lm") is None:
        return "mlx-lm is not installed"
    return tried("mlx")


def _no_cuda() -> str:
    sign = next((tool for tool in TOOLS if shutil.which(tool)), None) or next(
        (path for path in DEVICES if os.path.exists(path)), None
    )
    if not sign:
        return "no GPU is found"
    why = tried("cuda")
    return why and f"{why}, though {sign} is here"


@functools.cache
def tried(name: str) -> str:
    """Why a trainer doesn't work, "" when it does: see train/works.py, which is given the modules that this process
    finds."""
    command = [sys.executable, "-P", "-m", works.__name__, name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"trying {name} took more than {SECONDS} seconds"
    answers = [line.removeprefix(works.ANSWER) for line in done.stdout.splitlines() if line.startswith(works.ANSWER)]
    if not answers:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        return f"trying {name} failed ({said[-1][:200]})"
    return answers[-1].strip()
