"""Figures as they stand in metrics.json: four decimals, and an interval beside the value under `_lo` and `_hi`."""


def round_metric(value: float) -> float:
    """Four decimals, as a plain float that JSON can hold."""
    return round(float(value), 4)


def round_values(values: dict[str, float]) -> dict[str, float]:
    """Every value of a dict, rounded."""
    return {key: round_metric(value) for key, value in values.items()}


def with_interval(name: str, mean: float, low: float, high: float) -> dict[str, float]:
    """{name, name_lo, name_hi}, rounded."""
    return round_values({name: mean, f"{name}_lo": low, f"{name}_hi": high})
