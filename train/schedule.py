"""What the data decides, and the sentences that say so: steps, warm-up, and the rank for a tiny corpus."""

from blogtwin.config import TrainParams

TINY_CORPUS_TOKENS = (
    8_000  # tokens a pass; under it the usual rank has more numbers to set than there are words to set them by
)
TINY_RANK = 8


def fit_to_corpus(params: TrainParams, tokens: int) -> tuple[TrainParams, list[str]]:
    """The params for `tokens` a pass, and what was changed because of them. A number that a person wrote stays."""
    if tokens >= TINY_CORPUS_TOKENS or "lora_rank" not in params.by_preset or params.lora_rank <= TINY_RANK:
        return params, []
    alpha = (
        round(params.lora_alpha * TINY_RANK / params.lora_rank)
        if "lora_alpha" in params.by_preset
        else params.lora_alpha
    )
    said = (
        f"{tokens:,} tokens are few: LoRA rank {TINY_RANK} in place of {params.lora_rank} (write train.lora_rank to"
        " have your own)"
    )
    return params.model_copy(update={"lora_rank": TINY_RANK, "lora_alpha": alpha}), [said]


def describe_schedule(params: TrainParams, total: int, per_epoch: int) -> str:
    """The sentence on the steps to come. `warmup_ratio` under one is a share of them, as transformers reads it."""
    rising = -(-int(total * params.warmup_ratio * 1000) // 1000)
    limit = " (train.max_steps)" if params.max_steps and total == params.max_steps else ""
    return (
        f"{total} steps{limit}, {per_epoch} an epoch; the learning rate rises to {params.learning_rate:g} in the first"
        f" {rising}, then falls; LoRA rank {params.lora_rank}; a checkpoint every {params.save_steps}"
    )


def should_stop_early(losses: list[float], patience: int) -> bool:
    """Whether as many epochs as `patience` have gone by since the best one. `losses`: before training, then after each
    epoch."""
    after = losses[1:]
    return bool(after) and len(after) - 1 - after.index(min(after)) >= patience


def summarise_validation(losses: list[float], epochs: int) -> str:
    """What the validation loss says of the number of epochs. `losses`: before training, then after each epoch."""
    before, *after = losses
    best = min(after, default=before)
    at = after.index(best) + 1 if after else 0
    if len(after) > at:
        stopped = f", and training stopped at epoch {len(after)} of {epochs}" if len(after) < epochs else ""
        return (
            f"epoch {at} is the best and is kept: after it the validation loss rose by {after[-1] - best:.3f}{stopped};"
            " more epochs hurt"
        )
    fell = (after[-2] if len(after) > 1 else before) - best
    if best >= before:
        return (
            "the validation loss did not fall: the twin learnt nothing that helps on posts it has not seen; try a lower"
            " train.learning_rate, or more posts"
        )
    if fell < 0.01:
        return f"the last epoch took only {fell:.3f} off the validation loss: more epochs would not help"
    return f"the last epoch still took {fell:.3f} off the validation loss: more epochs may help (train.epochs)"
