"""Direct preference optimisation (Rafailov et al. 2023): the author's own text over what the twin wrote, and a vote's choice over the other."""

import tempfile
from pathlib import Path

from datasets import Dataset
from pydantic import ValidationError
from trl import DPOConfig, DPOTrainer

from blogtwin.console import say
from blogtwin.errors import UserError
from blogtwin.models import chat
from blogtwin.schemas import PreferencePair
from train.preferences.common import AT_A_TIME, TOKENS, adapted, finish, mean, own_rows, shared_arguments, written

BETA = 0.1  # of DPO, as in its paper; GRPO goes without the pull to its start, as TRL does
KEEP = 0.3  # weight of the author's likelihood beside DPO's own loss, without which both texts may become less likely


class IdPairs(DPOTrainer):
    """DPOTrainer for pairs that are token ids already: a text that is cut has no end token, which TRL would put there."""

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset


def dpo(job, examples: list[dict], system: str) -> dict:
    tokenizer = job.base.tokenizer()
    rows = pairs(job, examples, system) + voted(job.params.votes, tokenizer, system)
    say(f"dpo: {len(rows)} pairs, {len(rows) - len(examples)} of them votes")
    seen: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        args = DPOConfig(
            **shared_arguments(job, folder), beta=BETA, loss_type=["sigmoid", "sft"], loss_weights=[1.0, KEEP], precompute_ref_log_probs=True, precompute_ref_batch_size=1,
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
