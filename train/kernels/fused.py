"""LoRA layers, gated MLPs and RMSNorm, each fused into one autograd function, for a CPU.

In plain PyTorch, a LoRA layer makes four tensors of its output's size, and a gated MLP stores four for the backward
pass; each of them needs new memory pages. Here one and two are enough: results are added to in place, and what is cheap
is computed again. The formulas are those of PEFT and transformers; tests compare values and gradients with theirs.
"""

import functools
from typing import Any

import torch
import torch.nn.functional as F
from peft import PeftModel
from peft.tuners.lora import Linear as LoraLinear
from torch.utils.checkpoint import checkpoint
from transformers.activations import ACT2FN

NORMS = ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm", "Phi3RMSNorm")  # y = w x / √(mean x² + ε)
GATED = ("LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP")  # down(silu(gate(x)) up(x))


def apply_fused_forwards(model: PeftModel, recompute_mlp: bool = False) -> None:
    """Replace the forward function of the layers that are supported here; all others stay as they are.

    `recompute_mlp`: keep only the input of each gated MLP for the backward pass, and compute the rest again there.
    """
    for module in model.modules():
        name = type(module).__name__
        if is_fusable(module):
            module.forward = functools.partial(lora_forward, module)
        elif name in NORMS:
            module.forward = functools.partial(norm_forward, module)
        elif name in GATED and type(module.act_fn) is type(ACT2FN["silu"]):
            forward = functools.partial(mlp_forward, module)
            module.forward = functools.partial(checkpoint, forward, use_reentrant=False) if recompute_mlp else forward


def is_fusable(module: torch.nn.Module) -> bool:
    """Whether this is an ordinary linear layer with one plain LoRA adapter: no dropout, no DoRA or other variant."""
    return (
        isinstance(module, LoraLinear)
        and list(module.lora_A) == ["default"]
        and type(module.base_layer) is torch.nn.Linear
        and isinstance(module.lora_dropout["default"], torch.nn.Identity)
        and not module.lora_variant
        and not module.lora_bias["default"]
    )


def lora_forward(module: LoraLinear, x: torch.Tensor) -> torch.Tensor:
    """x (…, in) → (…, out)."""
    return LoraFunction.apply(x, *lora_weights(module))


def lora_weights(module: LoraLinear) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor, float]:
    """Weight (out, in) and bias (out,) of the frozen layer, A (rank, in), B (out, rank), and the scaling."""
    linear = module.base_layer
    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
    return linear.weight, linear.bias, a, b, module.scaling["default"]


def norm_forward(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """x (…, width) → the same shape."""
    return RMSNormFunction.apply(x, module.weight, module.variance_epsilon)


def mlp_forward(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """x (…, width) → the same shape."""
    gate, up = module.gate_proj(x), module.up_proj(x)
    if is_fusable(module.down_proj):
        return GatedLoraFunction.apply(gate, up, *lora_weights(module.down_proj))
    return module.down_proj(SwiGLUFunction.apply(gate, up))


def _project(
    rows: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    a: torch.Tensor,
    b: torch.Tensor,
    scaling: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """rows Wᵀ + bias + s (rows Aᵀ) Bᵀ, and rows Aᵀ."""
    low = rows @ a.T
    return F.linear(rows, weight, bias).addmm_(low, b.T, alpha=scaling), low


class LoraFunction(torch.autograd.Function):
    """y = x Wᵀ + bias + s (x Aᵀ) Bᵀ, in W's dtype; W and bias are frozen (Hu et al. 2021)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        """x (…, in), weight (out, in), bias (out,), a (rank, in), b (out, rank) → (…, out)."""
        rows = x.reshape(-1, x.shape[-1]).to(weight.dtype)
        a, b = a.to(weight.dtype), b.to(weight.dtype)
        y, low = _project(rows, weight, bias, a, b, scaling)
        ctx.save_for_backward(rows, weight, a, b, low)
        ctx.scaling, ctx.like = scaling, (x.shape, x.dtype)
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of x, a and b; grad_output (…, out)."""
        rows, weight, a, b, low = ctx.saved_tensors
        grad = grad_output.reshape(-1, grad_output.shape[-1])
        low_grad = (grad @ b).mul_(ctx.scaling)
        x_grad = None
        if ctx.needs_input_grad[0]:
            shape, dtype = ctx.like
            x_grad = (grad @ weight).addmm_(low_grad, a).view(shape).to(dtype)
        return x_grad, None, None, low_grad.T @ rows, (low.T @ grad).mul_(ctx.scaling).T, None


class GatedLoraFunction(torch.autograd.Function):
    """LoraFunction of x = silu(gate) up; x is computed again in the backward pass, where LoraFunction would keep it."""

    @staticmethod
    def forward(
        ctx: Any,
        gate: torch.Tensor,
        up: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        """gate and up (…, in), weight (out, in), bias (out,), a (rank, in), b (out, rank) → (…, out)."""
        rows = F.silu(gate).mul_(up).reshape(-1, gate.shape[-1]).to(weight.dtype)
        a, b = a.to(weight.dtype), b.to(weight.dtype)
        y, low = _project(rows, weight, bias, a, b, scaling)
        ctx.save_for_backward(gate, up, weight, a, b, low)
        ctx.scaling = scaling
        return y.view(*gate.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of gate, up, a and b; grad_output (…, out)."""
        gate, up, weight, a, b, low = ctx.saved_tensors
        grad = grad_output.reshape(-1, grad_output.shape[-1])
        low_grad = (grad @ b).mul_(ctx.scaling)
        rows_grad = (grad @ weight).addmm_(low_grad, a).view(gate.shape).to(gate.dtype)
        activated = F.silu(gate)
        gate_grad = torch.ops.aten.silu_backward(rows_grad * up, gate)
        up_grad = rows_grad.mul_(activated)
        rows = activated.mul_(up).reshape(-1, gate.shape[-1]).to(weight.dtype)
        return gate_grad, up_grad, None, None, low_grad.T @ rows, (low.T @ grad).mul_(ctx.scaling).T, None


class SwiGLUFunction(torch.autograd.Function):
    """silu(gate) up (Shazeer 2020)."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """gate and up (…, width) → the same shape."""
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of gate and up."""
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grad_output * up, gate), F.silu(gate).mul_(grad_output)


class RMSNormFunction(torch.autograd.Function):
    """w x r with r = 1 / √(mean x² + ε), in fp32 (Zhang and Sennrich 2019); dx = r (g − x r² mean(g x)) with g = w dy.
    w is frozen."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        """x (…, width), weight (width,) → (…, width)."""
        wide = x.float()
        r = (torch.linalg.vecdot(wide, wide).unsqueeze(-1) / x.shape[-1] + epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, r)
        return (wide * r).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradient of x."""
        x, weight, r = ctx.saved_tensors
        wide = x.float()
        g = grad_output.float() * weight
        mean_gx = torch.linalg.vecdot(g, wide).unsqueeze(-1) / x.shape[-1]
        return g.mul_(r).addcmul_(wide, mean_gx * r**3, value=-1).to(x.dtype), None, None
