"""The hardware of this machine: system, processor, memory, GPUs. Queries are fast and do not initialise a GPU.

MAX_RAM_GB and MAX_VRAM_GB limit the memory that is reported; with FORCE_CPU, no GPU is reported.
"""

import json
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, TypedDict


def available_cpus() -> int:
    """Number of processor cores this process may use: a container, `taskset` or OMP_NUM_THREADS may limit them."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(available, int(limit)) if limit.isdigit() and int(limit) else available


def is_main_process() -> bool:
    """Whether this process writes files and prints: `accelerate launch` starts several and numbers them by RANK."""
    return os.environ.get("RANK", "0") == "0"


def is_sharded() -> bool:
    """Whether `accelerate launch` was told to shard the model over its processes by FSDP (train/sharding.py)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


# Instruction sets that speed up matrix products.
CPU_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "bf16")


class Gpu(TypedDict):
    kind: str  # cuda, rocm, xpu or apple
    name: str
    memory_gb: float


class HardwareInfo(TypedDict):
    """What `make doctor` shows of the machine. Memory and disk sizes in GiB; "" for a program that is not installed."""

    system: str
    cpu: str
    features: list[str]  # of CPU_FEATURES
    cores: int
    ram_gb: float
    disk_free_gb: float
    gpus: list[Gpu]
    python: str
    node: str
    ollama: str
    limits: dict[str, str]  # the environment variables that limit what is reported


def hardware_info() -> HardwareInfo:
    """Everything `make doctor` shows of the machine. Raises ValueError for a limit that is not a number."""
    disk = shutil.disk_usage(".")
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_name(),
        "features": cpu_flags(),
        "cores": available_cpus(),
        "ram_gb": apply_limit(memory_gb(), "MAX_RAM_GB"),
        "disk_free_gb": round(disk.free / 2**30, 1),
        "gpus": [] if is_cpu_forced() else list_gpus(),
        "python": platform.python_version(),
        "node": program_version("node"),
        "ollama": program_version("ollama"),
        "limits": {
            name: os.environ[name] for name in ("FORCE_CPU", "MAX_RAM_GB", "MAX_VRAM_GB") if os.environ.get(name)
        },
    }


def is_cpu_forced() -> bool:
    """Whether FORCE_CPU is set, so that no GPU is used."""
    return os.environ.get("FORCE_CPU", "").lower() not in ("", "0", "false", "no")


def apply_limit(gb: float, name: str) -> float:
    """`gb`, or the limit in the environment variable `name` if that is less. ValueError when it is not a number."""
    limit = os.environ.get(name)
    try:
        return round(min(gb, float(limit)) if limit else gb, 1)
    except ValueError:
        raise ValueError(f"{name} is {limit}, which is not a number of GB") from None


def cpu_name() -> str:
    """The processor's product name, or "unknown"."""
    for line in _cpuinfo():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return command_output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or "unknown"


def cpu_flags() -> list[str]:
    """Those of CPU_FEATURES that this processor has."""
    line = next((line for line in _cpuinfo() if line.startswith(("flags", "Features"))), "")
    words = set(line.partition(":")[2].split())
    return [name for name in CPU_FEATURES if name in words]


def has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware and this build of PyTorch has oneDNN, which uses it.

    Otherwise bf16 is slower than fp32. ATEN_CPU_CAPABILITY=avx2 tells PyTorch to compute as a CPU without AVX-512 does.
    """
    import torch

    if not torch.backends.mkldnn.is_available() or os.environ.get("ATEN_CPU_CAPABILITY") in ("default", "avx2"):
        return False
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return bool(supported or getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def gpu_has_bf16() -> bool:
    """Whether the GPU multiplies bf16 in hardware; on older ones PyTorch emulates it. Requires a working GPU."""
    import torch

    accelerator = torch.accelerator.current_accelerator()
    assert accelerator is not None, "there is no GPU"
    kind = accelerator.type
    return getattr(torch, kind).is_bf16_supported(including_emulation=False)


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []


def memory_gb() -> float:
    """Memory of the machine, or the limit of the container this runs in, in GiB."""
    if not hasattr(os, "sysconf"):  # Windows
        import psutil

        return psutil.virtual_memory().total / 2**30
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        path = Path("/sys/fs/cgroup") / name
        limit = path.read_text().strip() if path.is_file() else ""
        if limit.isdigit():  # else "max"
            sizes.append(int(limit))
    return min(sizes) / 2**30


def list_gpus() -> list[Gpu]:
    """The GPUs that their vendors' tools report."""
    found: list[tuple[str, str, float]] = []  # (kind, name, memory in GiB)
    for line in command_output(
        "nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"
    ).splitlines():
        name, _, mib = line.rpartition(",")
        if mib.strip().isdigit():
            found.append(("cuda", name.strip(), int(mib) / 1024))
    for card in _read_json(command_output("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json")).values():
        size = next((int(v) for k, v in card.items() if "Total Memory" in k), 0)
        found.append(("rocm", card.get("Card Series") or card.get("Card series") or "AMD", size / 2**30))
    for card in _read_json(command_output("xpu-smi", "discovery", "-j")).get("device_list", []):
        found.append(("xpu", card.get("device_name", "Intel"), int(card.get("memory_physical_size_byte", 0)) / 2**30))
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        # Shared memory, of which macOS reserves a part.
        found.append(("apple", cpu_name(), apply_limit(memory_gb(), "MAX_RAM_GB") * 0.7))
    return [{"kind": kind, "name": name, "memory_gb": apply_limit(gb, "MAX_VRAM_GB")} for kind, name, gb in found]


def _read_json(text: str) -> dict[str, Any]:
    """The JSON object in a text; empty where there is none."""
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def program_version(program: str) -> str:
    """The version that a program prints; "" when it is not installed."""
    words = command_output(program, "--version").split()
    return next((w.lstrip("v") for w in words if w.lstrip("v")[:1].isdigit()), "")


def command_output(*command: str, folder: Path | None = None, seconds: int = 10) -> str:
    """What a command prints; "" when it does not exist, fails, or takes longer than `seconds`."""
    try:
        return subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def measure_gflops(cores: int) -> float:
    """Speed of this CPU's fp32 matrix product, in GFLOP/s, if all `cores` are free.

    Measured in processor time, so that other running processes do not change it.
    """
    import numpy as np

    a = np.ones((1024, 1024), np.float32)
    a @ a
    started = time.process_time()
    for _ in range(4):
        a @ a
    return 4 * 2 * 1024**3 / max(time.process_time() - started, 1e-6) / 1e9 * cores
