"""The loss of a packed row: attention only inside a post (train/kernels/attention.py), the output layer only where a
label is."""

import torch

LOGIT_CHUNK = 256  # labels per piece of the output layer: 256 × 49,152 logits in bf16 are 25 MB
SOFTMAX_CHUNK = 16  # labels whose softmax is computed at a time, in fp32: 3 MB stay in the processor's cache


def summed_cross_entropy(model, inputs: dict) -> tuple[torch.Tensor, int]:
    """(summed negative log-likelihood in nats, labels counted) of a packed batch. `model` is a PeftModel."""
    base = model.get_base_model()
    labels = inputs["labels"][:, 1:]
    position_ids = inputs["position_ids"]
    ends = document_boundaries(position_ids)
    hidden = base.base_model(
        input_ids=inputs["input_ids"], position_ids=position_ids, use_cache=False, documents=ends
    ).last_hidden_state
    kept = labels != -100
    hidden, labels = hidden[:, :-1][kept], labels[kept]
    head = base.get_output_embeddings()
    cap = getattr(base.config, "final_logit_softcapping", None)  # Gemma 2
    return ChunkedCrossEntropy.apply(hidden, head.weight, labels, cap), int(kept.sum())


def document_boundaries(position_ids: torch.Tensor) -> list[int]:
    """Where the documents of a packed row begin, and its length. Padding is a row of zeros: one more document, of no
    label."""
    starts = [i for i, p in enumerate(position_ids[0].tolist()) if p == 0]
    last = next((n for n, at in enumerate(starts) if starts[n:] == list(range(at, position_ids.shape[1]))), len(starts))
    return [*starts[: last + 1], position_ids.shape[1]]


def split_documents(inputs: dict, count: int) -> list[dict]:
    """A packed row in up to `count` parts of whole documents, of about the same length. Their summed losses add up to
    the row's."""
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
    """Summed cross-entropy of the frozen output layer, whose gradient is computed on the way forward, a piece at a
    time.

    With p = softmax(h Wᵀ), d loss / d h = (p − onehot(y)) W: the logits of a piece serve loss and gradient and are
    forgotten. With a soft cap c, z ↦ c tanh(z / c) before the softmax, the factor 1 − (z / c)² joins the gradient.
    """

    @staticmethod
    def forward(ctx, hidden, weight, labels, cap):
        total, grads = hidden.new_zeros((), dtype=torch.float32), torch.empty_like(hidden)
        # The same memory for all pieces: fresh pages of that size take as long as what is computed in them.
        logits = weight.new_empty(min(LOGIT_CHUNK, len(labels)), len(weight))
        wide = torch.empty(SOFTMAX_CHUNK, len(weight))
        for h, y, grad in zip(hidden.split(LOGIT_CHUNK), labels.split(LOGIT_CHUNK), grads.split(LOGIT_CHUNK)):
            torch.mm(h.to(weight.dtype), weight.T, out=logits[: len(y)])
            for few, own in zip(logits[: len(y)].split(SOFTMAX_CHUNK), y.split(SOFTMAX_CHUNK)):
                at, z = torch.arange(len(own)), wide[: len(own)].copy_(few)
                if cap:
                    z.div_(cap).tanh_().mul_(cap)
                    slope = 1 - (z / cap) ** 2
                z.sub_(z.amax(-1, keepdim=True))
                likely = z[at, own]
                sums = z.exp_().sum(-1, keepdim=True)
                total += (sums[:, 0].log() - likely).sum()
                if ctx.needs_input_grad[0]:
                    z.div_(sums)
                    z[at, own] -= 1
                    few.copy_(z.mul_(slope) if cap else z)
            if ctx.needs_input_grad[0]:
                grad.copy_(logits[: len(y)] @ weight)
        ctx.grad = grads
        return total

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.grad * grad_output, None, None, None
