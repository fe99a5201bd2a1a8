"""Ctrl-C, deferred while something must not be interrupted."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def defer_sigint() -> Iterator[None]:
    """Defer Ctrl-C (SIGINT) to the end of the block."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed and callable(before):
        before(signal.SIGINT, None)
