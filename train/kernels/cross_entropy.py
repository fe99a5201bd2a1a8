"""The cross-entropy loss of a packed row: attention only inside a post (train/kernels/attention.py), the output layer
only where there is a label."""

from typing import Any

import torch
from peft import PeftModel

from train import sharding

LOGIT_CHUNK = 256  # labels whose logits are in memory at a time: 256 × 49,152 in bf16 are 25 MB
SOFTMAX_CHUNK = 16  # labels whose softmax is computed at a time, in fp32: 3 MB, which stay in the CPU's cache


def summed_cross_entropy(model: PeftModel, inputs: dict) -> tuple[torch.Tensor, int]:
    """(summed negative log-likelihood in nats, a scalar; number of labels) of a packed row.

    `inputs`: input_ids, labels (-100: none) and position_ids, (1, length) each; positions begin at 0 in each post.
    """
    base = model.get_base_model()
    labels = inputs["labels"][:, 1:]
    position_ids = inputs["position_ids"]
    ends = document_boundaries(position_ids)
    hidden = base.base_model(
        input_ids=inputs["input_ids"], position_ids=position_ids, use_cache=False, documents=ends
    ).last_hidden_state
    has_label = labels != -100
    hidden, labels = hidden[:, :-1][has_label], labels[has_label]
    # FSDP gathers the weight in the output layer's own forward function, which is not called here.
    weight = sharding.gather(base.get_output_embeddings().weight)
    cap = getattr(base.config, "final_logit_softcapping", None)  # Gemma 2
    return ChunkedCrossEntropy.apply(hidden, weight, labels, cap), int(has_label.sum())


def document_boundaries(position_ids: torch.Tensor) -> list[int]:
    """The positions where the documents of a packed row start, and the row's length. position_ids (1, length) begin at
    0 in each document; padding is all zeros at the end, and counts as one more document, without labels."""
    length = position_ids.shape[1]
    starts = [i for i, p in enumerate(position_ids[0].tolist()) if p == 0]
    padding = next((n for n, start in enumerate(starts) if starts[n:] == list(range(start, length))), len(starts))
    return [*starts[: padding + 1], length]


def split_documents(inputs: dict, count: int) -> list[dict]:
    """A packed row cut into up to `count` microbatches of whole documents and of about the same length. Their summed
    losses add up to the row's."""
    ends = document_boundaries(inputs["position_ids"])
    length = ends[-1]
    cuts = [0]
    for n in range(1, count):
        nearest = min(ends, key=lambda e: abs(e - length * n / count))
        if nearest > cuts[-1] and nearest < length:
            cuts.append(nearest)
    names = ("input_ids", "labels", "position_ids")
    return [{k: inputs[k][:, a:b] for k in names} for a, b in zip(cuts, [*cuts[1:], length])]


class ChunkedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of the frozen output layer. The forward pass also computes the gradient, a chunk of labels
    at a time, so that no logits are stored (as in Liger Kernel, Hsu et al. 2024).

    With p = softmax(h Wᵀ), d loss / d h = (p − onehot(y)) W. With a soft cap c, z ↦ c tanh(z / c) before the softmax,
    the gradient has the factor 1 − (z / c)².
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, cap: float | None
    ) -> torch.Tensor:
        """hidden (n, width), weight (vocabulary, width), labels (n,); returns a scalar, in nats."""
        total, grads = hidden.new_zeros((), dtype=torch.float32), torch.empty_like(hidden)
        # All chunks use the same memory: new pages of that size would take as long as the computation.
        logits = weight.new_empty(min(LOGIT_CHUNK, len(labels)), len(weight))
        wide = weight.new_empty(SOFTMAX_CHUNK, len(weight), dtype=torch.float32)
        for h, y, grad in zip(hidden.split(LOGIT_CHUNK), labels.split(LOGIT_CHUNK), grads.split(LOGIT_CHUNK)):
            torch.mm(h.to(weight.dtype), weight.T, out=logits[: len(y)])
            for chunk, targets in zip(logits[: len(y)].split(SOFTMAX_CHUNK), y.split(SOFTMAX_CHUNK)):
                rows, z = torch.arange(len(targets), device=targets.device), wide[: len(targets)].copy_(chunk)
                if cap:
                    z.div_(cap).tanh_().mul_(cap)
                    softcap_grad = 1 - (z / cap) ** 2
                z.sub_(z.amax(-1, keepdim=True))
                target_logits = z[rows, targets]
                sums = z.exp_().sum(-1, keepdim=True)
                total += (sums[:, 0].log() - target_logits).sum()
                if ctx.needs_input_grad[0]:
                    z.div_(sums)
                    z[rows, targets] -= 1
                    chunk.copy_(z.mul_(softcap_grad) if cap else z)
            if ctx.needs_input_grad[0]:
                grad.copy_(logits[: len(y)] @ weight)
        ctx.grad = grads
        return total

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The stored gradient of hidden (n, width), times the scalar grad_output."""
        return ctx.grad * grad_output, None, None, None
