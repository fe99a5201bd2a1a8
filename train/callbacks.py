"""What a trainer of transformers does besides its steps: validation loss, early stopping, the best epoch, checkpoints
and Ctrl-C."""

import json
import math
import time
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from blogtwin import memory
from blogtwin.console import echo
from blogtwin.errors import is_disk_full
from blogtwin.paths import ADAPTER_WEIGHTS
from train import sharding
from train.backend import TrainingJob, TrainingMetrics
from train.checkpoints import read_manifest
from train.early_stopping import should_stop_early
from train.interrupts import Interruptible
from train.schedule import describe_schedule

BEST_FILE, STATE_FILE = "best.safetensors", "watched.json"


class SummedLossTrainer(Protocol):
    """A transformers.Trainer that can also give the summed loss of a batch."""

    def summed_loss(self, inputs: dict) -> tuple[torch.Tensor, int]:
        """(summed negative log-likelihood in nats, a scalar; number of labels)."""


def validation_loss(trainer: Any) -> float:
    """Mean negative log-likelihood per label over the validation posts, in nats. `trainer` is a Trainer and a
    SummedLossTrainer."""
    model = trainer.model
    model.eval()
    loader, total, count = trainer.get_eval_dataloader(), 0.0, 0
    if trainer.args.world_size > 1:  # every process reads all posts: accelerate would pad them to equal shares
        loader = DataLoader(loader.dataset, batch_size=1, collate_fn=loader.collate_fn)
    # A data loader draws a random number. Without fork_rng an uninterrupted run would draw it at the end of an epoch,
    # and a resumed one would not.
    with torch.no_grad(), trainer.accelerator.autocast(), torch.random.fork_rng(devices=[]):
        for inputs in loader:
            loss, n = trainer.summed_loss(trainer._prepare_inputs(inputs))
            total, count = total + loss.item(), count + n
    model.train()
    return total / max(1, count)


def save_adapter(model: PeftModel, folder: Path | str, weights: dict[str, torch.Tensor] | None = None) -> None:
    """Write the adapter of a PeftModel, without the other files that PEFT and TRL would add. The same weights always
    make the same files. `weights`: the model's own whole ones of a sharded model."""
    for config in model.peft_config.values():  # PEFT has a set, whose order differs between processes
        config.target_modules = sorted(config.target_modules)
    # save_embedding_layers="auto" would make a request to the hub
    model.save_pretrained(folder, selected_adapters=["default"], save_embedding_layers=False, state_dict=weights)
    for name in ("README.md", "training_args.bin"):  # a model card that is only PEFT's template
        (Path(folder) / name).unlink(missing_ok=True)


class TrainingMonitor(TrainerCallback, Interruptible):
    """Measures the validation loss before training and after each epoch, stops early, keeps the best adapter, and saves
    a checkpoint every `save_steps` steps."""

    def __init__(self, trainer: Any, job: TrainingJob):
        """`trainer` is a transformers.Trainer of a PeftModel, and a SummedLossTrainer."""
        self.trainer, self.log, self.job = trainer, job.log, job
        trainer._load_from_checkpoint = self.load_adapter  # transformers' own would look for a whole model
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(self)
        self.losses: list[float] = []  # validation losses: before training, then after each epoch
        self.best_loss, self.best_epoch = math.inf, 0.0
        self._best_state: dict[str, torch.Tensor] | None = None
        self.finished = False  # a resumed run may have nothing left to train
        dataset = trainer.train_dataset
        self.rows_per_step = (
            trainer.args.per_device_train_batch_size
            * trainer.args.gradient_accumulation_steps
            * trainer.args.world_size
        )
        self.tokens_per_step = sum(len(ids) for ids in dataset["input_ids"]) / len(dataset) * self.rows_per_step

    def train(self) -> TrainingMetrics:
        """Train from the latest checkpoint, the adapter of a warm start, or the base model, and write the adapter of
        the best epoch. The caller adds what it knows of the machine to the metrics: memory, dtype and device."""
        checkpoint = self.job.checkpoints.latest()
        if checkpoint:
            self.resume(checkpoint)
        elif self.job.init_adapter:
            self.load_adapter(self.job.init_adapter)
        try:
            with self.defer_interrupt():
                if not self.finished:
                    self.trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
        finally:
            self.log.stop()
        if self.job.params.method != "sft":
            self.save_last_step()
        self.restore_best()
        weights = self.own_weights()
        if self.trainer.is_world_process_zero():
            save_adapter(self.trainer.model, self.job.output_dir, weights)
        trainable, total = self.trainer.model.get_nb_trainable_parameters()
        metrics = {
            "loss_before": self.losses[0],
            "loss_after": self.best_loss,
            "best_epoch": self.best_epoch,
            "steps": self.trainer.state.global_step,
            "tokens": self.log.tokens,
            "tokens_per_s": self.log.tokens / self.log.seconds,
            "seconds": self.log.elapsed(),
            "trainable_share": trainable / total,
        }
        return cast(TrainingMetrics, metrics)

    def load_adapter(self, folder: Path | str, model: Any = None) -> None:
        """Load the weights of the adapter in a folder. (`model` is what transformers passes, and not used.)"""
        self.set_adapter(load_file(f"{folder}/{ADAPTER_WEIGHTS}"))

    # The trainer calls the methods that begin with on_; their signatures are transformers'.

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not self.losses:
            self.losses.append(validation_loss(self.trainer))
            self.log.log_validation(0, 0, self.losses[0])
            if self.job.init_adapter:  # the adapter of a warm start may be the best already
                self.save_best(self.losses[0], 0.0)
        steps_per_epoch = math.ceil(len(self.trainer.train_dataset) / self.rows_per_step)
        echo(describe_schedule(self.job.params, state.max_steps, steps_per_epoch))
        self.log.start(state.max_steps, state.global_step)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._step_started = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._step_seconds = time.perf_counter() - self._step_started
        if state.global_step % 8 == 0:  # not every step: the next one pays for it in page faults
            memory.release_free_memory()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        step, loss, grad_norm = state.global_step, float(logs["loss"]), float(logs["grad_norm"])
        for name, value in (("loss", loss), ("gradient", grad_norm)):
            if not math.isfinite(value):
                raise FloatingPointError(f"the {name} became {value} at step {step}")
        learning_rate, tokens = float(logs["learning_rate"]), round(self.tokens_per_step)
        self.log.log_step(step, loss, learning_rate, grad_norm, tokens, self._step_seconds)
        if self.interrupted:
            self.save_and_exit(state.max_steps)
        if step % self.job.params.save_steps == 0 and step < state.max_steps:
            self.save_checkpoint()

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.evaluate_epoch()
        if self.interrupted:
            self.save_and_exit(state.max_steps)
        control.should_training_stop = control.should_training_stop or self.should_stop()

    # The best epoch.

    def evaluate_epoch(self) -> None:
        """Measure the validation loss after an epoch, and keep the adapter if it is the best so far."""
        state, loss = self.trainer.state, validation_loss(self.trainer)
        self.losses.append(loss)
        epoch = round(state.epoch, 2)
        self.log.log_validation(state.global_step, epoch, loss)
        if loss < self.best_loss:
            self.save_best(loss, epoch)

    def save_best(self, loss: float, epoch: float) -> None:
        """Keep a copy of the present adapter as that of the best epoch."""
        self.best_loss, self.best_epoch = loss, epoch
        self._best_state = {k: v.detach().clone() for k, v in self.adapter_state().items()}

    def should_stop(self) -> bool:
        """Whether early stopping triggers: no better validation loss for `early_stopping_patience` epochs."""
        return should_stop_early(self.losses, self.job.params.early_stopping_patience)

    def adapter_state(self) -> dict[str, torch.Tensor]:
        """The adapter's whole weights by PEFT's names. Every process must call it."""
        # save_embedding_layers="auto" would make a request to the hub
        return get_peft_model_state_dict(self.trainer.model, self.own_weights(), save_embedding_layers=False)

    def own_weights(self) -> dict[str, torch.Tensor]:
        """The adapter's whole weights by the model's names. Every process must call it."""
        return sharding.gather({n: w.detach() for n, w in self.trainer.model.named_parameters() if w.requires_grad})

    def set_adapter(self, state: dict[str, torch.Tensor]) -> None:
        """Put an adapter's whole weights, by PEFT's names, into the model. Every process must call it."""
        model = self.trainer.model
        weights = get_peft_model_state_dict(model, save_embedding_layers=False)
        set_peft_model_state_dict(model, {n: sharding.shard_like(w, weights[n]) for n, w in state.items()})

    def restore_best(self) -> None:
        """Put the best epoch's adapter back into the model."""
        if self._best_state is not None and self.best_loss < self.losses[-1]:
            self.set_adapter(self._best_state)

    # Checkpoints.

    def save_last_step(self) -> None:
        """Save a checkpoint of the end of training, unless there is one: preference training follows, and if that is
        stopped, the same command starts there."""
        latest = self.job.checkpoints.latest()
        manifest = read_manifest(latest) if latest else None
        if not manifest or manifest["step"] != self.trainer.state.global_step:
            self.save_checkpoint()

    def save_checkpoint(self) -> None:
        """Save a checkpoint of this step. If the disk is full, warn and keep the one before."""
        trainer, state = self.trainer, self.trainer.state
        adapter, optimizer = self.adapter_state(), sharding.gather(trainer.optimizer.state_dict())
        if not trainer.is_world_process_zero():
            return
        try:
            with self.job.checkpoints.save(state.global_step, state.max_steps) as folder:
                sharding.save_optimizer(trainer, optimizer, folder)
                trainer._save_rng_state(folder)
                state.save_to_json(folder / "trainer_state.json")
                save_file({k: v.contiguous() for k, v in adapter.items()}, folder / ADAPTER_WEIGHTS)
                if self._best_state is not None:
                    save_file(self._best_state, folder / BEST_FILE)
                own_state = {
                    "losses": self.losses,
                    "best": self.best_loss,
                    "best_epoch": self.best_epoch,
                    "log": self.log.state_dict(),
                }
                (folder / STATE_FILE).write_text(json.dumps(own_state))
        except Exception as e:
            if not is_disk_full(e):
                raise
            self.warn_not_saved(state.global_step)

    def resume(self, folder: Path) -> None:
        """Resume from a checkpoint: adapter, log and best epoch here; the trainer loads optimizer, learning-rate
        schedule and random state when it starts."""
        own_state = json.loads((folder / STATE_FILE).read_text())
        self.losses, self.best_loss = own_state["losses"], own_state["best"]
        self.best_epoch = own_state["best_epoch"]
        self.log.load_state_dict(own_state["log"])
        if (folder / BEST_FILE).is_file():
            self._best_state = load_file(folder / BEST_FILE)
        self.load_adapter(folder)
        state = self.trainer.state = type(self.trainer.state).load_from_json(folder / "trainer_state.json")
        self.finished = state.global_step >= state.max_steps
        echo(f"resuming from step {state.global_step} of {state.max_steps}, saved in {folder}")
        at_epoch_end = self.finished or abs(state.epoch - round(state.epoch)) < 1e-6
        if at_epoch_end:
            # It may have been stopped after the last step of an epoch, before that epoch was evaluated.
            if self.log.validations[-1][0] != state.global_step:
                self.evaluate_epoch()
            self.finished = self.finished or self.should_stop()
