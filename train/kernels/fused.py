"""LoRA layers, gated MLPs and RMSNorm, each as one step of PyTorch's autograd, for a CPU.

Written out, a LoRA layer makes four tensors of its output's size where one does, and a gated MLP keeps four for the way
back where two do, and each costs fresh pages. Here results are added to in place, and what is cheap is computed again.
The formulas are those of peft and transformers; tests compare values and gradients.
"""

import functools

import torch
import torch.nn.functional as F
from peft.tuners.lora import Linear as LoraLinear
from transformers.activations import ACT2FN

NORMS = ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Phi3RMSNorm")  # y = w x / √(mean x² + ε)
GATED = ("LlamaMLP", "MistralMLP", "Qwen2MLP")  # down(silu(gate(x)) up(x))


def apply_fused_forwards(model) -> None:
    """Let the layers of a PeftModel that are known here compute as said above; all others stay as they are."""
    for module in model.modules():
        name = type(module).__name__
        if isinstance(module, LoraLinear) and is_fusable(module):
            module.forward = functools.partial(lora_forward, module)
        elif name in NORMS:
            module.forward = functools.partial(norm_forward, module)
        elif name in GATED and type(module.act_fn) is type(ACT2FN["silu"]):
            module.forward = functools.partial(mlp_forward, module)


def is_fusable(module: LoraLinear) -> bool:
    """One adapter without dropout, DoRA and the like, on an ordinary linear layer."""
    adapters = list(module.lora_A)
    return (
        adapters == ["default"]
        and type(module.base_layer) is torch.nn.Linear
        and isinstance(module.lora_dropout["default"], torch.nn.Identity)
        and not module.lora_variant
        and not module.lora_bias["default"]
    )


def lora_forward(module: LoraLinear, x: torch.Tensor) -> torch.Tensor:
    linear = module.base_layer
    return LoraFunction.apply(
        x,
        linear.weight,
        linear.bias,
        module.lora_A["default"].weight,
        module.lora_B["default"].weight,
        module.scaling["default"],
    )


def norm_forward(module, x: torch.Tensor) -> torch.Tensor:
    return RMSNormFunction.apply(x, module.weight, module.variance_epsilon)


def mlp_forward(module, x: torch.Tensor) -> torch.Tensor:
    return module.down_proj(SwiGLUFunction.apply(module.gate_proj(x), module.up_proj(x)))


class LoraFunction(torch.autograd.Function):
    """y = x Wᵀ + bias + s (x Aᵀ) Bᵀ, in W's type; W and bias are frozen."""

    @staticmethod
    def forward(ctx, x, weight, bias, a, b, scaling):
        rows = x.reshape(-1, x.shape[-1]).to(weight.dtype)
        a, b = a.to(weight.dtype), b.to(weight.dtype)
        low = rows @ a.T
        y = F.linear(rows, weight, bias).addmm_(low, b.T, alpha=scaling)
        ctx.save_for_backward(rows, weight, a, b, low)
        ctx.scaling, ctx.like = scaling, (x.shape, x.dtype)
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx, slope):
        rows, weight, a, b, low = ctx.saved_tensors
        slope = slope.reshape(-1, slope.shape[-1])
        low_slope = (slope @ b).mul_(ctx.scaling)
        x_slope = None
        if ctx.needs_input_grad[0]:
            shape, dtype = ctx.like
            x_slope = (slope @ weight).addmm_(low_slope, a).view(shape).to(dtype)
        return x_slope, None, None, low_slope.T @ rows, (low.T @ slope).mul_(ctx.scaling).T, None


class SwiGLUFunction(torch.autograd.Function):
    """silu(gate) up."""

    @staticmethod
    def forward(ctx, gate, up):
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx, slope):
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(slope * up, gate), F.silu(gate).mul_(slope)


class RMSNormFunction(torch.autograd.Function):
    """w x r with r = 1 / √(mean x² + ε), in fp32; dx = r (g − x r² mean(g x)) with g = w dy."""

    @staticmethod
    def forward(ctx, x, weight, epsilon):
        wide = x.float()
        r = (torch.linalg.vecdot(wide, wide).unsqueeze(-1) / x.shape[-1] + epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, r)
        return (wide * r).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx, slope):
        x, weight, r = ctx.saved_tensors
        wide = x.float()
        g = slope.float() * weight
        along = torch.linalg.vecdot(g, wide).unsqueeze(-1) / x.shape[-1]
        return g.mul_(r).addcmul_(wide, along * r**3, value=-1).to(x.dtype), None, None
