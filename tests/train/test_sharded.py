"""FSDP2 in two processes, over gloo on loopback: a sharded model learns as a whole one, what is written is whole, and
a run goes on with another number of processes."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.families import FAMILIES, write_family
from tests.support.hub_models import edit
from tests.support.launched import ALONE, FSDP, launch, logged, train
from tests.support.training_jobs import written
from tests.support.workspace import ROOT
from train.checkpoints import MANIFEST

KNOBS = {"epochs": 2, "max_steps": 0, "learning_rate": 5e-3, "save_steps": 2}
ONE = {**KNOBS, "batch_size": 2}  # one process that reads the rows of two
TWO = {**KNOBS, "batch_size": 1}

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.model]


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def assert_same(found: dict, expected: dict) -> None:
    assert len(expected["curve"]) >= 6
    for name in ("curve", "valids"):
        assert found[name] == pytest.approx(expected[name], abs=1e-3)
    assert {k: found[k] for k in ("tokens", "best", "steps")} == {k: expected[k] for k in ("tokens", "best", "steps")}


def assert_same_adapter(one: Path, other: Path) -> None:
    a, b = (load_file(folder / "adapter_model.safetensors") for folder in (one, other))
    assert a.keys() == b.keys() and a
    assert all(torch.allclose(a[name], b[name], atol=2e-3) for name in a)


@pytest.fixture(scope="module")
def families(repository, tmp_path_factory):
    """{kind: its base}, all of them trained by two processes with a shard each, in the base's folder."""
    root = tmp_path_factory.mktemp("families")
    bases = {}
    for kind in FAMILIES:
        write_family(root / kind, kind, repository)
        if kind == "GPT2":  # the only one with dropout, and whose vocabulary is of the older form
            edit(root / kind / "config.json", attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0)
            for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
                shutil.copy(repository / name, root / kind)
        bases[kind] = {"name": kind, "hf": str(root / kind), "gguf": "", "digest": kind, "repo": kind, "license": ""}
        bases[kind]["template"] = ""
    works = [{"base": base, "folder": f"{root}/{kind}-two", "knobs": TWO, "fp32": True} for kind, base in bases.items()]
    done = launch(root, works, *FSDP)
    assert done.returncode == 0, done.stderr[-3000:]
    return root, bases


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_sharded_family_learns_as_a_whole_one(kind, families):
    """The first process alone writes, and what it writes is whole."""
    root, bases = families
    one = train(bases[kind], f"{root}/{kind}-one", ONE, fp32=True)
    two = root / f"{kind}-two"
    assert_same(logged(two), one)
    assert logged(two, 1)["valids"] == logged(two)["valids"]
    assert_same_adapter(two / "adapter-0", root / f"{kind}-one/adapter-alone")
    assert not list((two / "adapter-1").iterdir())


@pytest.mark.parametrize("first", ["two", "one"])
def test_a_killed_run_goes_on_with_another_number_of_processes(first, tiny, tmp_path):
    base = written(tiny)
    unbroken = train(base, f"{tmp_path}/unbroken", ONE, fp32=True)
    two = {"base": base, "folder": f"{tmp_path}/broken", "knobs": TWO, "fp32": True}
    one = {**two, "knobs": ONE}
    if first == "two":
        assert launch(tmp_path, [{**two, "kill_at": 5}], *FSDP).returncode != 0
        assert [file.parent.name for file in tmp_path.glob(f"broken/checkpoints/*/{MANIFEST}")] == ["step-4"]
        found, adapter = train(**one), "adapter-alone"
    else:
        assert launch(tmp_path, [{**one, "kill_at": 5}], *ALONE).returncode != 0
        done = launch(tmp_path, [two], *FSDP)
        assert done.returncode == 0, done.stderr[-3000:]
        assert "resuming from step 4 of 6" in done.stdout
        found, adapter = logged(tmp_path / "broken"), "adapter-0"
    assert_same(found, unbroken)
    assert_same_adapter(tmp_path / "broken" / adapter, tmp_path / "unbroken/adapter-alone")
