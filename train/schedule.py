"""What the data decides about training, and the sentences that report it: steps, warm-up, early stopping, and a lower
LoRA rank for a tiny corpus."""

import math

from blogtwin.config import TrainParams

# Tokens per epoch. Below this, the usual LoRA rank has more weights than there are tokens to learn them from.
TINY_CORPUS_TOKENS = 8_000
TINY_RANK = 8


def fit_to_corpus(params: TrainParams, tokens: int) -> tuple[TrainParams, list[str]]:
    """(params for a corpus of `tokens` per epoch, sentences on what was changed). Only values that come from the preset
    are changed, never one that the user wrote."""
    if tokens >= TINY_CORPUS_TOKENS or "lora_rank" not in params.by_preset or params.lora_rank <= TINY_RANK:
        return params, []
    alpha = (
        round(params.lora_alpha * TINY_RANK / params.lora_rank)
        if "lora_alpha" in params.by_preset
        else params.lora_alpha
    )
    note = (
        f"small corpus ({tokens:,} tokens): LoRA rank {TINY_RANK} instead of {params.lora_rank} (set train.lora_rank to"
        " choose it yourself)"
    )
    return params.model_copy(update={"lora_rank": TINY_RANK, "lora_alpha": alpha}), [note]


def describe_schedule(params: TrainParams, total_steps: int, steps_per_epoch: int) -> str:
    """The sentence on the steps to come. The number of warm-up steps is rounded up, as transformers does it."""
    warmup_steps = math.ceil(int(total_steps * params.warmup_ratio * 1000) / 1000)
    limit = " (train.max_steps)" if params.max_steps and total_steps == params.max_steps else ""
    return (
        f"{total_steps} steps{limit}, {steps_per_epoch} per epoch; learning rate: warm-up to {params.learning_rate:g}"
        f" over {warmup_steps} steps, then cosine decay; LoRA rank {params.lora_rank}; a checkpoint every"
        f" {params.save_steps} steps"
    )


def summarise_validation(losses: list[float], epochs: int) -> str:
    """The sentence on whether more epochs would help. `losses`: validation losses before training, then after each
    epoch; `epochs`: how many were planned."""
    before, *after = losses
    best = min(after, default=before)
    best_epoch = after.index(best) + 1 if after else 0
    if len(after) > best_epoch:
        stopped = f"; early stopping after epoch {len(after)} of {epochs}" if len(after) < epochs else ""
        return (
            f"epoch {best_epoch} is the best and is kept: the validation loss rose by {after[-1] - best:.3f} after"
            f" it{stopped}; more epochs would not help"
        )
    if best >= before:
        return (
            "the validation loss did not fall: the twin learnt nothing that helps on unseen posts; try a lower"
            " train.learning_rate, or more posts"
        )
    fell = (after[-2] if len(after) > 1 else before) - best
    if fell < 0.01:
        return f"the last epoch lowered the validation loss by only {fell:.3f}: more epochs would not help"
    return f"the last epoch still lowered the validation loss by {fell:.3f}: more epochs may help (train.epochs)"
