"""Group relative policy optimisation (GRPO; Shao et al. 2024): of several texts for a prompt, the twin learns from
those that the reward function prefers."""

import tempfile
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from blogtwin.models import chat
from eval.rewards import WEIGHTS, RewardFunction, weighted_sum
from train.backend import TrainingJob, uses_gpu
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

NUM_GENERATIONS = 4  # texts for each prompt
NUM_EVAL_PROMPTS = 10  # prompts whose texts are rewarded before and after training


def run_grpo(job: TrainingJob, examples: list[dict], posts: list[str], system: str) -> dict[str, float]:
    """Train the adapter in `job.output_dir` with GRPO on the prompts of `examples`, and replace it. The reward compares
    texts with `posts`.

    Returns "prompts" (how many), and of the texts for some of them the mean "reward_before" and "reward_after", and
    after training the mean of each component of the reward (eval.rewards.WEIGHTS).
    """
    return GrpoRun(job, examples, posts, system).train()


class GrpoRun:
    """The prompts, the reward and the rollouts of one GRPO training."""

    def __init__(self, job: TrainingJob, examples: list[dict], posts: list[str], system: str):
        self.job, self.examples, self.system = job, examples, system
        self.tokenizer = job.base.tokenizer()
        self.rewards = RewardFunction(posts, [e["instruction"] for e in examples])
        # (prompt, the author's own text) of each example, as token ids
        self.references = encode_references(self.tokenizer, examples, system)

    def train(self) -> dict[str, float]:
        """See run_grpo."""
        job = self.job
        logs: list[dict] = []
        before = self.evaluate("before grpo")
        with tempfile.TemporaryDirectory() as folder:
            args = GRPOConfig(
                **shared_arguments(job, folder),
                per_device_train_batch_size=NUM_GENERATIONS,
                num_generations=NUM_GENERATIONS,
                max_completion_length=MAX_COMPLETION_TOKENS,
                gradient_accumulation_steps=min(PROMPTS_PER_STEP, len(self.examples)),
            )
            rows = [{"prompt": chat.prompt_messages(e, self.system), "number": n} for n, e in enumerate(self.examples)]
            model = load_adapter(job)
            if not uses_gpu(job.params.backend):
                fused.apply_fused_forwards(model)
            trainer = GRPOTrainer(
                model,
                reward_funcs=self.reward,
                args=args,
                train_dataset=Dataset.from_list(rows),
                processing_class=self.tokenizer,
                rollout_func=self.rollout,
            )
            train_and_save(trainer, job, logs)
        after = self.evaluate("after grpo")
        return {
            "prompts": len(self.examples),
            "reward_before": mean_of(before, "reward"),
            "reward_after": mean_of(after, "reward"),
            **{name: mean_of(after, name) for name in WEIGHTS},
        }

    def evaluate(self, when: str) -> list[dict[str, float]]:
        """The reward of the present adapter's texts for the first prompts, with the same random seeds each time. `when`
        is for the progress message."""
        prompts = [prompt for prompt, _ in self.references[:NUM_EVAL_PROMPTS]]
        answers = generate(
            self.job, self.tokenizer, self.job.output_dir, prompts, self.job.params.seed, f"the twin writes {when}"
        )
        return [self.components(n, answer["text"], answer["ids"]) for n, answer in enumerate(answers)]

    def rollout(self, prompts: list[list[dict]], trainer: Any) -> dict[str, Any]:
        """TRL's rollout function: a text for each prompt (chat messages; TRL repeats each NUM_GENERATIONS times).
        llama.cpp generates them, because transformers would take most of a step for it on a CPU."""
        prompt_ids = [chat.encode_prompt(self.tokenizer, messages) for messages in prompts]
        seed = self.job.params.seed + 1000 * (1 + trainer.state.global_step)
        with tempfile.TemporaryDirectory() as adapter:
            save_adapter(trainer.accelerator.unwrap_model(trainer.model), adapter)
            answers = generate(self.job, self.tokenizer, Path(adapter), prompt_ids, seed)
        return {"prompt_ids": prompt_ids, "completion_ids": [answer["ids"] for answer in answers], "logprobs": None}

    def reward(
        self, number: list[int], completions: list[list[dict]], completion_ids: list[list[int]], **_: Any
    ) -> list[float]:
        """TRL's reward function: the reward of each completion; `number` is a column of the dataset."""
        return [
            self.components(n, completion[0]["content"], ids)["reward"]
            for n, completion, ids in zip(number, completions, completion_ids, strict=True)
        ]

    def components(self, number: int, text: str, ids: list[int]) -> dict[str, float]:
        """The components of the reward, and their sum as "reward", of a text for example `number`; `ids` are its
        tokens. The text is rewarded for ending if the author's own text ends within MAX_COMPLETION_TOKENS, and else for
        not ending."""
        end = self.tokenizer.eos_token_id
        ends = end in ids[:MAX_COMPLETION_TOKENS]
        reference_ends = end in self.references[number][1][:MAX_COMPLETION_TOKENS]
        components = self.rewards.components(text, self.examples[number]["instruction"], ends == reference_ends)
        return {**components, "reward": weighted_sum(components)}
