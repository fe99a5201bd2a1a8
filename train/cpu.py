"""LoRA on any CPU, and a sharded base on GPUs: transformers and PEFT, with TRL's SFTTrainer.

What makes it fast (measured in docs/performance.md): rows are packed, and padded to a few fixed shapes, which wastes
little and lets oneDNN prepare its kernels once; attention stays inside a post; frozen weights are held in bf16 if the
CPU multiplies it; the output layer runs only where there is a label, and computes its gradient in the forward pass
(train/kernels/cross_entropy.py); LoRA layers, MLPs and norms write no more tensors than they must
(train/kernels/fused.py).
"""

import logging as python_logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from datasets.utils.logging import disable_progress_bar
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

from blogtwin import memory
from blogtwin.config import TrainParams
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.hardware import gpu_has_bf16, has_bf16, is_sharded
from blogtwin.models.registry import BaseModelFiles
from train import sharding
from train.backend import TrainingJob, TrainingMetrics
from train.callbacks import TrainingMonitor, validation_loss
from train.kernels import attention, fused
from train.kernels.cross_entropy import document_boundaries, split_documents, summed_cross_entropy

# Packed rows are padded to a multiple of this many tokens: with few different shapes, oneDNN reuses its kernels.
PAD_TO_MULTIPLE = 64
# From so many weights on, and in fp32, MLPs are computed again in the backward pass: a base of 1.8 billion then trains
# in 11 GB. By the sizes of its tensors it would keep 3 GB more, for a third less work in its MLPs.
LARGE_WEIGHTS = 1e9
MAPPED_WEIGHTS = 3e8  # from so many on, activations are worth being mapped singly


def train(job: TrainingJob) -> TrainingMetrics:
    """Train the adapter of `job` on this machine's CPU; see train/backend.py for the contract."""
    p = job.params
    logging.disable_progress_bar()
    disable_progress_bar()
    # TRL warns of packing without flash attention; train/kernels/attention.py takes its place.
    python_logging.getLogger("trl").setLevel(python_logging.ERROR)
    bf16 = computes_in_bf16()
    torch.manual_seed(p.seed)
    model = AutoModelForCausalLM.from_pretrained(
        job.base.hf, dtype=base_dtype(), attn_implementation=attention.register()
    )
    model.config._name_or_path = model.name_or_path = (
        job.base.repo
    )  # PEFT writes it to adapter_config.json, where a local path must not be
    trainer = PackedTrainer(
        model,
        args=sft_config(p, job.output_dir, bf16),
        train_dataset=Dataset.from_list(job.train_rows),
        eval_dataset=Dataset.from_list(job.valid_rows),
        processing_class=job.base.tokenizer(),
        peft_config=LoraConfig(
            r=p.lora_rank,
            lora_alpha=p.lora_alpha,
            lora_dropout=p.lora_dropout,
            target_modules=lora_target_modules(model),
            task_type="CAUSAL_LM",
        ),
    )
    weights = model.num_parameters()
    if weights > MAPPED_WEIGHTS:
        memory.map_large_blocks()
    fused.apply_fused_forwards(trainer.model, recompute_mlp=not bf16 and weights > LARGE_WEIGHTS)
    if bf16:
        disable_lora_input_cast(trainer.model)
    metrics = TrainingMonitor(trainer, job).train()
    return {
        **metrics,
        "peak_memory_mb": memory.peak_mb(),
        "dtype": "bf16" if bf16 else "fp32",
        "device": trainer.args.device.type,
    }


def evaluate_adapter(base: BaseModelFiles, adapter: Path | str, valid_rows: list[dict], params: TrainParams) -> float:
    """Validation loss of the adapter in a folder, in nats per label, measured as in training."""
    model = AutoModelForCausalLM.from_pretrained(base.hf, dtype=base_dtype(), attn_implementation=attention.register())
    rows = Dataset.from_list(valid_rows)
    with tempfile.TemporaryDirectory() as folder:
        return validation_loss(
            PackedTrainer(
                PeftModel.from_pretrained(model, adapter),
                args=sft_config(params, folder, computes_in_bf16()),
                train_dataset=rows,
                eval_dataset=rows,
                processing_class=base.tokenizer(),
            )
        )


def computes_in_bf16() -> bool:
    """Whether this CPU, or the GPU that a sharded model is trained on, multiplies bf16 in hardware."""
    return gpu_has_bf16() if sharding.uses_gpu() else has_bf16()


def base_dtype() -> torch.dtype:
    """The dtype of the frozen base model's weights on this CPU; LoRA's weights are in fp32."""
    return torch.bfloat16 if computes_in_bf16() else torch.float32


def all_reduce_gradients(weights: Sequence[torch.nn.Parameter]) -> None:
    """Replace the gradients by their mean over all processes, in place. DistributedDataParallel would do it in
    model.forward, which our loss does not call."""
    flat = torch.cat([p.grad.flatten() for p in weights])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    for p, grad in zip(weights, flat.split([p.numel() for p in weights])):
        p.grad.copy_(grad.view_as(p))


def disable_lora_input_cast(model: PeftModel) -> None:
    """Keep PEFT from casting each projection's input to fp32, the dtype of LoRA's weights. Autocast casts it back to
    bf16 right away, so this changes nothing but the memory: autograd would keep all those copies for the backward
    pass."""
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.cast_input_dtype_enabled = False


def lora_target_modules(model: PreTrainedModel) -> list[str]:
    """Names of the attention and MLP projections: every linear layer except the output layer."""
    head = model.get_output_embeddings()
    return sorted(
        {
            name.split(".")[-1]
            for name, module in model.named_modules()
            if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not head
        }
    )


def sft_config(p: TrainParams, folder: Path | str, bf16: bool, **overrides: Any) -> SFTConfig:
    """TRL's arguments for the params. `overrides` are the arguments in which another trainer differs."""
    arguments: dict[str, Any] = {
        "output_dir": str(folder),
        "max_length": p.max_length,
        "packing": True,
        "packing_strategy": "bfd",
        "pad_to_multiple_of": PAD_TO_MULTIPLE,
        "per_device_train_batch_size": 1,
        "per_device_eval_batch_size": 1,
        "gradient_accumulation_steps": p.batch_size,
        "gradient_checkpointing": False,
        "num_train_epochs": p.epochs,
        "max_steps": p.max_steps or -1,
        "learning_rate": p.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": p.warmup_ratio,  # transformers takes a number below 1 as a fraction of all steps
        "max_grad_norm": 1.0,
        "seed": p.seed,
        "use_cpu": not sharding.uses_gpu(),
        "bf16": bf16,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would hide a loss that is NaN from TrainingMonitor
        "save_strategy": "no",  # TrainingMonitor saves the checkpoints
        "eval_strategy": "no",  # TrainingMonitor measures the validation loss, weighted by token
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
    }
    return SFTConfig(**arguments | overrides)


class PackedTrainer(SFTTrainer):
    """SFTTrainer with the loss of packed rows. If it runs out of memory, it reads each row in microbatches of whole
    posts."""

    num_microbatches = 1  # of each row; doubled when memory runs out

    def create_accelerator_and_postprocess(self) -> None:
        """As transformers does, and FSDP also on a CPU."""
        super().create_accelerator_and_postprocess()
        if is_sharded():
            sharding.prepare(self.accelerator)
            self.is_fsdp_enabled = True

    def summed_loss(self, inputs: dict) -> tuple[torch.Tensor, int]:
        """See callbacks.SummedLossTrainer."""
        if self.is_fsdp_enabled:
            return sharding.forward_method(self.model, "summed_loss", summed_cross_entropy)(inputs)
        return summed_cross_entropy(self.accelerator.unwrap_model(self.model), inputs)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """As transformers does; with FSDP, from the same files."""
        if checkpoint and self.is_fsdp_enabled:
            sharding.load_optimizer(self, Path(checkpoint))
        else:
            super()._load_optimizer_and_scheduler(checkpoint)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict,
        return_outputs: bool = False,
        num_items_in_batch: int | torch.Tensor | None = None,
    ) -> Any:
        """The loss of a row, so scaled that gradient accumulation gives the mean per label of a whole step."""
        labels = inputs["labels"]
        with self.accelerator.autocast():  # accelerate wraps only model.forward in it, which is not called here
            loss, count = self.summed_loss(inputs)
        # num_items_in_batch counts the labels of all rows of an optimiser step, over all processes. The mean that
        # all_reduce_gradients takes divides by the number of processes, so the loss is multiplied by it.
        loss = loss / (count if num_items_in_batch is None else num_items_in_batch) * self.accelerator.num_processes
        return (loss, {"labels": labels}) if return_outputs else loss

    def training_step(
        self, model: torch.nn.Module, inputs: dict, num_items_in_batch: int | torch.Tensor | None = None
    ) -> torch.Tensor:
        """Forward and backward pass of one row. The losses of its microbatches add up to its own, so their number
        changes no result; out of memory doubles it, and the row is read again."""
        assert num_items_in_batch is not None, (
            "the labels of a step are not counted: microbatches of a row would weigh too much"
        )
        weights = [p for p in model.parameters() if p.requires_grad]
        while True:
            grads_before = [None if p.grad is None else p.grad.clone() for p in weights]
            try:
                loss = sum(
                    super(PackedTrainer, self).training_step(model, part, num_items_in_batch)
                    for part in split_documents(inputs, self.num_microbatches)
                )
                break
            except (RuntimeError, MemoryError) as e:
                # The other processes of a sharded model wait for this one's part: it can't read a row again.
                if not memory.is_out_of_memory(e) or self.is_fsdp_enabled:
                    raise
            for p, grad in zip(weights, grads_before):
                p.grad = grad
            memory.release_free_memory()
            self.double_microbatches(inputs)
        if self.accelerator.num_processes > 1 and self.accelerator.sync_gradients and not self.is_fsdp_enabled:
            all_reduce_gradients(weights)
        return loss

    def double_microbatches(self, inputs: dict) -> None:
        """After running out of memory: read half as much of a row at a time, twice as often. Raises UserError if that
        is a single post already."""
        num_posts = len(document_boundaries(inputs["position_ids"])) - 1
        if self.num_microbatches >= num_posts:
            raise UserError(
                "Out of memory in training, even with one post at a time: set train.max_length below"
                f" {self.args.max_length}, or train on a smaller train.base."
            )
        self.num_microbatches *= 2
        echo(
            f"out of memory: each row of {self.args.max_length} tokens is now read in up to {self.num_microbatches}"
            " parts (same result, slower)"
        )
