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

import _path

import argparse

from blogtwin.config import load_params, shell_command
from blogtwin.console import run, say
from blogtwin.paths import ADAPTER, TRAIN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resume-from", metavar="DIR", help="a checkpoint that lies elsewhere; without it, the newest of the same params and data")
    arguments = parser.parse_args()
    params = load_params()
<<<<<<< HEAD
    from train.run import choose_trainer, plan_run, run_training
=======
    from corpus.examples import of_posts, openings, whole_posts

    # Validation is on the posts as they are, so that the losses of two mixes of tasks can be compared.
    train_rows, valid_rows = read_jsonl(SPLIT / "train.jsonl"), of_posts(read_jsonl(SPLIT / "valid.jsonl"))
    from blogtwin import hardware
    from blogtwin.models import chat
    from blogtwin.models.registry import resolve
    from train import backend, warm_start
    from train.checkpoints import belongs_to, checkpoints
    from train.schedule import fitted, learnt
    from train.training_log import Log

    name, reason = backend.pick(params.train.backend)
    say(f"trainer: {name}, because {reason}")
    if params.train.method != "sft" and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError(f"train.method is {params.train.method}, which runs in one process, and this is one of {os.environ['WORLD_SIZE']}: run {shell_command('python scripts/04_train.py')}, or set train.method to sft.")
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
        begin, sentence = warm_start.start(base.digest, settings, warm_start.made_with(params), learnt_from, held_out, held_out | {e["post_id"] for e in train_rows})
        said.append(sentence)
        if begin:
            kept = warm_start.replayed(kept, begin, lengths, params.train.seed)
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
>>>>>>> c

    plan = plan_run(params, *choose_trainer(params))
    run_training(params, plan, arguments.resume_from)
    say(f"wrote {ADAPTER}/ and {TRAIN}/metrics.json")


if __name__ == "__main__":
    run(main)
