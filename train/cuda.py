"""LoRA on NVIDIA, AMD and Intel GPUs with unsloth. unsloth only trains: the adapter is plain PEFT, and the export to
GGUF is this project's own.

It runs on a CPU too (UNSLOTH_FORCE_CPU=1), which is how the tests train with it.
"""

import gc
import math
from pathlib import Path
from typing import Any

from blogtwin.console import echo
from blogtwin.errors import UserError

# isort: off
# unsloth must come first: it patches the libraries that are imported after it
import unsloth
from unsloth import FastLanguageModel
from unsloth.device_type import DEVICE_TYPE

# isort: on
import torch
from datasets import Dataset
from safetensors import safe_open
from trl import SFTConfig, SFTTrainer

from blogtwin import memory
from blogtwin.config import TrainParams
from blogtwin.models.chat import encode_example
from train import cpu
from train.backend import TrainingJob, TrainingMetrics
from train.callbacks import TrainingMonitor

# Models of at least so many billions of weights are held in 4 bits; blogtwin/models/registry.yaml counts on it.
FOUR_BIT_FROM_BILLIONS = 3.0


def train(job: TrainingJob) -> TrainingMetrics:
    """Train the adapter of `job` on the GPU; see train/backend.py for the contract."""
    batch_size = job.params.batch_size  # packed rows on the GPU at a time; gradient accumulation makes up the step
    while True:
        try:
            return train_once(job, batch_size)
        except (RuntimeError, MemoryError) as e:
            if not memory.is_out_of_memory(e):
                raise
        gc.collect()
        if DEVICE_TYPE != "cpu":
            torch.accelerator.empty_cache()
        batch_size = smaller_batch(batch_size, job)


def smaller_batch(batch_size: int, job: TrainingJob) -> int:
    """After running out of memory: fewer rows at a time that still divide a step. Raises UserError if it was one row
    already."""
    p = job.params
    if batch_size == 1:
        raise UserError(
            "Out of GPU memory in training, even with one row at a time: set train.max_length below"
            f" {p.max_length}, or train on a smaller train.base."
        )
    smaller = max(n for n in range(1, batch_size // 2 + 1) if p.batch_size % n == 0)
    echo(
        f"out of GPU memory: batch size {smaller} instead of {batch_size} (rows of {p.max_length} tokens), with"
        f" gradient accumulation over {p.batch_size // smaller} batches (same result, slower)"
    )
    job.log.reset()
    return smaller


def train_once(job: TrainingJob, batch_size: int) -> TrainingMetrics:
    """Train with `batch_size` packed rows on the GPU at a time, from the latest checkpoint if there is one. Raises what
    PyTorch raises on out of memory."""
    p = job.params
    bf16 = unsloth.is_bfloat16_supported()
    torch.manual_seed(p.seed)
    four_bit = parameters_in_billions(job.base.hf) >= FOUR_BIT_FROM_BILLIONS
    problem = four_bit_problem() if four_bit else ""
    if problem:
        echo(
            f"the weights are held in 16 bits instead of 4, because bitsandbytes doesn't work here ({problem}): that"
            " takes about four times the memory"
        )
        four_bit = False
    model, _ = FastLanguageModel.from_pretrained(
        str(job.base.hf), max_seq_length=p.max_length, dtype=None, load_in_4bit=four_bit, local_files_only=True
    )
    model = FastLanguageModel.get_peft_model(
        model,
        r=p.lora_rank,
        lora_alpha=p.lora_alpha,
        lora_dropout=p.lora_dropout,
        target_modules=cpu.lora_target_modules(model),
        use_gradient_checkpointing="unsloth",
        random_state=p.seed,
        max_seq_length=p.max_length,
    )
    for config in model.peft_config.values():
        config.base_model_name_or_path = job.base.repo  # not a local path
    tokenizer = job.base.tokenizer()
    trainer = LabelledTrainer(
        model,
        args=sft_config(p, job.output_dir, bf16, batch_size),
        train_dataset=tokenise_rows(tokenizer, job.train_rows),
        eval_dataset=tokenise_rows(tokenizer, job.valid_rows),
        processing_class=tokenizer,
    )
    metrics = TrainingMonitor(trainer, job).train()
    on_gpu = DEVICE_TYPE != "cpu"
    return {
        **metrics,
        "peak_memory_mb": torch.accelerator.max_memory_allocated() / 2**20 if on_gpu else memory.peak_mb(),
        "dtype": str(frozen_dtype(model)).removeprefix("torch."),
        "device": getattr(torch, torch.accelerator.current_accelerator().type).get_device_name() if on_gpu else "cpu",
        "unsloth": unsloth.__version__,
    }


def frozen_dtype(model: torch.nn.Module) -> torch.dtype:
    """The dtype of the frozen base weights (of those that are not quantised)."""
    return next(w.dtype for w in model.parameters() if not w.requires_grad and w.is_floating_point())


def sft_config(p: TrainParams, folder: Path | str, bf16: bool, batch_size: int) -> SFTConfig:
    """As for the CPU, but with `batch_size` packed rows at a time, and unsloth's own padding and gradient
    checkpointing."""
    on_cpu = DEVICE_TYPE == "cpu"
    return cpu.sft_config(
        p,
        folder,
        bf16,
        fp16=not bf16 and not on_cpu,
        use_cpu=on_cpu,
        gradient_checkpointing=True,
        pad_to_multiple_of=None,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=p.batch_size // batch_size,
    )


def tokenise_rows(tokenizer: Any, rows: list[dict]) -> Dataset:
    """{input_ids, labels} of each row, by the same chat template as everywhere else. Only the author's text and the end
    token have labels."""
    pairs = [encode_example(tokenizer, row["prompt"], row["completion"][0]["content"]) for row in rows]
    return Dataset.from_list(
        [
            {"input_ids": prompt + completion, "labels": [-100] * len(prompt) + completion}
            for prompt, completion in pairs
        ]
    )


def parameters_in_billions(folder: Path) -> float:
    """Number of weights in a model's folder, in billions."""
    count = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            count += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118 (no dict)
    return count / 1e9


def four_bit_problem() -> str:
    """Why bitsandbytes can't quantise on this GPU; "" if it can. Its kernels are compiled only for some GPUs and
    drivers."""
    device = "cpu" if DEVICE_TYPE == "cpu" else torch.accelerator.current_accelerator()
    try:
        from bitsandbytes.functional import quantize_4bit

        quantize_4bit(torch.ones(64, 64, dtype=torch.float16, device=device))
    # which one depends on bitsandbytes' version and on what is missing
    except (ImportError, OSError, RuntimeError, AttributeError, ValueError) as e:
        return (str(e).strip().splitlines() or [type(e).__name__])[0][:200]
    return ""


class LabelledTrainer(SFTTrainer):
    """unsloth's SFTTrainer, with the summed loss that validation needs."""

    def summed_loss(self, inputs: dict) -> tuple[torch.Tensor, int]:
        """See callbacks.SummedLossTrainer. The model gives the mean per label."""
        count = int((inputs["labels"][:, 1:] != -100).sum())
        return self.model(**inputs).loss.detach() * count, count
