"""A whole training run, as scripts/04_train.py asks for it: plan, train, write, report."""

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
from train import backend, warm_start
from train.budget import select_within_token_budget
from train.checkpoints import find_checkpoints, run_identity
from train.schedule import fit_to_corpus, summarise_validation
from train.training_log import TrainingLog

LIBRARIES = ("torch", "transformers", "trl", "peft", "unsloth", "mlx-lm")


@dataclass
class RunPlan:
    """What a run trains on, and how."""

    trainer: str  # cpu, cuda or mlx
    reason: str  # for that trainer
    base: BaseModelFiles
    settings: TrainParams  # params.train, fitted to the corpus
    rows: list[dict]  # examples to train on, within the token budget
    valid: list[dict]  # examples to validate on
    posts: int  # that the rows of this run's own budget come from
    learnt_from: set[str]  # the ids of those posts
    begin: warm_start.WarmStart | None  # the adapter to go on from


def choose_trainer(params: Params) -> tuple[str, str]:
    """(trainer, reason), printed. Imports what must come before transformers. Raises UserError for what can't run
    here."""
    name, reason = backend.select_backend(params.train.backend)
    echo(f"trainer: {name}, because {reason}")
    if params.train.method != "sft" and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError(
            f"train.method is {params.train.method}, which runs in one process, and this is one of"
            f" {os.environ['WORLD_SIZE']}: run {shell_command('python scripts/04_train.py')}, or set train.method to"
            " sft."
        )
    backend.preload(name)
    return name, reason


def plan_run(params: Params, trainer: str, reason: str) -> RunPlan:
    """Choose the rows within the token budget, fit the settings to them, and find the adapter to go on from; prints
    each decision."""
    # Validation is on the posts as they are, so that the losses of two mixes of tasks can be compared.
    train_rows, valid_rows = read_jsonl(SPLIT_DIR / "train.jsonl"), post_examples(read_jsonl(SPLIT_DIR / "valid.jsonl"))
    base = resolve_base(params.train.base)
    tokenizer = base.tokenizer()
    lengths = {
        e["id"]: sum(
            map(len, chat.encode_example(tokenizer, chat.prompt_messages(e, params.prepare.system), e["output"]))
        )
        for e in train_rows + valid_rows
    }
    longest = max(lengths.values())
    assert longest <= params.train.max_length, (
        f"a row has {longest} tokens, more than train.max_length: 02_prepare cut it wrongly"
    )
    kept = select_within_token_budget(train_rows, lengths, params.train.epochs, params.train.max_tokens)
    tokens, posts = sum(lengths[e["id"]] for e in kept), len(join_parts(kept))
    settings, notes = fit_to_corpus(params.train, tokens)
    if len(kept) < len(train_rows):
        echo(
            f"train.max_tokens is {params.train.max_tokens:,} over {params.train.epochs} epochs: training on"
            f" {len(kept)} of {len(train_rows)} rows, openings first, of {posts} of {len(join_parts(train_rows))} posts"
            f" ({tokens:,} tokens a pass)"
        )
    else:
        echo(f"{posts} posts, {len(kept)} rows, {tokens:,} tokens a pass, {params.train.epochs} epochs on {base.name}")
    begin, learnt_from = None, {e["post_id"] for e in kept if e.get("task") != "persona"}
    if params.train.warm_start:
        held_out = {e["post_id"] for name in ("valid", "test") for e in read_jsonl(SPLIT_DIR / f"{name}.jsonl")}
        there = held_out | {e["post_id"] for e in train_rows}
        begin, sentence = warm_start.find_warm_start(
            base.digest, settings, warm_start.learned_params(params), learnt_from, held_out, there
        )
        notes.append(sentence)
        if begin:
            kept = warm_start.mix_replay(kept, begin, lengths, params.train.seed)
            notes.append(
                f"{len(kept)} rows of {len(join_parts(kept))} posts, {sum(lengths[e['id']] for e in kept):,} tokens a"
                " pass: new ones, and old ones once more"
            )
    for note in notes:
        echo(note)
    return RunPlan(trainer, reason, base, settings, kept, valid_rows, posts, learnt_from, begin)


def run_training(params: Params, plan: RunPlan, resume_from: str | None) -> None:
    """Train, write the adapter and the figures, and print how it went. Of several processes, the first one writes and
    prints."""
    from eval.canaries import make_canaries

    canary_examples = [
        {"instruction": c.instruction, "output": c.text}
        for c in make_canaries(params.train.num_canaries, params.train.seed)
    ]
    rows, valid = (
        [chat.to_trl_row(e, params.prepare.system) for e in some] for some in (plan.rows + canary_examples, plan.valid)
    )
    identity = run_identity(
        plan.trainer, plan.base.digest, plan.settings, [rows, valid], int(os.environ.get("WORLD_SIZE", 1))
    )
    if plan.begin:
        identity |= {"the adapter it begins with": plan.begin.digest}
    saved = find_checkpoints(identity, resume_from)
    log = TrainingLog(LOGS_DIR / "train.jsonl" if is_main_process() else None)
    with atomic_directory(ADAPTER_DIR) if is_main_process() else temporary_folder() as folder:
        job = backend.TrainingJob(
            plan.base, rows, valid, plan.settings, folder, log, saved, plan.begin and plan.begin.adapter
        )
        try:
            metrics = backend.train(plan.trainer, job)
            if plan.settings.method != "sft" and is_main_process():
                from train import preferences

                newest_first = sorted(first_parts(plan.rows), key=lambda e: e["date"] or "", reverse=True)
                metrics |= preferences.train_preferences(job, newest_first, params.prepare.system)
        except FloatingPointError as e:
            saved.clear()  # from there it would come to the same end
            raise UserError(
                f"Training stopped, because {e}: try a train.learning_rate under {params.train.learning_rate:g}."
            ) from None
        if not is_main_process():
            return
        unchanged = bool(plan.begin) and metrics["best_epoch"] == 0 and plan.settings.method == "sft"
        write_outputs(params, plan, job, metrics, unchanged)
    print_report(params, log, metrics, unchanged)
    saved.clear()


def write_outputs(params: Params, plan: RunPlan, job: backend.TrainingJob, metrics: dict, unchanged: bool) -> None:
    """backend.json beside the adapter, the curves, and the figures with and without the machine they were measured
    on."""
    learnt_from = plan.learnt_from
    if plan.begin:
        learnt_from = plan.begin.posts | (set() if unchanged else learnt_from)
    base = plan.base
    write_json(
        job.folder / "backend.json",
        {
            "trainer": plan.trainer,
            "reason": plan.reason,
            "device": metrics["device"],
            "dtype": metrics["dtype"],
            "versions": library_versions(),
            "base": {"name": base.name, "repo": base.repo, "digest": base.digest, "license": base.license},
            "posts": sorted(learnt_from),
            "knobs": warm_start.learned_params(params),
            "splits": {s: sha256_file(SPLIT_DIR / f"{s}.jsonl") for s in ("train", "valid")},
        },
    )
    job.log.write(TRAIN_DIR)
    numbers = {k: round(v, 4) if isinstance(v, float) else v for k, v in metrics.items()}
    machine = {"hardware": hardware_info(), "knobs": plan.settings.model_dump(), "resumed_from": job.log.resumed}
    write_json(TRAIN_DIR / "training.json", {**machine, **numbers, "versions": library_versions()})
    write_json(
        TRAIN_DIR / "metrics.json",
        {**numbers, "train_posts": plan.posts, "trainer": plan.trainer, "versions": library_versions()},
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
            "the new posts made the validation loss no better: the twin is the one before, and they count as new the"
            " next time"
        )
    else:
        echo(summarise_validation([loss for _, _, loss in log.valids], params.train.epochs))


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Where a process that writes nothing of its own would write."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def library_versions() -> dict[str, str]:
    """{library: version} of Python and of what trains, where it is installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
