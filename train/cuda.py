"""LoRA on NVIDIA, AMD and Intel GPUs with unsloth. unsloth only trains: the adapter is plain PEFT, and export is ours.

unsloth must be imported before transformers, so this module is imported only once backend.py has picked it.
"""

import math
import time

# unsloth patches what is imported after it, so it comes first
# isort: off
import unsloth
from unsloth import FastLanguageModel

# isort: on
import torch
from datasets import Dataset
from peft import set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from _shared import WEIGHTS

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def train(job) -> dict:
    """Train the adapter of `job` on the GPU; see train/backend.py for the contract."""
    started = time.perf_counter()
    p = job.params
    bf16 = torch.cuda.is_bf16_supported()
    model, _ = FastLanguageModel.from_pretrained(str(job.base.hf), max_seq_length=p.max_length, load_in_4bit=False, dtype=torch.bfloat16 if bf16 else torch.float16)
    model = FastLanguageModel.get_peft_model(model, r=p.lora_rank, lora_alpha=p.lora_alpha, lora_dropout=p.lora_dropout, target_modules=TARGETS, use_gradient_checkpointing="unsloth", random_state=p.seed)
    if job.start:
        set_peft_model_state_dict(model, load_file(job.start / WEIGHTS))
    steps_per_epoch = math.ceil(len(job.train_rows) / (8 * p.batch_size))
    config = SFTConfig(
        output_dir=str(job.folder), max_length=p.max_length, per_device_train_batch_size=8, gradient_accumulation_steps=p.batch_size,
        num_train_epochs=p.epochs, max_steps=p.max_steps or -1, learning_rate=p.learning_rate, lr_scheduler_type="cosine", warmup_steps=p.warmup,
        seed=p.seed, bf16=bf16, fp16=not bf16, logging_steps=1, eval_strategy="epoch", save_strategy="epoch", save_total_limit=1,
        load_best_model_at_end=not p.max_steps, metric_for_best_model="eval_loss", greater_is_better=False, report_to=[], disable_tqdm=True,
    )
    trainer = SFTTrainer(model, args=config, train_dataset=Dataset.from_list(job.train_rows), eval_dataset=Dataset.from_list(job.valid_rows), processing_class=job.base.tokenizer())
    before = trainer.evaluate()["eval_loss"]
    job.log.valid(0, 0, before)
    job.log.start(p.max_steps or steps_per_epoch * p.epochs)
    reporter = Reporter(job.log)
    trainer.add_callback(reporter)
    try:
        trainer.train()
    finally:
        job.log.stop()
    for part in model.peft_config.values():
        part.base_model_name_or_path = job.base.repo
    model.save_pretrained(job.folder)
    trainable = sum(q.numel() for q in model.parameters() if q.requires_grad)
    return {
        "loss_before": before,
        "loss_after": min(v[2] for v in job.log.valids[1:]),  # the trainer keeps the best of what it trained
        "best_epoch": min(job.log.valids[1:], key=lambda v: v[2])[1],
        "steps": trainer.state.global_step,
        "tokens": trainer.state.num_input_tokens_seen or job.log.tokens,
        "tokens_per_s": job.log.tokens / max(job.log.seconds, 1e-9),
        "trainable_share": trainable / sum(q.numel() for q in model.parameters()),
        "peak_memory_mb": torch.cuda.max_memory_allocated() / 2**20,
        "seconds": time.perf_counter() - started,
        "dtype": "bf16" if bf16 else "fp16",
        "device": torch.cuda.get_device_name(0),
        "unsloth": unsloth.__version__,
    }


class Reporter(TrainerCallback):
    """Passes the trainer's numbers to our log."""

    def __init__(self, log):
        self.log, self._tokens, self._at = log, 0, time.perf_counter()

    def on_log(self, args, state, control, logs=None, **kwargs):
        logs = logs or {}
        if "eval_loss" in logs:
            self.log.valid(state.global_step, round(state.epoch, 2), logs["eval_loss"])
        elif "loss" in logs:
            now, tokens = time.perf_counter(), int(logs.get("num_tokens", self._tokens))
            self.log.step(state.global_step, logs["loss"], logs.get("learning_rate", 0.0), logs.get("grad_norm", 0.0), tokens - self._tokens, now - self._at)
            self._tokens, self._at = tokens, now
