"""Parameters of params.yaml that were renamed, removed, or whose default is a file that moved.

scripts/upgrade_params.py uses these tables to upgrade an older params.yaml; `load_params` to report the first outdated
name. Standard library only, because `make setup` imports this module before anything is installed.
"""

import re
from pathlib import Path

# {old dotted name: new one in the same section, or "" for a removed parameter}. The new name of a section applies to
# everything in it.
RENAMED: dict[str, str] = {
    "ingest.role": "ingest.chat_role",
    "prepare.tasks": "prepare.augmentation",
    "prepare.per_post": "prepare.max_augmentations_per_post",
    "prepare.instructions": "prepare.instruction_source",
    "prepare.instructor": "prepare.instruction_model",
    "split.by": "split.strategy",
    "split.train": "split.train_fraction",
    "split.valid": "split.valid_fraction",
    "split.test": "split.test_fraction",
    "split.jaccard": "split.min_jaccard",
    "split.containment": "split.min_containment",
    "train.warmup": "train.warmup_ratio",
    "train.patience": "train.early_stopping_patience",
    "train.checkpoint_steps": "train.save_steps",
    "train.pairs": "train.preference_prompts",
    "train.votes": "train.preference_data",
    "train.canaries": "train.num_canaries",
    "eval.prompts": "eval.num_prompts",
    "eval.notes": "eval.num_notes_prompts",
    "eval.read_tokens": "eval.max_scored_tokens",
    "eval.swap": "eval.other_twin",
    "eval.judge": "eval.judge_model",
}
# {current dotted name: {old default: new default, as YAML}}: files that moved, values spelt differently.
MOVED_DEFAULTS: dict[str, dict[str, str]] = {"prepare.persona": {"scripts/corpus/persona.yaml": "corpus/persona.yaml"}}
MISSING = object()  # no value of this name


def current_name(name: str) -> str:
    """The current name of a parameter; "" when it was removed."""
    for old in sorted(RENAMED, key=len, reverse=True):  # a parameter before its section
        if name == old or name.startswith(f"{old}."):
            return RENAMED[old] and current_name(RENAMED[old] + name.removeprefix(old))
    return name


def new_default(name: str, value: object, folder: Path) -> str | None:
    """The default, as YAML, that replaces the outdated default `value`.

    None where `value` is no outdated default, and where it is a file that exists in `folder`: it is the user's own.
    """
    new = MOVED_DEFAULTS.get(name, {}).get(value) if isinstance(value, str) else None
    return None if new is None or (folder / str(value)).exists() else new


def upgrade_values(values: dict[str, str], folder: Path) -> dict[str, str]:
    """{dotted name: value} under the current names and with the current defaults, without removed parameters."""
    upgraded = {}
    for name, value in values.items():
        if name := current_name(name):
            new = new_default(name, value, folder)
            upgraded[name] = value if new is None else new
    return upgraded


def first_outdated(data: object, folder: Path) -> str | None:
    """A clause about the first outdated name or default in the parsed params.yaml `data`; None when there is none."""

    def value_of(name: str) -> object:
        value = data
        for part in name.split("."):
            value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
        return value

    for old in RENAMED:
        if value_of(old) is not MISSING:
            new = current_name(old)
            return f"{old} is now called {new}: rename it" if new else f"{old} was removed: delete it"
    for name in MOVED_DEFAULTS:
        default = new_default(name, value_of(name), folder)
        if default is not None:
            return f"{name} is {value_of(name)}, which is now {default}: change it"
    return None


def may_be_outdated(text: str) -> bool:
    """Whether a params.yaml may contain an outdated name or default, or Git conflict markers.

    A quick check of the text without a YAML parser: True may be a false alarm.
    """
    if has_conflict_markers(text):
        return True
    plain = re.sub(r"^ *#.*\n?", "", text, flags=re.M)
    pieces = re.split(r"^['\"]?(\w+)['\"]? *:", plain, flags=re.M)
    sections = dict(zip(pieces[1::2], pieces[2::2]))
    for old in RENAMED:
        section, *inner = old.split(".")
        if section in sections and (not inner or re.search(rf"\b{re.escape(inner[-1])}\b['\"]? *:", sections[section])):
            return True
    return any(old in plain for defaults in MOVED_DEFAULTS.values() for old in defaults)


def has_conflict_markers(text: str) -> bool:
    """Whether the text contains Git conflict markers."""
    return text.startswith("<<<<<<< ") or "\n<<<<<<< " in text
