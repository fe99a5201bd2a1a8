"""TRL's output layer where Triton has no GPU: since 1.15 its trainers take their log-probabilities from a kernel of
Triton's.

Triton comes with PyTorch's CUDA build, which pip installs on Linux with or without a GPU: that the kernel is there says
nothing of whether it runs.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
import trl.trainer.utils
from torch.utils.checkpoint import checkpoint

from train.kernels.cross_entropy import LOGIT_CHUNK


def patch_trl_for_cpu() -> None:
    """Let TRL's trainers run where the kernel doesn't: it isn't installed, no driver is active, or the model is not on
    the GPU."""
    kernel = trl.trainer.utils._ChunkedLogProbFunction
    if kernel is None:
        trl.trainer.utils._ChunkedLogProbFunction = LogProbabilities
    elif kernel is not LogProbabilities and not isinstance(kernel, ByDevice):
        trl.trainer.utils._ChunkedLogProbFunction = ByDevice(kernel)


def driven(device: torch.device) -> bool:
    """Whether Triton can run a kernel on tensors of this device: it takes exactly one active driver, which is that of a
    GPU."""
    if device.type == "cpu":
        return False
    try:
        from triton.runtime import driver

        return driver.active.get_active_torch_device().type == device.type
    except (ImportError, RuntimeError):  # "0 active drivers"
        return False


@dataclass(frozen=True)
class ByDevice:
    """TRL's kernel for tensors on a device that Triton drives, PyTorch for all others."""

    kernel: type[torch.autograd.Function]

    def apply(self, hidden: torch.Tensor, *rest):
        """See LogProbabilities.apply."""
        return (self.kernel if driven(hidden.device) else LogProbabilities).apply(hidden, *rest)


class LogProbabilities:
    """What the kernel computes, in PyTorch. The logits of a piece are computed again on the way back, and none is
    kept."""

    @staticmethod
    def apply(hidden, weight, bias, labels, temperature, chunk, softcap=None, scale=1.0, outputs=()):
        """(log_probs, entropy, log_sum_sq_probs, mean_logits, is_top1) of each label, (n,) each; those that `outputs`
        doesn't name are None."""
        parts = [
            checkpoint(
                LogProbabilities._some, h, weight, bias, y, temperature, softcap, scale, outputs, use_reentrant=False
            )
            for h, y in zip(hidden.split(LOGIT_CHUNK), labels.split(LOGIT_CHUNK))
        ]
        return (
            tuple(None if some[0] is None else torch.cat(some) for some in zip(*parts))
            if parts
            else (hidden.sum(-1), *[None] * 4)
        )

    @staticmethod
    def _some(hidden, weight, bias, labels, temperature, softcap, scale, outputs):
        z = F.linear(hidden, weight.to(hidden.dtype), bias).float() * scale
        z = (softcap * torch.tanh(z / softcap) if softcap else z) / temperature
        log_p = z.log_softmax(-1)
        optional = {
            "entropy": lambda: -(log_p.exp() * log_p).sum(-1),
            "log_sum_sq_probs": lambda: (2 * log_p).logsumexp(-1),
            "mean_logits": lambda: z.mean(-1),
            "is_top1": lambda: z.argmax(-1) == labels,
        }
        return log_p.gather(-1, labels[:, None])[:, 0], *(
            compute() if name in outputs else None for name, compute in optional.items()
        )
