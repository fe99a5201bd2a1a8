"""LoRA on Apple silicon with mlx-lm; the adapter is turned into PEFT at the end, so that everything after is one
path."""

import json
import math
import os
import re
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm import load
from mlx_lm.tuner.trainer import TrainingArgs, TrainingCallback, default_loss, evaluate
from mlx_lm.tuner.trainer import train as train_model
from mlx_lm.tuner.utils import linear_to_lora_layers
from safetensors.numpy import save_file

from blogtwin import memory
from blogtwin.console import echo
from blogtwin.errors import UserError, is_disk_full
from blogtwin.models.chat import encode_example
from blogtwin.paths import ADAPTER_WEIGHTS
from train.interrupts import Interruptible
from train.schedule import describe_schedule, should_stop_early

LORA_KEYS = [f"self_attn.{n}_proj" for n in ("q", "k", "v", "qkv", "o")] + [
    f"mlp.{n}_proj" for n in ("gate", "up", "gate_up", "down")
]  # Phi-3 has its own in one
PAD_TO_MULTIPLE = 32  # rows are padded up to a multiple of this: few shapes, for which MLX keeps its kernels
# that stand for a packed one of train.batch_size, as MLX has no attention that stays inside a post; so many are read at
# once
ROWS_PER_PACK = 2
# How MLX says that memory ran out, where it can: a Metal command that fails half-way, or malloc on a CPU, ends the
# process.
OOM_MESSAGES = ("unable to allocate", "maximum allowed buffer size", "insufficient memory")


def train(job) -> dict:
    """Train the adapter of `job` with MLX; see train/backend.py for the contract."""
    p = job.params
    mx.random.seed(p.seed)
    model = load_with_lora(job)
    run = MlxTrainer(model, job)
    run.begin()
    echo(describe_schedule(p, run.steps, run.per_epoch))
    job.log.start(run.steps, run.step)
    try:
        with run.ctrl_c_after_the_step():
            while run.step < run.steps and not should_stop_early(run.losses, p.early_stopping_patience):
                try:
                    run.train()
                except (RuntimeError, MemoryError) as e:
                    run.halve(e)
                else:
                    run.look()
    finally:
        job.log.stop()
    run.nowhere.unlink(missing_ok=True)
    write_peft(run.weights, job.base.repo, p, job.folder)
    return {
        "loss_before": run.losses[0],
        "loss_after": run.loss,
        "best_epoch": run.epoch,
        "steps": run.step,
        "tokens": job.log.tokens,
        "tokens_per_s": job.log.tokens / max(job.log.seconds, 1e-9),
        "trainable_share": (
            sum(v.size for v in run.weights.values()) / sum(v.size for _, v in tree_flatten(model.parameters()))
        ),
        "peak_memory_mb": max(mx.get_peak_memory() / 2**20, memory.peak_mb()),
        "seconds": job.log.spent(),
        "dtype": "bf16",
        "device": str(mx.default_device()),
    }


def load_with_lora(job):
    """The base with LoRA on the attention and MLP projections of every layer; UserError where MLX can't read it, or
    they have other names."""
    p, base = job.params, job.base.name
    to_do = "set train.backend to cpu, or choose another train.base."
    try:
        model, _ = load(str(job.base.hf), model_config=rope_config(job.base.hf))
    except (ValueError, TypeError) as e:  # an architecture, weights or settings it does not know
        reason = str(e).strip().splitlines()[0].rstrip(".: ")
        raise UserError(f"MLX can't read {base} ({reason}): {to_do}") from None
    there = {
        name
        for layer in model.layers
        for name, module in layer.named_modules()
        if isinstance(module, (nn.Linear, nn.QuantizedLinear))
    }
    if not there.intersection(LORA_KEYS):
        raise UserError(
            f"MLX is to train {base}, but adapts {', '.join(LORA_KEYS)}, and its layers have only"
            f" {', '.join(sorted(there))}: {to_do}"
        )
    model.freeze()
    linear_to_lora_layers(
        model,
        len(model.layers),
        {"rank": p.lora_rank, "scale": p.lora_alpha / p.lora_rank, "dropout": p.lora_dropout, "keys": LORA_KEYS},
    )
    return model


def rope_config(folder: Path) -> dict:
    """How a model turns queries and keys, in the words that mlx-lm reads: transformers 5 writes others, for which it
    would take 10,000 as the base."""
    told = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("rope_parameters") or {}
    if "rope_theta" not in told:
        return {}
    scaled = told["rope_type"] != "default"
    return {
        "rope_theta": told["rope_theta"],
        **({"rope_scaling": {**told, "type": told["rope_type"]}} if scaled else {}),
    }


class AdamWithGradNorm(optim.Adam):
    """Adam that keeps the norm of the last gradient, which mlx-lm tells nobody."""

    def apply_gradients(self, gradients, parameters):
        self.state["grad_norm"] = mx.sqrt(sum(g.square().sum() for _, g in tree_flatten(gradients)))
        return super().apply_gradients(gradients, parameters)


def weighted_loss(model, ids, bounds, share) -> tuple[mx.array, mx.array]:
    """mlx-lm's loss, weighed so that its mean over the parts of a step is the step's loss per label, however long they
    are."""
    loss, labels = default_loss(model, ids, bounds)
    return loss * share, labels


def is_out_of_memory(error: BaseException) -> bool:
    return memory.is_out_of_memory(error) or any(sign in str(error).lower() for sign in OOM_MESSAGES)


def learning_rate_schedule(p, steps: int):
    """The learning rate of each step: up over the warm-up, then down by a cosine."""
    warmup = max(1, round(steps * p.warmup_ratio))
    return optim.join_schedules(
        [
            optim.linear_schedule(0, p.learning_rate, warmup),
            optim.cosine_decay(p.learning_rate, max(1, steps - warmup)),
        ],
        [warmup],
    )


def tokenise_rows(tokenizer, rows: list[dict]) -> list[tuple[list[int], int]]:
    """Rows as mlx-lm's trainer takes them: (token ids, where the completion starts)."""
    out = []
    for row in rows:
        prompt, completion = encode_example(tokenizer, row["prompt"], row["completion"][0]["content"])
        out.append((prompt + completion, len(prompt)))
    return out


def epoch_batches(rows: int, batch: int, seed: int) -> list[list[int]]:
    """The batches of an epoch, by the numbers of their rows: the same for the same seed, wherever a run begins."""
    order = np.random.default_rng(seed).permutation(rows)
    return [order[i : i + batch].tolist() for i in range(0, rows - batch + 1, batch)]


def count_labels(rows: list[tuple[list[int], int]]) -> int:
    return sum(len(ids) - start for ids, start in rows)


def pad_batch(rows: list[tuple[list[int], int]]) -> tuple[mx.array, mx.array]:
    """(ids, (first, last) label of each row). mlx-lm's own would also teach the padding that comes after the end
    token."""
    length = 1 + -(-max(len(ids) for ids, _ in rows) // PAD_TO_MULTIPLE) * PAD_TO_MULTIPLE
    ids = np.zeros((len(rows), length), np.int32)
    for line, (row, _) in zip(ids, rows, strict=True):
        line[: len(row)] = row
    return mx.array(ids), mx.array([(start, len(row) - 1) for row, start in rows])


class MlxTrainer(TrainingCallback, Interruptible):
    """Feeds mlx-lm's loop and passes its numbers to our log; keeps the weights of the best epoch, and a checkpoint
    every few steps."""

    def __init__(self, model, job):
        p, tokenizer = job.params, job.base.tokenizer()
        self.model, self.job = model, job
        self.rows, self.valid = (tokenise_rows(tokenizer, rows) for rows in (job.train_rows, job.valid_rows))
        self.batch = min(p.batch_size * ROWS_PER_PACK, len(self.rows))  # rows of a step
        self.at_once = min(ROWS_PER_PACK, self.batch)  # rows in memory; the gradients of a step's parts are added up
        self.per_epoch = max(1, len(self.rows) // self.batch)
        self.steps = p.max_steps or self.per_epoch * p.epochs
        self.optimizer = AdamWithGradNorm(learning_rate=learning_rate_schedule(p, self.steps))
        self.loss, self.epoch, self.weights, self.step = math.inf, 0.0, {}, 0
        self.losses: list[float] = []
        self.nowhere = (
            job.folder / "mlx.safetensors"
        )  # where mlx-lm writes the adapter after each epoch, which nobody reads

    def begin(self) -> None:
        """From the newest checkpoint, or from the start, with the validation loss before training."""
        self.nowhere.unlink(missing_ok=True)
        self.nowhere.symlink_to(os.devnull)
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

    def train(self) -> None:
        """To the end of the epoch, so that the best one can be kept."""
        epoch, done = divmod(self.step, self.per_epoch)
        batches = epoch_batches(len(self.rows), self.batch, self.job.params.seed + epoch)[
            done : done + self.steps - self.step
        ]
        parts = -(-self.batch // self.at_once)
        args = TrainingArgs(
            iters=len(batches) * parts,
            grad_accumulation_steps=parts,
            steps_per_report=parts,
            steps_per_save=10**9,
            adapter_file=str(self.nowhere),
        )
        self._tokens = 0
        train_model(
            self.model,
            self.optimizer,
            self.rows,
            args=args,
            loss=weighted_loss,
            iterate_batches=lambda **_: self.fed(batches, parts),
            training_callback=self,
        )

    def fed(self, batches: list[list[int]], parts: int):
        """The parts of each step: (ids, labels' bounds, weight)."""
        for batch in batches:
            # What a step that fails must leave as it was. The arrays are never written to: this copies nothing.
            self._before = tree_flatten(self.model.trainable_parameters()), tree_flatten(self.optimizer.state)
            # Random numbers (for dropout) of its own, so that a run that goes on draws what an unbroken one would:
            # MLX's state can't be set.
            mx.random.seed(self.job.params.seed + self.step)
            rows = [self.rows[i] for i in batch]
            labels = count_labels(rows)
            for i in range(0, len(rows), self.at_once):
                part = rows[i : i + self.at_once]
                yield *pad_batch(part), mx.array(count_labels(part) * parts / labels)

    def halve(self, error: Exception) -> None:
        """After `error`: half as many rows at once, and twice as often, from the step that failed. UserError when it
        was a single row already."""
        if not is_out_of_memory(error):
            raise error
        if self.at_once == 1:
            raise UserError(
                "Memory ran out in training, even with one post at a time: set train.max_length under"
                f" {self.job.params.max_length}, or train on a smaller train.base."
            ) from None
        weights, state = self._before
        self.model.update(tree_unflatten(weights))
        self.optimizer.state = tree_unflatten(state)
        self.at_once = -(-self.at_once // 2)
        self.job.log.note(
            f"memory ran out: the {self.batch} rows of a step are now read {self.at_once} at a time (batch halved,"
            " accumulation doubled: the same result, more slowly)"
        )

    def measure(self) -> float:
        loss = evaluate(
            self.model,
            self.valid,
            batch_size=1,
            num_batches=-1,
            iterate_batches=lambda dataset, **_: (pad_batch([row]) for row in dataset),
        )
        return self.finite("validation loss", loss)

    def finite(self, name: str, value: float) -> float:
        if not math.isfinite(value):
            raise FloatingPointError(f"the {name} became {value} at step {self.step}")
        return value

    def on_train_loss_report(self, info: dict) -> None:
        self.step += 1
        loss, norm = (
            self.finite("loss", info["train_loss"]),
            self.finite("gradient", self.optimizer.state["grad_norm"].item()),
        )
        tokens = info["trained_tokens"] - self._tokens
        self._tokens = info["trained_tokens"]
        self.job.log.step(
            self.step, loss, info["learning_rate"], norm, tokens, tokens / max(info["tokens_per_second"], 1e-9)
        )
        if self.pressed:
            self.stop(self.steps)
        if self.step % self.job.params.save_steps == 0 and self.step < self.steps:
            self.save()

    def look(self) -> None:
        """Measure after an epoch, and keep the adapter if it is the best yet."""
        loss, epoch = self.measure(), self.step / self.per_epoch
        self.losses.append(loss)
        self.job.log.valid(self.step, epoch, loss)
        if loss < self.loss:
            self.keep(loss, epoch)
        if self.pressed:
            self.stop(self.steps)

    def keep(self, loss: float, epoch: float) -> None:
        self.loss, self.epoch = loss, epoch
        self.weights = {k: mx.array(v) for k, v in tree_flatten(self.model.trainable_parameters())}

    # --- checkpoints ---

    def save(self) -> None:
        """A checkpoint of this step. On a full disk training goes on with the one before."""
        try:
            with self.job.checkpoints.saving(self.step, self.steps) as folder:
                write_tensors(folder / "adapter.safetensors", dict(tree_flatten(self.model.trainable_parameters())))
                write_tensors(folder / "optimizer.safetensors", dict(tree_flatten(self.optimizer.state)))
                if self.weights:
                    write_tensors(folder / "best.safetensors", self.weights)
                kept = {
                    "step": self.step,
                    "losses": self.losses,
                    "loss": self.loss,
                    "epoch": self.epoch,
                    "at_once": self.at_once,
                    "log": self.job.log.state(),
                }
                (folder / "run.json").write_text(json.dumps(kept))
        except Exception as e:
            if not is_disk_full(e):
                raise
            self.not_kept(self.step)

    def resume(self, folder: Path) -> None:
        kept = json.loads((folder / "run.json").read_text())
        self.step, self.losses, self.loss, self.epoch, self.at_once = (
            kept[k] for k in ("step", "losses", "loss", "epoch", "at_once")
        )
        self.job.log.restore(kept["log"])
        self.model.update(tree_unflatten(list(mx.load(str(folder / "adapter.safetensors")).items())))
        self.optimizer.init(self.model.trainable_parameters())
        self.optimizer.state = tree_unflatten(list(mx.load(str(folder / "optimizer.safetensors")).items()))
        if (folder / "best.safetensors").is_file():
            self.weights = mx.load(str(folder / "best.safetensors"))
        echo(f"going on from step {self.step} of {self.steps}, which is kept in {folder}")
        at_end = self.step % self.per_epoch == 0 or self.step == self.steps
        if (
            at_end and self.job.log.valids[-1][0] != self.step
        ):  # it was stopped between an epoch's last step and its end
            self.look()


def write_tensors(path: Path, tensors: dict) -> None:
    with open(path, "wb") as file:  # by Python, which says when the disk is full; MLX says only that it could not write
        mx.save_safetensors(file, tensors)


def read_peft(folder: Path) -> list[tuple[str, mx.array]]:
    """A PEFT adapter as MLX's LoRA weights by name: what `write_peft` turned round, back again."""
    names = {"A": "lora_a", "B": "lora_b"}
    tensors = mx.load(str(folder / ADAPTER_WEIGHTS))
    found = {name: re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])\.weight", name).groups() for name in tensors}
    return [(f"{module}.{names[which]}", tensors[name].T) for name, (module, which) in found.items()]


def write_peft(weights: dict, repo: str, p, folder: Path) -> None:
    """MLX LoRA → PEFT: A = lora_a.T (r × in), B = lora_b.T (out × r), alpha = scale × rank."""
    tensors, targets = {}, set()
    for name, value in weights.items():
        module, which = re.fullmatch(r"(.+)\.lora_([ab])", name).groups()
        tensors[f"base_model.model.{module}.lora_{which.upper()}.weight"] = np.array(value.astype(mx.float32)).T.copy()
        targets.add(module.split(".")[-1])
    save_file(tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": repo,
        "r": p.lora_rank,
        "lora_alpha": p.lora_alpha,
        "lora_dropout": p.lora_dropout,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted(targets),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))
