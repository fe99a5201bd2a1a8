"""What every trainer reports to: lines or a bar on the terminal, a JSON line for each step, and the curves as TSV for
`dvc plots`."""

import contextlib
import json
import sys
import time
from pathlib import Path

from blogtwin import memory
from blogtwin.console import echo
from blogtwin.files import atomic_open
from blogtwin.hardware import is_main_process

NUM_KEPT_LOGS = 5  # logs of runs before this one
CURVE_FILES = {
    "loss.tsv": "step\tloss\tlearning_rate\tgrad_norm",
    "valid_loss.tsv": "step\tepoch\tloss",
}


class TrainingLog:
    """step() after each optimiser step, valid() after each look at the validation posts, write() at the end.

    `file` gets a JSON line for each of them as it happens; the files of the runs before are file.1, file.2, …
    """

    def __init__(self, file: Path | None = None):
        self.steps: list[tuple] = []  # step, loss, learning rate, gradient norm
        self.valids: list[tuple] = []  # step, epoch, loss
        self.tokens = 0
        self.seconds = 0.0  # in steps
        self._begun, self._before = time.perf_counter(), 0.0
        self.resumed = 0  # the step this run went on from
        self.file = file
        self._bar = self._task = None
        if file:
            rotate_logs(file)

    def start(self, total: int, done: int = 0) -> None:
        """Optimiser steps are coming, `total` in all, of which `done` were made by a run before this one."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.total, self._first, self._started = total, done, time.perf_counter()
        self.line(event="start", step=done, of=total)
        if sys.stdout.isatty() and is_main_process():
            columns = (
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[now]}"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns)
            self._bar.start()
            self._task = self._bar.add_task("", total=total, completed=done, now="")

    def step(self, step: int, loss: float, learning_rate: float, grad_norm: float, tokens: int, seconds: float) -> None:
        """`tokens` were trained on in this step, in `seconds`."""
        self.steps.append((step, loss, learning_rate, grad_norm))
        self.tokens += tokens
        self.seconds += seconds
        speed, left, peak = self.tokens / self.seconds, self.left(step), memory.peak_mb()
        self.line(
            event="step",
            step=step,
            of=self.total,
            loss=loss,
            learning_rate=learning_rate,
            grad_norm=grad_norm,
            tokens=tokens,
            tokens_per_s=tokens / seconds,
            seconds_left=left,
            peak_memory_mb=peak,
        )
        if self._bar is not None:
            self._bar.update(
                self._task, completed=step, now=f"loss {loss:.3f}  {speed:.0f} tokens/s  {peak / 1024:.1f} GB"
            )
        elif step in (1, self._first + 1, self.total) or step % max(1, self.total // 10) == 0:
            echo(
                f"step {step}/{self.total}  loss {loss:.3f}  {speed:.0f} tokens/s  {left:.0f} s left "
                f" {peak / 1024:.1f} GB"
            )

    def spent(self) -> float:
        """Seconds of this run and of those that it went on from, up to their last checkpoint."""
        return self._before + time.perf_counter() - self._begun

    def left(self, step: int) -> float:
        """Seconds to the last step, at the pace of this run."""
        return (time.perf_counter() - self._started) / (step - self._first) * (self.total - step)

    def valid(self, step: int, epoch: float, loss: float) -> None:
        self.valids.append((step, epoch, loss))
        self.line(event="validation", step=step, epoch=epoch, loss=loss)
        self.note(f"validation loss {loss:.4f} " + ("before training" if step == 0 else f"after epoch {epoch:g}"))

    def note(self, text: str) -> None:
        """A sentence for the person who watches."""
        self._bar.console.print(text, highlight=False, markup=False) if self._bar is not None else echo(text)

    def line(self, **event) -> None:
        if self.file:
            with (
                contextlib.suppress(OSError),
                open(self.file, "a", encoding="utf-8") as file,
            ):  # a full disk stops no training
                rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in event.items()}
                file.write(json.dumps({"time": round(time.time(), 2), **rounded}) + "\n")

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def state(self) -> dict:
        """What a checkpoint keeps of it."""
        return {
            "steps": self.steps,
            "valids": self.valids,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "spent": self.spent(),
        }

    def restore(self, state: dict) -> None:
        self.steps, self.valids = ([tuple(row) for row in state[name]] for name in ("steps", "valids"))
        self.tokens, self.seconds, self._before = state["tokens"], state["seconds"], state["spent"]
        self.resumed = self.steps[-1][0]

    def forget(self) -> None:
        """The run begins anew."""
        self.steps.clear()
        self.valids.clear()
        self.tokens, self.seconds, self.resumed = 0, 0.0, 0

    def write(self, folder: Path) -> None:
        """The curves that `dvc plots` draws."""
        for (name, head), rows in zip(CURVE_FILES.items(), (self.steps, self.valids), strict=True):
            with atomic_open(folder / name) as file:
                file.write(head + "\n")
                file.writelines("\t".join(f"{v:.6g}" for v in row) + "\n" for row in rows)


def rotate_logs(file: Path) -> None:
    """file → file.1 → file.2 …, and the oldest goes."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        for n in range(NUM_KEPT_LOGS, 0, -1):
            older = file.with_name(f"{file.name}.{n - 1}") if n > 1 else file
            if older.is_file():
                older.replace(file.with_name(f"{file.name}.{n}"))
