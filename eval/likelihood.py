"""Log-likelihood of a text under a model, as bits per byte and perplexity."""

import math

from blogtwin.models import chat
from blogtwin.models.llama_cpp import Scorer
from eval.systems import Voice, cut

WINDOW, STRIDE = 1024, 512  # tokens: a longer post is read in windows that overlap by half


def read(model: Scorer, prompt: list[int], text: str, tokenizer) -> dict:
    """{nats, bytes, tokens} of `text` after the prompt, which is masked: −ln p summed over its tokens, and its UTF-8 bytes."""
    ids = chat.text_ids(tokenizer, text)
    first = max(STRIDE, WINDOW - len(prompt))
    nats = -float(model.log_likelihoods(prompt, ids[:first]).sum())
    for start in range(first, len(ids), STRIDE):  # each token is read with half a window before it, and counted once
        nats -= float(model.log_likelihoods(ids[start - STRIDE : start], ids[start : start + STRIDE]).sum())
    return {"nats": nats, "bytes": len(text.encode()), "tokens": len(ids)}


def read_post(model: Scorer, voice: Voice, example: dict, tokenizer, limit: int) -> dict:
    """A held-out post as the voice would be asked for it."""
    prompt = chat.prompt_ids(tokenizer, voice.messages(example))
    return read(model, prompt, cut(example["output"], tokenizer, limit), tokenizer)


def read_raw(model: Scorer, text: str, tokenizer, limit: int) -> dict:
    """A text by itself, after a line break and without a template: what no template can help or hinder."""
    return read(model, chat.text_ids(tokenizer, "\n"), cut(text, tokenizer, limit), tokenizer)


def bits_per_byte(rows: list[dict]) -> float:
    """Σ nats / (ln 2 · Σ bytes), over all rows."""
    return sum(r["nats"] for r in rows) / (math.log(2) * sum(r["bytes"] for r in rows))


def perplexity(rows: list[dict]) -> float:
    """exp(Σ nats / Σ tokens): depends on the tokenizer, so only comparable on one base model."""
    return math.exp(sum(r["nats"] for r in rows) / sum(r["tokens"] for r in rows))
