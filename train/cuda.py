"""LoRA on NVIDIA, AMD and Intel GPUs with unsloth. unsloth only trains: the adapter is plain PEFT, and export is ours.

It runs on a CPU as well (UNSLOTH_FORCE_CPU=1), which is how the tests train with it.
"""

import gc
import math

from blogtwin.console import echo
from blogtwin.errors import UserError

# isort: off
# unsloth patches what is imported after it, so it comes first
import unsloth
from unsloth import FastLanguageModel
from unsloth.device_type import DEVICE_TYPE

# isort: on
import torch
from datasets import Dataset
from safetensors import safe_open
from trl import SFTConfig, SFTTrainer

from blogtwin import memory
from blogtwin.models.chat import encode_example
from train import cpu
from train.callbacks import TrainingMonitor

FOUR_BIT_FROM_BILLIONS = (
    3.0  # billions of weights from which they are held in 4 bit, as blogtwin/models/registry.yaml counts on
)


def train(job) -> dict:
    """Train the adapter of `job` on the GPU; see train/backend.py for the contract."""
    rows = job.params.batch_size  # of a step that are on the card at a time
    while True:
        try:
            return train_once(job, rows)
        except (RuntimeError, MemoryError) as e:
            if not memory.is_out_of_memory(e):
                raise
        gc.collect()
        if DEVICE_TYPE != "cpu":
            torch.accelerator.empty_cache()
        rows = smaller_batch(rows, job)


def smaller_batch(rows: int, job) -> int:
    """Fewer rows at a time, that still make up a step; UserError when it is one already."""
    p = job.params
    if rows == 1:
        raise UserError(
            "The card's memory ran out in training, even with one row at a time: set train.max_length under"
            f" {p.max_length}, or train on a smaller train.base."
        )
    fewer = max(n for n in range(1, rows // 2 + 1) if p.batch_size % n == 0)
    echo(
        f"the card's memory ran out: {fewer} rows of {p.max_length} tokens at a time in place of {rows},"
        f" {p.batch_size // fewer} times a step (the same result, more slowly)"
    )
    job.log.forget()
    return fewer


def train_once(job, rows: int) -> dict:
    """Train with so many rows on the card at a time, from the newest checkpoint if there is one."""
    p = job.params
    bf16 = unsloth.is_bfloat16_supported()
    torch.manual_seed(p.seed)
    four_bit = parameters_in_billions(job.base.hf) >= FOUR_BIT_FROM_BILLIONS
    if four_bit and (why := no_four_bit()):
        echo(
            f"the weights are held in 16 bit in place of 4, since bitsandbytes doesn't work here ({why}): that takes"
            " about four times the memory"
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
    for part in model.peft_config.values():
        part.base_model_name_or_path = job.base.repo  # no local path
    tokenizer = job.base.tokenizer()
    trainer = LabelledTrainer(
        model,
        args=sft_config(p, job.folder, bf16, rows),
        train_dataset=tokenise_rows(tokenizer, job.train_rows),
        eval_dataset=tokenise_rows(tokenizer, job.valid_rows),
        processing_class=tokenizer,
    )
    numbers = TrainingMonitor(trainer, job).train()
    on_card = DEVICE_TYPE != "cpu"
    return {
        **numbers,
        "peak_memory_mb": torch.accelerator.max_memory_allocated() / 2**20 if on_card else memory.peak_mb(),
        "dtype": (
            str(
                next(w.dtype for w in model.parameters() if not w.requires_grad and w.is_floating_point())
            ).removeprefix("torch.")
        ),
        "device": getattr(torch, torch.accelerator.current_accelerator().type).get_device_name() if on_card else "cpu",
        "unsloth": unsloth.__version__,
    }


def sft_config(p, folder, bf16: bool, rows: int) -> SFTConfig:
    """As the CPU's, on a card: `rows` packed rows at a time, and unsloth's own padding and checkpointing."""
    on_cpu = DEVICE_TYPE == "cpu"
    return cpu.sft_config(
        p,
        folder,
        bf16,
        fp16=not bf16 and not on_cpu,
        use_cpu=on_cpu,
        gradient_checkpointing=True,
        pad_to_multiple_of=None,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=p.batch_size // rows,
    )


def tokenise_rows(tokenizer, rows: list[dict]) -> Dataset:
    """{input_ids, labels} of each row, by the same template as everywhere else: a label is what the author wrote, and
    the end."""
    pairs = [encode_example(tokenizer, row["prompt"], row["completion"][0]["content"]) for row in rows]
    return Dataset.from_list(
        [{"input_ids": prompt + own, "labels": [-100] * len(prompt) + own} for prompt, own in pairs]
    )


def parameters_in_billions(folder) -> float:
    """Weights of a model that lies in a folder."""
    count = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            count += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118 (no dict)
    return count / 1e9


def no_four_bit() -> str:
    """Why bitsandbytes can't quantise on this card, "" when it can: its kernels are compiled for some cards and drivers
    only."""
    try:
        from bitsandbytes.functional import quantize_4bit

        quantize_4bit(
            torch.ones(
                64,
                64,
                dtype=torch.float16,
                device="cpu" if DEVICE_TYPE == "cpu" else torch.accelerator.current_accelerator(),
            )
        )
    except (
        ImportError,
        OSError,
        RuntimeError,
        AttributeError,
        ValueError,
    ) as e:  # by its version, and by what is missing
        return (str(e).strip().splitlines() or [type(e).__name__])[0][:200]
    return ""


class LabelledTrainer(SFTTrainer):
    """unsloth's SFTTrainer, and the loss of a row by the number of its labels."""

    def summed_loss(self, inputs) -> tuple[torch.Tensor, int]:
        count = int((inputs["labels"][:, 1:] != -100).sum())
        return self.model(**inputs).loss.detach() * count, count
