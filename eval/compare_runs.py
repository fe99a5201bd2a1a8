"""Two runs compared: their figures (`make diff`), and prompt by prompt, by paired differences with intervals."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blogtwin.dvc import run_dvc
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.paths import EVAL_DIR
from blogtwin.repository import check_commit
from eval.renamed_metrics import current_path, sample_with_current_names

if TYPE_CHECKING:
    import pandas as pd

SAMPLES_FILE = EVAL_DIR / "samples.jsonl"


@dataclass(frozen=True)
class Measure:
    """A figure of each text. `path`: where it stands in a system's entry of a sample; `target`: its best value, 1 for
    style, 0 for what should be small."""

    title: str
    path: tuple[str, ...]
    target: float


MEASURES = (
    Measure("bits per byte of the held-out post", ("bits_per_byte",), 0),
    Measure("style, masked characters (1: you)", ("style", "masked"), 1),
    Measure("style, function words (1: you)", ("style", "function"), 1),
    Measure("longest copy, words", ("longest_copy",), 0),
)


def load_samples(side: str) -> list[dict[str, Any]]:
    """The samples of a folder, of a file, or of a Git revision or experiment, from DVC's cache.

    Raises UserError where there are none.
    """
    return [sample_with_current_names(sample) for sample in _read_samples(side)]


def _read_samples(side: str) -> list[dict[str, Any]]:
    for file in (Path(side), Path(side) / SAMPLES_FILE.name, Path(side) / SAMPLES_FILE):
        if file.is_file():
            return read_jsonl(file)
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        text = dvc.api.read(str(SAMPLES_FILE), repo=".", rev=side, encoding="utf-8")
    except (DvcException, SCMError, FileNotFoundError) as e:
        reason = " ".join(str(e).split())
        raise UserError(
            f"{side} is no folder with samples.jsonl, and DVC has none for it either ({reason}): give a folder, a"
            " commit whose dvc.lock was committed, or an experiment of `dvc exp show`."
        ) from None
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def measured_samples(samples: list[dict[str, Any]], system: str = "twin") -> list[dict[str, Any]]:
    """The samples with what `compare_runs` reads of a system, and no text."""
    rows = []
    for sample in samples:
        row: dict[str, Any] = {}
        for measure in MEASURES:
            value, inner = metric_value(sample, system, measure), row
            for key in measure.path[:-1]:
                inner = inner.setdefault(key, {})
            inner[measure.path[-1]] = None if math.isnan(value) else value
        if system in sample:
            rows.append({"id": sample["id"], system: row})
    return rows


def metric_value(sample: dict[str, Any], system: str, measure: Measure) -> float:
    """The figure of a system's text; nan where it was not measured."""
    found = sample.get(system)
    for key in measure.path:
        found = found.get(key) if isinstance(found, dict) else None
    return math.nan if found is None else float(found)


def compare_runs(one: list[dict[str, Any]], other: list[dict[str, Any]], system: str = "twin") -> list[dict[str, Any]]:
    """One row a measure, over the prompts that both answered: {title, a, b: the means, mean, lo, hi, n, p: of other −
    one, verdict: better, worse or can't tell, posts_to_tell}.

    Style is better the nearer its mean is to 1, from both sides. Raises UserError when fewer than two prompts are the
    same.
    """
    first, second = _figures(one, system), _figures(other, system)
    shared = first.index.intersection(second.index, sort=False)
    if len(shared) < 2:
        raise UserError(
            f"{system} answered {len(shared)} held-out prompts in both runs, and 2 are needed: compare twins of the"
            " same split."
        )
    rows = []
    for measure in MEASURES:
        a, b = first.loc[shared, measure.title], second.loc[shared, measure.title]
        measured = a.notna() & b.notna()
        if measured.sum() >= 2:
            rows.append(_compare(measure, a[measured], b[measured]))
    return rows


def _figures(samples: list[dict[str, Any]], system: str) -> "pd.DataFrame":
    """A row for each prompt that the system answered, by its id, and a column for each measure."""
    import pandas as pd

    answered = [sample for sample in samples if system in sample]
    columns = {measure.title: [metric_value(sample, system, measure) for sample in answered] for measure in MEASURES}
    return pd.DataFrame(columns, index=[sample["id"] for sample in answered])


def _compare(measure: Measure, a: "pd.Series", b: "pd.Series") -> dict[str, Any]:
    """The row of one measure, from its values by prompt."""
    from eval import confidence_intervals

    difference = confidence_intervals.paired_difference(b.to_numpy(), a.to_numpy())
    significant = difference["lo"] > 0 or difference["hi"] < 0
    verdict = "can't tell"
    if significant:
        verdict = "better" if abs(b.mean() - measure.target) < abs(a.mean() - measure.target) else "worse"
    return {
        "title": measure.title,
        "a": float(a.mean()),
        "b": float(b.mean()),
        **difference,
        "verdict": verdict,
        "posts_to_tell": None if significant else confidence_intervals.required_sample_size(b.to_numpy(), a.to_numpy()),
    }


def diff_metrics(project: Path = Path(".")) -> list[dict[str, Any]]:
    """The figures of the workspace beside those of the last commit, where they differ: {path: of the metrics file,
    metric, old, new}; None for a figure that one side does not have.

    `dvc metrics diff` finds them; a figure that was renamed since the commit is paired with itself, by today's name.
    Raises UserError where there is no commit, or DVC can't compare.
    """
    check_commit(project)
    done = run_dvc(project, "metrics", "diff", "--json")
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:]
        raise UserError(f"DVC could not compare with the last commit ({reason}): run `dvc metrics diff` to see why.")
    rows = []
    for path, figures in sorted(json.loads(done.stdout or "{}").items()):
        rows += [{"path": path, **row} for row in pair_renamed(figures)]
    return rows


def pair_renamed(figures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """{figure: {"old", "new"}} of a metrics file, as DVC gives it, → {metric, old, new} by today's names, where the two
    differ."""
    paired: dict[str, dict[str, Any]] = {}
    for name, values in sorted(figures.items()):
        row = paired.setdefault(current_path(name), {"old": None, "new": None})
        for side in ("old", "new"):
            if values.get(side) is not None:
                row[side] = values[side]
    return [{"metric": name, **row} for name, row in paired.items() if row["old"] != row["new"]]
