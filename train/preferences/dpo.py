"""Direct preference optimisation (DPO; Rafailov et al. 2023): the twin learns to prefer the author's own text to
what it wrote itself, and the text that won a blind vote to the other."""

import tempfile
from pathlib import Path
from typing import Any, TypedDict

from datasets import Dataset
from pydantic import ValidationError
from trl import DPOConfig, DPOTrainer

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.models import chat
from blogtwin.schemas import PreferencePair
from train.backend import TrainingJob
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

BETA = 0.1  # of DPO's loss, as in its paper (GRPO has no KL term: TRL's default)
# Weight of the chosen text's own loss, added to DPO's: without it, both texts may become less likely (RPO; Pang et al.
# 2024).
SFT_LOSS_WEIGHT = 0.3


class PairRow(TypedDict):
    """A preference pair as token ids. A text longer than MAX_COMPLETION_TOKENS is cut, and has no end token."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]


class PretokenisedDPOTrainer(DPOTrainer):
    """DPOTrainer for pairs that are token ids already. TRL's own tokenisation would add an end token to a text that was
    cut."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


def run_dpo(job: TrainingJob, examples: list[dict], system: str) -> dict[str, float]:
    """Train the adapter in `job.output_dir` with DPO, on the prompts of `examples` and the blind votes in
    `job.params.preference_data`, and replace it.

    Returns "pairs" and "votes" (how many of the pairs are votes), and over the last quarter of the steps the means of
    "accuracy" (how often the chosen text has the higher reward), "margin" (of the rewards) and "loss". Raises UserError
    for votes that can't be read.
    """
    tokenizer = job.base.tokenizer()
    rows = build_pairs(job, examples, system) + load_votes(job.params.preference_data, tokenizer, system)
    echo(f"dpo: {len(rows)} pairs, {len(rows) - len(examples)} of them votes")
    logs: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        args = DPOConfig(
            **shared_arguments(job, folder),
            beta=BETA,
            loss_type=["sigmoid", "sft"],
            loss_weights=[1.0, SFT_LOSS_WEIGHT],
            precompute_ref_log_probs=True,
            precompute_ref_batch_size=1,
            max_length=None,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=PROMPTS_PER_STEP,
        )
        trainer = PretokenisedDPOTrainer(
            load_adapter(job), args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
        )
        train_and_save(trainer, job, logs)
    last = logs[-max(1, len(logs) // 4) :]
    return {
        "pairs": len(rows),
        "votes": len(rows) - len(examples),
        "accuracy": mean_of(last, "rewards/accuracies"),
        "margin": mean_of(last, "rewards/margins"),
        "loss": mean_of(last, "loss"),
    }


def build_pairs(job: TrainingJob, examples: list[dict], system: str) -> list[PairRow]:
    """For the prompt of each example, the author's own text (chosen) and what the twin writes (rejected)."""
    tokenizer = job.base.tokenizer()
    references = encode_references(tokenizer, examples, system)
    prompts = [prompt for prompt, _ in references]
    answers = generate(job, tokenizer, job.output_dir, prompts, job.params.seed, "the twin writes texts to learn from")
    return [
        {
            "prompt_ids": prompt,
            "chosen_ids": reference[:MAX_COMPLETION_TOKENS],
            "rejected_ids": answer["ids"][:MAX_COMPLETION_TOKENS],
        }
        for (prompt, reference), answer in zip(references, answers, strict=True)
    ]


def load_votes(file: str, tokenizer: Any, system: str) -> list[PairRow]:
    """The pairs of blind votes in a file of PreferencePair rows, one JSON line each, as GET /api/blind/pairs writes
    them. `system` is the system message of pairs that have none. Raises UserError if the file is missing or has another
    format."""
    if not Path(file).is_file():
        raise UserError(
            f"train.preference_data is {file}, which does not exist: save the answer of GET /api/blind/pairs under that"
            " name, or set train.preference_data to train/votes.jsonl, which is empty."
        )
    rows: list[PairRow] = []
    for number, line in enumerate(Path(file).read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            pair = PreferencePair.model_validate_json(line)
        except ValidationError as e:
            first = e.errors()[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
            raise UserError(
                f"train.preference_data is {file}, whose line {number} is not a JSON line {{prompt, chosen, rejected}}"
                f" of chat messages ({problem}): save the answer of GET /api/blind/pairs as it is."
            ) from None
        messages = [{"role": m.role, "content": m.content.strip()} for m in pair.prompt]
        if messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": system.strip()})
        prompt, chosen = chat.encode_example(tokenizer, messages, pair.chosen[0].content)
        rejected = chat.encode_example(tokenizer, messages, pair.rejected[0].content)[1]
        rows.append(
            {
                "prompt_ids": prompt,
                "chosen_ids": chosen[:MAX_COMPLETION_TOKENS],
                "rejected_ids": rejected[:MAX_COMPLETION_TOKENS],
            }
        )
    return rows
