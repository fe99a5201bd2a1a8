"""Parameters of params.yaml that have another name or another default by now. Standard library only: `make setup` asks
it each time.

scripts/upgrade_params.py writes an older params.yaml anew; load_params names the first old one in one sentence.
"""

import re
from pathlib import Path

# {old dotted name: new one in the same section, or "" for one that is gone}. A section's new name holds for all that is
# in it.
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
# {dotted name of today: {old default: new one, as YAML}}: files of this project that moved, words with another
# spelling.
MOVED: dict[str, dict[str, str]] = {"prepare.persona": {"scripts/corpus/persona.yaml": "corpus/persona.yaml"}}
MISSING = object()


def current(name: str) -> str:
    """What a parameter is called today; "" when it is gone."""
    for old in sorted(RENAMED, key=len, reverse=True):  # a parameter before its section
        if name == old or name.startswith(f"{old}."):
            return RENAMED[old] and current(RENAMED[old] + name.removeprefix(old))
    return name


def moved(name: str, value: object, folder: Path) -> str | None:
    """The default, as YAML, that took the place of this one. None also where `folder` has a file of that path: it is
    the user's own."""
    new = MOVED.get(name, {}).get(value) if isinstance(value, str) else None
    return None if new is None or (folder / value).exists() else new


def upgraded(values: dict[str, str], folder: Path) -> dict[str, str]:
    """{dotted name: value} under today's names and with today's defaults, without what is gone."""
    named = {current(name): value for name, value in values.items()}
    return {
        name: value if (new := moved(name, value, folder)) is None else new for name, value in named.items() if name
    }


def old_in(data: object, folder: Path) -> str | None:
    """What to say of the first old name or default in what a params.yaml holds; None when there is none."""

    def value_of(name: str) -> object:
        found = data
        for part in name.split("."):
            found = found.get(part, MISSING) if isinstance(found, dict) else MISSING
        return found

    for old in RENAMED:
        if value_of(old) is not MISSING:
            return f"{old} is now called {current(old)}: rename it" if current(old) else f"{old} is gone: take it out"
    for name in MOVED:
        if (new := moved(name, value_of(name), folder)) is not None:
            return f"{name} is {value_of(name)}, which is now {new}: change it"
    return None


def may_be_old(text: str) -> bool:
    """Whether a params.yaml may hold an old name or default, or Git's conflict markers: a quick look, which can be
    wrong with «yes»."""
    if conflicted(text):
        return True
    plain = re.sub(r"^ *#.*\n?", "", text, flags=re.M)
    pieces = re.split(r"^['\"]?(\w+)['\"]? *:", plain, flags=re.M)
    sections = dict(zip(pieces[1::2], pieces[2::2]))
    for old in RENAMED:
        section, *inner = old.split(".")
        if section in sections and (not inner or re.search(rf"\b{re.escape(inner[-1])}\b['\"]? *:", sections[section])):
            return True
    return any(old in plain for defaults in MOVED.values() for old in defaults)


def conflicted(text: str) -> bool:
    """Whether Git left conflict markers in it."""
    return text.startswith("<<<<<<< ") or "\n<<<<<<< " in text
