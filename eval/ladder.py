"""The ladder of bases: how well twins on larger and larger base models draft from people's notes, blog by blog.

A row of docs/ladder.jsonl is one base on one blog: its twin with the search (`drafter`), the twin's single draft
without it (`one_draft`), the untrained base with the same search (`base_drafter`), and the author's own passages. It
holds the score of every draft, so that rows of several blogs can be pooled, and no sentence of any blog but the sample.
"""

import datetime
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blogtwin.config import load_params
from blogtwin.dvc import run_git
from blogtwin.files import read_jsonl, write_jsonl
from blogtwin.hardware import available_cpus, cpu_name
from blogtwin.models.registry import registry_entry
from blogtwin.paths import EVAL_DIR, TRAIN_DIR
from eval.draft_scores import DraftScore
from eval.note_sets import SAMPLE

LADDER_FILE = Path("docs/ladder.jsonl")
SYSTEMS = ("one_draft", "drafter", "base_drafter")
AUTHOR = "author"
TRAINING_FIGURES = ("seconds", "tokens_per_s", "peak_memory_mb", "loss_before", "loss_after", "device", "dtype")
Row = dict[str, Any]


@dataclass(frozen=True)
class Rung:
    """One row to make: a base (a name of registry.yaml, or the path of a GGUF) on a blog, with `candidates` a round of
    the search, from `limit` sets of notes at most (0: all)."""

    base: str
    blog: str
    candidates: int
    limit: int

    @property
    def base_name(self) -> str:
        """The base without a path. Raises UserError for a base that is not known."""
        entry = registry_entry(self.base)
        return str(entry["repo"]) if "gguf" in entry or "folder" in entry else self.base

    def key(self) -> tuple:
        """What two rows of the same settings share."""
        return self.base_name, self.blog, self.candidates, self.limit


def row_key(row: Row) -> tuple:
    """The key of a row's rung."""
    return row["base"], row["blog"], row["candidates"], row["limit"]


def load_rows(file: Path = LADDER_FILE) -> list[Row]:
    """All rows that were made; none where there is no file."""
    return read_jsonl(file) if file.is_file() else []


def add_row(row: Row, file: Path = LADDER_FILE) -> list[Row]:
    """Write the row at the end of the file, in place of an older one of the same settings; all rows."""
    rows = [*(one for one in load_rows(file) if row_key(one) != row_key(row)), row]
    write_jsonl(file, rows)
    return rows


def build_row(rung: Rung, project: Path, command: str) -> Row:
    """The row of a rung whose twin was trained, and drafted, in the folder `project`. Its `seconds` are those of the
    training and all drafts."""
    figures = json.loads((project / EVAL_DIR / "drafting.json").read_text(encoding="utf-8"))
    training = json.loads((project / TRAIN_DIR / "training.json").read_text(encoding="utf-8"))
    scores = read_jsonl(project / EVAL_DIR / "draft_scores.jsonl")
    over = {rival: figures.get(f"over_{rival}", {}) for rival in ("one_draft", "base_drafter")}
    return {
        "base": rung.base_name,
        "billions": registry_entry(rung.base).get("billions"),
        "blog": rung.blog,
        "candidates": rung.candidates,
        "limit": rung.limit,
        "cases": figures["drafter"]["n"],
        "commit": run_git(project, "rev-parse", "--short", "HEAD").stdout.strip(),
        "date": datetime.date.today().isoformat(),
        "cpu": cpu_name(),
        "cores": available_cpus(),
        "command": command,
        "seconds": round(training["seconds"] + sum(one["seconds"] for one in scores)),
        "augmentation": load_params(project / "params.yaml").prepare.augmentation.model_dump(),
        "training": {name: training[name] for name in TRAINING_FIGURES},
        "peak_mb": {system: figures[system]["peak_mb"] for system in SYSTEMS},
        "style": {rival: {k: v for k, v in found.items() if k.startswith("style")} for rival, found in over.items()},
        "scores": scores,
        "draft": first_draft(project) if rung.blog == SAMPLE else None,
    }


def first_draft(project: Path) -> dict[str, str]:
    """{notes, draft} of the first set of notes, by the twin with the search."""
    rows = [row for row in read_jsonl(project / EVAL_DIR / "drafts.jsonl") if row["system"] == "drafter"]
    first = min(rows, key=lambda row: row["name"])
    return {"notes": first["notes"], "draft": first["draft"]}


def scores_of(rows: Iterable[Row], system: str) -> list[DraftScore]:
    """The scores of a system's drafts in these rows, one after the other."""
    return [DraftScore.from_row(one) for row in rows for one in row["scores"] if one["system"] == system]


def fullest_rows(rows: Sequence[Row]) -> list[Row]:
    """For each base and blog the row with the most cases, the newest of several; small bases first."""
    best: dict[tuple[str, str], Row] = {}
    for row in rows:
        one = best.get((row["base"], row["blog"]))
        if one is None or row["cases"] >= one["cases"]:
            best[row["base"], row["blog"]] = row
    return sorted(
        best.values(), key=lambda row: (row["billions"] or 0, row["base"], row["blog"] != SAMPLE, row["blog"])
    )


def estimate_seconds(rung: Rung, rows: Sequence[Row]) -> float | None:
    """How long a rung takes, from rows made before: of the same base, else in proportion to the number of weights; None
    where no row tells."""
    billions = registry_entry(rung.base).get("billions")
    same = [row["seconds"] for row in rows if row["base"] == rung.base_name]
    scaled = [row["seconds"] * billions / row["billions"] for row in rows if billions and row["billions"]]
    found = same or scaled
    return sum(found) / len(found) if found else None
