"""Layers computed as one step: the same values and gradients as peft's and transformers' own, for each family they are
put into."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.support.hub_models import random_model
from train.kernels import fused

pytestmark = [pytest.mark.slow, pytest.mark.model]
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def lora_model(kind: str, dtype=torch.float32, targets=ALL, dropout: float = 0.0):
    torch.manual_seed(0)
    model = get_peft_model(
        random_model(kind, 64).float(), LoraConfig(r=4, lora_alpha=12, lora_dropout=dropout, target_modules=targets)
    )
    for name, weight in model.named_parameters():
        if (
            weight.ndim == 1 or "lora" in name
        ):  # else norms are all ones, biases and B zero: mistakes in them would not show
            torch.nn.init.normal_(weight, 0.5, 0.3)
        elif dtype != weight.dtype:
            weight.data = weight.data.to(dtype)
    return model


def read(model) -> list[torch.Tensor]:
    """Loss and all gradients."""
    torch.manual_seed(1)
    ids = torch.randint(0, 64, (2, 24))
    model.zero_grad()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return [loss.detach(), *(p.grad.float() for p in model.parameters() if p.grad is not None)]


def fused_layers(model) -> dict[str, int]:
    found: dict[str, int] = {}
    for module in model.modules():
        if "forward" in vars(module):
            found[type(module).__name__] = found.get(type(module).__name__, 0) + 1
    return found


@pytest.mark.parametrize(("kind", "norms"), [("Llama", 2), ("Mistral", 2), ("Qwen2", 2), ("Qwen3", 4)])
def test_values_and_gradients_stay_the_same(kind, norms):
    model = lora_model(kind)
    before, layers = read(model), model.config.num_hidden_layers
    fused.apply_fused_forwards(model)
    assert fused_layers(model) == {"Linear": 7 * layers, f"{kind}MLP": layers, f"{kind}RMSNorm": norms * layers + 1}
    for one, other in zip(before, read(model), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-5)


def kept_bytes(model) -> tuple[int, list[torch.Tensor]]:
    """What is kept for the backward pass; loss and all gradients."""
    sizes: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        found = read(model)
    return sum(sizes.values()), found


def test_mlps_that_are_computed_again_keep_less_and_give_the_same():
    model = lora_model("Llama")
    fused.apply_fused_forwards(model)
    kept, before = kept_bytes(model)
    fused.apply_fused_forwards(model, recompute_mlp=True)
    less, after = kept_bytes(model)
    assert less < 0.9 * kept
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(other, one)


def test_of_an_mlp_only_its_two_factors_are_kept():
    model = lora_model("Llama")
    fused.apply_fused_forwards(model)
    kept, _ = kept_bytes(model)
    for module in model.modules():
        if type(module).__name__ == "LlamaMLP":
            module.forward = lambda x, mlp=module: mlp.down_proj(
                fused.SwiGLUFunction.apply(mlp.gate_proj(x), mlp.up_proj(x))
            )
    more, _ = kept_bytes(model)
    product = 2 * 24 * model.config.intermediate_size * 4  # of 2 rows of 24 tokens, in fp32
    assert more - kept == model.config.num_hidden_layers * product


def test_phi3_keeps_its_own_mlp():
    model = lora_model("Phi3", targets=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"])
    before = read(model)
    fused.apply_fused_forwards(model)
    assert fused_layers(model) == {
        "Linear": 4 * model.config.num_hidden_layers,
        "Phi3RMSNorm": 2 * model.config.num_hidden_layers + 1,
    }
    for one, other in zip(before, read(model), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-5)


def test_layers_that_compute_otherwise_are_left_alone():
    """Dropout; Gemma's norm, which adds one to its weight, and its MLP, which is no SiLU."""
    fused.apply_fused_forwards(model := lora_model("Llama", dropout=0.1))
    assert fused_layers(model) == {
        "LlamaMLP": model.config.num_hidden_layers,
        "LlamaRMSNorm": 2 * model.config.num_hidden_layers + 1,
    }
    fused.apply_fused_forwards(model := lora_model("Gemma2"))
    assert set(fused_layers(model)) == {"Linear"}


def test_half_precision_stays_as_near_to_the_truth():
    """Weights in bf16 under autocast, LoRA's in fp32: the fused gradients are no further from fp32's than the plain
    ones."""
    truth = read(lora_model("Llama"))
    model = lora_model("Llama", torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        plain = read(model)
        fused.apply_fused_forwards(model)
        found = read(model)

    def distance(some):
        return sum((a - b).norm() ** 2 for a, b in zip(some[1:], truth[1:], strict=True)) ** 0.5

    assert all(p.grad.dtype == torch.float32 for n, p in model.named_parameters() if "lora" in n)
    assert distance(found) < 1.3 * distance(plain)
