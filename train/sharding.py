"""A base model that is too large for one device, sharded by FSDP2: each process holds its part of every weight.

`accelerate launch --config_file train/accelerate/fsdp.yaml` asks for it. accelerate shards the model on GPUs only, so
that `prepare` has it do the same on CPUs. Adapters and checkpoints are gathered before they are written: they are the
same as those of one process, and any number of processes can resume from them.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedType, FullyShardedDataParallelPlugin
from peft import PeftModel
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from blogtwin.errors import UserError
from blogtwin.hardware import is_cpu_forced, is_sharded

OPTIMIZER_FILE, SCHEDULER_FILE = "optimizer.pt", "scheduler.pt"  # as transformers names them


def uses_gpu() -> bool:
    """Whether a sharded model is trained on GPUs."""
    return is_sharded() and not is_cpu_forced() and torch.accelerator.is_available()


def prepare(accelerator: Accelerator) -> None:
    """Have `accelerator` shard the model that it is given, also on CPUs. Raises UserError for the older FSDP1, whose
    flat weights hold no adapter that could be told from the base."""
    plugin = FullyShardedDataParallelPlugin()
    if plugin.fsdp_version != 2:
        raise UserError("FSDP 1 can't train an adapter here: set fsdp_version: 2, as train/accelerate/fsdp.yaml does.")
    # Autocast chooses the dtypes, as without FSDP, whose policy would also round the loss to bf16.
    plugin.mixed_precision_policy = None
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = plugin


def forward_method(model: PeftModel, name: str, function: Any) -> Any:
    """`function`, whose first argument is the model, as a method of the model that FSDP gathers the weights for, as it
    does for `forward`; without FSDP, it only calls the function."""
    if not hasattr(model, name):
        setattr(model, name, functools.partial(function, model))
    if isinstance(model, FSDPModule) and not hasattr(getattr(model, name), "__wrapped__"):
        register_fsdp_forward_method(model, name)
    return getattr(model, name)


def gather(tensors: Any) -> Any:
    """The same, with whole tensors in place of sharded ones: {name: tensor}, an optimiser's state, or whatever holds
    some. Every process must call it."""
    if isinstance(tensors, DTensor):
        return tensors.full_tensor()
    if isinstance(tensors, Mapping):
        return {name: gather(value) for name, value in tensors.items()}
    return [gather(value) for value in tensors] if isinstance(tensors, list) else tensors


def shard_like(whole: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`whole` sharded as `weight` is; itself if that is not sharded. Every process has the whole one and must call
    it."""
    if not isinstance(weight, DTensor):
        return whole
    return distribute_tensor(whole.to(weight.device), weight.device_mesh, weight.placements)


def save_optimizer(trainer: Any, state: Mapping, folder: Path) -> None:
    """Write an optimiser's whole state (see `gather`), and that of the learning-rate schedule, as transformers does for
    one process."""
    torch.save(state, folder / OPTIMIZER_FILE)
    torch.save(trainer.lr_scheduler.state_dict(), folder / SCHEDULER_FILE)


def load_optimizer(trainer: Any, folder: Path) -> None:
    """Load what `save_optimizer` or transformers wrote, whatever the number of processes was."""
    state = torch.load(folder / OPTIMIZER_FILE, map_location="cpu", weights_only=True)
    weights = [weight for group in trainer.optimizer.param_groups for weight in group["params"]]
    for number, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.ndim:
                values[name] = shard_like(value, weights[number])
    trainer.optimizer.load_state_dict(state)
    trainer.lr_scheduler.load_state_dict(torch.load(folder / SCHEDULER_FILE, map_location="cpu", weights_only=True))
