"""Which base model, preset, row length and batch size suit a machine, its trainer and a corpus, and about how long
training takes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from train.budget import NOTES_SHARE

# From small to large; the last one that fits in memory and time is recommended. A tiny model of each architecture is
# trained, exported and compared in tests/models/test_architectures.py.
CANDIDATES = [
    "smollm2:135m",
    "qwen3:0.6b",
    "gemma3:1b",
    "llama3.2:1b",
    "qwen3:1.7b",
    "llama3.2:3b",
    "llama3:8b",
]
MAX_MINUTES = 45  # of training, which is taken for acceptable
EFFICIENCY = (
    0.45  # share of its roofline (GFLOP/s ÷ 4 ÷ billions of weights) that train/cpu.py reaches: see performance.md
)
GPU_SPEED = 4000  # tokens/s × billions of weights on a laptop's GPU: a guess, until one is measured
BF16_GAIN = 2.1  # speed-up of a CPU that multiplies bf16, over fp32
TIGHT_GB = 1.0  # memory that shorter rows save
MAX_LENGTH, SHORT_LENGTH = 1024, 512  # tokens per row; the presets were measured with the first


class TrainerMemory(NamedTuple):
    """Where a trainer needs memory."""

    gpu_kinds: tuple[str, ...]  # the GPUs it computes on; without one of them, it computes in main memory
    required_gb: str  # the key of models/registry.yaml with the memory that a model needs there
    reads_rows_singly: bool  # the rows of a step one after another, so that a larger batch needs no more memory


TRAINERS = {
    "cpu": TrainerMemory((), "ram_gb", True),
    "cuda": TrainerMemory(("cuda", "rocm", "xpu"), "vram_gb", False),
    "mlx": TrainerMemory(("apple",), "unified_gb", True),
}


@dataclass(frozen=True)
class Recommendation:
    """Values for params.yaml, and why."""

    base: str
    preset: str
    max_length: int  # tokens per row
    batch_size: int  # packed rows per optimiser step
    minutes: float  # estimated minutes of training
    reason: str

    def json(self) -> dict:
        return asdict(self)


def memory_where_trained(hardware: dict, trainer: str) -> tuple[dict | None, float]:
    """(the GPU that `trainer` computes on, None for the CPU; the memory there in GB)."""
    gpus = [g for g in hardware["gpus"] if g["kind"] in TRAINERS[trainer].gpu_kinds]
    gpu = max(gpus, key=lambda g: g["memory_gb"], default=None)
    return gpu, gpu["memory_gb"] if gpu else hardware["ram_gb"]


def recommend(
    hardware: dict,
    models: dict,
    presets: dict,
    tokens: int,
    gflops: float,
    trainer: str,
    candidates: Sequence[str] = CANDIDATES,
) -> Recommendation:
    """Recommend the largest of the candidates that fits where `trainer` computes, and that trains in MAX_MINUTES; at
    least the smallest.

    `hardware` is blogtwin.hardware.hardware_info(), `models` the registry, `tokens` the size of the corpus, `gflops`
    the measured speed of the CPU in GFLOP/s.
    """
    needs = TRAINERS[trainer]
    gpu, memory_gb = memory_where_trained(hardware, trainer)
    where = f"{gpu['name']} with {memory_gb:g} GB" if gpu else f"a CPU with {memory_gb:g} GB of memory"
    base, limit = candidates[0], ""
    for name in candidates[1:]:
        minutes = estimate_minutes(estimate_speed(hardware, models[name], gflops, gpu), presets["quality"], tokens)
        if models[name][needs.required_gb] > memory_gb:
            limit = limit or f"{name} needs {models[name][needs.required_gb]} GB"
        elif minutes > MAX_MINUTES:
            limit = limit or f"{name} would take {minutes:.0f} minutes"
        else:
            base, limit = name, ""  # a smaller one may need more memory
    speed = estimate_speed(hardware, models[base], gflops, gpu)
    preset = choose_preset(presets, speed, tokens)
    usual_batch = presets[preset]["batch_size"]
    tight = models[base][needs.required_gb] > memory_gb - TIGHT_GB
    length, batch = MAX_LENGTH, usual_batch
    if tight:
        length = SHORT_LENGTH
        # Twice as many rows of half the length: a step still sees as many tokens.
        batch = usual_batch * MAX_LENGTH // SHORT_LENGTH if needs.reads_rows_singly else usual_batch
    reasons = [
        f"{where} trains {base} at about {speed:.0f} tokens/s",
        limit,
        "memory is tight, so rows are short" if tight else "",
        f"batch {batch}, so that a step still sees {batch * length:,} tokens"
        if batch != usual_batch
        else f"batch {batch}, as in preset {preset}",
    ]
    return Recommendation(
        base=base,
        preset=preset,
        max_length=length,
        batch_size=batch,
        minutes=round(estimate_minutes(speed, presets[preset], tokens), 1),
        reason="; ".join(filter(None, reasons)),
    )


def choose_preset(presets: dict, tokens_per_s: float, tokens: int) -> str:
    """The best preset that trains `tokens` in acceptable time: `bestaccuracy` only if it takes a third of that."""
    for name, max_minutes in (("bestaccuracy", MAX_MINUTES / 3), ("quality", MAX_MINUTES)):
        if estimate_minutes(tokens_per_s, presets[name], tokens) <= max_minutes:
            return name
    return "highspeed"


def estimate_speed(hardware: dict, model: dict, gflops: float, gpu: dict | None) -> float:
    """Estimated training speed in tokens/s of a model (an entry of the registry), on `gpu` or on the CPU."""
    if gpu:
        return GPU_SPEED / model["billions"]
    has_bf16 = {"avx512_bf16", "amx_bf16"} & set(hardware["features"])
    return EFFICIENCY * gflops * (BF16_GAIN if has_bf16 else 1) / 4 / model["billions"]


def estimate_minutes(tokens_per_s: float, preset: dict, tokens: int) -> float:
    """Estimated minutes of training on `tokens` of posts, over all epochs, within the preset's max_tokens, and on the
    passages with notes besides."""
    total = tokens * preset["epochs"]
    if preset["max_tokens"]:
        total = min(total, preset["max_tokens"])
    total *= 1 + NOTES_SHARE
    return total / tokens_per_s / 60
