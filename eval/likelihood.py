"""Log-likelihood of a text under a model, as bits per byte and perplexity."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from eval import confidence_intervals
from eval.rounding import round_metric, round_values
from eval.systems import System, truncate_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WINDOW_TOKENS, STRIDE_TOKENS = 1024, 512  # a longer post is scored in windows that overlap by half


def score_ids(
    model: LlamaModel, prompt: list[int], text: str, tokenizer: "PreTrainedTokenizerBase"
) -> dict[str, float]:
    """{nats, bytes, tokens} of `text` after the prompt, which is masked: −ln p summed over its tokens, and its UTF-8
    bytes."""
    ids = chat.encode(tokenizer, text)
    first = max(STRIDE_TOKENS, WINDOW_TOKENS - len(prompt))
    nats = -float(model.log_likelihoods(prompt, ids[:first]).sum())
    # Each later token is scored with half a window before it, and counted once.
    for start in range(first, len(ids), STRIDE_TOKENS):
        before, window = ids[start - STRIDE_TOKENS : start], ids[start : start + STRIDE_TOKENS]
        nats -= float(model.log_likelihoods(before, window).sum())
    return {"nats": nats, "bytes": len(text.encode()), "tokens": len(ids)}


def score_post(
    model: LlamaModel, system: System, example: dict[str, Any], tokenizer: "PreTrainedTokenizerBase", max_tokens: int
) -> dict[str, float]:
    """`score_ids` of a held-out post after the prompt that asks this system for it; `max_tokens` 0: the whole post."""
    prompt = chat.encode_prompt(tokenizer, system.messages(example))
    return score_ids(model, prompt, truncate_tokens(example["output"], tokenizer, max_tokens), tokenizer)


def score_raw(model: LlamaModel, text: str, tokenizer: "PreTrainedTokenizerBase", max_tokens: int) -> dict[str, float]:
    """`score_ids` of a text by itself, after a line break and without a chat template, which might help or hinder one
    of the models."""
    return score_ids(model, chat.encode(tokenizer, "\n"), truncate_tokens(text, tokenizer, max_tokens), tokenizer)


def bits_per_byte(rows: list[dict[str, float]]) -> float:
    """Σ nats / (ln 2 · Σ bytes), over all rows."""
    return sum(r["nats"] for r in rows) / (math.log(2) * sum(r["bytes"] for r in rows))


def perplexity(rows: list[dict[str, float]]) -> float:
    """exp(Σ nats / Σ tokens): depends on the tokenizer, so only comparable on one base model."""
    return math.exp(sum(r["nats"] for r in rows) / sum(r["tokens"] for r in rows))


@dataclass
class LikelihoodMetrics:
    """What each system finds likely, and what the twin gained, in bits per byte (lower is better)."""

    by_system: dict[str, dict[str, float]]
    gain: dict[str, Any]


METRIC_OF = {"read": "bits_per_byte", "raw": "raw_bits_per_byte", "control": "control_bits_per_byte"}


def likelihood_metrics(rows: list[dict[str, Any]]) -> LikelihoodMetrics:
    """From the collected rows: bits per byte of the held-out posts after their prompt and as raw text, and of control
    texts by other people, each as raw text; gains are paired by post."""
    scored: dict[tuple[str, str], list[dict[str, float]]] = {}
    for row in rows:
        for kind in ("read", "raw"):
            if kind in row:
                scored.setdefault((row["system"], kind if "id" in row else "control"), []).append(row[kind])
    by_system: dict[str, dict[str, float]] = {}
    for (system, kind), texts in scored.items():
        entry = by_system.setdefault(system, {})
        entry[METRIC_OF[kind]] = round_metric(bits_per_byte(texts))
        if kind == "read":
            entry["perplexity"] = round_metric(perplexity(texts))
    per_post = {key: np.array([bits_per_byte([text]) for text in texts]) for key, texts in scored.items()}
    base, twin = by_system["base"]["bits_per_byte"], by_system["twin"]["bits_per_byte"]
    return LikelihoodMetrics(by_system, _gain(per_post, base, twin))


def _gain(per_post: dict[tuple[str, str], np.ndarray], base: float, twin: float) -> dict[str, Any]:
    """How many bits per byte the twin saves over its rivals, and over the base on the author's and on control texts:
    only what it gains on the author's alone is the author's."""
    gain: dict[str, Any] = {}
    for rival in ("base", "five_shot", "swap"):
        if (rival, "read") in per_post:
            found = confidence_intervals.paired_difference(per_post[rival, "read"], per_post["twin", "read"])
            gain[f"over_{rival}"] = round_values(found)
    gain["percent"] = round(100 * (base - twin) / base, 2)
    if ("base", "control") in per_post and ("twin", "control") in per_post:
        own = per_post["base", "raw"] - per_post["twin", "raw"]
        others = per_post["base", "control"] - per_post["twin", "control"]
        gain["gain_own"] = round_values(confidence_intervals.mean_interval(own))
        gain["gain_others"] = round_values(confidence_intervals.mean_interval(others))
        gain["gain_difference"] = round_metric(own.mean() - others.mean())
    return gain
