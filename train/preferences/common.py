"""What DPO and GRPO share: the adapter they start from, TRL's arguments, generating texts, and progress."""

import math
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from blogtwin import memory
from blogtwin.console import echo, progress_counter
from blogtwin.hardware import gpu_has_bf16, has_bf16
from blogtwin.models import chat
from blogtwin.models.gguf_export import write_merged_gguf
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from eval.systems import MAX_BATCH, System
from train.backend import TrainingJob, uses_gpu
from train.callbacks import save_adapter
from train.cpu import base_dtype

MAX_COMPLETION_TOKENS = 256  # only the beginning of a text is compared or rewarded
LR_DIVISOR = 10  # preferences are trained with a tenth of the learning rate: the twin can write already
PROMPTS_PER_STEP = 4  # by gradient accumulation: prompts of a step in GRPO, pairs of a step in DPO


class ProgressLogger(TrainerCallback):
    """Prints a line every few steps, and collects TRL's logs in `logs`. Raises FloatingPointError if the loss or the
    gradient is not finite."""

    def __init__(self, logs: list[dict]):
        self.logs = logs

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        for name in ("loss", "grad_norm"):
            if not math.isfinite(float(logs.get(name, 0.0))):
                raise FloatingPointError(
                    f"the {name.replace('grad_norm', 'gradient')} of train.method became {float(logs[name])} at step"
                    f" {state.global_step}"
                )
        self.logs.append(logs)
        if state.global_step % max(1, state.max_steps // 8) == 0 or state.global_step == 1:
            labels = {"accuracy": "rewards/accuracies", "margin": "rewards/margins", "reward": "reward"}
            numbers = "  ".join(f"{name} {float(logs[key]):.3f}" for name, key in labels.items() if key in logs)
            echo(f"preference step {state.global_step}/{state.max_steps}  loss {float(logs['loss']):.3f}  {numbers}")


def encode_references(tokenizer: Any, examples: list[dict], system: str) -> list[tuple[list[int], list[int]]]:
    """(prompt, the author's own text with the end token) of each example, as token ids."""
    twin = System("twin", system)
    return [chat.encode_example(tokenizer, twin.messages(e), e["output"]) for e in examples]


def generate(
    job: TrainingJob, tokenizer: Any, adapter: Path, prompts: list[list[int]], seed: int, progress: str = ""
) -> list[dict]:
    """The answers of the base with `adapter` to the prompts (token ids), of at most MAX_COMPLETION_TOKENS each: see
    LlamaModel.write for what an answer is. Prompt n has the seed `seed + n`. `progress`, if given, is shown with a
    counter."""
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder) / "twin.gguf"
        write_merged_gguf(job.base.gguf, adapter, twin, "q8_0", tokenizer.chat_template, {"general.name": "twin"})
        with (
            LlamaModel(
                twin, n_ctx=max(map(len, prompts)) + MAX_COMPLETION_TOKENS, sequences=min(MAX_BATCH, len(prompts))
            ) as model,
            progress_counter(progress, len(prompts)) if progress else nullcontext(lambda n: None) as wrote,
        ):
            return model.write(
                prompts,
                [SamplingParams(MAX_COMPLETION_TOKENS)] * len(prompts),
                [seed + n for n in range(len(prompts))],
                wrote,
            )


def shared_arguments(job: TrainingJob, folder: str) -> dict[str, Any]:
    """TRL's arguments that both methods share."""
    p, gpu = job.params, uses_gpu(job.params.backend)
    return {
        "output_dir": folder,
        "use_cpu": not gpu,
        "bf16": gpu_has_bf16() if gpu else has_bf16(),
        "gradient_checkpointing": gpu,
        "num_train_epochs": 1,
        "max_steps": p.max_steps or -1,
        "learning_rate": p.learning_rate / LR_DIVISOR,
        "lr_scheduler_type": "cosine",
        "warmup_steps": p.warmup_ratio,
        "max_grad_norm": 1.0,
        "seed": p.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def load_adapter(job: TrainingJob) -> PeftModel:
    """The base with the adapter that the trainer wrote, ready to be trained further."""
    model = AutoModelForCausalLM.from_pretrained(
        job.base.hf, dtype=torch.float32 if uses_gpu(job.params.backend) else base_dtype()
    )
    model.config._name_or_path = model.name_or_path = job.base.repo
    return PeftModel.from_pretrained(model, job.output_dir, is_trainable=True)


def train_and_save(trainer: Trainer, job: TrainingJob, logs: list[dict]) -> None:
    """Train, and replace the adapter in `job.output_dir`. TRL's logs are appended to `logs`."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ProgressLogger(logs))
    trainer.train()
    save_adapter(trainer.accelerator.unwrap_model(trainer.model), job.output_dir)
    memory.release_free_memory()


def mean_of(rows: list[dict], key: str) -> float:
    """The mean of a number over the rows that have it; NaN if none has."""
    values = [float(r[key]) for r in rows if key in r]
    return sum(values) / len(values) if values else float("nan")
