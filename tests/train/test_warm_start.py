"""A twin that goes on learning: it begins where the last one ended, reads what is new and some of the old, and is never
tested on what it knows."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import pytest

from blogtwin.files import read_jsonl
from blogtwin.paths import ADAPTER_DIR
from tests.support.training_jobs import job, settings
from train import warm_start

POSTS = {"a", "b", "c"}
KNOBS = {"prepare.redact": False, "train.method": "sft"}


@pytest.fixture
def last(tmp_path, monkeypatch):
    """The folder of the last adapter, which learnt the posts a and b."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ADAPTER_DIR
    folder.mkdir(parents=True)
    (folder / "backend.json").write_text(json.dumps({"base": {"digest": "d"}, "posts": ["a", "b"], "knobs": KNOBS}))
    (folder / "adapter_config.json").write_text(json.dumps({"r": 16, "lora_alpha": 32}))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return folder


def start(base="d", rank=16, knobs=KNOBS, posts=POSTS, held_out=frozenset(), there=frozenset("abcxyz")):
    return warm_start.find_warm_start(
        base, SimpleNamespace(lora_rank=rank, lora_alpha=32), knobs, set(posts), set(held_out), set(there)
    )


def test_warm_start_goes_on_from_the_last_adapter(last):
    found, said = start(held_out="x")
    assert found.adapter.resolve() == last and found.posts == {"a", "b"} and "1 new post" in said


@pytest.mark.parametrize(
    "given, why",
    [
        ({"base": "other"}, "another base model"),
        ({"rank": 8}, "rank 16"),
        ({"knobs": {**KNOBS, "prepare.redact": True}}, "another prepare.redact"),
        ({"knobs": {**KNOBS, "train.num_canaries": 0}}, "another train.num_canaries"),
        ({"held_out": "b"}, "knows 1 of the posts that are held out"),
        ({"there": "bcx"}, "knows 1 posts that were deleted or changed"),
        ({"posts": "ab"}, "was trained on all of these posts"),
        ({"posts": "yz"}, "other posts"),
    ],
)
def test_warm_start_begins_at_the_base_where_the_last_adapter_does_not_fit(last, given, why):
    found, said = start(**given)
    assert found is None and why in said and "starts from the base model" in said


def test_an_adapter_of_before_parameters_were_renamed_is_recognised(last):
    """Its backend.json has the names of then."""
    about = json.loads((last / "backend.json").read_text())
    (last / "backend.json").write_text(json.dumps(about | {"knobs": {**KNOBS, "train.canaries": 4}}))
    found, said = start(knobs={**KNOBS, "train.num_canaries": 4})
    assert found.posts == {"a", "b"} and "continues from the previous adapter" in said
    assert "another train.num_canaries" in start(knobs={**KNOBS, "train.num_canaries": 0})[1]


@pytest.mark.parametrize(
    "about",
    [
        "{",
        "[]",
        '{"base": "x", "posts": [], "knobs": {}}',
        '{"base": {"digest": "d"}, "posts": null, "knobs": {}}',
        '{"base": {"digest": "d"}, "posts": ["a"], "knobs": []}',
    ],
)
def test_warm_start_ignores_a_broken_adapter(last, about):
    (last / "backend.json").write_text(about)
    assert start()[0] is None


def test_the_first_training_begins_at_the_base(last):
    (last / "adapter_model.safetensors").unlink()  # half of it is none
    assert "no previous adapter" in start()[1]
    shutil.rmtree(last)
    assert "no previous adapter" in start()[1]


def test_old_posts_are_read_once_more_in_proportion_to_the_new_ones(last):
    found = start()[0]
    rows = [{"id": f"{p}-{n}", "post_id": p, "task": "write"} for p in "abc" for n in range(50)] + [
        {"id": "me", "post_id": "persona", "task": "persona"}
    ]
    lengths = {r["id"]: 10 for r in rows}
    some = warm_start.mix_replay(rows, found, lengths, 7)
    new, old = [r for r in some if r["post_id"] == "c"], [r for r in some if r["post_id"] != "c"]
    assert len(new) == 50 and len(old) == 100 and some == [r for r in rows if r in some]
    few = [r for r in rows if r["post_id"] != "c" or r["id"] in ("c-1", "c-2")]
    assert sum(r["post_id"] != "c" for r in warm_start.mix_replay(few, found, lengths, 7)) == 4
    assert warm_start.mix_replay(few, found, lengths, 7) != warm_start.mix_replay(few, found, lengths, 8)


@pytest.mark.slow
@pytest.mark.model
def test_the_cpu_trainer_begins_with_the_adapter_and_keeps_it_where_more_training_hurts(tiny, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    from tests.support.workspace import ROOT
    from train import cpu

    monkeypatch.chdir(ROOT)
    first = job(tiny, tmp_path / "first", settings())
    numbers = cpu.train(first)
    again = dataclasses.replace(
        job(tiny, tmp_path / "again", settings(epochs=1, learning_rate=1e-3)), init_adapter=first.output_dir
    )
    better = cpu.train(again)
    assert (
        better["loss_before"] == pytest.approx(numbers["loss_after"], abs=1e-4)
        and better["loss_after"] < better["loss_before"]
    )
    hurt = dataclasses.replace(
        job(tiny, tmp_path / "hurt", settings(epochs=1, learning_rate=0.05)), init_adapter=first.output_dir
    )
    for row in hurt.train_rows:  # nothing like what it is validated on
        row["completion"][0]["content"] = "Zinc, zebras! " * 20
    worse = cpu.train(hurt)
    assert hurt.log.validations[-1][2] > worse["loss_before"] == worse["loss_after"] and worse["best_epoch"] == 0
    ours, theirs = (load_file(w.output_dir / "adapter_model.safetensors") for w in (hurt, first))
    assert all(ours[k].equal(theirs[k]) for k in theirs)


@pytest.mark.slow
@pytest.mark.model
def test_posts_added_to_a_blog_are_learnt_on_top_and_the_test_stays(tiny_root, tmp_path, run_in):
    """The stages themselves, run by DVC in a workspace of the project, on a tiny base: three posts are added, and only
    they and twice as many tokens of old ones are trained on."""
    from tests.support.sample_corpus import posts
    from tests.support.workspace import make_workspace, with_tiny

    folder = make_workspace(tmp_path / "blog")
    blog = folder / "data/mine"
    blog.mkdir(parents=True)

    def write(some, first: int) -> None:
        for n, (brief, text) in enumerate(some, first):
            (blog / f"20{10 + n // 12}-{1 + n % 12:02}-03-post-{n}.md").write_text(
                f'---\ntitle: "{brief.split(". ")[0]}"\n---\n{text}\n'
            )

    write(posts()[:20], 0)
    run_in(
        folder,
        f"python scripts/set_param.py ingest.source=data/mine train.base={with_tiny(folder, tiny_root)} train.epochs=1"
        " train.warm_start=true",
    )
    done = run_in(folder, "dvc repro train")
    assert "starts from the base model" in done.stdout and "20 new" not in done.stdout
    before = {
        name: {r["post_id"] for r in read_jsonl(folder / f"data/split/{name}.jsonl")} for name in ("train", "test")
    }
    assert set(json.loads((folder / "artifacts/adapter/backend.json").read_text())["posts"]) == before["train"]
    write(posts()[20:23], 20)
    done = run_in(folder, "dvc repro train")
    after = {
        name: {r["post_id"] for r in read_jsonl(folder / f"data/split/{name}.jsonl")} for name in ("train", "test")
    }
    new = after["train"] - before["train"]
    assert before["test"] <= after["test"] and before["train"] <= after["train"] and new
    assert (
        "20 posts stay in their split, 3 are new" in done.stdout
        and f"continues from the previous adapter, with {len(new)} new posts" in done.stdout
    ), done.stdout
    about = json.loads((folder / "artifacts/adapter/backend.json").read_text())
    assert set(about["posts"]) == after["train"]
    assert "pipelines are up to date" in run_in(folder, "dvc repro train").stdout
