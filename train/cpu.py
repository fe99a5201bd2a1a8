"""LoRA on any CPU: transformers + peft, TRL's SFTTrainer.

Where the time went, and what is done about it (README, «Speed»): rows are packed and padded to a few fixed shapes, so
that little is padding and oneDNN prepares its kernels once; attention stays inside a post; frozen weights are held in bf16 where the CPU multiplies it; the output
layer runs only where a label is, and gives its gradient on the way forward.
"""

import contextlib
import ctypes
import logging as python_logging
import math
import platform
import resource
import time

import torch
import torch.nn.functional as F
from datasets import Dataset
from datasets.utils.logging import disable_progress_bar
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from transformers import AttentionInterface, AutoModelForCausalLM, TrainerCallback
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.pytorch_utils import Conv1D
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

PAD = 128  # packed rows are padded up to this: a handful of shapes, for which oneDNN keeps its kernels, and little padding
CHUNK = 256  # labels per piece of the output layer: 256 × 49,152 logits in fp32 are 50 MB


def train(job) -> dict:
    """Train the adapter of `job` on this machine's CPU; see train/backend.py for the contract."""
    started = time.perf_counter()
    p = job.params
    logging.disable_progress_bar()
    disable_progress_bar()
    python_logging.getLogger("trl").setLevel(python_logging.ERROR)  # it warns of packing without flash attention: see attention_by_document
    bf16 = has_bf16()
    torch.manual_seed(p.seed)
    model = AutoModelForCausalLM.from_pretrained(job.base.hf, dtype=torch.bfloat16 if bf16 else torch.float32, attn_implementation="by_document")
    model.config._name_or_path = model.name_or_path = job.base.repo  # PEFT writes it down: no local path
    trainer = PackedTrainer(
        model,
        args=config(p, job.folder, bf16),
        train_dataset=Dataset.from_list(job.train_rows),
        eval_dataset=Dataset.from_list(job.valid_rows),
        processing_class=job.base.tokenizer(),
        peft_config=LoraConfig(r=p.lora_rank, lora_alpha=p.lora_alpha, lora_dropout=p.lora_dropout, target_modules=projections(model), task_type="CAUSAL_LM"),
    )
    if bf16:
        spare_input_copies(trainer.model)
    trainer.remove_callback(PrinterCallback)
    keeper = BestEpoch(trainer, job.log)
    trainer.add_callback(keeper)
    try:
        trainer.train()
    finally:
        job.log.stop()
    keeper.restore()
    trainer.model.save_pretrained(job.folder, save_embedding_layers=False)  # "auto" asks a hub
    (job.folder / "README.md").unlink(missing_ok=True)  # PEFT's model card template says nothing
    (job.folder / "training_args.bin").unlink(missing_ok=True)
    trainable, total = trainer.model.get_nb_trainable_parameters()
    return {
        "loss_before": keeper.losses[0],
        "loss_after": keeper.best,
        "best_epoch": keeper.best_epoch,
        "steps": trainer.state.global_step,
        "tokens": job.log.tokens,
        "tokens_per_s": job.log.tokens / job.log.seconds,
        "trainable_share": trainable / total,
        "peak_memory_mb": peak_memory_mb(),
        "seconds": time.perf_counter() - started,
        "dtype": "bf16" if bf16 else "fp32",
        "device": "cpu",
    }


def spare_input_copies(model) -> None:
    """Keep PEFT from casting each projection's input to fp32, the LoRA weights' type: autocast takes it back to bf16 in the next
    line, so nothing changes but the memory of all those copies, which wait for the way back."""
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.cast_input_dtype_enabled = False


def projections(model) -> list[str]:
    """Names of the attention and MLP projections: every linear layer but the output layer."""
    head = model.get_output_embeddings()
    return sorted({name.split(".")[-1] for name, module in model.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not head})


def config(p, folder, bf16: bool) -> SFTConfig:
    return SFTConfig(
        output_dir=str(folder),
        max_length=p.max_length,
        packing=True,
        packing_strategy="bfd",
        pad_to_multiple_of=PAD,
        per_device_train_batch_size=1,
        per_device_eval_batch_size=1,
        gradient_accumulation_steps=p.batch_size,
        gradient_checkpointing=False,
        num_train_epochs=p.epochs,
        max_steps=p.max_steps or -1,
        learning_rate=p.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=p.warmup,  # a number below one is a share of the steps
        max_grad_norm=1.0,
        seed=p.seed,
        use_cpu=True,
        bf16=bf16,
        logging_steps=1,
        save_strategy="no",
        eval_strategy="no",  # BestEpoch looks at the validation posts itself, weighted by token
        report_to=[],
        disable_tqdm=True,
        dataloader_num_workers=0,
    )


class PackedTrainer(SFTTrainer):
    """SFTTrainer whose loss runs the output layer only where a label is, and attention only inside a post."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"]
        with self.accelerator.autocast():  # which accelerate wraps around model.forward only, and this goes past it
            loss, count = summed_loss(self.accelerator.unwrap_model(model), inputs)
        # num_items_in_batch counts the labels of all rows of one optimiser step, so that accumulation weighs by token
        loss = loss / (count if num_items_in_batch is None else num_items_in_batch)
        return (loss, {"labels": labels}) if return_outputs else loss


def summed_loss(model, inputs: dict) -> tuple[torch.Tensor, int]:
    """(summed negative log-likelihood in nats, labels counted) of a packed batch. `model` is a PeftModel."""
    base = model.get_base_model()
    labels = inputs["labels"][:, 1:]
    position_ids = inputs["position_ids"]
    # each document starts at position 0; padding is a row of zeros, which is one more document that nothing is learnt from
    starts = [i for i, p in enumerate(position_ids[0].tolist()) if p == 0]
    last = next((n for n, at in enumerate(starts) if starts[n:] == list(range(at, position_ids.shape[1]))), len(starts))
    bounds = [*starts[: last + 1], position_ids.shape[1]]
    hidden = base.base_model(input_ids=inputs["input_ids"], position_ids=position_ids, use_cache=False, documents=bounds).last_hidden_state
    kept = labels != -100
    hidden, labels = hidden[:, :-1][kept], labels[kept]
    head = base.get_output_embeddings()
    cap = getattr(base.config, "final_logit_softcapping", None)  # Gemma 2
    return OutputLoss.apply(hidden, head.weight, labels, cap), int(kept.sum())


class OutputLoss(torch.autograd.Function):
    """Summed cross-entropy of the frozen output layer, whose gradient is computed on the way forward, a piece at a time.

    With p = softmax(h Wᵀ), d loss / d h = (p − onehot(y)) W: the logits of a piece serve loss and gradient and are forgotten.
    With a soft cap c, z ↦ c tanh(z / c) before the softmax, the factor 1 − (z / c)² joins the gradient.
    """

    @staticmethod
    def forward(ctx, hidden, weight, labels, cap):
        total, grads = hidden.new_zeros((), dtype=torch.float32), []
        for h, y in zip(hidden.split(CHUNK), labels.split(CHUNK)):
            z = F.linear(h.to(weight.dtype), weight).float()
            if cap:
                z = cap * torch.tanh(z / cap)
            norm = z.logsumexp(-1, keepdim=True)
            at = torch.arange(len(y))
            total += (norm[:, 0] - z[at, y]).sum()
            if ctx.needs_input_grad[0]:
                slope = (1 - (z / cap) ** 2) if cap else None
                p = z.sub_(norm).exp_()
                p[at, y] -= 1
                grads.append((p if slope is None else p * slope).to(weight.dtype) @ weight)
        ctx.grad = torch.cat(grads).to(hidden.dtype) if grads else None
        return total

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.grad * grad_output, None, None, None


def attention_by_document(module, query, key, value, attention_mask, documents=None, **kwargs):
    """Causal attention inside each document of a packed row: no mask, and no work across documents. (batch 1, heads, length, width)"""
    kwargs.pop("is_causal", None)
    outputs = [
        sdpa_attention_forward(module, query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], None, is_causal=True, **kwargs)[0]
        for a, b in zip(documents, documents[1:])
    ]
    return torch.cat(outputs, dim=1), None


AttentionInterface.register("by_document", attention_by_document)


class BestEpoch(TrainerCallback):
    """Times the steps, measures the validation loss before training and after each epoch, and keeps the best adapter."""

    def __init__(self, trainer: SFTTrainer, log):
        self.trainer, self.log = trainer, log
        self.losses: list[float] = []
        self.best, self.best_epoch, self._weights = math.inf, 0, None
        dataset = trainer.train_dataset
        self.tokens_per_step = sum(len(ids) for ids in dataset["input_ids"]) / len(dataset) * trainer.args.gradient_accumulation_steps

    def measure(self) -> float:
        """Mean negative log-likelihood per label over the validation posts, in nats."""
        model = self.trainer.model
        model.eval()
        total, count = 0.0, 0
        with torch.no_grad(), self.trainer.accelerator.autocast():
            for inputs in self.trainer.get_eval_dataloader():
                loss, n = summed_loss(self.trainer.accelerator.unwrap_model(model), inputs)
                total, count = total + loss.item(), count + n
        model.train()
        return total / max(1, count)

    def on_train_begin(self, args, state, control, **kwargs):
        loss = self.measure()
        self.losses.append(loss)
        self.log.valid(0, 0, loss)
        self.log.start(state.max_steps)

    def on_step_begin(self, args, state, control, **kwargs):
        self._step_started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self._step_seconds = time.perf_counter() - self._step_started
        if state.global_step % 8 == 0:  # not every step: it costs the page faults that the next one pays
            give_back_memory()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise FloatingPointError(f"the loss became {logs['loss']} at step {state.global_step}")
            self.log.step(state.global_step, float(logs["loss"]), float(logs["learning_rate"]), float(logs["grad_norm"]), round(self.tokens_per_step), self._step_seconds)

    def on_epoch_end(self, args, state, control, **kwargs):
        loss = self.measure()
        self.losses.append(loss)
        epoch = round(state.epoch, 2)
        self.log.valid(state.global_step, epoch, loss)
        if loss < self.best:
            self.best, self.best_epoch = loss, epoch
            self._weights = {k: v.detach().clone() for k, v in get_peft_model_state_dict(self.trainer.model, save_embedding_layers=False).items()}

    def restore(self) -> None:
        """Put the best epoch's adapter back into the model."""
        if self._weights is not None and self.best < self.losses[-1]:
            set_peft_model_state_dict(self.trainer.model, self._weights)


def has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware; without, bf16 is slower than fp32."""
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return bool(supported or getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def give_back_memory() -> None:
    """Hand what malloc keeps back to the kernel: rows of changing length fragment its heap, which grew from 3 to 4.6 GB in 100 steps."""
    if platform.system() == "Linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc: nothing to mend
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)
