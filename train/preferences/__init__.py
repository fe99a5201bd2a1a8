"""After the posts are learnt: preferences, by TRL. They start from the adapter that the trainer wrote, and replace it.

dpo (Rafailov et al. 2023): for prompts of training posts the author's own text, and in a blind vote what was chosen, is to become likelier against
what the twin itself wrote, and what was not chosen. grpo (Shao et al. 2024): the twin writes several texts for a prompt and learns from those that
eval/rewards.py gives more than their mean. In one process; what was learnt from the posts is kept as a checkpoint meanwhile.
"""

import math
import os
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer

from blogtwin import memory
from blogtwin.console import counting, say
from blogtwin.errors import UserError
from blogtwin.hardware import gpu_has_bf16, has_bf16
from blogtwin.models import chat
from blogtwin.models.gguf_export import write_twin
from blogtwin.models.llama_cpp import Scorer
from blogtwin.schemas import PreferencePair
from eval.rewards import WEIGHTS, Rewards, total
from eval.systems import AT_ONCE, Voice
from train.backend import on_gpu
from train.callbacks import save_adapter
from train.cpu import frozen, loss_of
from train.kernels import fused
from train.trl_compat import without_triton

TOKENS = 256  # of a text that is compared or rewarded: its beginning
BETA = 0.1  # of DPO, as in its paper; GRPO goes without the pull to its start, as TRL does
GENTLER = 10  # times: the learning rate under that of training, since the twin can write already
KEEP = 0.3  # weight of the author's likelihood beside DPO's own loss, without which both texts may become less likely
GROUP = 4  # texts for a prompt in GRPO
AT_A_TIME = 4  # prompts of a step in GRPO, pairs of a step in DPO
TRIED = 10  # prompts whose texts are rewarded before and after GRPO


@dataclass(frozen=True)
class Decoding:
    """How the twin writes what it learns from: as it will be used, but shorter."""

    max_tokens: int
    temperature: float = 0.9
    top_p: float = 0.95
    repeat_penalty: float = 1.1


without_triton()
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # of rollout_func


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
        for name in ("loss", "grad_norm"):
            if not math.isfinite(float(logs.get(name, 0.0))):
                raise FloatingPointError(f"the {name.replace('grad_norm', 'gradient')} of train.method became {float(logs[name])} at step {state.global_step}")
        self.seen.append(logs)
        if state.global_step % max(1, state.max_steps // 8) == 0 or state.global_step == 1:
            what = {"chosen likelier": "rewards/accuracies", "margin": "rewards/margins", "reward": "reward"}
            told = "  ".join(f"{name} {float(logs[key]):.3f}" for name, key in what.items() if key in logs)
            say(f"preference step {state.global_step}/{state.max_steps}  loss {float(logs['loss']):.3f}  {told}")


def improve(job, examples: list[dict], system: str) -> dict:
    """Go on from the adapter in `job.folder` by job.params.method, on prompts of `examples` (openings, the newest first); returns numbers."""
    p = job.params
    asked = examples[: p.pairs]
    try:
        numbers = dpo(job, asked, system) if p.method == "dpo" else grpo(job, asked, [e["output"] for e in examples], system)
    except (RuntimeError, MemoryError) as e:
        if not memory.ran_out(e):
            raise
        raise UserError(f"Memory ran out in train.method={p.method}: set train.method to sft, or train on a smaller train.base.") from None
    except KeyboardInterrupt:
        newest = job.checkpoints.newest()
        goes_on = f"goes on from {newest}, what the posts taught" if newest else "begins anew"
        raise KeyboardInterrupt(f"stopped in train.method={p.method}, whose steps are not kept; the same command {goes_on}.") from None
    return {"loss_after": loss_of(job.base, job.folder, job.valid_rows, p), "seconds": job.log.spent(), "preference": {"method": p.method, **{k: round(float(v), 4) for k, v in numbers.items()}}}


def dpo(job, examples: list[dict], system: str) -> dict:
    tokenizer = job.base.tokenizer()
    rows = pairs(job, examples, system) + voted(job.params.votes, tokenizer, system)
    say(f"dpo: {len(rows)} pairs, {len(rows) - len(examples)} of them votes")
    seen: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        args = DPOConfig(
            **common(job, folder), beta=BETA, loss_type=["sigmoid", "sft"], loss_weights=[1.0, KEEP], precompute_ref_log_probs=True, precompute_ref_batch_size=1,
            max_length=None, per_device_train_batch_size=1, gradient_accumulation_steps=AT_A_TIME,
        )  # fmt: skip
        trainer = IdPairs(adapted(job), args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
        finish(trainer, job, seen)
    last = seen[-max(1, len(seen) // 4) :]
    return {"pairs": len(rows), "votes": len(rows) - len(examples), "accuracy": mean(last, "rewards/accuracies"), "margin": mean(last, "rewards/margins"), "loss": mean(last, "loss")}


def pairs(job, examples: list[dict], system: str) -> list[dict]:
    """{prompt_ids, chosen_ids, rejected_ids}: the author's own text, and what the twin wrote, each at most TOKENS long."""
    tokenizer = job.base.tokenizer()
    rows = own_rows(tokenizer, examples, system)
    answers = written(job, tokenizer, job.folder, [prompt for prompt, _ in rows], job.params.seed, "the twin writes what it is to do better")
    return [{"prompt_ids": prompt, "chosen_ids": own[:TOKENS], "rejected_ids": answer["ids"][:TOKENS]} for (prompt, own), answer in zip(rows, answers, strict=True)]


def own_rows(tokenizer, examples: list[dict], system: str) -> list[tuple[list[int], list[int]]]:
    """(prompt, the author's own text to its end), token ids, of each example."""
    voice = Voice("twin", system)
    return [chat.row_ids(tokenizer, voice.messages(e), e["output"]) for e in examples]


def written(job, tokenizer, adapter: Path, prompts: list[list[int]], seed: int, why: str = "") -> list[dict]:
    """What the twin of an adapter writes for each prompt, at most TOKENS long: see Scorer.write. `why` is said, if anything is."""
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder) / "twin.gguf"
        write_twin(job.base.gguf, adapter, twin, "q8_0", tokenizer.chat_template, {"general.name": "twin"})
        with Scorer(twin, n_ctx=max(map(len, prompts)) + TOKENS, sequences=min(AT_ONCE, len(prompts))) as model, counting(why, len(prompts)) if why else nullcontext(lambda n: None) as wrote:
            return model.write(prompts, [Decoding(TOKENS)] * len(prompts), [seed + n for n in range(len(prompts))], wrote)


def voted(file: str, tokenizer, system: str) -> list[dict]:
    """The same of blind votes: a file of PreferencePair rows, a JSON line each, as GET /api/blind/pairs gives them. Raises UserError."""
    if not Path(file).is_file():
        raise UserError(f"train.votes is {file}, which is not there: save the answer of GET /api/blind/pairs under that name, or set train.votes to train/votes.jsonl, which is empty.")
    found = []
    for number, line in enumerate(Path(file).read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            pair = PreferencePair.model_validate_json(line)
        except ValidationError as e:
            first = e.errors()[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
            raise UserError(f"train.votes is {file}, whose line {number} is not a JSON line {{prompt, chosen, rejected}} of chat messages ({why}): save the answer of GET /api/blind/pairs as it is.") from None
        asked = [{"role": m.role, "content": m.content.strip()} for m in pair.prompt]
        if asked[0]["role"] != "system":
            asked.insert(0, {"role": "system", "content": system.strip()})
        prompt, chosen = chat.row_ids(tokenizer, asked, pair.chosen[0].content)
        rejected = chat.row_ids(tokenizer, asked, pair.rejected[0].content)[1]
        found.append({"prompt_ids": prompt, "chosen_ids": chosen[:TOKENS], "rejected_ids": rejected[:TOKENS]})
    return found


def grpo(job, examples: list[dict], posts: list[str], system: str) -> dict:
    tokenizer = job.base.tokenizer()
    rewards = Rewards(posts, [e["instruction"] for e in examples])
    own = own_rows(tokenizer, examples, system)

    def parts(number: int, text: str, ids: list[int]) -> dict[str, float]:
        """Of a text for that example. To stop is to end where the author's own text does: within TOKENS, or not."""
        ended, authors = (tokenizer.eos_token_id in some[:TOKENS] for some in (ids, own[number][1]))
        found = rewards.parts(text, examples[number]["instruction"], ended == authors)
        return {**found, "reward": total(found)}

    def rollout(asked, trainer) -> dict:
        """Texts for prompts, each GROUP times, written by llama.cpp: transformers would take most of a step for them on a CPU."""
        ids = [chat.prompt_ids(tokenizer, messages) for messages in asked]
        with tempfile.TemporaryDirectory() as adapter:
            save_adapter(trainer.accelerator.unwrap_model(trainer.model), adapter)
            answers = written(job, tokenizer, Path(adapter), ids, job.params.seed + 1000 * (1 + trainer.state.global_step))
        return {"prompt_ids": ids, "completion_ids": [answer["ids"] for answer in answers], "logprobs": None}

    def reward(number, completions, completion_ids, **_) -> list[float]:
        return [parts(n, completion[0]["content"], ids)["reward"] for n, completion, ids in zip(number, completions, completion_ids, strict=True)]

    def tried(when: str) -> list[dict]:
        """The parts of what the twin now writes for some of the prompts, with the same random numbers each time."""
        answers = written(job, tokenizer, job.folder, [prompt for prompt, _ in own[:TRIED]], job.params.seed, f"the twin writes {when}")
        return [parts(n, answer["text"], answer["ids"]) for n, answer in enumerate(answers)]

    seen: list[dict] = []
    before = tried("before grpo")
    with tempfile.TemporaryDirectory() as folder:
        args = GRPOConfig(
            **common(job, folder), per_device_train_batch_size=GROUP, num_generations=GROUP, max_completion_length=TOKENS,
            gradient_accumulation_steps=min(AT_A_TIME, len(examples)),
        )  # fmt: skip
        rows = [{"prompt": chat.messages(e, system), "number": n} for n, e in enumerate(examples)]
        model = adapted(job)
        if not on_gpu(job.params.backend):
            fused.fuse(model)
        trainer = GRPOTrainer(model, reward_funcs=reward, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer, rollout_func=rollout)
        finish(trainer, job, seen)
    after = tried("after grpo")
    return {"prompts": len(examples), "reward_before": mean(before, "reward"), "reward_after": mean(after, "reward"), **{name: mean(after, name) for name in WEIGHTS}}


def common(job, folder: str) -> dict:
    """What both methods share, of TRL's arguments."""
    p, gpu = job.params, on_gpu(job.params.backend)
    return {
        "output_dir": folder, "use_cpu": not gpu, "bf16": gpu_has_bf16() if gpu else has_bf16(), "gradient_checkpointing": gpu, "num_train_epochs": 1, "max_steps": p.max_steps or -1,
        "learning_rate": p.learning_rate / GENTLER, "lr_scheduler_type": "cosine", "warmup_steps": p.warmup, "max_grad_norm": 1.0, "seed": p.seed, "logging_steps": 1,
        "logging_nan_inf_filter": False, "save_strategy": "no", "report_to": [], "disable_tqdm": True,
    }  # fmt: skip


def adapted(job) -> PeftModel:
    """The base with the adapter that was trained, ready to be trained further."""
    model = AutoModelForCausalLM.from_pretrained(job.base.hf, dtype=torch.float32 if on_gpu(job.params.backend) else frozen())
    model.config._name_or_path = model.name_or_path = job.base.repo
    return PeftModel.from_pretrained(model, job.folder, is_trainable=True)


def finish(trainer, job, seen: list[dict]) -> None:
    """Train, and put the adapter where the one before was."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Told(seen))
    trainer.train()
    save_adapter(trainer.accelerator.unwrap_model(trainer.model), job.folder)
    memory.give_back()


def mean(rows: list[dict], key: str) -> float:
    values = [float(r[key]) for r in rows if key in r]
    return sum(values) / len(values) if values else float("nan")
