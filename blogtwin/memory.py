"""The memory of this process: its peak, releasing free memory to the kernel, and out-of-memory errors.

The trainers halve their batch on such an error: `double_microbatches` (train/cpu.py), `smaller_batch` (train/cuda.py),
`halve_microbatch` (train/mlx.py).
"""

import contextlib
import ctypes
import platform
import resource

M_MMAP_THRESHOLD, MAPPED_BYTES = -3, 4 << 20  # of mallopt(3)
OOM_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "bad allocation")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means out of memory. PyTorch has a class for it on GPUs only; on CPUs the message tells."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in OOM_MESSAGES)
    )


def release_free_memory() -> None:
    """Return malloc's free memory to the kernel (glibc only).

    Rows of varying length fragment the heap: without this it grew from 3 to 4.6 GB in 100 training steps.
    """
    if platform.system() == "Linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def map_large_blocks() -> None:
    """Let malloc take each block of 4 MB or more from the kernel by itself, and return it when freed (glibc only).

    By default glibc raises this limit to 32 MB as blocks are freed, and the activations of a larger model then fragment
    the heap: a base of 1.8 billion weights took 9.7 GB in ten steps in place of 7.1, at the same speed. A small model's
    activations are below the limit.
    """
    if platform.system() == "Linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def peak_mb() -> float:
    """Peak resident memory of this process, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)
