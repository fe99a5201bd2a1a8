"""Ctrl-C during training: wait for the end of the step, then save a checkpoint and exit. No torch: mlx-lm's Python has
none."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from train.backend import TrainingJob
from train.checkpoints import read_manifest


class Interruptible:
    """Mixin of a trainer that has `job` and `save_checkpoint()`. It must call `save_and_exit` at the end of a step once
    `interrupted` is set."""

    job: TrainingJob
    interrupted = False

    def save_checkpoint(self) -> None:
        """Save a checkpoint of the present step, or call `warn_not_saved`."""
        raise NotImplementedError

    def save_and_exit(self, total_steps: int) -> None:
        """Save the present step, and raise KeyboardInterrupt with a message that names the latest checkpoint."""
        self.save_checkpoint()
        latest = self.job.checkpoints.latest()
        manifest = read_manifest(latest) if latest else None
        if manifest is None:
            raise KeyboardInterrupt(
                "stopped: no step could be saved; the same command starts again from the beginning."
            )
        raise KeyboardInterrupt(
            f"stopped: step {manifest['step']} of {total_steps} is saved in {latest}; the same command"
            " resumes from there."
        )

    def warn_not_saved(self, step: int) -> None:
        """Tell the user that the disk is full, and which checkpoint remains."""
        latest = self.job.checkpoints.latest()
        remaining = f"the latest checkpoint is still {latest.name}" if latest else "there is no checkpoint yet"
        continues = "" if self.interrupted else "; training continues"
        self.job.log.message(f"the disk is full: step {step} is not saved, {remaining}{continues}")

    @contextlib.contextmanager
    def defer_interrupt(self) -> Iterator[None]:
        """While the block runs, the first Ctrl-C only sets `interrupted`; a second one raises KeyboardInterrupt at
        once. Does nothing outside the main thread, where Python delivers no signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_sigint(number: int, frame: FrameType | None) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            self.job.log.message("stopping after this step (press Ctrl-C again to stop at once) …")

        previous_handler = signal.signal(signal.SIGINT, on_sigint)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous_handler)
