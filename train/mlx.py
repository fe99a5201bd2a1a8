"""LoRA on Apple silicon with mlx-lm. The adapter is written as PEFT at the end, so that every later stage has one
format to read."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.tuner.trainer import TrainingArgs, TrainingCallback, default_loss, evaluate
from mlx_lm.tuner.trainer import train as train_model

from blogtwin import memory
from blogtwin.config import TrainParams
from blogtwin.console import echo
from blogtwin.errors import UserError, is_disk_full
from train.backend import TrainingJob, TrainingMetrics
from train.early_stopping import should_stop_early
from train.interrupts import Interruptible
from train.mlx_data import count_labels, epoch_batches, pad_batch, tokenise_rows
from train.mlx_lora import load_with_lora, read_peft, write_peft
from train.schedule import describe_schedule

# MLX has no attention that stays inside a post, so rows are not packed: this many rows take the place of one packed row
# of train.batch_size. It is also the number of rows in memory at a time.
ROWS_PER_PACK = 2
# How MLX reports that it is out of memory, where it can: a failed Metal command or malloc on a CPU may end the process.
OOM_MESSAGES = ("unable to allocate", "maximum allowed buffer size", "insufficient memory")


def train(job: TrainingJob) -> TrainingMetrics:
    """Train the adapter of `job` with MLX; see train/backend.py for the contract."""
    p = job.params
    mx.random.seed(p.seed)
    model = load_with_lora(job.base, p)
    trainer = MlxTrainer(model, job)
    trainer.start()
    echo(describe_schedule(p, trainer.total_steps, trainer.steps_per_epoch))
    job.log.start(trainer.total_steps, trainer.step)
    try:
        with trainer.defer_interrupt():
            while trainer.step < trainer.total_steps and not should_stop_early(
                trainer.losses, p.early_stopping_patience
            ):
                try:
                    trainer.train_epoch()
                except (RuntimeError, MemoryError) as e:
                    trainer.halve_microbatch(e)
                else:
                    trainer.evaluate_epoch()
    finally:
        job.log.stop()
    trainer.discard_file.unlink(missing_ok=True)
    write_peft(trainer.best_weights, job.base.repo, p, job.output_dir)
    return {
        "loss_before": trainer.losses[0],
        "loss_after": trainer.best_loss,
        "best_epoch": trainer.best_epoch,
        "steps": trainer.step,
        "tokens": job.log.tokens,
        "tokens_per_s": job.log.tokens / max(job.log.seconds, 1e-9),
        "trainable_share": (
            sum(v.size for v in trainer.best_weights.values())
            / sum(v.size for _, v in tree_flatten(model.parameters()))
        ),
        "peak_memory_mb": max(mx.get_peak_memory() / 2**20, memory.peak_mb()),
        "seconds": job.log.elapsed(),
        "dtype": "bf16",
        "device": str(mx.default_device()),
    }


class AdamWithGradNorm(optim.Adam):
    """Adam that stores the norm of the last gradient, which mlx-lm does not report."""

    def apply_gradients(self, gradients: dict, parameters: dict) -> dict:
        self.state["grad_norm"] = mx.sqrt(sum(g.square().sum() for _, g in tree_flatten(gradients)))
        return super().apply_gradients(gradients, parameters)


def weighted_loss(model: nn.Module, ids: mx.array, bounds: mx.array, weight: mx.array) -> tuple[mx.array, mx.array]:
    """mlx-lm's loss (mean per label, number of labels), times `weight`: with the weights of `MlxTrainer.microbatches`,
    the mean over the microbatches of a step is the step's loss per label, whatever their lengths."""
    loss, labels = default_loss(model, ids, bounds)
    return loss * weight, labels


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means out of memory, in MLX's words or Python's."""
    return memory.is_out_of_memory(error) or any(message in str(error).lower() for message in OOM_MESSAGES)


def learning_rate_schedule(params: TrainParams, steps: int) -> Any:
    """The learning rate by step: a linear warm-up, then a cosine decay to zero."""
    warmup = max(1, round(steps * params.warmup_ratio))
    return optim.join_schedules(
        [
            optim.linear_schedule(0, params.learning_rate, warmup),
            optim.cosine_decay(params.learning_rate, max(1, steps - warmup)),
        ],
        [warmup],
    )


class MlxTrainer(TrainingCallback, Interruptible):
    """Feeds mlx-lm's training loop, passes its numbers to our log, keeps the weights of the best epoch, and saves a
    checkpoint every `save_steps` steps."""

    def __init__(self, model: nn.Module, job: TrainingJob):
        p, tokenizer = job.params, job.base.tokenizer()
        self.model, self.job = model, job
        self.rows, self.valid = (tokenise_rows(tokenizer, rows) for rows in (job.train_rows, job.valid_rows))
        self.batch_size = min(p.batch_size * ROWS_PER_PACK, len(self.rows))  # rows of a step
        # Rows in memory at a time: gradient accumulation adds up the microbatches of a step.
        self.microbatch_size = min(ROWS_PER_PACK, self.batch_size)
        self.steps_per_epoch = max(1, len(self.rows) // self.batch_size)
        self.total_steps = p.max_steps or self.steps_per_epoch * p.epochs
        self.optimizer = AdamWithGradNorm(learning_rate=learning_rate_schedule(p, self.total_steps))
        self.step = 0
        self.losses: list[float] = []  # validation losses: before training, then after each epoch
        self.best_loss, self.best_epoch = math.inf, 0.0
        self.best_weights: dict[str, mx.array] = {}
        # mlx-lm insists on writing the adapter after each call; this file leads to /dev/null.
        self.discard_file = job.output_dir / "mlx.safetensors"

    def start(self) -> None:
        """Resume from the latest checkpoint if there is one. If not, load the adapter of a warm start and measure the
        validation loss before training."""
        self.discard_file.unlink(missing_ok=True)
        self.discard_file.symlink_to(os.devnull)
        checkpoint = self.job.checkpoints.latest()
        if checkpoint:
            self.resume(checkpoint)
            return
        if self.job.init_adapter:
            self.model.update(tree_unflatten(read_peft(self.job.init_adapter)))
        self.losses.append(self.validation_loss())
        self.job.log.log_validation(0, 0, self.losses[0])
        if self.job.init_adapter:  # the adapter of a warm start may be the best already
            self.save_best(self.losses[0], 0.0)

    def train_epoch(self) -> None:
        """Train to the end of the present epoch. mlx-lm is called once an epoch, so that the best one can be kept."""
        epoch, steps_done = divmod(self.step, self.steps_per_epoch)
        steps_left = self.total_steps - self.step
        batches = epoch_batches(len(self.rows), self.batch_size, self.job.params.seed + epoch)
        batches = batches[steps_done : steps_done + steps_left]
        num_microbatches = math.ceil(self.batch_size / self.microbatch_size)
        args = TrainingArgs(
            iters=len(batches) * num_microbatches,
            grad_accumulation_steps=num_microbatches,
            steps_per_report=num_microbatches,
            steps_per_save=10**9,
            adapter_file=str(self.discard_file),
        )
        self._reported_tokens = 0
        train_model(
            self.model,
            self.optimizer,
            self.rows,
            args=args,
            loss=weighted_loss,
            iterate_batches=lambda **_: self.microbatches(batches, num_microbatches),
            training_callback=self,
        )

    def microbatches(self, batches: list[list[int]], num_microbatches: int) -> Iterator[tuple]:
        """The microbatches of each step: (ids, bounds of the labels, weight of the loss)."""
        for batch in batches:
            # What a step that runs out of memory goes back to. The arrays are never written to: this copies nothing.
            self._before_step = tree_flatten(self.model.trainable_parameters()), tree_flatten(self.optimizer.state)
            # Each step has a random seed of its own (for dropout), so that a resumed run draws the numbers of an
            # uninterrupted one: MLX's random state can't be restored.
            mx.random.seed(self.job.params.seed + self.step)
            rows = [self.rows[i] for i in batch]
            num_labels = count_labels(rows)
            for i in range(0, len(rows), self.microbatch_size):
                part = rows[i : i + self.microbatch_size]
                yield *pad_batch(part), mx.array(count_labels(part) * num_microbatches / num_labels)

    def halve_microbatch(self, error: Exception) -> None:
        """After running out of memory: go back to before the step that failed, and read half as many rows at a time
        with twice the gradient accumulation. Raises any other `error`, and UserError if a single row was too much."""
        if not is_out_of_memory(error):
            raise error
        if self.microbatch_size == 1:
            raise UserError(
                "Out of memory in training, even with one post at a time: set train.max_length below"
                f" {self.job.params.max_length}, or train on a smaller train.base."
            ) from None
        weights, state = self._before_step
        self.model.update(tree_unflatten(weights))
        self.optimizer.state = tree_unflatten(state)
        self.microbatch_size = math.ceil(self.microbatch_size / 2)
        self.job.log.message(
            f"out of memory: the {self.batch_size} rows of a step are now read {self.microbatch_size} at a time (same"
            " result, slower)"
        )

    def validation_loss(self) -> float:
        """Mean negative log-likelihood per label over the validation posts, in nats. Raises FloatingPointError if it is
        not finite."""
        loss = evaluate(
            self.model,
            self.valid,
            batch_size=1,
            num_batches=-1,
            iterate_batches=lambda dataset, **_: (pad_batch([row]) for row in dataset),
        )
        return self.check_finite("validation loss", loss)

    def check_finite(self, name: str, value: float) -> float:
        """`value` itself. Raises FloatingPointError if it is not finite."""
        if not math.isfinite(value):
            raise FloatingPointError(f"the {name} became {value} at step {self.step}")
        return value

    def on_train_loss_report(self, train_info: dict) -> None:
        """mlx-lm's callback, called after each step."""
        self.step += 1
        loss = self.check_finite("loss", train_info["train_loss"])
        grad_norm = self.check_finite("gradient", self.optimizer.state["grad_norm"].item())
        tokens = train_info["trained_tokens"] - self._reported_tokens
        self._reported_tokens = train_info["trained_tokens"]
        seconds = tokens / max(train_info["tokens_per_second"], 1e-9)
        self.job.log.log_step(self.step, loss, train_info["learning_rate"], grad_norm, tokens, seconds)
        if self.interrupted:
            self.save_and_exit(self.total_steps)
        if self.step % self.job.params.save_steps == 0 and self.step < self.total_steps:
            self.save_checkpoint()

    def evaluate_epoch(self) -> None:
        """Measure the validation loss after an epoch, and keep the adapter if it is the best so far."""
        loss, epoch = self.validation_loss(), self.step / self.steps_per_epoch
        self.losses.append(loss)
        self.job.log.log_validation(self.step, epoch, loss)
        if loss < self.best_loss:
            self.save_best(loss, epoch)
        if self.interrupted:
            self.save_and_exit(self.total_steps)

    def save_best(self, loss: float, epoch: float) -> None:
        """Keep a copy of the present weights as those of the best epoch."""
        self.best_loss, self.best_epoch = loss, epoch
        self.best_weights = {k: mx.array(v) for k, v in tree_flatten(self.model.trainable_parameters())}

    def save_checkpoint(self) -> None:
        """Save a checkpoint of this step. If the disk is full, warn and keep the one before."""
        try:
            with self.job.checkpoints.save(self.step, self.total_steps) as folder:
                write_tensors(folder / "adapter.safetensors", dict(tree_flatten(self.model.trainable_parameters())))
                write_tensors(folder / "optimizer.safetensors", dict(tree_flatten(self.optimizer.state)))
                if self.best_weights:
                    write_tensors(folder / "best.safetensors", self.best_weights)
                state = {
                    "step": self.step,
                    "losses": self.losses,
                    "loss": self.best_loss,
                    "epoch": self.best_epoch,
                    "at_once": self.microbatch_size,
                    "log": self.job.log.state_dict(),
                }
                (folder / "run.json").write_text(json.dumps(state))
        except Exception as e:
            if not is_disk_full(e):
                raise
            self.warn_not_saved(self.step)

    def resume(self, folder: Path) -> None:
        """Resume from a checkpoint: weights, optimizer, losses, log and the best epoch."""
        state = json.loads((folder / "run.json").read_text())
        self.step, self.losses, self.microbatch_size = state["step"], state["losses"], state["at_once"]
        self.best_loss, self.best_epoch = state["loss"], state["epoch"]
        self.job.log.load_state_dict(state["log"])
        self.model.update(tree_unflatten(list(mx.load(str(folder / "adapter.safetensors")).items())))
        self.optimizer.init(self.model.trainable_parameters())
        self.optimizer.state = tree_unflatten(list(mx.load(str(folder / "optimizer.safetensors")).items()))
        if (folder / "best.safetensors").is_file():
            self.best_weights = mx.load(str(folder / "best.safetensors"))
        echo(f"resuming from step {self.step} of {self.total_steps}, saved in {folder}")
        at_epoch_end = self.step % self.steps_per_epoch == 0 or self.step == self.total_steps
        # It may have been stopped after the last step of an epoch, before that epoch was evaluated.
        if at_epoch_end and self.job.log.validations[-1][0] != self.step:
            self.evaluate_epoch()


def write_tensors(path: Path, tensors: dict[str, mx.array]) -> None:
    """Write a safetensors file. Python opens it, because Python reports a full disk, and MLX only that writing
    failed."""
    with open(path, "wb") as file:
        mx.save_safetensors(file, tensors)
