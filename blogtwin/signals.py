"""Ctrl-C, held back while something must be done whole."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def defer_sigint():
    """Hold Ctrl-C back until the block has ended: for what must be done whole once it is begun."""
    if threading.current_thread() is not threading.main_thread():  # no other thread hears it
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
