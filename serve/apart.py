"""Reads what somebody sent in a process of its own, with a limit of time and of memory.

A file may be malicious: a process can be stopped when it takes too long, its crash ends no other request, and it has an
interpreter lock of its own, so that answers go on in this process.
"""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from blogtwin.errors import is_disk_full

MEMORY_MB = 4000  # of addresses, of which the libraries alone reserve a part
SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the locks of the engine's threads


class Unreadable(Exception):
    """Why something can't be read, worded as the end of a sentence."""


class DiskFull(OSError):
    """The disk was full in the other process."""


def run_apart(work: Callable[..., Any], *arguments: Any, timeout: float, memory_mb: int = MEMORY_MB) -> Any:
    """`work(*arguments)`, whose result is pickled. Blocks until it is done: call it in a thread.

    Raises Unreadable where `work` does, takes longer than `timeout` seconds or more memory, or crashes; OSError where
    the disk is full.
    """
    receiver, sender = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_send_result, args=(sender, memory_mb, work, arguments), daemon=True)
    try:
        process.start()
        sender.close()  # the other end is the process's, so the pipe ends with it
        if not receiver.poll(timeout):
            raise Unreadable(f"reading it takes more than {timeout:g} seconds")
        kind, result = receiver.recv()
    except (EOFError, BrokenPipeError):
        raise Unreadable("its reader crashed") from None
    finally:
        receiver.close()
        if process.pid is not None:
            process.kill()
            process.join()
    if kind == "disk full":
        raise DiskFull(result, os.strerror(result))
    if kind == "unreadable":
        raise Unreadable(result)
    return result


def _send_result(sender: Connection, memory_mb: int, work: Callable[..., Any], arguments: tuple) -> None:
    """Send ("result", …), or why there is none. Runs in the process of its own."""
    import resource
    import signal
    import sys

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    os.nice(5)  # generating comes first
    if sys.platform == "linux":  # macOS does not keep to it
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 1_000_000, memory_mb * 1_000_000))
    try:
        sender.send(("result", work(*arguments)))
    except Unreadable as e:
        sender.send(("unreadable", str(e)))
    except MemoryError:
        sender.send(("unreadable", f"reading it takes more than {memory_mb} MB of memory"))
    except OSError as e:
        if not is_disk_full(e):
            raise
        sender.send(("disk full", e.errno))
