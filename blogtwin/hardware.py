"""What this machine is: system, processor, memory, cards. Nothing takes long, and no card is woken.

MAX_RAM_GB and MAX_VRAM_GB are read as if the machine had no more; FORCE_CPU as if it had no card.
"""

import json
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path


def available_cpus() -> int:
    """Processor cores this process may use: fewer than the machine has where a container, `taskset` or OMP_NUM_THREADS
    says so."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(there, int(wanted)) if wanted.isdigit() and int(wanted) else there


def is_main_process() -> bool:
    """Whether this is the process that writes and talks; `accelerate launch` starts several, and numbers them by
    RANK."""
    return os.environ.get("RANK", "0") == "0"


CPU_FEATURES = (
    "avx2",
    "avx512f",
    "avx512_bf16",
    "amx_tile",
    "amx_bf16",
    "asimd",
    "bf16",
)  # what speeds matrix products up


def hardware_info() -> dict:
    """Everything `make doctor` shows of the machine itself. Sizes in GB."""
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
    """Whether FORCE_CPU asks for no card to be used."""
    return os.environ.get("FORCE_CPU", "").lower() not in ("", "0", "false", "no")


def apply_limit(gb: float, name: str) -> float:
    """`gb`, or what the environment variable allows, if that is less. ValueError when that is no number."""
    limit = os.environ.get(name)
    try:
        return round(min(gb, float(limit)) if limit else gb, 1)
    except ValueError:
        raise ValueError(f"{name} is {limit}, which is no number of GB") from None


def cpu_name() -> str:
    with_name = [line for line in _cpuinfo() if line.startswith(("model name", "Model"))]
    return (
        with_name[0].partition(":")[2].strip()
        if with_name
        else command_output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or "unknown"
    )


def cpu_flags() -> list[str]:
    line = next((line for line in _cpuinfo() if line.startswith(("flags", "Features"))), "")
    words = set(line.partition(":")[2].split())
    return [name for name in CPU_FEATURES if name in words]


def has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware, and this build of PyTorch has oneDNN, which does it; without, bf16
    is slower than fp32."""
    import torch

    if not torch.backends.mkldnn.is_available():
        return False
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return bool(supported or getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def gpu_has_bf16() -> bool:
    """Whether the GPU multiplies bf16 in hardware; on older ones PyTorch emulates it. Asked only where a GPU works."""
    import torch

    kind = torch.accelerator.current_accelerator().type
    return getattr(torch, kind).is_bf16_supported(including_emulation=False)


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []


def memory_gb() -> float:
    """Of the machine, or of the container that this runs in."""
    if not hasattr(os, "sysconf"):  # Windows
        import psutil

        return psutil.virtual_memory().total / 2**30
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        path = Path("/sys/fs/cgroup") / name
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            sizes.append(int(text))
    return min(sizes) / 2**30


def list_gpus() -> list[dict]:
    """[{kind, name, memory_gb}], by the tools of their makers. kind: cuda, rocm, xpu or apple."""
    found = []
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
        found.append(
            ("apple", cpu_name(), apply_limit(memory_gb(), "MAX_RAM_GB") * 0.7)
        )  # shared memory, of which macOS keeps a part
    return [{"kind": kind, "name": name, "memory_gb": apply_limit(gb, "MAX_VRAM_GB")} for kind, name, gb in found]


def _read_json(text: str) -> dict:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def program_version(program: str) -> str:
    """The version a program tells; "" when it is not there."""
    words = command_output(program, "--version").split()
    return next((w.lstrip("v") for w in words if w.lstrip("v")[:1].isdigit()), "")


def command_output(*command: str, folder: Path | None = None, seconds: int = 10) -> str:
    """What a command prints; "" when there is none such, it fails, or takes longer than `seconds`."""
    try:
        return subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def measure_gflops(cores: int) -> float:
    """fp32 matrix product of this CPU with nothing else running, in GFLOP/s: by processor time, as something else may
    be."""
    import numpy as np

    a = np.ones((1024, 1024), np.float32)
    a @ a
    started = time.process_time()
    for _ in range(4):
        a @ a
    return 4 * 2 * 1024**3 / max(time.process_time() - started, 1e-6) / 1e9 * cores
