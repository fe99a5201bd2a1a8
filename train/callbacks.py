"""What a trainer does beside its steps: validation, the best epoch, checkpoints, early stopping and Ctrl-C."""

import json
import math
import time
from pathlib import Path

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from blogtwin import memory
from blogtwin.console import echo
from blogtwin.errors import is_disk_full
from blogtwin.paths import ADAPTER_WEIGHTS
from train.checkpoints import read_manifest
from train.interrupts import Interruptible
from train.schedule import describe_schedule, should_stop_early

BEST_FILE, STATE_FILE = "best.safetensors", "watched.json"


def validation_loss(trainer) -> float:
    """Mean negative log-likelihood per label over a trainer's validation posts, in nats. trainer.summed_loss gives that
    of a row: (sum, labels)."""
    model = trainer.model
    model.eval()
    loader, total, count = trainer.get_eval_dataloader(), 0.0, 0
    if trainer.args.world_size > 1:  # every process reads all posts: a share of them would be padded to equal shares
        loader = DataLoader(loader.dataset, batch_size=1, collate_fn=loader.collate_fn)
    # a data loader draws a random number, which a run that goes on from an epoch's end would not draw
    with torch.no_grad(), trainer.accelerator.autocast(), torch.random.fork_rng(devices=[]):
        for inputs in loader:
            loss, n = trainer.summed_loss(trainer._prepare_inputs(inputs))
            total, count = total + loss.item(), count + n
    model.train()
    return total / max(1, count)


def save_adapter(model, folder) -> None:
    """The adapter of a PeftModel, without what else PEFT and TRL would leave beside it; the same weights make the same
    files."""
    for config in model.peft_config.values():  # PEFT holds a set, whose order is another in each process
        config.target_modules = sorted(config.target_modules)
    model.save_pretrained(folder, selected_adapters=["default"], save_embedding_layers=False)  # "auto" asks a hub
    for more in ("README.md", "training_args.bin"):  # PEFT's model card template says nothing
        (Path(folder) / more).unlink(missing_ok=True)


class TrainingMonitor(TrainerCallback, Interruptible):
    """Measures the validation loss before training and after each epoch, keeps the best adapter, and a checkpoint every
    few steps."""

    def __init__(self, trainer, job):
        self.trainer, self.log, self.job = trainer, job.log, job
        trainer._load_from_checkpoint = self.load  # transformers' own would look for a whole model
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(self)
        self.losses: list[float] = []  # before training, and after each epoch
        self.best, self.best_epoch, self._weights = math.inf, 0.0, None
        self.finished = False
        dataset = trainer.train_dataset
        self.rows_per_step = (
            trainer.args.per_device_train_batch_size
            * trainer.args.gradient_accumulation_steps
            * trainer.args.world_size
        )
        self.tokens_per_step = sum(len(ids) for ids in dataset["input_ids"]) / len(dataset) * self.rows_per_step

    def train(self) -> dict:
        """Train from the newest checkpoint, the adapter to begin with, or the base, and write the best epoch's adapter;
        returns what train/backend.py's contract asks for, but for the machine."""
        checkpoint = self.job.checkpoints.newest()
        if checkpoint:
            self.resume(checkpoint)
        elif self.job.start:
            self.load(self.job.start)
        try:
            with self.ctrl_c_after_the_step():
                if not self.finished:
                    self.trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
        finally:
            self.log.stop()
        newest = self.job.checkpoints.newest()
        if self.job.params.method != "sft" and not (
            newest and read_manifest(newest)["step"] == self.trainer.state.global_step
        ):
            self.save()  # what follows may be stopped
        self.restore()
        if self.trainer.is_world_process_zero():
            save_adapter(self.trainer.model, self.job.folder)
        trainable, total = self.trainer.model.get_nb_trainable_parameters()
        return {
            "loss_before": self.losses[0],
            "loss_after": self.best,
            "best_epoch": self.best_epoch,
            "steps": self.trainer.state.global_step,
            "tokens": self.log.tokens,
            "tokens_per_s": self.log.tokens / self.log.seconds,
            "seconds": self.log.spent(),
            "trainable_share": trainable / total,
        }

    def load(self, folder, model=None) -> None:
        """The weights of an adapter that lies in a folder."""
        set_peft_model_state_dict(self.trainer.model, load_file(f"{folder}/{ADAPTER_WEIGHTS}"))

    # --- the trainer's calls ---

    def on_train_begin(self, args, state, control, **kwargs):
        if not self.losses:
            self.losses.append(validation_loss(self.trainer))
            self.log.valid(0, 0, self.losses[0])
            if self.job.start:  # a twin that goes on may be at its best already
                self.keep(self.losses[0], 0.0)
        per_epoch = math.ceil(len(self.trainer.train_dataset) / self.rows_per_step)
        echo(describe_schedule(self.job.params, state.max_steps, per_epoch))
        self.log.start(state.max_steps, state.global_step)

    def on_step_begin(self, args, state, control, **kwargs):
        self._step_started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self._step_seconds = time.perf_counter() - self._step_started
        if state.global_step % 8 == 0:  # not every step: it costs the page faults that the next one pays
            memory.release_free_memory()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not logs or "loss" not in logs:
            return
        step, loss, norm = state.global_step, float(logs["loss"]), float(logs["grad_norm"])
        for name, value in (("loss", loss), ("gradient", norm)):
            if not math.isfinite(value):
                raise FloatingPointError(f"the {name} became {value} at step {step}")
        self.log.step(step, loss, float(logs["learning_rate"]), norm, round(self.tokens_per_step), self._step_seconds)
        if self.pressed:
            self.stop(state.max_steps)
        if step % self.job.params.save_steps == 0 and step < state.max_steps:
            self.save()

    def on_epoch_end(self, args, state, control, **kwargs):
        self.look()
        if self.pressed:
            self.stop(state.max_steps)
        control.should_training_stop = control.should_training_stop or self.hurts()

    # --- the best epoch ---

    def look(self) -> None:
        """Measure after an epoch, and keep the adapter if it is the best yet."""
        state, loss = self.trainer.state, validation_loss(self.trainer)
        self.losses.append(loss)
        epoch = round(state.epoch, 2)
        self.log.valid(state.global_step, epoch, loss)
        if loss < self.best:
            self.keep(loss, epoch)

    def keep(self, loss: float, epoch: float) -> None:
        self.best, self.best_epoch = loss, epoch
        self._weights = {k: v.detach().clone() for k, v in self.weights().items()}

    def hurts(self) -> bool:
        """Whether more epochs would take the twin further from the author: the validation loss has risen for long
        enough."""
        return should_stop_early(self.losses, self.job.params.early_stopping_patience)

    def weights(self) -> dict:
        return get_peft_model_state_dict(self.trainer.model, save_embedding_layers=False)  # "auto" asks a hub

    def restore(self) -> None:
        """Put the best epoch's adapter back into the model."""
        if self._weights is not None and self.best < self.losses[-1]:
            set_peft_model_state_dict(self.trainer.model, self._weights)

    # --- checkpoints ---

    def save(self) -> None:
        """A checkpoint of this step. On a full disk training goes on with the one before."""
        trainer, state = self.trainer, self.trainer.state
        if not trainer.is_world_process_zero():
            return
        try:
            with self.job.checkpoints.saving(state.global_step, state.max_steps) as folder:
                trainer._save_optimizer_and_scheduler(folder)
                trainer._save_rng_state(folder)
                state.save_to_json(folder / "trainer_state.json")
                save_file({k: v.contiguous() for k, v in self.weights().items()}, folder / ADAPTER_WEIGHTS)
                if self._weights is not None:
                    save_file(self._weights, folder / BEST_FILE)
                watched = {
                    "losses": self.losses,
                    "best": self.best,
                    "best_epoch": self.best_epoch,
                    "log": self.log.state(),
                }
                (folder / STATE_FILE).write_text(json.dumps(watched))
        except Exception as e:
            if not is_disk_full(e):
                raise
            self.not_kept(state.global_step)

    def resume(self, folder) -> None:
        """Go on from a checkpoint: adapter, curves and best epoch here, optimiser and random numbers when the trainer
        starts."""
        watched = json.loads((folder / STATE_FILE).read_text())
        self.losses, self.best, self.best_epoch = watched["losses"], watched["best"], watched["best_epoch"]
        self.log.restore(watched["log"])
        if (folder / BEST_FILE).is_file():
            self._weights = load_file(folder / BEST_FILE)
        self.load(folder)
        state = self.trainer.state = type(self.trainer.state).load_from_json(folder / "trainer_state.json")
        self.finished = state.global_step >= state.max_steps
        echo(f"going on from step {state.global_step} of {state.max_steps}, which is kept in {folder}")
        at_end = self.finished or abs(state.epoch - round(state.epoch)) < 1e-6
        if at_end:
            if self.log.valids[-1][0] != state.global_step:  # it was stopped between an epoch's last step and its end
                self.look()
            self.finished = self.finished or self.hurts()
