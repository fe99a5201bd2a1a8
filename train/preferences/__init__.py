"""After the posts are learnt: preferences, by TRL. They start from the adapter that the trainer wrote, and replace it.

dpo (Rafailov et al. 2023): for prompts of training posts the author's own text, and in a blind vote what was chosen, is
to become likelier against what the twin itself wrote, and what was not chosen. grpo (Shao et al. 2024): the twin writes
several texts for a prompt and learns from those that eval/rewards.py gives more than their mean. In one process; what
was learnt from the posts is kept as a checkpoint meanwhile.
"""

from blogtwin import memory
from blogtwin.errors import UserError
from train.cpu import evaluate_adapter
from train.preferences import dpo, grpo
from train.trl_compat import patch_trl_for_cpu


def train_preferences(job, examples: list[dict], system: str) -> dict:
    """Go on from the adapter in `job.folder` by job.params.method, on prompts of `examples` (openings, the newest
    first); returns numbers."""
    p = job.params
    patch_trl_for_cpu()
    asked = examples[: p.preference_prompts]
    try:
        numbers = (
            dpo.run_dpo(job, asked, system)
            if p.method == "dpo"
            else grpo.run_grpo(job, asked, [e["output"] for e in examples], system)
        )
    except (RuntimeError, MemoryError) as e:
        if not memory.is_out_of_memory(e):
            raise
        raise UserError(
            f"Memory ran out in train.method={p.method}: set train.method to sft, or train on a smaller train.base."
        ) from None
    except KeyboardInterrupt:
        newest = job.checkpoints.newest()
        goes_on = f"goes on from {newest}, what the posts taught" if newest else "begins anew"
        raise KeyboardInterrupt(
            f"stopped in train.method={p.method}, whose steps are not kept; the same command {goes_on}."
        ) from None
    return {
        "loss_after": evaluate_adapter(job.base, job.folder, job.valid_rows, p),
        "seconds": job.log.spent(),
        "preference": {"method": p.method, **{k: round(float(v), 4) for k, v in numbers.items()}},
    }
