"""The CPU trainer's speed compared with TRL's own and with the machine's matrix-product roofline.
scripts/bench_train.py runs each in a process of its own."""

import tempfile
import time
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from blogtwin.config import Params, load_params
from blogtwin.files import read_jsonl
from blogtwin.models.registry import BaseModelFiles
from blogtwin.paths import SPLIT_DIR

NUM_TRL_STEPS = 2  # of TRL with its defaults: 8 rows each


class Measurement(TypedDict):
    """How fast a training run was."""

    tokens_per_s: float  # in steps
    peak_memory_mb: float  # MiB
    loss: NotRequired[float]  # validation loss at the end, nats per label


class Roofline(TypedDict):
    """The speed of the machine's matrix products."""

    dtype: str  # bfloat16 or float32
    gflops: float  # GFLOP/s, the best of several tries
    tokens_per_s: float  # of training, if it did nothing but matrix products at that speed


def load_rows(params: Params) -> tuple[list[dict], list[dict]]:
    """(training rows, validation rows) of data/split, as TRL's conversational rows."""
    from blogtwin.models import chat
    from corpus.examples import post_examples

    def rows(split: str) -> list[dict]:
        examples = post_examples(read_jsonl(SPLIT_DIR / f"{split}.jsonl"))
        return [chat.to_trl_row(e, params.prepare.system) for e in examples]

    return rows("train"), rows("valid")


def bench_ours(params: Params, base: BaseModelFiles, steps: int) -> Measurement:
    """Train `steps` optimiser steps with train/cpu.py."""
    from train import backend
    from train.checkpoints import Checkpoints
    from train.training_log import TrainingLog

    train, valid = load_rows(params)
    settings = params.train.model_copy(update={"max_steps": steps, "save_steps": steps + 1})
    with tempfile.TemporaryDirectory() as folder:
        log = TrainingLog()
        job = backend.TrainingJob(
            base, train, valid, settings, Path(folder), log, Checkpoints(Path(folder) / "checkpoints", {})
        )
        metrics = backend.train("cpu", job)
    return {
        "tokens_per_s": metrics["tokens_per_s"],
        "loss": metrics["loss_after"],
        "peak_memory_mb": metrics["peak_memory_mb"],
    }


def bench_trl(params: Params, base: BaseModelFiles, steps: int, packed: bool) -> Measurement:
    """Train `steps` optimiser steps with TRL's SFTTrainer on the same rows. `packed`: with packing, batch size and
    learning rate as in train/cpu.py; else with TRL's defaults."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from blogtwin import hardware, memory
    from train import cpu
    from train.trl_compat import patch_trl_for_cpu

    class StepClock(TrainerCallback):
        seconds = 0.0  # in steps, without what is between them

        def on_step_begin(self, *args: object, **kwargs: object) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *args: object, **kwargs: object) -> None:
            self.seconds += time.perf_counter() - self.started

    patch_trl_for_cpu()
    p = params.train
    train, valid = load_rows(params)
    torch.manual_seed(p.seed)
    model = AutoModelForCausalLM.from_pretrained(base.hf, dtype=torch.float32)
    lora = LoraConfig(
        r=p.lora_rank,
        lora_alpha=p.lora_alpha,
        lora_dropout=p.lora_dropout,
        target_modules=cpu.lora_target_modules(model),
        task_type="CAUSAL_LM",
    )
    ours = cpu.sft_config(p.model_copy(update={"max_steps": steps}), "", hardware.has_bf16())
    with tempfile.TemporaryDirectory() as folder:
        common: dict[str, Any] = {
            "output_dir": folder,
            "use_cpu": True,
            "max_steps": steps,
            "max_length": p.max_length,
            "save_strategy": "no",
            "report_to": [],
            "disable_tqdm": True,
            "seed": p.seed,
            "include_num_input_tokens_seen": "non_padding",
        }
        as_ours = {
            name: getattr(ours, name)
            for name in (
                "packing",
                "packing_strategy",
                "per_device_train_batch_size",
                "gradient_accumulation_steps",
                "gradient_checkpointing",
                "learning_rate",
                "lr_scheduler_type",
                "warmup_steps",
                "max_grad_norm",
            )
        }
        args = SFTConfig(**common, **(as_ours if packed else {}))
        trainer = SFTTrainer(
            model,
            args=args,
            train_dataset=Dataset.from_list(train),
            processing_class=base.tokenizer(),
            peft_config=lora,
        )
        clock = StepClock()
        trainer.add_callback(clock)
        trainer.train()
        measurement: Measurement = {
            "tokens_per_s": trainer.state.num_input_tokens_seen / clock.seconds,
            "peak_memory_mb": memory.peak_mb(),
        }
        if packed:
            trainer.model.save_pretrained(folder, save_embedding_layers=False)
            measurement["loss"] = cpu.evaluate_adapter(base, folder, valid, p)
    return measurement


def matmul_roofline(base: BaseModelFiles) -> Roofline:
    """Measure matrix products. LoRA needs 4 floating-point operations per weight and token: a multiplication and an
    addition forward, and the same backward to the activations, as the frozen weights get no gradient."""
    import torch
    from safetensors.torch import load_file

    from blogtwin import hardware

    dtype = torch.bfloat16 if hardware.has_bf16() else torch.float32
    a = torch.randn(2048, 2048).to(dtype)
    speeds = []
    for _ in range(6):
        started = time.perf_counter()
        for _ in range(4):
            a @ a
        speeds.append(4 * 2 * 2048**3 / (time.perf_counter() - started) / 1e9)
    weights = sum(w.numel() for file in base.hf.glob("*.safetensors") for w in load_file(file).values())
    return {
        "dtype": str(dtype).removeprefix("torch."),
        "gflops": max(speeds),
        "tokens_per_s": max(speeds) * 1e9 / 4 / weights,
    }


def run_worker(run: str, steps: int) -> Measurement | Roofline:
    """Measure one of the runs that bench_train.py starts: ours, packed, stock or roof."""
    from blogtwin.models.registry import resolve_base

    params = load_params()
    base = resolve_base(params.train.base)
    if run == "ours":
        return bench_ours(params, base, steps)
    if run == "roof":
        return matmul_roofline(base)
    return bench_trl(params, base, NUM_TRL_STEPS if run == "stock" else steps, run == "packed")
