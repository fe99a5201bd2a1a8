"""The memory of this process: the peak, giving back what malloc keeps, and how running out of it shows."""

import contextlib
import ctypes
import platform
import resource

OOM_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "bad allocation")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; PyTorch has a class of its own only for cards."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in OOM_MESSAGES)
    )


def release_free_memory() -> None:
    """Hand what malloc keeps back to the kernel: rows of changing length fragment its heap, which grew from 3 to 4.6 GB
    in 100 steps."""
    if platform.system() == "Linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc: nothing to mend
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)
