"""The loss of a packed row: attention only inside a post, the output layer only where a label is."""

import torch
import torch.nn.functional as F
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

CHUNK = 256  # labels per piece of the output layer: 256 × 49,152 logits in fp32 are 50 MB


def summed_loss(model, inputs: dict) -> tuple[torch.Tensor, int]:
    """(summed negative log-likelihood in nats, labels counted) of a packed batch. `model` is a PeftModel."""
    base = model.get_base_model()
    labels = inputs["labels"][:, 1:]
    position_ids = inputs["position_ids"]
    ends = bounds(position_ids)
    hidden = base.base_model(input_ids=inputs["input_ids"], position_ids=position_ids, use_cache=False, documents=ends).last_hidden_state
    kept = labels != -100
    hidden, labels = hidden[:, :-1][kept], labels[kept]
    head = base.get_output_embeddings()
    cap = getattr(base.config, "final_logit_softcapping", None)  # Gemma 2
    return OutputLoss.apply(hidden, head.weight, labels, cap), int(kept.sum())


def bounds(position_ids: torch.Tensor) -> list[int]:
    """Where the documents of a packed row begin, and its length. Padding is a row of zeros: one more document, of no label."""
    starts = [i for i, p in enumerate(position_ids[0].tolist()) if p == 0]
    last = next((n for n, at in enumerate(starts) if starts[n:] == list(range(at, position_ids.shape[1]))), len(starts))
    return [*starts[: last + 1], position_ids.shape[1]]


def pieces(inputs: dict, count: int) -> list[dict]:
    """A packed row in up to `count` parts of whole documents, of about the same length. Their summed losses add up to the row's."""
    ends = bounds(inputs["position_ids"])
    length = ends[-1]
    cuts = [0]
    for n in range(1, count):
        nearest = min(ends, key=lambda e: abs(e - length * n / count))
        if nearest > cuts[-1] and nearest < length:
            cuts.append(nearest)
    names = ("input_ids", "labels", "position_ids")
    return [{k: inputs[k][:, a:b] for k in names} for a, b in zip(cuts, [*cuts[1:], length])]


class OutputLoss(torch.autograd.Function):
    """Summed cross-entropy of the frozen output layer, whose gradient is computed on the way forward, a piece at a time.

    With p = softmax(h Wᵀ), d loss / d h = (p − onehot(y)) W: the logits of a piece serve loss and gradient and are forgotten.
    With a soft cap c, z ↦ c tanh(z / c) before the softmax, the factor 1 − (z / c)² joins the gradient.
    """

    @staticmethod
    def forward(ctx, hidden, weight, labels, cap):
        total, grads = hidden.new_zeros((), dtype=torch.float32), []
        for h, y in zip(hidden.split(CHUNK), labels.split(CHUNK)):
            z = F.linear(h.to(weight.dtype), weight).float()
            if cap:
                z = cap * torch.tanh(z / cap)
            norm = z.logsumexp(-1, keepdim=True)
            at = torch.arange(len(y))
            total += (norm[:, 0] - z[at, y]).sum()
            if ctx.needs_input_grad[0]:
                slope = (1 - (z / cap) ** 2) if cap else None
                p = z.sub_(norm).exp_()
                p[at, y] -= 1
                grads.append((p if slope is None else p * slope).to(weight.dtype) @ weight)
        ctx.grad = torch.cat(grads).to(hidden.dtype) if grads else None
        return total

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.grad * grad_output, None, None, None


def attention_by_document(module, query, key, value, attention_mask, documents=None, **kwargs):
    """Causal attention inside each document of a packed row: no mask, and no work across documents. (batch 1, heads, length, width)"""
    kwargs.pop("is_causal", None)
    causal = capped_attention if kwargs.get("softcap") else sdpa_attention_forward
    outputs = [
        causal(module, query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], None, is_causal=True, **kwargs)[0]
        for a, b in zip(documents, documents[1:])
    ]
    return torch.cat(outputs, dim=1), None


def capped_attention(module, query, key, value, attention_mask, scaling, softcap, dropout=0.0, **kwargs):
    """Causal attention whose scores go through c tanh(z / c), as Gemma 2's do; PyTorch's own has no place for that."""
    key, value = (repeat_kv(x, module.num_key_value_groups) for x in (key, value))
    scores = softcap * torch.tanh(query @ key.transpose(2, 3) * scaling / softcap)
    later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    weights = F.softmax(scores.masked_fill(later, -torch.inf), dim=-1, dtype=torch.float32).to(query.dtype)
    return (F.dropout(weights, dropout, module.training) @ value).transpose(1, 2), None


AttentionInterface.register("by_document", attention_by_document)
