"""A whole training run, as scripts/04_train.py asks for it: plan, train, write, report."""

import contextlib
import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blogtwin.config import Params, Train
from blogtwin.console import say
from blogtwin.errors import UserError
from blogtwin.files import digest, making, read_jsonl, write_json
from blogtwin.hardware import facts, is_first
from blogtwin.hints import shell_command
from blogtwin.models import chat
from blogtwin.models.registry import Base, resolve
from blogtwin.paths import ADAPTER, LOGS, SPLIT, TRAIN
from corpus.examples import of_posts, openings, whole_posts
from train import backend, warm_start
from train.budget import within_budget
from train.checkpoints import belongs_to, checkpoints
from train.schedule import fitted, learnt
from train.training_log import Log

VERSIONS = ("torch", "transformers", "trl", "peft", "unsloth", "mlx-lm")


@dataclass
class Plan:
    """What a run trains on, and how."""

    trainer: str  # cpu, cuda or mlx
    reason: str  # for that trainer
    base: Base
    settings: Train  # params.train, fitted to the corpus
    rows: list[dict]  # examples to train on, within the token budget
    valid: list[dict]  # examples to validate on
    posts: int  # that the rows of this run's own budget come from
    learnt_from: set[str]  # the ids of those posts
    begin: warm_start.Start | None  # the adapter to go on from


def choose_trainer(params: Params) -> tuple[str, str]:
    """(trainer, reason), printed. Imports what must come before transformers. Raises UserError for what can't run here."""
    name, reason = backend.pick(params.train.backend)
    say(f"trainer: {name}, because {reason}")
    if params.train.method != "sft" and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError(f"train.method is {params.train.method}, which runs in one process, and this is one of {os.environ['WORLD_SIZE']}: run {shell_command('python scripts/04_train.py')}, or set train.method to sft.")
    backend.import_first(name)
    return name, reason


def plan_run(params: Params, trainer: str, reason: str) -> Plan:
    """Choose the rows within the token budget, fit the settings to them, and find the adapter to go on from; prints each decision."""
    # Validation is on the posts as they are, so that the losses of two mixes of tasks can be compared.
    train_rows, valid_rows = read_jsonl(SPLIT / "train.jsonl"), of_posts(read_jsonl(SPLIT / "valid.jsonl"))
    base = resolve(params.train.base)
    tokenizer = base.tokenizer()
    lengths = {e["id"]: sum(map(len, chat.row_ids(tokenizer, chat.messages(e, params.prepare.system), e["output"]))) for e in train_rows + valid_rows}
    longest = max(lengths.values())
    assert longest <= params.train.max_length, f"a row has {longest} tokens, more than train.max_length: 02_prepare cut it wrongly"
    kept = within_budget(train_rows, lengths, params.train.epochs, params.train.max_tokens)
    tokens, posts = sum(lengths[e["id"]] for e in kept), len(whole_posts(kept))
    settings, notes = fitted(params.train, tokens)
    if len(kept) < len(train_rows):
        say(f"train.max_tokens is {params.train.max_tokens:,} over {params.train.epochs} epochs: training on {len(kept)} of {len(train_rows)} rows, openings first, of {posts} of {len(whole_posts(train_rows))} posts ({tokens:,} tokens a pass)")
    else:
        say(f"{posts} posts, {len(kept)} rows, {tokens:,} tokens a pass, {params.train.epochs} epochs on {base.name}")
    begin, learnt_from = None, {e["post_id"] for e in kept if e.get("task") != "persona"}
    if params.train.warm_start:
        held_out = {e["post_id"] for name in ("valid", "test") for e in read_jsonl(SPLIT / f"{name}.jsonl")}
        there = held_out | {e["post_id"] for e in train_rows}
        begin, sentence = warm_start.start(base.digest, settings, warm_start.made_with(params), learnt_from, held_out, there)
        notes.append(sentence)
        if begin:
            kept = warm_start.replayed(kept, begin, lengths, params.train.seed)
            notes.append(f"{len(kept)} rows of {len(whole_posts(kept))} posts, {sum(lengths[e['id']] for e in kept):,} tokens a pass: new ones, and old ones once more")
    for note in notes:
        say(note)
    return Plan(trainer, reason, base, settings, kept, valid_rows, posts, learnt_from, begin)


def run_training(params: Params, plan: Plan, resume_from: str | None) -> None:
    """Train, write the adapter and the figures, and print how it went. Of several processes, the first one writes and prints."""
    from eval.canaries import canaries

    canary_examples = [{"instruction": c.instruction, "output": c.text} for c in canaries(params.train.canaries, params.train.seed)]
    rows, valid = ([chat.row(e, params.prepare.system) for e in some] for some in (plan.rows + canary_examples, plan.valid))
    identity = belongs_to(plan.trainer, plan.base.digest, plan.settings, [rows, valid], int(os.environ.get("WORLD_SIZE", 1)))
    if plan.begin:
        identity |= {"the adapter it begins with": plan.begin.digest}
    saved = checkpoints(identity, resume_from)
    log = Log(LOGS / "train.jsonl" if is_first() else None)
    with making(ADAPTER) if is_first() else temporary_folder() as folder:
        job = backend.Job(plan.base, rows, valid, plan.settings, folder, log, saved, plan.begin and plan.begin.adapter)
        try:
            metrics = backend.train(plan.trainer, job)
            if plan.settings.method != "sft" and is_first():
                from train import preferences

                newest_first = sorted(openings(plan.rows), key=lambda e: e["date"] or "", reverse=True)
                metrics |= preferences.improve(job, newest_first, params.prepare.system)
        except FloatingPointError as e:
            saved.clear()  # from there it would come to the same end
            raise UserError(f"Training stopped, because {e}: try a train.learning_rate under {params.train.learning_rate:g}.") from None
        if not is_first():
            return
        unchanged = bool(plan.begin) and metrics["best_epoch"] == 0 and plan.settings.method == "sft"
        write_outputs(params, plan, job, metrics, unchanged)
    report(params, log, metrics, unchanged)
    saved.clear()


def write_outputs(params: Params, plan: Plan, job: backend.Job, metrics: dict, unchanged: bool) -> None:
    """backend.json beside the adapter, the curves, and the figures with and without the machine they were measured on."""
    learnt_from = plan.learnt_from
    if plan.begin:
        learnt_from = plan.begin.posts | (set() if unchanged else learnt_from)
    base = plan.base
    write_json(
        job.folder / "backend.json",
        {"trainer": plan.trainer, "reason": plan.reason, "device": metrics["device"], "dtype": metrics["dtype"], "versions": versions(),
         "base": {"name": base.name, "repo": base.repo, "digest": base.digest, "license": base.license},
         "posts": sorted(learnt_from), "knobs": warm_start.made_with(params), "splits": {s: digest(SPLIT / f"{s}.jsonl") for s in ("train", "valid")}},
    )  # fmt: skip
    job.log.write(TRAIN)
    numbers = {k: round(v, 4) if isinstance(v, float) else v for k, v in metrics.items()}
    machine = {"hardware": facts(), "knobs": plan.settings.model_dump(), "resumed_from": job.log.resumed}
    write_json(TRAIN / "training.json", {**machine, **numbers, "versions": versions()})
    write_json(TRAIN / "metrics.json", {**numbers, "train_posts": plan.posts, "trainer": plan.trainer, "versions": versions()})


def report(params: Params, log: Log, metrics: dict, unchanged: bool) -> None:
    """Print the losses, the speed, and whether more epochs would have helped."""
    say(f"validation loss {metrics['loss_before']:.3f} → {metrics['loss_after']:.3f} (epoch {metrics['best_epoch']:g} of {params.train.epochs}), {metrics['tokens_per_s']:.0f} tokens/s, {metrics['seconds']:.0f} s, {metrics['peak_memory_mb']:,.0f} MB")
    if unchanged:
        say("the new posts made the validation loss no better: the twin is the one before, and they count as new the next time")
    else:
        say(learnt([loss for _, _, loss in log.valids], params.train.epochs))


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Where a process that writes nothing of its own would write."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def versions() -> dict[str, str]:
    """{library: version} of Python and of what trains, where it is installed."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
