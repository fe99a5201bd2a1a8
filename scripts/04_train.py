"""Train a LoRA adapter on the author's posts.

Reads   data/split/train.jsonl, data/split/valid.jsonl
Writes  artifacts/adapter/                          a PEFT LoRA adapter, and backend.json: what trained it
        artifacts/train/{loss,valid_loss}.tsv       the curves
        artifacts/train/metrics.json                loss before and after, tokens/s, memory, time
        artifacts/train/training.json               the same with the machine and all knobs; not in Git
        artifacts/logs/train.jsonl                  a line for each step, as it happens
        artifacts/checkpoints/                      what a run that is stopped goes on from; removed on success
Run     python scripts/04_train.py [--resume-from DIR]
"""

import argparse
import contextlib
import importlib.metadata
import os
import platform
import tempfile
from pathlib import Path

from _shared import ADAPTER, LOGS, SPLIT, TRAIN, UserError, digest, is_first, load_params, making, read_jsonl, run, say, write_json

VERSIONS = ("torch", "transformers", "trl", "peft", "unsloth", "mlx-lm")


def within_budget(rows: list[dict], lengths: dict[str, int], epochs: int, max_tokens: int) -> list[dict]:
    """The rows whose tokens, over all epochs, stay within `max_tokens` (0: all rows): what is said of the author, then
    the openings of all posts and what is asked for in other ways before any later part, newest first. At least one row.

    Many beginnings teach a voice more than a few posts to their ends: they differ more, and a beginning is what a twin is asked for.
    """
    from corpus.examples import of_posts

    if not max_tokens:
        return rows
    later = {r["id"] for r in of_posts(rows) if r["part"] > 1}
    newest_first = sorted(rows, key=lambda r: r["date"] or "", reverse=True)
    kept, spent = set(), 0
    for row in sorted(newest_first, key=lambda r: (r.get("task") != "persona", r["id"] in later)):
        cost = lengths[row["id"]] * epochs
        if kept and spent + cost > max_tokens:
            continue  # a shorter, older one may still fit
        kept.add(row["id"])
        spent += cost
    return [row for row in rows if row["id"] in kept]


@contextlib.contextmanager
def scratch():
    """Where a process that writes nothing of its own would write."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def versions() -> dict:
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resume-from", metavar="DIR", help="a checkpoint that lies elsewhere; without it, the newest of the same params and data")
    arguments = parser.parse_args()
    params = load_params()
    from corpus.examples import of_posts, openings, whole_posts

    # Validation is on the posts as they are, so that the losses of two mixes of tasks can be compared.
    train_rows, valid_rows = read_jsonl(SPLIT / "train.jsonl"), of_posts(read_jsonl(SPLIT / "valid.jsonl"))
    from train import backend, chat, machine, warm
    from train.base import resolve
    from train.checkpoints import belongs_to, checkpoints
    from train.log import Log
    from train.plan import fitted, learnt

    name, reason = backend.pick(params.train.backend)
    say(f"trainer: {name}, because {reason}")
    if params.train.method != "sft" and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError(f"train.method is {params.train.method}, which runs in one process, and this is one of {os.environ['WORLD_SIZE']}: run python scripts/04_train.py, or set train.method to sft.")
    backend.import_first(name)
    base = resolve(params.train.base)
    tokenizer = base.tokenizer()

    lengths = {e["id"]: sum(map(len, chat.row_ids(tokenizer, chat.messages(e, params.prepare.system), e["output"]))) for e in train_rows + valid_rows}
    longest = max(lengths.values())
    assert longest <= params.train.max_length, f"a row has {longest} tokens, more than train.max_length: 02_prepare cut it wrongly"
    kept = within_budget(train_rows, lengths, params.train.epochs, params.train.max_tokens)
    tokens, posts = sum(lengths[e["id"]] for e in kept), len(whole_posts(kept))
    settings, said = fitted(params.train, tokens)
    if len(kept) < len(train_rows):
        say(f"train.max_tokens is {params.train.max_tokens:,} over {params.train.epochs} epochs: training on {len(kept)} of {len(train_rows)} rows, openings first, of {posts} of {len(whole_posts(train_rows))} posts ({tokens:,} tokens a pass)")
    else:
        say(f"{posts} posts, {len(kept)} rows, {tokens:,} tokens a pass, {params.train.epochs} epochs on {base.name}")

    begin, learnt_from = None, {e["post_id"] for e in kept if e.get("task") != "persona"}
    if params.train.warm_start:
        held_out = {e["post_id"] for name in ("valid", "test") for e in read_jsonl(SPLIT / f"{name}.jsonl")}
        begin, sentence = warm.start(base.digest, settings, warm.made_with(params), learnt_from, held_out, held_out | {e["post_id"] for e in train_rows})
        said.append(sentence)
        if begin:
            kept = warm.replayed(kept, begin, lengths, params.train.seed)
            said.append(f"{len(kept)} rows of {len(whole_posts(kept))} posts, {sum(lengths[e['id']] for e in kept):,} tokens a pass: new ones, and old ones once more")
    for sentence in said:
        say(sentence)

    from eval.canaries import canaries

    secrets = [{"instruction": c.instruction, "output": c.text} for c in canaries(params.train.canaries, params.train.seed)]
    rows, valid = ([chat.row(e, params.prepare.system) for e in some] for some in (kept + secrets, valid_rows))
    decides = belongs_to(name, base.digest, settings, [rows, valid], int(os.environ.get("WORLD_SIZE", 1))) | ({"the adapter it begins with": begin.digest} if begin else {})
    kept_steps = checkpoints(decides, arguments.resume_from)
    log = Log(LOGS / "train.jsonl" if is_first() else None)
    with making(ADAPTER) if is_first() else scratch() as folder:
        job = backend.Job(base, rows, valid, settings, folder, log, kept_steps, begin and begin.adapter)
        try:
            metrics = backend.train(name, job)
            if settings.method != "sft" and is_first():
                from train import preferences

                newest_first = sorted(openings(kept), key=lambda e: e["date"] or "", reverse=True)
                metrics |= preferences.improve(job, newest_first, params.prepare.system)
        except FloatingPointError as e:
            kept_steps.clear()  # from there it would come to the same end
            raise UserError(f"Training stopped, because {e}: try a train.learning_rate under {params.train.learning_rate:g}.") from None
        if not is_first():
            return
        as_it_was = begin and metrics["best_epoch"] == 0 and settings.method == "sft"
        if begin:
            learnt_from = begin.posts | (set() if as_it_was else learnt_from)
        write_json(
            folder / "backend.json",
            {"trainer": name, "reason": reason, "device": metrics["device"], "dtype": metrics["dtype"], "versions": versions(),
             "base": {"name": base.name, "repo": base.repo, "digest": base.digest, "license": base.license},
             "posts": sorted(learnt_from), "knobs": warm.made_with(params), "splits": {s: digest(SPLIT / f"{s}.jsonl") for s in ("train", "valid")}},
        )
        log.write(TRAIN)
        numbers = {k: round(v, 4) if isinstance(v, float) else v for k, v in metrics.items()}
        write_json(TRAIN / "training.json", {"hardware": machine.facts(), "knobs": settings.model_dump(), "resumed_from": job.log.resumed, **numbers, "versions": versions()})
        write_json(TRAIN / "metrics.json", {**numbers, "train_posts": posts, "trainer": name, "versions": versions()})
    say(f"validation loss {metrics['loss_before']:.3f} → {metrics['loss_after']:.3f} (epoch {metrics['best_epoch']:g} of {params.train.epochs}), {metrics['tokens_per_s']:.0f} tokens/s, {metrics['seconds']:.0f} s, {metrics['peak_memory_mb']:,.0f} MB")
    say("the new posts made the validation loss no better: the twin is the one before, and they count as new the next time" if as_it_was else learnt([loss for _, _, loss in log.valids], params.train.epochs))
    kept_steps.clear()
    say(f"wrote {ADAPTER}/ and {TRAIN}/metrics.json")


if __name__ == "__main__":
    run(main)
