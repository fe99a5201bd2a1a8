"""Which base model, preset, length and batch suit a machine, its trainer and a corpus, and about how long training
takes."""

from dataclasses import asdict, dataclass

# From small to large; each is tried in turn, and the last that fits in memory and time is recommended.
CANDIDATES = ["smollm2:135m", "llama3.2:1b", "llama3.2:3b", "llama3:8b"]
MAX_MINUTES = 45  # minutes of training that are taken for reasonable, unasked
EFFICIENCY = 0.45  # of the roof, GFLOP/s ÷ 4 ÷ billions of weights, that train/cpu.py reaches (docs/performance.md)
GPU_SPEED = 4000  # tokens/s × billions of weights on a card of the size of a laptop's; a guess, until one was measured
BF16_GAIN = 2.1  # of a CPU that multiplies bf16 over fp32
TIGHT_GB = 1.0  # what a shorter row saves of the memory a model needs
MAX_LENGTH, SHORT_LENGTH = 1024, 512  # tokens of a row; the presets were measured with the first
# By trainer: the kinds of cards it computes on, what of models.yaml is to fit there (or in main memory, where there is
# none of them), and whether it reads the rows of a step one after another, so that a larger batch takes no more of it.
TRAINERS = {
    "cpu": ((), "ram_gb", True),
    "cuda": (("cuda", "rocm", "xpu"), "vram_gb", False),
    "mlx": (("apple",), "unified_gb", True),
}


@dataclass(frozen=True)
class Recommendation:
    base: str
    preset: str
    max_length: int
    batch_size: int  # packed rows per optimiser step
    minutes: float
    reason: str

    def json(self) -> dict:
        return asdict(self)


def recommend(facts: dict, models: dict, presets: dict, tokens: int, gflops: float, trainer: str) -> Recommendation:
    """The largest model of LADDER that fits where `trainer` computes; `tokens` is the corpus, once. The smallest is
    always an answer."""
    kinds, need, one_by_one = TRAINERS[trainer]
    card = max((g for g in facts["gpus"] if g["kind"] in kinds), key=lambda g: g["memory_gb"], default=None)
    memory = card["memory_gb"] if card else facts["ram_gb"]
    where = f"{card['name']} with {memory:g} GB" if card else f"a CPU with {memory:g} GB of memory"
    chosen, why_no_more = CANDIDATES[0], ""
    for name in CANDIDATES[1:]:
        time = estimate_minutes(estimate_speed(facts, models[name], gflops, card), presets["quality"], tokens)
        if models[name][need] > memory:
            why_no_more = f"{name} needs {models[name][need]} GB"
            break
        if time > MAX_MINUTES:
            why_no_more = f"{name} would take {time:.0f} minutes"
            break
        chosen = name
    entry = models[chosen]
    pace = estimate_speed(facts, entry, gflops, card)
    fitting = [
        name
        for name in ("bestaccuracy", "quality")
        if estimate_minutes(pace, presets[name], tokens) <= (MAX_MINUTES / 3 if name == "bestaccuracy" else MAX_MINUTES)
    ]
    preset = fitting[0] if fitting else "highspeed"
    tight = entry[need] > memory - TIGHT_GB
    own = presets[preset]["batch_size"]
    length, batch = (
        (SHORT_LENGTH, own * MAX_LENGTH // SHORT_LENGTH if one_by_one else own) if tight else (MAX_LENGTH, own)
    )
    reasons = [
        f"{where} trains {chosen} at about {pace:.0f} tokens/s",
        why_no_more,
        "memory is tight, so rows are short" if tight else "",
    ]
    reasons.append(
        f"batch {batch}, "
        + (f"so that a step still sees {batch * length:,} tokens" if batch != own else f"as preset {preset} has it")
    )
    return Recommendation(
        chosen,
        preset,
        length,
        batch,
        round(estimate_minutes(pace, presets[preset], tokens), 1),
        "; ".join(filter(None, reasons)),
    )


def estimate_speed(facts: dict, entry: dict, gflops: float, card: dict | None) -> float:
    """Tokens/s of training, estimated."""
    if card:
        return GPU_SPEED / entry["billions"]
    fast = {"avx512_bf16", "amx_bf16"} & set(facts["features"])
    return EFFICIENCY * gflops * (BF16_GAIN if fast else 1) / 4 / entry["billions"]


def estimate_minutes(pace: float, preset: dict, tokens: int) -> float:
    """Of training, over all epochs, at most preset's max_tokens."""
    total = tokens * preset["epochs"]
    return (min(total, preset["max_tokens"]) if preset["max_tokens"] else total) / pace / 60
