"""Earlier names of the scorecard's figures, so that a commit, an experiment or a twin made before they were renamed can
still be compared and shown."""

import re
from typing import Any

# Of metrics.json: the last part of a path below a system or below `gain`, by the family that it stands in. A figure
# that has an interval has its old name with `_lo` and `_hi` too, and one of fluency with `_within`.
RENAMED_METRICS: dict[str, dict[str, str]] = {
    "likelihood": {"others_bits_per_byte": "control_bits_per_byte"},
    "bits_per_byte": {
        "on_mine": "gain_own",
        "on_theirs": "gain_others",
        "mine_less_theirs": "gain_difference",
    },
    "copying": {
        "run_median": "longest_copy_median",
        "run_max": "longest_copy_max",
        "cover_8": "copied_8gram_fraction",
        "cover_13": "copied_13gram_fraction",
        "by_heart_train": "prefix_extraction_train",
        "by_heart_test": "prefix_extraction_test",
    },
    "fluency": {
        "order_gain": "coherence_gain",
        "adjacent": "adjacent_similarity",
        "capitals": "capitalised_sentences",
    },
    "shape": {"stopped": "eos_rate", "unfinished": "truncated_rate"},
    "notes": {"kept": "fact_recall", "invented": "unsupported_rate"},
}
RENAMED_SYSTEM_METRICS = {"detectable": "c2st_auc"}
# Of a system's entry in a row of samples.jsonl.
RENAMED_SAMPLE_FIGURES = {
    "run": "longest_copy",
    "cover_8": "copied_8gram_fraction",
    "cover_13": "copied_13gram_fraction",
}
SUFFIX = re.compile(r"_(?:lo|hi|within)$")


def current_path(path: str) -> str:
    """Today's name of a figure: "twin.copying.run_max" → "twin.copying.longest_copy_max"."""
    parts = path.split(".")
    for i in range(1, len(parts)):
        family, name = parts[i - 1], parts[i]
        # Below gain.notes stands the rival first: gain.notes.over_base.kept.
        if family.startswith("over_") and i >= 2:
            family = parts[i - 2]
        if i == 1 and len(parts) == 2:
            parts[i] = RENAMED_SYSTEM_METRICS.get(name, name)
        parts[i] = _renamed(family, parts[i])
    return ".".join(parts)


def _renamed(family: str, name: str) -> str:
    suffix = SUFFIX.search(name)
    end = suffix[0] if suffix else ""
    renamed = RENAMED_METRICS.get(family, {})
    if name in renamed:
        return renamed[name]
    stem = name.removesuffix(end)
    return renamed[stem] + end if stem in renamed else name


def with_current_names(metrics: dict[str, Any]) -> dict[str, Any]:
    """The scorecard with today's names; one that has them already is returned as it is."""
    return _rename(metrics, "")


def _rename(data: dict[str, Any], above: str) -> dict[str, Any]:
    renamed = {}
    for name, value in data.items():
        path = f"{above}{name}"
        current = current_path(path).rpartition(".")[2]
        renamed[current] = _rename(value, f"{path}.") if isinstance(value, dict) else value
    return renamed


def sample_with_current_names(sample: dict[str, Any]) -> dict[str, Any]:
    """A row of samples.jsonl with today's names."""
    renamed = {}
    for key, entry in sample.items():
        if isinstance(entry, dict):
            entry = {RENAMED_SAMPLE_FIGURES.get(name, name): value for name, value in entry.items()}
        renamed[key] = entry
    return renamed
