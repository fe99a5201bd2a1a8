"""The CPU trainer's speed beside TRL's own and the machine's matrix-product roofline, one worker process each."""

import tempfile
import time
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.files import read_jsonl
from blogtwin.paths import SPLIT_DIR

NUM_TRL_STEPS = 2  # of TRL by its defaults: 8 rows each


def load_rows(params) -> tuple[list[dict], list[dict]]:
    from blogtwin.models import chat
    from corpus.examples import post_examples

    return tuple(
        [chat.to_trl_row(e, params.prepare.system) for e in post_examples(read_jsonl(SPLIT_DIR / f"{split}.jsonl"))]
        for split in ("train", "valid")
    )


def bench_ours(params, base, steps: int) -> dict:
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


def bench_trl(params, base, steps: int, packed: bool) -> dict:
    """TRL's SFTTrainer on the same rows. `packed`: rows, batches and learning rate as ours; else its defaults."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from blogtwin import hardware, memory
    from train import cpu
    from train.trl_compat import patch_trl_for_cpu

    class Clock(TrainerCallback):
        seconds = 0.0  # in steps

        def on_step_begin(self, *args, **kwargs):
            self.started = time.perf_counter()

        def on_step_end(self, *args, **kwargs):
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
    own = cpu.sft_config(p.model_copy(update={"max_steps": steps}), "", hardware.has_bf16())
    with tempfile.TemporaryDirectory() as folder:
        common = {
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
            name: getattr(own, name)
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
        clock = Clock()
        trainer.add_callback(clock)
        trainer.train()
        found = {
            "tokens_per_s": trainer.state.num_input_tokens_seen / clock.seconds,
            "peak_memory_mb": memory.peak_mb(),
        }
        if packed:
            trainer.model.save_pretrained(folder, save_embedding_layers=False)
            found["loss"] = cpu.evaluate_adapter(base, folder, valid, p)
    return found


def matmul_roofline(base) -> dict:
    """Tokens/s if nothing but matrix products were done, at the speed of the machine's best one: forward, and back to
    the activations through frozen weights, are 4 floating-point operations for each weight and token."""
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


def run_worker(what: str, steps: int) -> dict:
    from blogtwin.models.registry import resolve_base

    params = load_params()
    base = resolve_base(params.train.base)
    if what == "ours":
        return bench_ours(params, base, steps)
    if what == "roof":
        return matmul_roofline(base)
    return bench_trl(params, base, NUM_TRL_STEPS if what == "stock" else steps, what == "packed")
