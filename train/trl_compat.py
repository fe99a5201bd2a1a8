"""Lets TRL's trainers run without a GPU: since TRL 1.15 their log-probabilities come from a Triton kernel, for which
this is a replacement in PyTorch.

Triton comes with PyTorch's CUDA build, which pip installs on Linux with or without a GPU. So a kernel that is installed
may still not run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import trl.trainer.utils
from torch.utils.checkpoint import checkpoint

from train.kernels.cross_entropy import LOGIT_CHUNK


def patch_trl_for_cpu() -> None:
    """Replace TRL's kernel where it can't run: it is not installed, has no active driver, or the model is not on the
    GPU."""
    kernel = trl.trainer.utils._ChunkedLogProbFunction
    if kernel is None:
        trl.trainer.utils._ChunkedLogProbFunction = LogProbabilities
    elif kernel is not LogProbabilities and not isinstance(kernel, KernelByDevice):
        trl.trainer.utils._ChunkedLogProbFunction = KernelByDevice(kernel)


def can_run_triton(device: torch.device) -> bool:
    """Whether Triton can run a kernel on tensors of this device: it needs exactly one active driver, for that kind of
    GPU."""
    if device.type == "cpu":
        return False
    try:
        from triton.runtime import driver

        return driver.active.get_active_torch_device().type == device.type
    except (ImportError, RuntimeError):  # "0 active drivers"
        return False


@dataclass(frozen=True)
class KernelByDevice:
    """TRL's kernel for tensors on a device that Triton can use, PyTorch for all others."""

    kernel: type[torch.autograd.Function]

    def apply(self, hidden: torch.Tensor, *rest: Any) -> Any:
        """See LogProbabilities.apply."""
        return (self.kernel if can_run_triton(hidden.device) else LogProbabilities).apply(hidden, *rest)


class LogProbabilities:
    """What the kernel computes, in PyTorch, a chunk of labels at a time. The logits of a chunk are not stored: the
    backward pass computes them again."""

    @staticmethod
    def apply(
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        temperature: float,
        chunk: int,
        softcap: float | None = None,
        scale: float = 1.0,
        outputs: Sequence[str] = (),
    ) -> tuple[torch.Tensor | None, ...]:
        """(log_probs, entropy, log_sum_sq_probs, mean_logits, is_top1) of each label, (n,) each; all but log_probs are
        None unless `outputs` names them.

        hidden (n, width), weight (vocabulary, width), bias (vocabulary,), labels (n,). The signature is the kernel's;
        `chunk` is not used.
        """
        parts = [
            checkpoint(
                LogProbabilities._chunk, h, weight, bias, y, temperature, softcap, scale, outputs, use_reentrant=False
            )
            for h, y in zip(hidden.split(LOGIT_CHUNK), labels.split(LOGIT_CHUNK))
        ]
        if not parts:
            return hidden.sum(-1), None, None, None, None
        return tuple(None if values[0] is None else torch.cat(values) for values in zip(*parts))

    @staticmethod
    def _chunk(
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        temperature: float,
        softcap: float | None,
        scale: float,
        outputs: Sequence[str],
    ) -> tuple[torch.Tensor | None, ...]:
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
