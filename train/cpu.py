"""LoRA on any CPU: transformers + peft, TRL's SFTTrainer.

Where the time went, and what is done about it (docs/performance.md): rows are packed and padded to a few fixed shapes,
so that little is padding and oneDNN prepares its kernels once; attention stays inside a post; frozen weights are held
in bf16 where the CPU multiplies it; the output layer runs only where a label is, and gives its gradient on the way
forward; LoRA layers, MLPs and norms write no more than they must (train/kernels/fused.py).
"""

import logging as python_logging
import tempfile

import torch
from datasets import Dataset
from datasets.utils.logging import disable_progress_bar
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

from blogtwin import memory
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.hardware import has_bf16
from train.callbacks import TrainingMonitor, validation_loss
from train.kernels import attention, fused
from train.kernels.cross_entropy import document_boundaries, split_documents, summed_cross_entropy

PAD_TO_MULTIPLE = (
    64  # packed rows are padded up to this: few shapes, for which oneDNN keeps its kernels, and little padding
)


def train(job) -> dict:
    """Train the adapter of `job` on this machine's CPU; see train/backend.py for the contract."""
    p = job.params
    logging.disable_progress_bar()
    disable_progress_bar()
    python_logging.getLogger("trl").setLevel(
        python_logging.ERROR
    )  # it warns of packing without flash attention: see train/kernels/attention.py
    bf16 = has_bf16()
    torch.manual_seed(p.seed)
    model = AutoModelForCausalLM.from_pretrained(
        job.base.hf, dtype=base_dtype(), attn_implementation=attention.register()
    )
    model.config._name_or_path = model.name_or_path = job.base.repo  # PEFT writes it down: no local path
    trainer = PackedTrainer(
        model,
        args=sft_config(p, job.folder, bf16),
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
    fused.apply_fused_forwards(trainer.model)
    if bf16:
        disable_lora_input_cast(trainer.model)
    numbers = TrainingMonitor(trainer, job).train()
    return {
        **numbers,
        "peak_memory_mb": memory.peak_mb(),
        "dtype": "bf16" if bf16 else "fp32",
        "device": "cpu",
    }


def evaluate_adapter(base, adapter, valid_rows: list[dict], params) -> float:
    """Validation loss of an adapter that lies in a folder, measured as in training."""
    model = AutoModelForCausalLM.from_pretrained(base.hf, dtype=base_dtype(), attn_implementation=attention.register())
    rows = Dataset.from_list(valid_rows)
    with tempfile.TemporaryDirectory() as folder:
        return validation_loss(
            PackedTrainer(
                PeftModel.from_pretrained(model, adapter),
                args=sft_config(params, folder, has_bf16()),
                train_dataset=rows,
                eval_dataset=rows,
                processing_class=base.tokenizer(),
            )
        )


def base_dtype() -> torch.dtype:
    """What this CPU holds the base model's weights in; LoRA's are in fp32."""
    return torch.bfloat16 if has_bf16() else torch.float32


def all_reduce_gradients(weights) -> None:
    """The mean of all processes' gradients, in place: the loss goes past the wrapper that would see to it."""
    together = torch.cat([p.grad.flatten() for p in weights])
    torch.distributed.all_reduce(together)
    together /= torch.distributed.get_world_size()
    for p, grad in zip(weights, together.split([p.numel() for p in weights])):
        p.grad.copy_(grad.view_as(p))


def disable_lora_input_cast(model) -> None:
    """Keep PEFT from casting each projection's input to fp32, the LoRA weights' type: autocast takes it back to bf16 in
    the next line, so nothing changes but the memory of all those copies, which wait for the way back."""
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.cast_input_dtype_enabled = False


def lora_target_modules(model) -> list[str]:
    """Names of the attention and MLP projections: every linear layer but the output layer."""
    head = model.get_output_embeddings()
    return sorted(
        {
            name.split(".")[-1]
            for name, module in model.named_modules()
            if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not head
        }
    )


def sft_config(p, folder, bf16: bool, **other) -> SFTConfig:
    """TRL's arguments; `other` are those in which a trainer differs."""
    shared = {
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
        "warmup_steps": p.warmup_ratio,  # a number below one is a share of the steps
        "max_grad_norm": 1.0,
        "seed": p.seed,
        "use_cpu": True,
        "bf16": bf16,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it hides a loss that is no number, which Watch has to see
        "save_strategy": "no",  # Watch keeps the checkpoints, too
        "eval_strategy": "no",  # Watch looks at the validation posts itself, weighted by token
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
    }
    return SFTConfig(**shared | other)


class PackedTrainer(SFTTrainer):
    """SFTTrainer with the loss of packed rows, which reads a row in parts where memory is short."""

    parts = 1  # of each row; doubled when memory runs out

    def summed_loss(self, inputs) -> tuple[torch.Tensor, int]:
        return summed_cross_entropy(self.accelerator.unwrap_model(self.model), inputs)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"]
        with self.accelerator.autocast():  # which accelerate wraps around model.forward only, and this goes past it
            loss, count = self.summed_loss(inputs)
        # num_items_in_batch counts the labels of all rows of one optimiser step, so that accumulation weighs by token
        # … and of all processes, whose mean is taken
        loss = loss / (count if num_items_in_batch is None else num_items_in_batch) * self.accelerator.num_processes
        return (loss, {"labels": labels}) if return_outputs else loss

    def training_step(self, model, inputs, num_items_in_batch=None):
        """Forward and backward of one row. The losses of its parts add up to its own, so fewer at a time change no
        result."""
        assert num_items_in_batch is not None, (
            "the labels of a step are not counted: parts of a row would weigh too much"
        )
        weights = [p for p in model.parameters() if p.requires_grad]
        while True:
            before = [None if p.grad is None else p.grad.clone() for p in weights]
            try:
                loss = sum(
                    super(PackedTrainer, self).training_step(model, part, num_items_in_batch)
                    for part in split_documents(inputs, self.parts)
                )
                break
            except (RuntimeError, MemoryError) as e:
                if not memory.is_out_of_memory(e):
                    raise
            for p, grad in zip(weights, before):
                p.grad = grad
            memory.release_free_memory()
            self.halve(inputs)
        if self.accelerator.num_processes > 1 and self.accelerator.sync_gradients:
            all_reduce_gradients(weights)
        return loss

    def halve(self, inputs) -> None:
        """Half as much of a row at a time, and twice as often; UserError when that is a single post already."""
        longest = len(document_boundaries(inputs["position_ids"])) - 1
        if self.parts >= longest:
            raise UserError(
                "Memory ran out in training, even with one post at a time: set train.max_length under"
                f" {self.args.max_length}, or train on a smaller train.base."
            )
        self.parts *= 2
        echo(
            f"memory ran out: each row of {self.args.max_length} tokens is now read in up to {self.parts} parts (batch"
            " halved, accumulation doubled: the same result, more slowly)"
        )
