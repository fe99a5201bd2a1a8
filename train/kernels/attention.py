"""Causal attention inside each document of a packed row, in blocks of queries, as one autograd function, for a CPU.

PyTorch's own attention takes one and a half to three times as long here, mainly in the backward pass in bf16
(docs/performance.md).
"""

from collections.abc import Iterator
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "by_document"  # for transformers' attn_implementation
QUERY_BLOCK = 128  # queries: the scores of a block stay in the CPU's cache, and few are computed above the diagonal


def attention_by_document(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    documents: list[int] | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' interface of an attention function.

    query (1, heads, length, width); key and value (1, key heads, length, width), where the number of key heads divides
    that of heads. `documents`: see cross_entropy.document_boundaries. The mask is ignored: attention is causal, nothing
    is computed across documents, and with a `sliding_window` w a query sees its own key and w - 1 before it. Returns
    (1, length, heads, width), and None in place of the probabilities.
    """
    if dropout and module.training:  # GPT-2 has dropout in its attention
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
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return DocumentAttention.apply(query, key, value, documents, scaling, softcap, sliding_window), None


def register() -> str:
    """Register `attention_by_document` with transformers; returns its name for `attn_implementation`."""
    AttentionInterface.register(NAME, attention_by_document)
    return NAME


def query_blocks(documents: list[int], window: int | None = None) -> Iterator[tuple[int, int, int]]:
    """(first key, first query, end of the queries and of their keys) of each block, as positions in the row."""
    for start, end in zip(documents, documents[1:]):
        for first in range(start, end, QUERY_BLOCK):
            oldest = start if window is None else max(start, first - window + 1)
            yield oldest, first, min(first + QUERY_BLOCK, end)


class DocumentAttention(torch.autograd.Function):
    """o = P v with P = softmax(z), z = s q kᵀ, or c tanh(s q kᵀ / c) with a soft cap c, over the keys up to each query.

    With g = do: dv = Pᵀ g; dz = P (g vᵀ − rowsum(P g vᵀ)), times 1 − (z / c)² with a cap; dq = s dz k; dk = dzᵀ s q
    (the derivative of softmax attention, as in Dao et al. 2022, FlashAttention, appendix B). The backward pass computes
    P again: stored, the P of a long post would be most of a step's memory. Heads that share keys (grouped-query
    attention) are stacked below each other in one matrix product.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        documents: list[int],
        scaling: float,
        cap: float | None,
        window: int | None,
    ) -> torch.Tensor:
        """Shapes as in attention_by_document."""
        (_, heads, length, width), shared = query.shape, key.shape[1]
        q = (query[0] * scaling).view(shared, heads // shared, length, width)
        k, v = key[0].contiguous(), value[0].contiguous()
        out = q.new_empty(shared, heads // shared, length, v.shape[-1])
        for start, first, end in query_blocks(documents, window):
            p, _ = attention_probs(q, k, start, first, end, cap, window)
            out[:, :, first:end] = (p @ v[:, start:end]).view(shared, -1, end - first, v.shape[-1])
        ctx.save_for_backward(q, k, v)
        ctx.documents, ctx.scaling, ctx.cap, ctx.window = documents, scaling, cap, window
        return out.view(1, heads, length, -1).transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of query, key and value; grad_output (1, length, heads, width)."""
        q, k, v = ctx.saved_tensors
        g = grad_output[0].transpose(0, 1).reshape(*q.shape[:-1], -1)
        dq, dk, dv = (
            torch.empty_like(q),
            torch.zeros_like(k, dtype=torch.float32),
            torch.zeros_like(v, dtype=torch.float32),
        )
        for start, first, end in query_blocks(ctx.documents, ctx.window):
            p, softcap_grad = attention_probs(q, k, start, first, end, ctx.cap, ctx.window)
            g_block = flatten_block(g, first, end)
            dv[:, start:end] += p.transpose(1, 2) @ g_block
            dz = torch._softmax_backward_data(g_block @ v[:, start:end].transpose(1, 2), p, -1, p.dtype)
            if softcap_grad is not None:
                dz *= softcap_grad
            dq[:, :, first:end] = (dz @ k[:, start:end]).view_as(dq[:, :, first:end])
            dk[:, start:end] += dz.transpose(1, 2) @ flatten_block(q, first, end)
        return (
            dq.mul_(ctx.scaling).view(1, -1, *q.shape[2:]),
            dk.to(k.dtype)[None],
            dv.to(v.dtype)[None],
            None,
            None,
            None,
            None,
        )


def attention_probs(
    q: torch.Tensor, k: torch.Tensor, start: int, first: int, end: int, cap: float | None, window: int | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(P; 1 − (z / c)², or None without a soft cap) of a block, each (key heads, heads per key head × queries, keys).
    q (key heads, heads per key head, length, width), k (key heads, length, width)."""
    scores = flatten_block(q, first, end) @ k[:, start:end].transpose(1, 2)
    softcap_grad = None
    if cap:
        scores = (scores / cap).tanh_()
        softcap_grad = 1 - scores**2
        scores *= cap
    n = end - first
    future = torch.ones(n, n, dtype=torch.bool, device=q.device).triu_(1)
    by_query = scores.view(len(k), -1, n, end - start)
    by_query[..., first - start :].masked_fill_(future, -torch.inf)
    if window is not None and end - start > window:
        places = torch.arange(start, end, device=q.device)
        distance = places[first - start :, None] - places
        by_query.masked_fill_(distance >= window, -torch.inf)
    return torch.softmax(scores, -1), softcap_grad


def flatten_block(x: torch.Tensor, first: int, end: int) -> torch.Tensor:
    """The block's queries of x (key heads, heads per key head, length, width) as (key heads, heads per key head ×
    queries, width)."""
    return x[:, :, first:end].reshape(x.shape[0], -1, x.shape[-1])
