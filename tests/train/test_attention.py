"""Attention inside the documents of a packed row: values and gradients of transformers' own, with a mask that says the
same."""

from types import SimpleNamespace

import pytest
import torch
from transformers.models.gemma2.modeling_gemma2 import eager_attention_forward

from train.kernels.attention import QUERY_BLOCK, attention_by_document

DOCUMENTS = [
    0,
    QUERY_BLOCK * 2 + 44,
    QUERY_BLOCK * 2 + 45,
    QUERY_BLOCK * 3 + 50,
]  # several blocks, a single token, and one that ends inside a block
MODULE = SimpleNamespace(num_key_value_groups=3, training=False, is_causal=True)


def inputs(dtype=torch.float32):
    torch.manual_seed(0)
    length = DOCUMENTS[-1]
    return [(torch.randn(1, length, heads, 16) * 2).transpose(1, 2).to(dtype).requires_grad_() for heads in (6, 2, 2)]


def mask(window: int = 10**6) -> torch.Tensor:
    """−∞ where a query must not look: later tokens, other documents, and what is `window` tokens before it."""
    of = torch.bucketize(torch.arange(DOCUMENTS[-1]), torch.tensor(DOCUMENTS[1:]), right=True)
    forbidden = (of[:, None] != of[None, :]) | torch.ones(len(of), len(of), dtype=torch.bool).triu(1)
    forbidden |= torch.ones(len(of), len(of), dtype=torch.bool).tril(-window)
    return torch.zeros(forbidden.shape).masked_fill(forbidden, -torch.inf)[None, None]


def found(attend, tensors, *args, **kwargs) -> list[torch.Tensor]:
    """Output and the gradients of query, key and value."""
    out, _ = attend(MODULE, *tensors, *args, scaling=0.3, **kwargs)
    weight = torch.linspace(-1, 1, out.numel()).view(out.shape)
    (out.float() * weight).sum().backward()
    return [out.detach().float(), *(x.grad.float() for x in tensors)]


@pytest.mark.parametrize("cap", [None, 5.0])
def test_values_and_gradients_are_transformers_own(cap):
    """Gemma 2 bends its scores by a cap; here they are large enough to show it."""
    theirs = found(eager_attention_forward, inputs(), mask(), softcap=cap)
    ours = found(attention_by_document, inputs(), None, documents=DOCUMENTS, softcap=cap)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    uncapped = found(attention_by_document, inputs(), None, documents=DOCUMENTS, softcap=None if cap else 5.0)
    assert not torch.allclose(ours[0], uncapped[0], atol=1e-2)


@pytest.mark.parametrize("window", [1, 40, QUERY_BLOCK + 7, QUERY_BLOCK * 2])
def test_a_sliding_window_is_transformers_own(window):
    """As in most blocks of Gemma 3: shorter than a block of queries, and longer."""
    theirs = found(eager_attention_forward, inputs(), mask(window))
    ours = found(attention_by_document, inputs(), None, documents=DOCUMENTS, sliding_window=window)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_half_precision_is_as_near_to_the_truth_as_transformers_own():
    truth, theirs = (
        found(eager_attention_forward, inputs(), mask(), softcap=None),
        found(eager_attention_forward, inputs(torch.bfloat16), mask().bfloat16(), softcap=None),
    )
    for exact, plain, own in zip(
        truth, theirs, found(attention_by_document, inputs(torch.bfloat16), None, documents=DOCUMENTS), strict=True
    ):
        assert (own - exact).norm() < 1.3 * (plain - exact).norm()


def test_attention_applies_dropout_in_training():
    """GPT-2's attention forgets at random while it learns, and only then; its width sets the scale."""
    tensors = inputs()
    training = SimpleNamespace(num_key_value_groups=3, training=True, is_causal=True)
    still, _ = attention_by_document(MODULE, *tensors, None, documents=DOCUMENTS, dropout=0.5)
    none, _ = attention_by_document(training, *tensors, None, documents=DOCUMENTS, dropout=0.0)
    dropped, _ = attention_by_document(training, *tensors, None, documents=DOCUMENTS, dropout=0.5)
    assert torch.equal(still, none) and dropped.shape == still.shape
    assert (dropped[:, 0] == 0).any() and not (still[:, 0] == 0).any()  # a first token sees itself alone
    (dropped[:, : DOCUMENTS[1]] ** 2).sum().backward()
    assert all(
        x.grad[:, :, DOCUMENTS[1] :].eq(0).all() and x.grad[:, :, : DOCUMENTS[1]].ne(0).any() for x in tensors
    )  # no look across documents
