"""What DPO and GRPO share: the adapter they start from, TRL's arguments, what the twin writes, and progress."""

import math
import tempfile
from contextlib import nullcontext
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, TrainerCallback
from transformers.trainer_callback import PrinterCallback

from blogtwin import memory
from blogtwin.console import echo, progress_counter
from blogtwin.hardware import gpu_has_bf16, has_bf16
from blogtwin.models import chat
from blogtwin.models.gguf_export import write_merged_gguf
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from eval.systems import MAX_BATCH, System
from train.backend import on_gpu
from train.callbacks import save_adapter
from train.cpu import base_dtype

MAX_COMPLETION_TOKENS = 256  # of a text that is compared or rewarded: its beginning
LR_DIVISOR = 10  # times: the learning rate under that of training, since the twin can write already
PROMPTS_PER_STEP = 4  # prompts of a step in GRPO, pairs of a step in DPO


class ProgressLogger(TrainerCallback):
    """A line for every few steps."""

    def __init__(self, seen: list[dict]):
        self.seen = seen

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not logs or "loss" not in logs:
            return
        for name in ("loss", "grad_norm"):
            if not math.isfinite(float(logs.get(name, 0.0))):
                raise FloatingPointError(
                    f"the {name.replace('grad_norm', 'gradient')} of train.method became {float(logs[name])} at step"
                    f" {state.global_step}"
                )
        self.seen.append(logs)
        if state.global_step % max(1, state.max_steps // 8) == 0 or state.global_step == 1:
            what = {"chosen likelier": "rewards/accuracies", "margin": "rewards/margins", "reward": "reward"}
            told = "  ".join(f"{name} {float(logs[key]):.3f}" for name, key in what.items() if key in logs)
            echo(f"preference step {state.global_step}/{state.max_steps}  loss {float(logs['loss']):.3f}  {told}")


def encode_references(tokenizer, examples: list[dict], system: str) -> list[tuple[list[int], list[int]]]:
    """(prompt, the author's own text to its end), token ids, of each example."""
    voice = System("twin", system)
    return [chat.encode_example(tokenizer, voice.messages(e), e["output"]) for e in examples]


def generate(job, tokenizer, adapter: Path, prompts: list[list[int]], seed: int, why: str = "") -> list[dict]:
    """What the twin of an adapter writes for each prompt, at most TOKENS long: see LlamaModel.write. `why` is said, if
    anything is."""
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder) / "twin.gguf"
        write_merged_gguf(job.base.gguf, adapter, twin, "q8_0", tokenizer.chat_template, {"general.name": "twin"})
        with (
            LlamaModel(
                twin, n_ctx=max(map(len, prompts)) + MAX_COMPLETION_TOKENS, sequences=min(MAX_BATCH, len(prompts))
            ) as model,
            progress_counter(why, len(prompts)) if why else nullcontext(lambda n: None) as wrote,
        ):
            return model.write(
                prompts,
                [SamplingParams(MAX_COMPLETION_TOKENS)] * len(prompts),
                [seed + n for n in range(len(prompts))],
                wrote,
            )


def shared_arguments(job, folder: str) -> dict:
    """What both methods share, of TRL's arguments."""
    p, gpu = job.params, on_gpu(job.params.backend)
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


def load_adapter(job) -> PeftModel:
    """The base with the adapter that was trained, ready to be trained further."""
    model = AutoModelForCausalLM.from_pretrained(
        job.base.hf, dtype=torch.float32 if on_gpu(job.params.backend) else base_dtype()
    )
    model.config._name_or_path = model.name_or_path = job.base.repo
    return PeftModel.from_pretrained(model, job.folder, is_trainable=True)


def train_and_save(trainer, job, seen: list[dict]) -> None:
    """Train, and put the adapter where the one before was."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ProgressLogger(seen))
    trainer.train()
    save_adapter(trainer.accelerator.unwrap_model(trainer.model), job.folder)
    memory.release_free_memory()


def mean_of(rows: list[dict], key: str) -> float:
    values = [float(r[key]) for r in rows if key in r]
    return sum(values) / len(values) if values else float("nan")
