"""LoRA on Apple silicon with mlx-lm; the adapter is turned into PEFT at the end, so that everything after is one path."""

import json
import math
import re
import time
from pathlib import Path

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm import load
from mlx_lm.tuner.trainer import TrainingArgs, TrainingCallback, evaluate
from mlx_lm.tuner.trainer import train as train_model
from mlx_lm.tuner.utils import linear_to_lora_layers
from safetensors.numpy import save_file

from _shared import WEIGHTS, say
from train import memory
from train.chat import row_ids
from train.plan import planned, worsened

KEYS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
PAD = 32  # rows are padded up to a multiple of this: few shapes, for which MLX keeps its kernels


def train(job) -> dict:
    """Train the adapter of `job` with MLX; see train/backend.py for the contract."""
    started = time.perf_counter()
    p = job.params
    mx.random.seed(p.seed)
    model, _ = load(str(job.base.hf))
    model.freeze()
    scale = p.lora_alpha / p.lora_rank
    linear_to_lora_layers(model, len(model.layers), {"rank": p.lora_rank, "scale": scale, "dropout": p.lora_dropout, "keys": KEYS})
    tokenizer = job.base.tokenizer()
    rows, valid = tokenized(tokenizer, job.train_rows), tokenized(tokenizer, job.valid_rows)
    batch = min(p.batch_size * 2, len(rows))
    per_epoch = max(1, len(rows) // batch)
    steps = p.max_steps or per_epoch * p.epochs
    optimizer = optim.Adam(learning_rate=schedule(p, steps))
    run = Run(model, optimizer, valid, job, per_epoch, steps)
    run.begin()
    say(planned(p, steps, per_epoch))
    job.log.start(steps, run.step)
    try:
        while run.step < steps and not worsened(run.losses, p.patience):  # an epoch at a time, so that the best one can be kept
            epoch, done = divmod(run.step, per_epoch)
            args = TrainingArgs(batch_size=batch, iters=min(per_epoch - done, steps - run.step), steps_per_report=1, steps_per_save=10**9, max_seq_length=p.max_length, adapter_file=str(job.folder / "mlx.safetensors"))
            batches = in_order(len(rows), batch, p.seed + epoch)[done:]
            train_model(model, optimizer, rows, val_dataset=None, args=args, iterate_batches=lambda dataset, b=batches, first=run.step, **_: fed(dataset, b, p.seed + first), training_callback=run)
            run.look()
    finally:
        job.log.stop()
    (job.folder / "mlx.safetensors").unlink(missing_ok=True)
    write_peft(run.weights, job.base.repo, p, job.folder)
    return {
        "loss_before": run.losses[0],
        "loss_after": run.loss,
        "best_epoch": run.epoch,
        "steps": run.step,
        "tokens": job.log.tokens,
        "tokens_per_s": job.log.tokens / max(job.log.seconds, 1e-9),
        "trainable_share": sum(v.size for v in run.weights.values()) / sum(v.size for _, v in tree_flatten(model.parameters())),
        "peak_memory_mb": max(mx.get_peak_memory() / 2**20, memory.peak_mb()),
        "seconds": time.perf_counter() - started,
        "dtype": "bf16",
        "device": str(mx.default_device()),
    }


def schedule(p, steps: int):
    """The learning rate of each step: up over the warm-up, then down by a cosine."""
    warmup = max(1, round(steps * p.warmup))
    return optim.join_schedules([optim.linear_schedule(0, p.learning_rate, warmup), optim.cosine_decay(p.learning_rate, max(1, steps - warmup))], [warmup])


def tokenized(tokenizer, rows: list[dict]) -> list[tuple[list[int], int]]:
    """Rows as mlx-lm's trainer takes them: (token ids, where the completion starts)."""
    out = []
    for row in rows:
        prompt, completion = row_ids(tokenizer, row["prompt"], row["completion"][0]["content"])
        out.append((prompt + completion, len(prompt)))
    return out


def in_order(rows: int, batch: int, seed: int) -> list[list[int]]:
    """The batches of an epoch, by the numbers of their rows: the same for the same seed, wherever a run begins."""
    order = np.random.default_rng(seed).permutation(rows)
    return [order[i : i + batch].tolist() for i in range(0, rows - batch + 1, batch)]


def fed(rows, batches: list[list[int]], seed: int):
    """The batches, each with random numbers (for dropout) of its own, so that a run that goes on draws what an unbroken one would: MLX's state can't be set."""
    for number, one in enumerate(batches):
        mx.random.seed(seed + number)
        yield padded([rows[i] for i in one])


def padded(rows: list[tuple[list[int], int]]) -> tuple[mx.array, mx.array]:
    """(ids, (first, last) label of each row). mlx-lm's own would also teach the padding that comes after the end token."""
    length = 1 + -(-max(len(ids) for ids, _ in rows) // PAD) * PAD
    ids = np.zeros((len(rows), length), np.int32)
    for line, (row, _) in zip(ids, rows, strict=True):
        line[: len(row)] = row
    return mx.array(ids), mx.array([(start, len(row) - 1) for row, start in rows])


class Run(TrainingCallback):
    """Passes mlx-lm's numbers to our log, keeps the weights of the best epoch, and a checkpoint every few steps."""

    def __init__(self, model, optimizer, valid, job, per_epoch: int, steps: int):
        self.model, self.optimizer, self.valid, self.job, self.per_epoch, self.steps = model, optimizer, valid, job, per_epoch, steps
        self.loss, self.epoch, self.weights, self.step = math.inf, 0.0, {}, 0
        self.losses: list[float] = []
        self._tokens = 0

    def begin(self) -> None:
        """From the newest checkpoint, or from the start, with the validation loss before training."""
        checkpoint = self.job.checkpoints.newest()
        if checkpoint:
            self.resume(checkpoint)
            return
        if self.job.start:
            self.model.update(tree_unflatten(read_peft(self.job.start)))
        self.losses.append(self.measure())
        self.job.log.valid(0, 0, self.losses[0])
        if self.job.start:  # a twin that goes on may be at its best already
            self.keep(self.losses[0], 0.0)

    def measure(self) -> float:
        return evaluate(self.model, self.valid, batch_size=1, num_batches=-1, max_seq_length=self.job.params.max_length, iterate_batches=lambda dataset, **_: (padded([row]) for row in dataset))

    def on_train_loss_report(self, info: dict) -> None:
        self.step += 1
        loss = info["train_loss"]
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss} at step {self.step}")
        tokens = info["trained_tokens"] - (self._tokens if info["iteration"] > 1 else 0)
        self._tokens = info["trained_tokens"]
        self.job.log.step(self.step, loss, info["learning_rate"], 0.0, tokens, tokens / max(info["tokens_per_second"], 1e-9))
        if self.step % self.job.params.checkpoint_steps == 0 and self.step < self.steps:
            self.save()

    def look(self) -> None:
        """Measure after an epoch, and keep the adapter if it is the best yet."""
        loss, epoch = self.measure(), self.step / self.per_epoch
        self.losses.append(loss)
        self.job.log.valid(self.step, epoch, loss)
        if loss < self.loss:
            self.keep(loss, epoch)

    def keep(self, loss: float, epoch: float) -> None:
        self.loss, self.epoch = loss, epoch
        self.weights = {k: mx.array(v) for k, v in tree_flatten(self.model.trainable_parameters())}

    def save(self) -> None:
        with self.job.checkpoints.saving(self.step, self.steps) as folder:
            mx.save_safetensors(str(folder / "adapter.safetensors"), dict(tree_flatten(self.model.trainable_parameters())))
            mx.save_safetensors(str(folder / "optimizer.safetensors"), dict(tree_flatten(self.optimizer.state)))
            if self.weights:
                mx.save_safetensors(str(folder / "best.safetensors"), self.weights)
            (folder / "run.json").write_text(json.dumps({"step": self.step, "losses": self.losses, "loss": self.loss, "epoch": self.epoch, "log": self.job.log.state()}))

    def resume(self, folder: Path) -> None:
        kept = json.loads((folder / "run.json").read_text())
        self.step, self.losses, self.loss, self.epoch = (kept[k] for k in ("step", "losses", "loss", "epoch"))
        self.job.log.restore(kept["log"])
        self.model.update(tree_unflatten(list(mx.load(str(folder / "adapter.safetensors")).items())))
        self.optimizer.init(self.model.trainable_parameters())
        self.optimizer.state = tree_unflatten(list(mx.load(str(folder / "optimizer.safetensors")).items()))
        if (folder / "best.safetensors").is_file():
            self.weights = mx.load(str(folder / "best.safetensors"))
        say(f"going on from step {self.step} of {self.steps}, which is kept in {folder}")
        if self.step % self.per_epoch == 0 and self.job.log.valids[-1][0] != self.step:  # stopped before the epoch's end was looked at
            self.look()


def read_peft(folder: Path) -> list[tuple[str, mx.array]]:
    """A PEFT adapter as MLX's LoRA weights by name: what `write_peft` turned round, back again."""
    names = {"A": "lora_a", "B": "lora_b"}
    tensors = mx.load(str(folder / WEIGHTS))
    found = {name: re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])\.weight", name).groups() for name in tensors}
    return [(f"{module}.{names[which]}", tensors[name].T) for name, (module, which) in found.items()]


def write_peft(weights: dict, repo: str, p, folder: Path) -> None:
    """MLX LoRA → PEFT: A = lora_a.T (r × in), B = lora_b.T (out × r), alpha = scale × rank."""
    tensors = {}
    for name, value in weights.items():
        module, which = re.fullmatch(r"(.+)\.lora_([ab])", name).groups()
        tensors[f"base_model.model.{module}.lora_{which.upper()}.weight"] = np.array(value.astype(mx.float32)).T.copy()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": repo, "r": p.lora_rank, "lora_alpha": p.lora_alpha,
        "lora_dropout": p.lora_dropout, "bias": "none", "inference_mode": True, "target_modules": sorted({k.split(".")[-1] for k in KEYS}),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))
