"""Small training jobs for the tests. No torch: the tests of mlx-lm run this in another Python, too."""

import dataclasses
import json
import os
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.models import chat
from train import backend
from train.checkpoints import find_checkpoints, run_identity
from train.training_log import TrainingLog

SYSTEM = "You write."


def example(i: int, words: int = 40) -> dict:
    return {
        "instruction": f"Write number {i}.",
        "input": "",
        "output": " ".join(f"word{(i * j) % 7}" for j in range(words)) + ".",
    }


def job(base, folder, params, n: int = 6):
    """`n` rows to learn from and two to validate on, its checkpoints beside `folder`."""
    folder.mkdir(exist_ok=True)
    rows, valid = ([chat.to_trl_row(example(i), SYSTEM) for i in some] for some in (range(n), range(50, 52)))
    checkpoints = dataclasses.replace(
        find_checkpoints(run_identity("test", base.digest, params, [rows, valid])),
        folder=folder.parent / f"{folder.name}-checkpoints",
    )
    return backend.TrainingJob(base, rows, valid, params, folder, TrainingLog(), checkpoints)


def settings(**changes):
    wanted = {
        "epochs": 3,
        "max_length": 256,
        "learning_rate": 5e-3,
        "lora_rank": 4,
        "lora_alpha": 8,
        "warmup_ratio": 0.0,
        **changes,
    }
    return load_params("params.yaml").train.model_copy(update=wanted)


def written(base) -> dict:
    """A base as JSON can hold it, for another process."""
    return {k: str(v) for k, v in dataclasses.asdict(base).items()}


def read(base: dict):
    from blogtwin.models.registry import BaseModelFiles

    return BaseModelFiles(**{**base, "hf": Path(base["hf"]), "gguf": Path(base["gguf"])})


def train_with(name: str, base: dict, folder: str, knobs: dict, kill_at: int = 0, start: str = "") -> None:
    """Train in `folder` with that trainer, and write what was logged; `kill_at` ends it with kill -9 in that step,
    `start` is an adapter to begin with."""
    inner = TrainingLog.log_step
    TrainingLog.log_step = lambda log, step, *rest: (
        os.kill(os.getpid(), 9) if step == kill_at else inner(log, step, *rest)
    )
    work = dataclasses.replace(
        job(read(base), Path(folder) / "adapter", settings(**knobs), 8), init_adapter=Path(start) if start else None
    )
    numbers = backend.train(name, work)
    (Path(folder) / "out").write_text(
        json.dumps({"curve": [s[1] for s in work.log.steps], "valids": [v[2] for v in work.log.validations], **numbers})
    )
