"""Random adapters for export and parity tests, and the examples they are compared on."""

import torch

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
