"""A base model with LoRA layers in MLX, and its adapter as PEFT files. No torch: mlx-lm's Python has none."""

import json
import re
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_lm import load
from mlx_lm.tuner.utils import linear_to_lora_layers
from safetensors.numpy import save_file

from blogtwin.config import TrainParams
from blogtwin.errors import UserError
from blogtwin.models.registry import BaseModelFiles
from blogtwin.paths import ADAPTER_WEIGHTS

# The layers that get an adapter. Phi-3 has one layer for q, k and v, and one for gate and up.
LORA_KEYS = [f"self_attn.{n}_proj" for n in ("q", "k", "v", "qkv", "o")] + [
    f"mlp.{n}_proj" for n in ("gate", "up", "gate_up", "down")
]
PEFT_NAME = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
MLX_NAME = re.compile(r"(.+)\.lora_([ab])")


def load_with_lora(base: BaseModelFiles, params: TrainParams) -> nn.Module:
    """The frozen base with LoRA on the attention and MLP projections of every layer. Raises UserError if MLX can't read
    the model, or its projections have other names than LORA_KEYS."""
    hint = "set train.backend to cpu, or choose another train.base."
    try:
        model, _ = load(str(base.hf), model_config=rope_config(base.hf))
    except (ValueError, TypeError) as e:  # an architecture, weights or settings that mlx-lm does not support
        reason = str(e).strip().splitlines()[0].rstrip(".: ")
        raise UserError(f"MLX can't read {base.name} ({reason}): {hint}") from None
    layer_names = {
        name
        for layer in model.layers
        for name, module in layer.named_modules()
        if isinstance(module, (nn.Linear, nn.QuantizedLinear))
    }
    if not layer_names.intersection(LORA_KEYS):
        raise UserError(
            f"MLX can't train {base.name}: it adapts {', '.join(LORA_KEYS)}, and the model's layers have only"
            f" {', '.join(sorted(layer_names))}; {hint}"
        )
    model.freeze()
    linear_to_lora_layers(
        model,
        len(model.layers),
        {
            "rank": params.lora_rank,
            "scale": params.lora_alpha / params.lora_rank,
            "dropout": params.lora_dropout,
            "keys": LORA_KEYS,
        },
    )
    return model


def rope_config(folder: Path) -> dict:
    """A model's rotary position settings under the names that mlx-lm reads. transformers 5 writes other names, and
    without this mlx-lm would fall back to a base of 10,000."""
    rope = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("rope_parameters") or {}
    if "rope_theta" not in rope:
        return {}
    settings = {"rope_theta": rope["rope_theta"]}
    if rope["rope_type"] != "default":
        settings["rope_scaling"] = {**rope, "type": rope["rope_type"]}
    return settings


def read_peft(folder: Path) -> list[tuple[str, mx.array]]:
    """A PEFT adapter as (name, MLX LoRA weight) pairs: the inverse of `write_peft`."""
    names = {"A": "lora_a", "B": "lora_b"}
    pairs = []
    for name, tensor in mx.load(str(folder / ADAPTER_WEIGHTS)).items():
        match = PEFT_NAME.fullmatch(name)
        assert match, f"{name} is no LoRA weight of PEFT"
        pairs.append((f"{match[1]}.{names[match[2]]}", tensor.T))
    return pairs


def write_peft(weights: dict[str, mx.array], repo: str, params: TrainParams, folder: Path) -> None:
    """Write MLX LoRA weights as a PEFT adapter: A = lora_a.T (r × in), B = lora_b.T (out × r), alpha = scale × rank.
    `repo` is the base model's name in adapter_config.json."""
    tensors, targets = {}, set()
    for name, value in weights.items():
        match = MLX_NAME.fullmatch(name)
        assert match, f"{name} is no LoRA weight of MLX"
        module, which = match.groups()
        tensors[f"base_model.model.{module}.lora_{which.upper()}.weight"] = np.array(value.astype(mx.float32)).T.copy()
        targets.add(module.split(".")[-1])
    save_file(tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": repo,
        "r": params.lora_rank,
        "lora_alpha": params.lora_alpha,
        "lora_dropout": params.lora_dropout,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted(targets),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))
