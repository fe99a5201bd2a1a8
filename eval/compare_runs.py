"""Two runs compared prompt by prompt, by paired differences with intervals."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.paths import EVAL_DIR


@dataclass(frozen=True)
class Measure:
    title: str
    of: tuple[str, ...]  # where the number stands in a voice's entry of a sample
    aim: float  # the best value there is: 1 for style, 0 for what should be small


MEASURES = (
    Measure("bits per byte of the held-out post", ("bits_per_byte",), 0),
    Measure("style, masked characters (1: you)", ("style", "masked"), 1),
    Measure("style, function words (1: you)", ("style", "function"), 1),
    Measure("longest run copied, words", ("run",), 0),
)


def load_samples(side: str) -> list[dict]:
    """The samples of a folder, of a file, or of a Git revision or experiment, out of DVC's cache."""
    path = Path(side)
    for found in (path, path / "samples.jsonl", path / EVAL_DIR / "samples.jsonl"):
        if found.is_file():
            return read_jsonl(found)
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        text = dvc.api.read(str(EVAL_DIR / "samples.jsonl"), repo=".", rev=side, encoding="utf-8")
    except (DvcException, SCMError, FileNotFoundError) as e:
        reason = " ".join(str(e).split())
        raise UserError(
            f"{side} is no folder with samples.jsonl, and DVC has none for it either ({reason}): give a folder, a"
            " commit whose dvc.lock was committed, or an experiment of `dvc exp show`."
        ) from None
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def metric_value(sample: dict, voice: str, measure: Measure) -> float:
    found = sample.get(voice)
    for key in measure.of:
        found = found.get(key) if isinstance(found, dict) else None
    return math.nan if found is None else float(found)


def compare_runs(one: list[dict], other: list[dict], voice: str = "twin") -> list[dict]:
    """A row a measure, over the prompts that both answered: mean of each, other − one with its interval, verdict, posts
    to tell.

    Raises UserError when fewer than two prompts are the same. Style is better the nearer its mean is to 1, from both
    sides.
    """
    from eval import confidence_intervals

    first, second = {s["id"]: s for s in one}, {s["id"]: s for s in other}
    both = [i for i in first if i in second and voice in first[i] and voice in second[i]]
    if len(both) < 2:
        raise UserError(
            f"{len(both)} held-out prompts were answered by {voice} in both, and 2 are needed: compare twins of the"
            " same split."
        )
    rows = []
    for measure in MEASURES:
        pairs = [(metric_value(first[i], voice, measure), metric_value(second[i], voice, measure)) for i in both]
        pairs = [(a, b) for a, b in pairs if not math.isnan(a + b)]
        if len(pairs) < 2:
            continue
        a, b = zip(*pairs, strict=True)
        found = confidence_intervals.paired_difference(b, a)
        mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
        told = found["lo"] > 0 or found["hi"] < 0
        verdict = (
            "can't tell" if not told else "better" if abs(mean_b - measure.aim) < abs(mean_a - measure.aim) else "worse"
        )
        rows.append(
            {
                "title": measure.title,
                "a": mean_a,
                "b": mean_b,
                **found,
                "verdict": verdict,
                "posts_to_tell": None if told else confidence_intervals.required_sample_size(b, a),
            }
        )
    return rows
