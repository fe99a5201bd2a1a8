"""After the posts are learnt: preferences, by TRL. They start from the adapter that the trainer wrote, and replace it.

dpo (Rafailov et al. 2023): for prompts of training posts the author's own text, and in a blind vote what was chosen, is to become likelier against
what the twin itself wrote, and what was not chosen. grpo (Shao et al. 2024): the twin writes several texts for a prompt and learns from those that
eval/environment.py gives more than their mean.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel
from pydantic import BaseModel, Field, ValidationError
from transformers import AutoModelForCausalLM, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer

from _shared import UserError, say
from eval.environment import WEIGHTS, WritingEnvironment
from eval.llama import Scorer
from eval.progress import counting
from eval.voices import AT_ONCE, Voice
from train import chat, memory
from train.cpu import loss_of
from train.export import write_twin
from train.logprobs import without_triton

TOKENS = 256  # of a text that is compared or rewarded: its beginning
BETA = 0.1  # of DPO, as in its paper; GRPO goes without the pull to its start, as TRL does
GENTLER = 10  # times: the learning rate under that of training, since the twin can write already
KEEP = 0.3  # weight of the author's likelihood beside DPO's own loss, without which both texts may become less likely
GROUP = 4  # texts for a prompt in GRPO


@dataclass(frozen=True)
class Decoding:
    """How the twin writes what it learns from: as it will be used, but shorter."""

    max_tokens: int
    temperature: float = 0.9
    top_p: float = 0.95
    repeat_penalty: float = 1.1


class Vote(BaseModel):
    """A line of train.votes."""

    prompt: str = Field(min_length=1)
    chosen: str = Field(min_length=1)
    rejected: str = Field(min_length=1)


without_triton()


class IdPairs(DPOTrainer):
    """DPOTrainer for pairs that are token ids already: a text that is cut has no end token, which TRL would put there."""

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset


class Told(TrainerCallback):
    """A line for every few steps."""

    def __init__(self, seen: list[dict]):
        self.seen = seen

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not logs or "loss" not in logs:
            return
        self.seen.append(logs)
        if state.global_step % max(1, state.max_steps // 8) == 0 or state.global_step == 1:
            what = {"chosen likelier": "rewards/accuracies", "margin": "rewards/margins", "reward": "reward"}
            told = "  ".join(f"{name} {float(logs[key]):.3f}" for name, key in what.items() if key in logs)
            say(f"preference step {state.global_step}/{state.max_steps}  loss {float(logs['loss']):.3f}  {told}")


def improve(job, examples: list[dict], system: str) -> dict:
    """Go on from the adapter in `job.folder` by job.params.method, on prompts of `examples` (openings, the newest first); returns numbers."""
    p = job.params
    asked = examples[: p.pairs]
    numbers = dpo(job, asked, system) if p.method == "dpo" else grpo(job, asked, [e["output"] for e in examples], system)
    return {"loss_after": loss_of(job.base, job.folder, job.valid_rows, p), "preference": {"method": p.method, **{k: round(float(v), 4) for k, v in numbers.items()}}}


def dpo(job, examples: list[dict], system: str) -> dict:
    tokenizer = job.base.tokenizer()
    rows = pairs(job, examples, system) + voted(job.params.votes, tokenizer, system)
    say(f"dpo: {len(rows)} pairs, {len(rows) - len(examples)} of them votes")
    seen: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        args = DPOConfig(
            **common(job, folder), beta=BETA, loss_type=["sigmoid", "sft"], loss_weights=[1.0, KEEP], precompute_ref_log_probs=True, precompute_ref_batch_size=1,
            max_length=None, per_device_train_batch_size=1, gradient_accumulation_steps=4,
        )  # fmt: skip
        trainer = IdPairs(adapted(job), args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
        finish(trainer, job, seen)
    last = seen[-max(1, len(seen) // 4) :]
    return {"pairs": len(rows), "votes": len(rows) - len(examples), "accuracy": mean(last, "rewards/accuracies"), "margin": mean(last, "rewards/margins"), "loss": mean(last, "loss")}


def pairs(job, examples: list[dict], system: str) -> list[dict]:
    """{prompt_ids, chosen_ids, rejected_ids}: the author's own text, and what the twin wrote, each at most TOKENS long."""
    tokenizer = job.base.tokenizer()
    voice = Voice("twin", system)
    rows = [chat.row_ids(tokenizer, voice.messages(e), e["output"]) for e in examples]
    longest = max(len(prompt) for prompt, _ in rows)
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder) / "twin.gguf"
        write_twin(job.base.gguf, job.folder, twin, "q8_0", tokenizer.chat_template, {"general.name": "twin"})
        with Scorer(twin, n_ctx=longest + TOKENS, sequences=min(AT_ONCE, len(examples))) as model, counting("the twin writes what it is to do better", len(examples)) as wrote:
            prompts = [prompt for prompt, _ in rows]
            answers = model.write(prompts, [Decoding(TOKENS)] * len(prompts), [job.params.seed + n for n in range(len(prompts))], wrote)
    return [{"prompt_ids": prompt, "chosen_ids": own[:TOKENS], "rejected_ids": answer["ids"][:TOKENS]} for (prompt, own), answer in zip(rows, answers, strict=True)]


def voted(file: str, tokenizer, system: str) -> list[dict]:
    """The same of blind votes, as GET /api/blind/pairs gives them: a JSON line {prompt, chosen, rejected} each."""
    if not Path(file).is_file():
        raise UserError(f"train.votes is {file}, which is not there: save what GET /api/blind/pairs gives, or set it to train/votes.jsonl, which is empty.")
    found = []
    for number, line in enumerate(Path(file).read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            vote = Vote.model_validate_json(line)
        except ValidationError:
            raise UserError(f"train.votes is {file}, which is not a JSON line {{prompt, chosen, rejected}} for each vote (line {number}): save what GET /api/blind/pairs gives.") from None
        asked = chat.messages({"instruction": vote.prompt}, system)
        prompt, chosen = chat.row_ids(tokenizer, asked, vote.chosen)
        found.append({"prompt_ids": prompt, "chosen_ids": chosen[:TOKENS], "rejected_ids": chat.row_ids(tokenizer, asked, vote.rejected)[1][:TOKENS]})
    return found


def grpo(job, examples: list[dict], posts: list[str], system: str) -> dict:
    tokenizer = job.base.tokenizer()
    prompts = [e["instruction"] for e in examples]
    environment = WritingEnvironment(prompts, posts)
    parts: list[dict] = []

    def reward(number, completions, **_) -> list[float]:
        found = []
        for n, completion in zip(number, completions, strict=True):
            environment.reset(options={"prompt": n})
            _, value, _, _, info = environment.step(completion[0]["content"])
            parts.append({**info, "reward": value})
            found.append(value)
        return found

    seen: list[dict] = []
    decoding = Decoding(TOKENS)
    with tempfile.TemporaryDirectory() as folder:
        args = GRPOConfig(
            **common(job, folder), per_device_train_batch_size=GROUP, num_generations=GROUP, max_completion_length=TOKENS,
            temperature=decoding.temperature, top_p=decoding.top_p, repetition_penalty=decoding.repeat_penalty,
        )  # fmt: skip
        rows = [{"prompt": chat.messages(e, system), "number": n} for n, e in enumerate(examples)]
        trainer = GRPOTrainer(adapted(job), reward_funcs=reward, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
        finish(trainer, job, seen)
    quarter = max(1, len(parts) // 4)
    return {"texts": len(parts), "reward_before": mean(parts[:quarter], "reward"), "reward_after": mean(parts[-quarter:], "reward"), **{name: mean(parts[-quarter:], name) for name in WEIGHTS}}


def common(job, folder: str) -> dict:
    """What both methods share, of TRL's arguments."""
    p = job.params
    gpu = torch.cuda.is_available()
    return {
        "output_dir": folder, "use_cpu": not gpu, "bf16": gpu and torch.cuda.is_bf16_supported(), "gradient_checkpointing": gpu, "num_train_epochs": 1, "max_steps": p.max_steps or -1,
        "learning_rate": p.learning_rate / GENTLER, "lr_scheduler_type": "cosine", "warmup_steps": p.warmup, "max_grad_norm": 1.0, "seed": p.seed, "logging_steps": 1,
        "save_strategy": "no", "report_to": [], "disable_tqdm": True,
    }  # fmt: skip


def adapted(job) -> PeftModel:
    """The base with the adapter that was trained, ready to be trained further."""
    model = AutoModelForCausalLM.from_pretrained(job.base.hf, dtype=torch.float32)
    model.config._name_or_path = model.name_or_path = job.base.repo
    return PeftModel.from_pretrained(model, job.folder, is_trainable=True)


def finish(trainer, job, seen: list[dict]) -> None:
    """Train, and put the adapter where the one before was."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Told(seen))
    trainer.train()
    trainer.accelerator.unwrap_model(trainer.model).save_pretrained(job.folder, selected_adapters=["default"], save_embedding_layers=False)
    for more in ("README.md", "training_args.bin"):
        (job.folder / more).unlink(missing_ok=True)
    memory.give_back()


def mean(rows: list[dict], key: str) -> float:
    values = [float(r[key]) for r in rows if key in r]
    return sum(values) / len(values) if values else float("nan")
