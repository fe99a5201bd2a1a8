"""Presets: what a parameter of train stands at that says `preset`."""

from pathlib import Path

import yaml

PRESETS = Path(__file__).with_name("presets.yaml")


def load_presets() -> dict[str, dict]:
    """{preset: {parameter: value}}."""
    return yaml.safe_load(PRESETS.read_text(encoding="utf-8"))


def apply_preset(data: dict) -> tuple[dict, frozenset[str]]:
    """(the train section with its preset's values filled in, the names of those). A number that a person wrote wins.

    Raises ValueError for an unknown preset.
    """
    presets, name = load_presets(), data.get("preset")
    if "preset" in data and (not isinstance(name, str) or name not in presets):
        raise ValueError(f"preset is {name!r}, known are {', '.join(presets)}")
    given = {k: v for k, v in presets.get(name, {}).items() if data.get(k) == "preset"}
    return {**data, **given}, frozenset(given)
