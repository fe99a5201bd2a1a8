"""TRL's output layer where there is no Triton: since 1.15 its trainers take their log-probabilities from a kernel for cards only."""

import torch
import torch.nn.functional as F
import trl.trainer.utils
from torch.utils.checkpoint import checkpoint

from train.loss import CHUNK


def without_triton() -> None:
    """Let TRL's trainers run on a CPU. Does nothing where the kernel is there."""
    if trl.trainer.utils._ChunkedLogProbFunction is None:
        trl.trainer.utils._ChunkedLogProbFunction = LogProbabilities


class LogProbabilities:
    """What the kernel computes, in PyTorch. The logits of a piece are computed again on the way back, and none is kept."""

    @staticmethod
    def apply(hidden, weight, bias, labels, temperature, chunk, softcap=None, scale=1.0, outputs=()):
        """(log_probs, entropy, log_sum_sq_probs, mean_logits, is_top1) of each label, (n,) each; those that `outputs` doesn't name are None."""
        parts = [checkpoint(LogProbabilities._some, h, weight, bias, y, temperature, softcap, scale, outputs, use_reentrant=False) for h, y in zip(hidden.split(CHUNK), labels.split(CHUNK))]
        return tuple(None if some[0] is None else torch.cat(some) for some in zip(*parts)) if parts else (hidden.sum(-1), *[None] * 4)

    @staticmethod
    def _some(hidden, weight, bias, labels, temperature, softcap, scale, outputs):
        z = F.linear(hidden, weight.to(hidden.dtype), bias).float() * scale
        z = (softcap * torch.tanh(z / softcap) if softcap else z) / temperature
        log_p = z.log_softmax(-1)
        optional = {
            "entropy": lambda: -(log_p.exp() * log_p).sum(-1), "log_sum_sq_probs": lambda: (2 * log_p).logsumexp(-1),
            "mean_logits": lambda: z.mean(-1), "is_top1": lambda: z.argmax(-1) == labels,
        }  # fmt: skip
        return log_p.gather(-1, labels[:, None])[:, 0], *(compute() if name in outputs else None for name, compute in optional.items())
