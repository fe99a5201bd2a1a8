"""What every trainer reports to: a progress bar with ETA, and the loss curves as TSV for `dvc plots`."""

import sys
import time
from pathlib import Path

from _shared import say, writing


class Log:
    """step() after each optimiser step, valid() after each look at the validation posts, write() at the end."""

    def __init__(self):
        self.steps: list[tuple] = []  # step, loss, learning rate, gradient norm
        self.valids: list[tuple] = []  # step, epoch, loss
        self.tokens = 0
        self.seconds = 0.0
        self._bar = self._task = None

    def start(self, total: int) -> None:
        """`total` optimiser steps are coming."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.total, self._started = total, time.perf_counter()
        if sys.stdout.isatty():
            columns = TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[now]}"), TimeRemainingColumn()
            self._bar = Progress(*columns)
            self._bar.start()
            self._task = self._bar.add_task("", total=total, now="")

    def step(self, step: int, loss: float, learning_rate: float, grad_norm: float, tokens: int, seconds: float) -> None:
        """`tokens` were trained on in this step, in `seconds`."""
        self.steps.append((step, loss, learning_rate, grad_norm))
        self.tokens += tokens
        self.seconds += seconds
        speed = self.tokens / self.seconds
        if self._bar is not None:
            self._bar.update(self._task, completed=step, now=f"loss {loss:.3f}  {speed:.0f} tokens/s")
        elif step == 1 or step == self.total or step % max(1, self.total // 10) == 0:
            left = (time.perf_counter() - self._started) / step * (self.total - step)
            say(f"step {step}/{self.total}  loss {loss:.3f}  {speed:.0f} tokens/s  {left:.0f} s left")

    def valid(self, step: int, epoch: float, loss: float) -> None:
        self.valids.append((step, epoch, loss))
        text = f"validation loss {loss:.4f} " + ("before training" if step == 0 else f"after epoch {epoch:g}")
        self._bar.console.print(text) if self._bar is not None else say(text)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def write(self, folder: Path) -> None:
        """loss.tsv and valid_loss.tsv, the curves that `dvc plots` draws."""
        for name, head, rows in (
            ("loss.tsv", "step\tloss\tlearning_rate\tgrad_norm", self.steps),
            ("valid_loss.tsv", "step\tepoch\tloss", self.valids),
        ):
            with writing(folder / name) as file:
                file.write(head + "\n")
                file.writelines("\t".join(f"{v:.6g}" for v in row) + "\n" for row in rows)
