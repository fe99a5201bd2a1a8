"""Causal attention inside each document of a packed row, in blocks of queries, as one step of PyTorch's autograd, for a
CPU.

PyTorch's own takes one and a half to three times as long here, above all on the way back in bf16 (docs/performance.md).
"""

from collections.abc import Iterator

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "by_document"  # to transformers
QUERY_BLOCK = 128  # a block: its scores stay in the processor's cache, and little is computed beyond the diagonal


def attention_by_document(
    module, query, key, value, attention_mask, documents=None, scaling=None, dropout=0.0, softcap=None, **kwargs
):
    """transformers' attention function. query (1, heads, length, width), key and value of as many or fewer heads;
    `documents`: see train.kernels.cross_entropy.bounds. No mask, and no work across documents. The result is (1,
    length, heads, width).
    """
    if dropout and module.training:  # GPT-2's
        outputs = [
            sdpa_attention_forward(
                module,
                query[:, :, a:b],
                key[:, :, a:b],
                value[:, :, a:b],
                None,
                is_causal=True,
                scaling=scaling,
                dropout=dropout,
            )[0]
            for a, b in zip(documents, documents[1:])
        ]
        return torch.cat(outputs, dim=1), None
    return (
        DocumentAttention.apply(
            query, key, value, documents, query.shape[-1] ** -0.5 if scaling is None else scaling, softcap
        ),
        None,
    )


def register() -> str:
    """Make `attention_by_document` known to transformers; returns its name for `attn_implementation`."""
    AttentionInterface.register(NAME, attention_by_document)
    return NAME


def query_blocks(documents: list[int]) -> Iterator[tuple[int, int, int]]:
    """(where the document begins, first query, end of queries) for each block."""
    for start, end in zip(documents, documents[1:]):
        for first in range(start, end, QUERY_BLOCK):
            yield start, first, min(first + QUERY_BLOCK, end)


class DocumentAttention(torch.autograd.Function):
    """o = P v with P = softmax(z), z = s q kᵀ, or c tanh(s q kᵀ / c) with a soft cap c, over the keys up to each query.

    With g = do: dv = Pᵀ g; dz = P (g vᵀ − rowsum(P g vᵀ)), times 1 − (z / c)² with a cap; dq = s dz k; dk = dzᵀ s q. P
    is computed again on the way back: kept, those of a long post would be the largest part of what a step keeps. Heads
    that share keys stand below each other in one product.
    """

    @staticmethod
    def forward(ctx, query, key, value, documents, scaling, cap):
        (_, heads, length, width), shared = query.shape, key.shape[1]
        q = (query[0] * scaling).view(shared, heads // shared, length, width)
        k, v = key[0].contiguous(), value[0].contiguous()
        out = q.new_empty(shared, heads // shared, length, v.shape[-1])
        for start, first, end in query_blocks(documents):
            p, _ = attention_probs(q, k, start, first, end, cap)
            out[:, :, first:end] = (p @ v[:, start:end]).view(shared, -1, end - first, v.shape[-1])
        ctx.save_for_backward(q, k, v)
        ctx.documents, ctx.scaling, ctx.cap = documents, scaling, cap
        return out.view(1, heads, length, -1).transpose(1, 2)

    @staticmethod
    def backward(ctx, slope):
        q, k, v = ctx.saved_tensors
        g = slope[0].transpose(0, 1).reshape(*q.shape[:-1], -1)
        dq, dk, dv = (
            torch.empty_like(q),
            torch.zeros_like(k, dtype=torch.float32),
            torch.zeros_like(v, dtype=torch.float32),
        )
        for start, first, end in query_blocks(ctx.documents):
            p, bent = attention_probs(q, k, start, first, end, ctx.cap)
            above = flatten_block(g, first, end)
            dv[:, start:end] += p.transpose(1, 2) @ above
            dz = torch._softmax_backward_data(above @ v[:, start:end].transpose(1, 2), p, -1, p.dtype)
            if bent is not None:
                dz *= bent
            dq[:, :, first:end] = (dz @ k[:, start:end]).view_as(dq[:, :, first:end])
            dk[:, start:end] += dz.transpose(1, 2) @ flatten_block(q, first, end)
        return (
            dq.mul_(ctx.scaling).view(1, -1, *q.shape[2:]),
            dk.to(k.dtype)[None],
            dv.to(v.dtype)[None],
            None,
            None,
            None,
        )


def attention_probs(
    q, k, start: int, first: int, end: int, cap: float | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(P, 1 − (z / c)² or None) of a block, each (shared heads, heads of each × queries, keys)."""
    scores = flatten_block(q, first, end) @ k[:, start:end].transpose(1, 2)
    bent = None
    if cap:
        scores = (scores / cap).tanh_()
        bent = 1 - scores**2
        scores *= cap
    n = end - first
    later = torch.ones(n, n, dtype=torch.bool).triu_(1)
    scores.view(len(k), -1, n, end - start)[..., first - start :].masked_fill_(later, -torch.inf)
    return torch.softmax(scores, -1), bent


def flatten_block(x: torch.Tensor, first: int, end: int) -> torch.Tensor:
    """(shared heads, heads of each × queries, width) of a block."""
    return x[:, :, first:end].reshape(x.shape[0], -1, x.shape[-1])
