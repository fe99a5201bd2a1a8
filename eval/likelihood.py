"""Log-likelihood of a text under a model, as bits per byte and perplexity."""

import math

from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from eval.systems import System, truncate_tokens

WINDOW_TOKENS, STRIDE_TOKENS = 1024, 512  # tokens: a longer post is read in windows that overlap by half


def score_ids(model: LlamaModel, prompt: list[int], text: str, tokenizer) -> dict:
    """{nats, bytes, tokens} of `text` after the prompt, which is masked: −ln p summed over its tokens, and its UTF-8
    bytes."""
    ids = chat.encode(tokenizer, text)
    first = max(STRIDE_TOKENS, WINDOW_TOKENS - len(prompt))
    nats = -float(model.log_likelihoods(prompt, ids[:first]).sum())
    for start in range(
        first, len(ids), STRIDE_TOKENS
    ):  # each token is read with half a window before it, and counted once
        nats -= float(
            model.log_likelihoods(ids[start - STRIDE_TOKENS : start], ids[start : start + STRIDE_TOKENS]).sum()
        )
    return {"nats": nats, "bytes": len(text.encode()), "tokens": len(ids)}


def score_post(model: LlamaModel, voice: System, example: dict, tokenizer, limit: int) -> dict:
    """A held-out post as the voice would be asked for it."""
    prompt = chat.encode_prompt(tokenizer, voice.messages(example))
    return score_ids(model, prompt, truncate_tokens(example["output"], tokenizer, limit), tokenizer)


def score_raw(model: LlamaModel, text: str, tokenizer, limit: int) -> dict:
    """A text by itself, after a line break and without a template: what no template can help or hinder."""
    return score_ids(model, chat.encode(tokenizer, "\n"), truncate_tokens(text, tokenizer, limit), tokenizer)


def bits_per_byte(rows: list[dict]) -> float:
    """Σ nats / (ln 2 · Σ bytes), over all rows."""
    return sum(r["nats"] for r in rows) / (math.log(2) * sum(r["bytes"] for r in rows))


def perplexity(rows: list[dict]) -> float:
    """exp(Σ nats / Σ tokens): depends on the tokenizer, so only comparable on one base model."""
    return math.exp(sum(r["nats"] for r in rows) / sum(r["tokens"] for r in rows))
