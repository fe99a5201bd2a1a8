"""A LoRA adapter in GGUF as a PEFT adapter again, number for number: for servers that take no GGUF, such as vLLM.

A kept twin has its adapter in GGUF alone. Nothing is lost there: A and B are stored in fp32, and only the rows of B of
q and k are in another order on some architectures.
"""

import json
from pathlib import Path

import gguf
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from blogtwin.errors import UserError
from blogtwin.files import atomic_directory
from blogtwin.models import gguf_reader
from blogtwin.models.gguf_export import ARCHITECTURES_THAT_PERMUTE, permute_qk
from blogtwin.models.registry import BaseModelFiles
from blogtwin.paths import ADAPTER_WEIGHTS


def write_peft_adapter(lora: Path, base: BaseModelFiles, folder: Path) -> int:
    """Write the adapter.gguf `lora`, which belongs to `base`, to `folder` as PEFT stores one; its rank.

    Raises UserError where the base's own files do not tell what its modules are called in PEFT.
    """
    reader, base_reader = gguf_reader.open_gguf(lora), gguf_reader.open_gguf(base.gguf)
    modules = module_names(base, base_reader)
    heads = _permuted_heads(base, base_reader)
    weights: dict[str, np.ndarray] = {}
    for tensor in reader.tensors:
        name, _, side = tensor.name.rpartition(".lora_")
        if name not in modules:
            raise UserError(f"{lora} has {tensor.name}, and {base.name} has no module for it: export the twin again.")
        rows = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        kind = name.split(".")[-2]
        if side == "b" and kind in heads:
            rows = rows[np.argsort(permute_qk(np.arange(rows.shape[0]), heads[kind]))]
        weights[f"base_model.model.{modules[name]}.lora_{side.upper()}.weight"] = np.ascontiguousarray(rows)
    rank = next(rows.shape[0] for key, rows in weights.items() if ".lora_A." in key)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.repo,
        "r": rank,
        "lora_alpha": reader.fields["adapter.lora.alpha"].contents(),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted({key.split(".")[-3] for key in weights}),
    }
    with atomic_directory(folder) as place:
        save_file(weights, place / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        (place / "adapter_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    return rank


def module_names(base: BaseModelFiles, reader: gguf.GGUFReader) -> dict[str, str]:
    """{tensor of the base's GGUF: module in transformers}, of the tensors that are in the base's own safetensors."""
    architecture = reader.fields["general.architecture"].contents()
    blocks = reader.fields[f"{architecture}.block_count"].contents()
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], blocks)
    found = {}
    for file in sorted(base.hf.glob("*.safetensors")):
        with safe_open(file, "numpy") as weights:
            for key in weights.keys():  # noqa: SIM118 - it is no dictionary
                name = names.get_name(key, try_suffixes=(".weight",))
                if key.endswith(".weight") and name is not None:
                    found[name] = key.removesuffix(".weight")
    return found


def _permuted_heads(base: BaseModelFiles, reader: gguf.GGUFReader) -> dict[str, int]:
    """{module: number of heads} of the modules whose rows are in another order in the base's GGUF."""
    if reader.fields["general.architecture"].contents() not in ARCHITECTURES_THAT_PERMUTE:
        return {}
    config = json.loads((base.hf / "config.json").read_text(encoding="utf-8"))
    q = config["num_attention_heads"]
    return {"attn_q": q, "attn_k": config.get("num_key_value_heads") or q}
