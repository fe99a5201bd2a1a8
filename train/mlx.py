"""LoRA on Apple silicon with mlx-lm; the adapter is turned into PEFT at the end, so that everything after is one path."""

import json
import math
import re
import resource
import time
from pathlib import Path

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
from mlx_lm import load
from mlx_lm.tuner.trainer import TrainingArgs, TrainingCallback, evaluate
from mlx_lm.tuner.trainer import train as train_model
from mlx_lm.tuner.utils import linear_to_lora_layers
from safetensors.numpy import save_file

from train.chat import row_ids

KEYS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


def train(job) -> dict:
    """Train the adapter of `job` with MLX; see train/backend.py for the contract."""
    started = time.perf_counter()
    p = job.params
    mx.random.seed(p.seed)
    np.random.seed(p.seed)
    model, _ = load(str(job.base.hf))
    model.freeze()
    scale = p.lora_alpha / p.lora_rank
    linear_to_lora_layers(model, len(model.layers), {"rank": p.lora_rank, "scale": scale, "dropout": p.lora_dropout, "keys": KEYS})
    tokenizer = job.base.tokenizer()
    rows, valid = tokenized(tokenizer, job.train_rows), tokenized(tokenizer, job.valid_rows)
    batch = min(p.batch_size * 2, len(rows))
    per_epoch = max(1, len(rows) // batch)
    steps = p.max_steps or per_epoch * p.epochs
    before = evaluate(model, valid, batch_size=1, num_batches=-1, max_seq_length=p.max_length)
    job.log.valid(0, 0, before)
    job.log.start(steps)
    best = BestEpoch(model, valid, job, per_epoch)
    warmup = max(1, round(steps * p.warmup))
    schedule = optim.join_schedules([optim.linear_schedule(0, p.learning_rate, warmup), optim.cosine_decay(p.learning_rate, max(1, steps - warmup))], [warmup])
    for start in range(0, steps, per_epoch):  # an epoch at a time, so that the best one can be kept
        n = min(per_epoch, steps - start)
        args = TrainingArgs(batch_size=batch, iters=n, val_batches=0, steps_per_report=1, steps_per_eval=10**9, steps_per_save=10**9, max_seq_length=p.max_length, adapter_file=str(job.folder / "mlx.safetensors"))
        optimizer = optim.Adam(learning_rate=lambda step, s=start: schedule(step + s))
        best.offset = start
        train_model(model, optimizer, rows, val_dataset=None, args=args, training_callback=best)
        best.look(start + n)
    job.log.stop()
    (job.folder / "mlx.safetensors").unlink(missing_ok=True)
    write_peft(best.weights, job.base.repo, p, job.folder)
    trainable = sum(v.size for v in best.weights.values())
    total = sum(v.size for _, v in mlx_flat(model.parameters()))
    return {
        "loss_before": before,
        "loss_after": best.loss,
        "best_epoch": best.epoch,
        "steps": steps,
        "tokens": job.log.tokens,
        "tokens_per_s": job.log.tokens / max(job.log.seconds, 1e-9),
        "trainable_share": trainable / total,
        "peak_memory_mb": max(mx.get_peak_memory(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 2**20,
        "seconds": time.perf_counter() - started,
        "dtype": "bf16",
        "device": str(mx.default_device()),
    }


def tokenized(tokenizer, rows: list[dict]) -> list[tuple[list[int], int]]:
    """Rows as mlx-lm's trainer takes them: (token ids, where the completion starts)."""
    out = []
    for row in rows:
        prompt, completion = row_ids(tokenizer, row["prompt"], row["completion"][0]["content"])
        out.append((prompt + completion, len(prompt)))
    return out


def mlx_flat(tree):
    from mlx.utils import tree_flatten

    return tree_flatten(tree)


class BestEpoch(TrainingCallback):
    """Passes mlx-lm's numbers to our log and keeps the weights of the best epoch."""

    def __init__(self, model, valid, job, per_epoch):
        self.model, self.valid, self.job, self.per_epoch = model, valid, job, per_epoch
        self.loss, self.epoch, self.weights, self.offset, self._tokens = math.inf, 0, {}, 0, 0

    def on_train_loss_report(self, info: dict) -> None:
        step = self.offset + info["iteration"]
        tokens = info["trained_tokens"] - (self._tokens if info["iteration"] > 1 else 0)
        self._tokens = info["trained_tokens"]
        self.job.log.step(step, info["train_loss"], info["learning_rate"], 0.0, tokens, tokens / max(info["tokens_per_second"], 1e-9))

    def look(self, step: int) -> None:
        loss = evaluate(self.model, self.valid, batch_size=1, num_batches=-1, max_seq_length=self.job.params.max_length)
        epoch = step / self.per_epoch
        self.job.log.valid(step, epoch, loss)
        if loss < self.loss:
            self.loss, self.epoch = loss, epoch
            self.weights = {k: mx.array(v) for k, v in mlx_flat(self.model.trainable_parameters())}


def write_peft(weights: dict, repo: str, p, folder: Path) -> None:
    """MLX LoRA → PEFT: A = lora_a.T (r × in), B = lora_b.T (out × r), alpha = scale × rank."""
    tensors = {}
    for name, value in weights.items():
        module, which = re.fullmatch(r"(.+)\.lora_([ab])", name).groups()
        tensors[f"base_model.model.{module}.lora_{which.upper()}.weight"] = np.array(value.astype(mx.float32)).T.copy()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": repo, "r": p.lora_rank, "lora_alpha": p.lora_alpha,
        "lora_dropout": p.lora_dropout, "bias": "none", "inference_mode": True, "target_modules": sorted({k.split(".")[-1] for k in KEYS}),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))
