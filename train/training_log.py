"""What every trainer reports to: lines or a progress bar on the terminal, a JSON line for each step, and the loss
curves as TSV for `dvc plots`."""

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from blogtwin import memory
from blogtwin.console import echo
from blogtwin.files import atomic_open
from blogtwin.hardware import is_main_process

NUM_KEPT_LOGS = 5  # log files of earlier runs
CURVE_FILES = {
    "loss.tsv": "step\tloss\tlearning_rate\tgrad_norm",
    "valid_loss.tsv": "step\tepoch\tloss",
}


class TrainingLog:
    """Call start() once, log_step() after each optimiser step, log_validation() after each validation, and stop() and
    write() at the end.

    `file` gets a JSON line for each of them as it happens; earlier runs' files become file.1, file.2, …
    """

    def __init__(self, file: Path | None = None):
        self.steps: list[tuple] = []  # (step, loss, learning rate, gradient norm)
        self.validations: list[tuple] = []  # (step, epoch, loss)
        self.tokens = 0  # trained on
        self.seconds = 0.0  # spent in steps, without validation
        self._created, self._elapsed_before = time.perf_counter(), 0.0
        self.resumed_from_step = 0
        self.file = file
        self._bar: Any = None
        self._task: Any = None
        if file:
            rotate_logs(file)

    def start(self, total_steps: int, steps_done: int = 0) -> None:
        """Training begins: `total_steps` in all, of which earlier runs made `steps_done`."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.total_steps, self._steps_done, self._started = total_steps, steps_done, time.perf_counter()
        self.write_event(event="start", step=steps_done, of=total_steps)
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
            self._task = self._bar.add_task("", total=total_steps, completed=steps_done, now="")

    def log_step(
        self, step: int, loss: float, learning_rate: float, grad_norm: float, tokens: int, seconds: float
    ) -> None:
        """Report an optimiser step, which trained on `tokens` tokens in `seconds`."""
        self.steps.append((step, loss, learning_rate, grad_norm))
        self.tokens += tokens
        self.seconds += seconds
        speed, seconds_left, peak = self.tokens / self.seconds, self.eta(step), memory.peak_mb()
        self.write_event(
            event="step",
            step=step,
            of=self.total_steps,
            loss=loss,
            learning_rate=learning_rate,
            grad_norm=grad_norm,
            tokens=tokens,
            tokens_per_s=tokens / seconds,
            seconds_left=seconds_left,
            peak_memory_mb=peak,
        )
        if self._bar is not None:
            self._bar.update(
                self._task, completed=step, now=f"loss {loss:.3f}  {speed:.0f} tokens/s  {peak / 1024:.1f} GB"
            )
        elif step in (1, self._steps_done + 1, self.total_steps) or step % max(1, self.total_steps // 10) == 0:
            echo(
                f"step {step}/{self.total_steps}  loss {loss:.3f}  {speed:.0f} tokens/s  {seconds_left:.0f} s left "
                f" {peak / 1024:.1f} GB"
            )

    def elapsed(self) -> float:
        """Seconds of this run, and of the runs it was resumed from up to their last checkpoint."""
        return self._elapsed_before + time.perf_counter() - self._created

    def eta(self, step: int) -> float:
        """Estimated seconds to the last step, at the speed of this run."""
        return (time.perf_counter() - self._started) / (step - self._steps_done) * (self.total_steps - step)

    def log_validation(self, step: int, epoch: float, loss: float) -> None:
        """Report a validation loss; step 0 means before training."""
        self.validations.append((step, epoch, loss))
        self.write_event(event="validation", step=step, epoch=epoch, loss=loss)
        self.message(f"validation loss {loss:.4f} " + ("before training" if step == 0 else f"after epoch {epoch:g}"))

    def message(self, text: str) -> None:
        """Print a line, above the progress bar if there is one."""
        self._bar.console.print(text, highlight=False, markup=False) if self._bar is not None else echo(text)

    def write_event(self, **event: Any) -> None:
        """Append a JSON line to `file`. A full disk does not stop training."""
        if self.file:
            with contextlib.suppress(OSError), open(self.file, "a", encoding="utf-8") as file:
                rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in event.items()}
                file.write(json.dumps({"time": round(time.time(), 2), **rounded}) + "\n")

    def stop(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def state_dict(self) -> dict:
        """What a checkpoint saves of the log; `load_state_dict` takes it back."""
        return {
            "steps": self.steps,
            "valids": self.validations,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "spent": self.elapsed(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Resume the log of an earlier run."""
        self.steps, self.validations = ([tuple(row) for row in state[name]] for name in ("steps", "valids"))
        self.tokens, self.seconds, self._elapsed_before = state["tokens"], state["seconds"], state["spent"]
        self.resumed_from_step = self.steps[-1][0]

    def reset(self) -> None:
        """Empty the curves: the run starts again from the beginning."""
        self.steps.clear()
        self.validations.clear()
        self.tokens, self.seconds, self.resumed_from_step = 0, 0.0, 0

    def write(self, folder: Path) -> None:
        """Write the loss curves that `dvc plots` draws."""
        for (name, header), rows in zip(CURVE_FILES.items(), (self.steps, self.validations), strict=True):
            with atomic_open(folder / name) as file:
                file.write(header + "\n")
                file.writelines("\t".join(f"{v:.6g}" for v in row) + "\n" for row in rows)


def rotate_logs(file: Path) -> None:
    """Rename file → file.1 → file.2 …; the oldest is overwritten."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        for n in range(NUM_KEPT_LOGS, 0, -1):
            older = file.with_name(f"{file.name}.{n - 1}") if n > 1 else file
            if older.is_file():
                older.replace(file.with_name(f"{file.name}.{n}"))
