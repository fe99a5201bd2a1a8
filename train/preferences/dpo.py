"""Direct preference optimisation (Rafailov et al. 2023): the author's own text over what the twin wrote, and a vote's
choice over the other."""

import tempfile
from pathlib import Path

from datasets import Dataset
from pydantic import ValidationError
from trl import DPOConfig, DPOTrainer

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.models import chat
from blogtwin.schemas import PreferencePair
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

BETA = 0.1  # of DPO, as in its paper; GRPO goes without the pull to its start, as TRL does
SFT_LOSS_WEIGHT = (
    0.3  # weight of the author's likelihood beside DPO's own loss, without which both texts may become less likely
)


class PretokenisedDPOTrainer(DPOTrainer):
    """DPOTrainer for pairs that are token ids already: a text that is cut has no end token, which TRL would put
    there."""

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset


def run_dpo(job, examples: list[dict], system: str) -> dict:
    tokenizer = job.base.tokenizer()
    rows = build_pairs(job, examples, system) + load_votes(job.params.preference_data, tokenizer, system)
    echo(f"dpo: {len(rows)} pairs, {len(rows) - len(examples)} of them votes")
    seen: list[dict] = []
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
        train_and_save(trainer, job, seen)
    last = seen[-max(1, len(seen) // 4) :]
    return {
        "pairs": len(rows),
        "votes": len(rows) - len(examples),
        "accuracy": mean_of(last, "rewards/accuracies"),
        "margin": mean_of(last, "rewards/margins"),
        "loss": mean_of(last, "loss"),
    }


def build_pairs(job, examples: list[dict], system: str) -> list[dict]:
    """{prompt_ids, chosen_ids, rejected_ids}: the author's own text, and what the twin wrote, each at most TOKENS
    long."""
    tokenizer = job.base.tokenizer()
    rows = encode_references(tokenizer, examples, system)
    answers = generate(
        job,
        tokenizer,
        job.folder,
        [prompt for prompt, _ in rows],
        job.params.seed,
        "the twin writes what it is to do better",
    )
    return [
        {
            "prompt_ids": prompt,
            "chosen_ids": own[:MAX_COMPLETION_TOKENS],
            "rejected_ids": answer["ids"][:MAX_COMPLETION_TOKENS],
        }
        for (prompt, own), answer in zip(rows, answers, strict=True)
    ]


def load_votes(file: str, tokenizer, system: str) -> list[dict]:
    """The same of blind votes: a file of PreferencePair rows, a JSON line each, as GET /api/blind/pairs gives them.
    Raises UserError."""
    if not Path(file).is_file():
        raise UserError(
            f"train.preference_data is {file}, which is not there: save the answer of GET /api/blind/pairs under that"
            " name, or set train.preference_data to train/votes.jsonl, which is empty."
        )
    found = []
    for number, line in enumerate(Path(file).read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            pair = PreferencePair.model_validate_json(line)
        except ValidationError as e:
            first = e.errors()[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
            raise UserError(
                f"train.preference_data is {file}, whose line {number} is not a JSON line {{prompt, chosen, rejected}}"
                f" of chat messages ({why}): save the answer of GET /api/blind/pairs as it is."
            ) from None
        asked = [{"role": m.role, "content": m.content.strip()} for m in pair.prompt]
        if asked[0]["role"] != "system":
            asked.insert(0, {"role": "system", "content": system.strip()})
        prompt, chosen = chat.encode_example(tokenizer, asked, pair.chosen[0].content)
        rejected = chat.encode_example(tokenizer, asked, pair.rejected[0].content)[1]
        found.append(
            {
                "prompt_ids": prompt,
                "chosen_ids": chosen[:MAX_COMPLETION_TOKENS],
                "rejected_ids": rejected[:MAX_COMPLETION_TOKENS],
            }
        )
    return found
