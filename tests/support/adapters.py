"""Random adapters for export and parity tests, and the examples they are compared on."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from blogtwin.files import write_jsonl
from tests.support.workspace import ROOT

SYSTEM = "You write."
EXAMPLES = [
    {"instruction": f"Write number {i}.", "input": "", "output": f"I have {i} screws, a kettle and a slow dog. " * 12}
    for i in range(3)
]


def make_adapter(tiny, folder, seed: int = 0, zero: bool = False):
    """A random adapter, as training would leave it; `zero` is one that changes nothing."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = AutoModelForCausalLM.from_pretrained(tiny.hf, dtype=torch.float32)
    model.name_or_path = tiny.repo
    model = get_peft_model(
        model, LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM", init_lora_weights=zero)
    )
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def export_stage(tiny, adapter, folder, monkeypatch):
    """05_export_gguf.py as a module, in a folder of its own with that adapter, on the tiny base: call its `main`."""
    params = (ROOT / "params.yaml").read_text().replace("base: smollm2:135m", f"base: {tiny.gguf}")
    (folder / "params.yaml").write_text(params)
    monkeypatch.chdir(folder)
    shutil.copytree(adapter, folder / "artifacts/adapter")
    backend = {"base": {"name": tiny.name, "digest": tiny.digest}, "splits": {"train": "a" * 64, "valid": "b" * 64}}
    (folder / "artifacts/adapter/backend.json").write_text(json.dumps(backend))
    write_jsonl("data/split/test.jsonl", EXAMPLES)
    monkeypatch.setattr("sys.argv", ["05_export_gguf.py"])
    return importlib.import_module("05_export_gguf")


def place_export(made: Path, folder: Path) -> None:
    """Copy a twin and its adapter from the folder `made` to where the stage of a project in `folder` leaves them."""
    (folder / "artifacts/gguf").mkdir(parents=True)
    for name in ("twin.gguf", "adapter.gguf"):
        shutil.copy(made / name, folder / "artifacts/gguf")


def check_same_adapter(one: Path, other: Path) -> None:
    """Two PEFT adapters have the same tensors, bit for bit, and the same settings where these change what it does."""
    weights = [load_file(folder / "adapter_model.safetensors") for folder in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert all(np.array_equal(weights[0][name].astype(np.float32), weights[1][name]) for name in weights[0])
    configs = [json.loads((folder / "adapter_config.json").read_text()) for folder in (one, other)]
    for key in ("peft_type", "task_type", "r", "lora_alpha", "bias"):
        assert configs[0][key] == configs[1][key], key
    # "all-linear" and a pattern are spelt out in the other one
    assert set(configs[1]["target_modules"]) == {name.split(".")[-3] for name in weights[0]}
