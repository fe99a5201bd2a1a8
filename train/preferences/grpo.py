"""Group relative policy optimisation (Shao et al. 2024): of several texts for a prompt, those that the reward
prefers."""

import tempfile
from pathlib import Path

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from blogtwin.models import chat
from eval.rewards import WEIGHTS, RewardFunction, weighted_sum
from train.backend import on_gpu
from train.callbacks import save_adapter
from train.kernels import fused
from train.preferences.common import (
    MAX_COMPLETION_TOKENS,
    PROMPTS_PER_STEP,
    encode_references,
    generate,
    load_adapter,
    mean_of,
    shared_arguments,
    train_and_save,
)

NUM_GENERATIONS = 4  # texts for a prompt in GRPO
NUM_EVAL_PROMPTS = 10  # prompts whose texts are rewarded before and after GRPO


def run_grpo(job, examples: list[dict], posts: list[str], system: str) -> dict:
    tokenizer = job.base.tokenizer()
    rewards = RewardFunction(posts, [e["instruction"] for e in examples])
    own = encode_references(tokenizer, examples, system)

    def parts(number: int, text: str, ids: list[int]) -> dict[str, float]:
        """Of a text for that example. To stop is to end where the author's own text does: within TOKENS, or not."""
        ended, authors = (tokenizer.eos_token_id in some[:MAX_COMPLETION_TOKENS] for some in (ids, own[number][1]))
        found = rewards.components(text, examples[number]["instruction"], ended == authors)
        return {**found, "reward": weighted_sum(found)}

    def rollout(asked, trainer) -> dict:
        """Texts for prompts, each GROUP times, written by llama.cpp: transformers would take most of a step for them on
        a CPU."""
        ids = [chat.encode_prompt(tokenizer, messages) for messages in asked]
        with tempfile.TemporaryDirectory() as adapter:
            save_adapter(trainer.accelerator.unwrap_model(trainer.model), adapter)
            answers = generate(
                job, tokenizer, Path(adapter), ids, job.params.seed + 1000 * (1 + trainer.state.global_step)
            )
        return {"prompt_ids": ids, "completion_ids": [answer["ids"] for answer in answers], "logprobs": None}

    def reward(number, completions, completion_ids, **_) -> list[float]:
        return [
            parts(n, completion[0]["content"], ids)["reward"]
            for n, completion, ids in zip(number, completions, completion_ids, strict=True)
        ]

    def tried(when: str) -> list[dict]:
        """The parts of what the twin now writes for some of the prompts, with the same random numbers each time."""
        answers = generate(
            job,
            tokenizer,
            job.folder,
            [prompt for prompt, _ in own[:NUM_EVAL_PROMPTS]],
            job.params.seed,
            f"the twin writes {when}",
        )
        return [parts(n, answer["text"], answer["ids"]) for n, answer in enumerate(answers)]

    seen: list[dict] = []
    before = tried("before grpo")
    with tempfile.TemporaryDirectory() as folder:
        args = GRPOConfig(
            **shared_arguments(job, folder),
            per_device_train_batch_size=NUM_GENERATIONS,
            num_generations=NUM_GENERATIONS,
            max_completion_length=MAX_COMPLETION_TOKENS,
            gradient_accumulation_steps=min(PROMPTS_PER_STEP, len(examples)),
        )
        rows = [{"prompt": chat.prompt_messages(e, system), "number": n} for n, e in enumerate(examples)]
        model = load_adapter(job)
        if not on_gpu(job.params.backend):
            fused.apply_fused_forwards(model)
        trainer = GRPOTrainer(
            model,
            reward_funcs=reward,
            args=args,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            rollout_func=rollout,
        )
        train_and_save(trainer, job, seen)
    after = tried("after grpo")
    return {
        "prompts": len(examples),
        "reward_before": mean_of(before, "reward"),
        "reward_after": mean_of(after, "reward"),
        **{name: mean_of(after, name) for name in WEIGHTS},
    }
