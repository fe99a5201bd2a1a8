"""What a training job may set of params.yaml, and how each value is passed to DVC."""

import difflib
import functools
import json
import math
import re

from blogtwin.config import Params
from blogtwin.presets import load_presets
from serve.errors import ApiError

# Everything that a job may set in params.yaml: numbers, booleans and names from a list. Never free text, which could be
# a path, or an address that posts are sent to. New parameters are refused until they are added here.
HYPERPARAMETERS = frozenset(
    f"{section}.{name}"
    for section, names in {
        "prepare": (
            "seed links code quotes tables embeds redact context_tokens max_augmentations_per_post instruction_source"
        ),
        "prepare.augmentation": "notes brief outline rewrite answer persona",
        "split": "strategy train_fraction valid_fraction test_fraction seed min_jaccard min_containment",
        "train": (
            "preset backend max_length epochs max_steps max_tokens batch_size learning_rate warmup_ratio lora_rank"
            " lora_alpha lora_dropout early_stopping_patience save_steps seed warm_start num_canaries method"
            " preference_prompts"
        ),
        "export": "quantization parity_prompts parity_tokens",
        "eval": "num_prompts num_notes_prompts max_scored_tokens max_tokens temperature top_p repeat_penalty seed",
    }.items()
    for name in names.split()
)
# A job calls no remote model, even if params.yaml names one: it runs without the API keys, and what may leave the
# machine is decided at the terminal.
NO_ADDRESSES = {"prepare.instruction_model": "", "eval.judge_model": ""}


def hydra_literal(value: bool | int | float | str) -> str:
    """A value in the grammar of Hydra's `-S`, which keeps its type: text is always quoted, since `null` would be None
    and `1` a number."""
    if not isinstance(value, str):
        return json.dumps(value)
    # backslashes count only before a quote, the end, or the ${ of an interpolation
    return "'" + re.sub(r"(\\*)('|\$\{|\Z)", lambda m: 2 * m[1] + (f"\\{m[2]}" if m[2] else ""), value) + "'"


def validate_params(params: Params, base: str | None, preset: str, given: dict) -> dict:
    """{dotted name: value} of preset, hyper-parameters and base, validated like params.yaml. Raises ApiError 422.

    `base` None: the one of params.yaml.
    """
    from blogtwin.models.registry import load_registry

    presets = load_presets()
    if preset not in presets:
        raise ApiError(422, "invalid_request", f"preset is {preset!r}.", f"Available: {', '.join(presets)}.")
    if base is not None and base not in load_registry():
        raise ApiError(422, "invalid_request", f"base_model is {base!r}.", f"Available: {', '.join(load_registry())}.")
    wanted = {"train.preset": preset, **given}
    data = params.model_dump()
    for key, value in wanted.items():
        if key not in HYPERPARAMETERS:
            near = difflib.get_close_matches(key, HYPERPARAMETERS, 1, cutoff=0.8)
            hint = (
                f"Did you mean {near[0]}?"
                if near
                else "A job can set only hyper-parameters, not paths, addresses or names."
            )
            raise ApiError(422, "invalid_request", f"params: a job can't set {key[:80]}.", hint)
        if isinstance(value, float) and not math.isfinite(value):  # JSON has no such number
            raise ApiError(422, "invalid_request", f"params: {key} is {value}.", "Give a number.")
        *sections, name = key.split(".")
        functools.reduce(dict.__getitem__, sections, data)[name] = value
    try:
        found = Params.model_validate(data)
    except ValueError as e:
        raise ApiError(422, "invalid_request", f"params: {' '.join(str(e).split())[:200]}") from None
    # `preset` stays the word: the trainer distinguishes a preset's value from a number that was set
    read = {
        key: value if value == "preset" else functools.reduce(getattr, key.split("."), found)
        for key, value in wanted.items()
    }
    return {**read, **({"train.base": base} if base else {})}
