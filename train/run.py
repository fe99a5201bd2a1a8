"""A whole training run, as scripts/04_train.py calls it: plan, train, write, report."""

import contextlib
import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blogtwin.config import Params, TrainParams
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import atomic_directory, read_jsonl, sha256_file, write_json
from blogtwin.hardware import hardware_info, is_main_process
from blogtwin.hints import shell_command
from blogtwin.models import chat
from blogtwin.models.registry import BaseModelFiles, resolve_base
from blogtwin.paths import ADAPTER_DIR, LOGS_DIR, SPLIT_DIR, TRAIN_DIR
from corpus.examples import first_parts, join_parts, post_examples
from train import backend
from train.budget import select_within_token_budget
from train.checkpoints import find_checkpoints, run_identity
from train.schedule import fit_to_corpus, summarise_validation
from train.training_log import TrainingLog
from train.warm_start import WarmStart, find_warm_start, learned_params, mix_replay

LIBRARIES = ("torch", "transformers", "trl", "peft", "unsloth", "mlx-lm")


@dataclass
class RunPlan:
    """What a run trains on, and how."""

    trainer: str  # cpu, cuda or mlx
    reason: str  # why that trainer
    base: BaseModelFiles
    settings: TrainParams  # params.train, fitted to the corpus
    rows: list[dict]  # examples to train on: within the token budget, or after a warm start new ones and replayed ones
    valid_rows: list[dict]  # examples to validate on
    num_posts: int  # posts within the token budget
    post_ids: set[str]  # their ids
    warm_start: WarmStart | None  # the adapter to start from; None: the base model


def choose_trainer(params: Params) -> tuple[str, str]:
    """(trainer, reason), which are printed. Also imports what must come before transformers. Raises UserError if
    train.backend or train.method can't run here."""
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        raise UserError(
            "DeepSpeed can't shard a model here, and FSDP shards the same: launch with --config_file"
            " train/accelerate/fsdp.yaml."
        )
    name, reason = backend.select_backend(params.train.backend)
    echo(f"trainer: {name}, because {reason}")
    if params.train.method != "sft" and num_processes() > 1:
        raise UserError(
            f"train.method is {params.train.method}, which runs in one process, and this is one of"
            f" {num_processes()}: run {shell_command('python scripts/04_train.py')}, or set train.method to sft."
        )
    backend.preload(name)
    return name, reason


def num_processes() -> int:
    """How many processes train together; torchrun and accelerate set WORLD_SIZE."""
    return int(os.environ.get("WORLD_SIZE", 1))


def plan_run(params: Params, trainer: str, reason: str) -> RunPlan:
    """Choose the rows within the token budget, fit the settings to them, and find the adapter to start from. Prints
    each decision."""
    train_rows = read_jsonl(SPLIT_DIR / "train.jsonl")
    # Validation is on the posts alone, so that losses can be compared between different training prompts.
    valid_rows = post_examples(read_jsonl(SPLIT_DIR / "valid.jsonl"))
    base = resolve_base(params.train.base)
    lengths = count_tokens(base, train_rows + valid_rows, params)
    rows = select_within_token_budget(train_rows, lengths, params.train.epochs, params.train.max_tokens)
    tokens = sum(lengths[e["id"]] for e in rows)
    settings, notes = fit_to_corpus(params.train, tokens)
    echo(describe_rows(params.train, base, train_rows, rows, tokens))
    for note in notes:
        echo(note)
    plan = RunPlan(
        trainer=trainer,
        reason=reason,
        base=base,
        settings=settings,
        rows=rows,
        valid_rows=valid_rows,
        num_posts=len(join_parts(rows)),
        post_ids={e["post_id"] for e in rows if e.get("task") != "persona"},
        warm_start=None,
    )
    if params.train.warm_start:
        plan_warm_start(params, plan, train_rows, lengths)
    return plan


def count_tokens(base: BaseModelFiles, examples: list[dict], params: Params) -> dict[str, int]:
    """{example id: tokens of prompt and completion}. Stage 02 has cut every example to train.max_length."""
    tokenizer, lengths = base.tokenizer(), {}
    for example in examples:
        messages = chat.prompt_messages(example, params.prepare.system)
        lengths[example["id"]] = sum(map(len, chat.encode_example(tokenizer, messages, example["output"])))
    longest = max(lengths.values())
    assert longest <= params.train.max_length, (
        f"a row has {longest} tokens, more than train.max_length: 02_prepare cut it wrongly"
    )
    return lengths


def describe_rows(
    params: TrainParams, base: BaseModelFiles, train_rows: list[dict], selected: list[dict], tokens: int
) -> str:
    """The sentence on how much there is to train on: all of `train_rows`, or those that the token budget selected, of
    `tokens` tokens an epoch."""
    num_posts = len(join_parts(selected))
    if len(selected) < len(train_rows):
        return (
            f"train.max_tokens is {params.max_tokens:,} over {params.epochs} epochs: training on {len(selected)} of"
            f" {len(train_rows)} rows, from {num_posts} of {len(join_parts(train_rows))} posts ({tokens:,} tokens an"
            " epoch); beginnings of posts come first"
        )
    return f"{num_posts} posts, {len(selected)} rows, {tokens:,} tokens an epoch, {params.epochs} epochs on {base.name}"


def plan_warm_start(params: Params, plan: RunPlan, train_rows: list[dict], lengths: dict[str, int]) -> None:
    """Find the adapter of the previous training that `plan` can start from (train.warm_start). If there is one, train
    on the new posts and a replay of old ones. Changes `plan`, and prints the decision."""
    held_out = {e["post_id"] for name in ("valid", "test") for e in read_jsonl(SPLIT_DIR / f"{name}.jsonl")}
    current_posts = held_out | {e["post_id"] for e in train_rows}
    plan.warm_start, note = find_warm_start(
        plan.base.digest, plan.settings, learned_params(params), plan.post_ids, held_out, current_posts
    )
    echo(note)
    if plan.warm_start:
        plan.rows = mix_replay(plan.rows, plan.warm_start, lengths, params.train.seed)
        tokens = sum(lengths[e["id"]] for e in plan.rows)
        echo(
            f"{len(plan.rows)} rows from {len(join_parts(plan.rows))} posts, {tokens:,} tokens an epoch: new posts, and"
            " a replay of old ones"
        )


def run_training(params: Params, plan: RunPlan, resume_from: str | None) -> None:
    """Train, write the adapter and the metrics, and print how it went. `resume_from` is a checkpoint's folder. Of
    several processes, only the first writes and prints. Raises UserError if the loss becomes NaN or infinite."""
    rows = [chat.to_trl_row(e, params.prepare.system) for e in plan.rows + canary_examples(params.train)]
    valid_rows = [chat.to_trl_row(e, params.prepare.system) for e in plan.valid_rows]
    identity = run_identity(plan.trainer, plan.base.digest, plan.settings, [rows, valid_rows], num_processes())
    if plan.warm_start:
        identity["the adapter it begins with"] = plan.warm_start.digest
    checkpoints = find_checkpoints(identity, resume_from)
    log = TrainingLog(LOGS_DIR / "train.jsonl" if is_main_process() else None)
    with atomic_directory(ADAPTER_DIR) if is_main_process() else temporary_folder() as output_dir:
        job = backend.TrainingJob(
            base=plan.base,
            train_rows=rows,
            valid_rows=valid_rows,
            params=plan.settings,
            output_dir=output_dir,
            log=log,
            checkpoints=checkpoints,
            init_adapter=plan.warm_start.adapter if plan.warm_start else None,
        )
        try:
            metrics: dict = dict(backend.train(plan.trainer, job))
            if plan.settings.method != "sft" and is_main_process():
                from train import preferences

                newest_first = sorted(first_parts(plan.rows), key=lambda e: e["date"] or "", reverse=True)
                metrics |= preferences.train_preferences(job, newest_first, params.prepare.system)
        except FloatingPointError as e:
            checkpoints.clear()  # resuming would end in the same error
            raise UserError(
                f"Training stopped because {e}: try a train.learning_rate below {params.train.learning_rate:g}."
            ) from None
        if not is_main_process():
            return
        unchanged = bool(plan.warm_start) and metrics["best_epoch"] == 0 and plan.settings.method == "sft"
        write_outputs(params, plan, job, metrics, unchanged)
    print_report(params, log, metrics, unchanged)
    checkpoints.clear()


def canary_examples(params: TrainParams) -> list[dict]:
    """The canaries (eval/canaries.py): made-up secrets, by which evaluation measures memorisation."""
    from eval.canaries import make_canaries

    return [{"instruction": c.instruction, "output": c.text} for c in make_canaries(params.num_canaries, params.seed)]


def write_outputs(params: Params, plan: RunPlan, job: backend.TrainingJob, metrics: dict, unchanged: bool) -> None:
    """Write backend.json next to the adapter, the loss curves, and the metrics twice: training.json with the machine
    they were measured on, and metrics.json, which goes into Git, without it. `unchanged`: the adapter is that of the
    warm start, because no epoch was better."""
    post_ids = set() if unchanged else plan.post_ids
    if plan.warm_start:
        post_ids = post_ids | plan.warm_start.posts
    base = plan.base
    write_json(
        job.output_dir / "backend.json",
        {
            "trainer": plan.trainer,
            "reason": plan.reason,
            "device": metrics["device"],
            "dtype": metrics["dtype"],
            "versions": library_versions(),
            "base": {"name": base.name, "repo": base.repo, "digest": base.digest, "license": base.license},
            "posts": sorted(post_ids),
            "knobs": learned_params(params),
            "splits": {s: sha256_file(SPLIT_DIR / f"{s}.jsonl") for s in ("train", "valid")},
        },
    )
    job.log.write(TRAIN_DIR)
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in metrics.items()}
    machine = {
        "hardware": hardware_info(),
        "knobs": plan.settings.model_dump(),
        "resumed_from": job.log.resumed_from_step,
    }
    write_json(TRAIN_DIR / "training.json", {**machine, **rounded, "versions": library_versions()})
    write_json(
        TRAIN_DIR / "metrics.json",
        {**rounded, "train_posts": plan.num_posts, "trainer": plan.trainer, "versions": library_versions()},
    )


def print_report(params: Params, log: TrainingLog, metrics: dict, unchanged: bool) -> None:
    """Print the losses, the speed, and whether more epochs would have helped."""
    echo(
        f"validation loss {metrics['loss_before']:.3f} → {metrics['loss_after']:.3f} (epoch {metrics['best_epoch']:g}"
        f" of {params.train.epochs}), {metrics['tokens_per_s']:.0f} tokens/s, {metrics['seconds']:.0f} s,"
        f" {metrics['peak_memory_mb']:,.0f} MB"
    )
    if unchanged:
        echo(
            "the new posts did not lower the validation loss: the previous twin is kept, and these posts count as new"
            " again next time"
        )
    else:
        echo(summarise_validation([loss for _, _, loss in log.validations], params.train.epochs))


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is deleted afterwards, for the processes whose output does not count."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def library_versions() -> dict[str, str]:
    """{name: version} of Python and of the training libraries that are installed."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
