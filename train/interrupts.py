"""Ctrl-C during training: held until the step is done, then everything is saved. No torch: mlx-lm's Python has none."""

import contextlib
import signal
import threading

from train.checkpoints import read_manifest


class Interruptible:
    """A run with `job` and `save()`, which keeps the present step."""

    pressed = False

    def stop(self, total: int) -> None:
        """Keep this step, or say which one is, and end."""
        self.save()
        newest = self.job.checkpoints.newest()
        if newest is None:
            raise KeyboardInterrupt("stopped: no step could be kept; the same command begins anew.")
        raise KeyboardInterrupt(
            f"stopped: step {read_manifest(newest)['step']} of {total} is kept in {newest}; the same command goes on"
            " from there."
        )

    def not_kept(self, step: int) -> None:
        """Say that the disk is full."""
        before = self.job.checkpoints.newest()
        kept = f"the newest checkpoint stays {before.name}" if before else "there is no checkpoint yet"
        goes_on = "" if self.pressed else "; training goes on"
        self.job.log.note(f"the disk is full: step {step} is not kept, {kept}{goes_on}")

    @contextlib.contextmanager
    def ctrl_c_after_the_step(self):
        """Ctrl-C waits for the end of the step, which is then kept; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def press(number, frame):
            if self.pressed:
                raise KeyboardInterrupt
            self.pressed = True
            self.job.log.note("stopping after this step (Ctrl-C again: at once) …")

        before = signal.signal(signal.SIGINT, press)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
