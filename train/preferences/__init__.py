"""Preference training with TRL, after the training on the posts. It starts from the adapter that the trainer wrote, and
replaces it.

dpo (Rafailov et al. 2023) trains the twin to prefer, for prompts of training posts, the author's own text to what the
twin wrote, and the text that won a blind vote to the other. grpo (Shao et al. 2024): the twin writes several texts for
a prompt, and learns from those with a better than average reward (eval/rewards.py). Both run in one process; meanwhile
a checkpoint holds what was learnt from the posts.
"""

from typing import TypedDict

from blogtwin import memory
from blogtwin.errors import UserError
from train.backend import TrainingJob
from train.cpu import evaluate_adapter
from train.preferences import dpo, grpo
from train.trl_compat import patch_trl_for_cpu


class PreferenceMetrics(TypedDict):
    """What preference training adds to, or changes in, the trainer's metrics."""

    loss_after: float  # validation loss of the new adapter, nats per label
    seconds: float  # of the whole training
    preference: dict  # "method", and what run_dpo or run_grpo returns


def train_preferences(job: TrainingJob, examples: list[dict], system: str) -> PreferenceMetrics:
    """Train the adapter in `job.output_dir` further with `job.params.method`, on prompts of `examples` (the beginnings
    of posts, newest first). Raises UserError if it runs out of memory, and KeyboardInterrupt, with a message, on
    Ctrl-C."""
    p = job.params
    patch_trl_for_cpu()
    selected = examples[: p.preference_prompts]
    try:
        if p.method == "dpo":
            numbers = dpo.run_dpo(job, selected, system)
        else:
            numbers = grpo.run_grpo(job, selected, [e["output"] for e in examples], system)
    except (RuntimeError, MemoryError) as e:
        if not memory.is_out_of_memory(e):
            raise
        raise UserError(
            f"Out of memory in train.method={p.method}: set train.method to sft, or train on a smaller train.base."
        ) from None
    except KeyboardInterrupt:
        latest = job.checkpoints.latest()
        continues = (
            f"resumes from {latest}, the end of the training on the posts"
            if latest
            else "starts again from the beginning"
        )
        raise KeyboardInterrupt(
            f"stopped in train.method={p.method}, whose steps are not saved; the same command {continues}."
        ) from None
    return {
        "loss_after": evaluate_adapter(job.base, job.output_dir, job.valid_rows, p),
        "seconds": job.log.elapsed(),
        "preference": {"method": p.method, **{k: round(float(v), 4) for k, v in numbers.items()}},
    }
