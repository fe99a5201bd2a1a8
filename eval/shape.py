"""How long the texts are, and whether they come to an end by themselves."""

import statistics
from typing import Any

from eval.fluency import is_truncated
from eval.rounding import round_metric


def shape_metrics(
    texts: dict[str, list[str]], rows: list[dict[str, Any]], models: list[str]
) -> dict[str, dict[str, float]]:
    """{system: {words_median, eos_rate, truncated_rate}}; the rates, 0 to 1, only of `models`, which generate.

    eos_rate: share of the texts that the model ended itself, before the token limit. truncated_rate: share of the texts
    whose last sentence has no full stop.
    """
    by_system: dict[str, dict[str, float]] = {}
    for name, group in texts.items():
        by_system[name] = {"words_median": round(statistics.median(len(text.split()) for text in group))}
    for name in models:
        ended = [row["end"] == "stop" for row in rows if row["system"] == name and "id" in row]
        truncated = [is_truncated(text) for text in texts[name]]
        by_system[name]["eos_rate"] = round_metric(statistics.mean(ended))
        by_system[name]["truncated_rate"] = round_metric(statistics.mean(truncated))
    return by_system
