"""Presets: the values of those parameters of the section `train` that say `preset`."""

from pathlib import Path

import yaml

PRESETS = Path(__file__).with_name("presets.yaml")


def load_presets() -> dict[str, dict]:
    """{preset: {parameter: value}}."""
    return yaml.safe_load(PRESETS.read_text(encoding="utf-8"))


def apply_preset(data: dict) -> tuple[dict, frozenset[str]]:
    """(the train section with the preset's values filled in, the names of the parameters filled in).

    A number in `data` overrides the preset. Raises ValueError for an unknown preset.
    """
    presets, name = load_presets(), data.get("preset")
    if "preset" in data and (not isinstance(name, str) or name not in presets):
        raise ValueError(f"preset is {name!r}, valid names are {', '.join(presets)}")
    values = {k: v for k, v in presets.get(str(name), {}).items() if data.get(k) == "preset"}
    return {**data, **values}, frozenset(values)
