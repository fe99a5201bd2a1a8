"""Two processes, over gloo on loopback, make the loss curve of one with twice the batch; only the first writes."""

import pytest

from tests.support.launched import REPLICAS, launch, logged, train
from tests.support.training_jobs import written
from tests.support.workspace import ROOT

KNOBS = {"epochs": 2, "max_steps": 0, "learning_rate": 5e-3}


@pytest.mark.slow
def test_two_processes_learn_as_one_with_twice_the_batch(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    base = written(tiny)
    work = {"base": base, "folder": f"{tmp_path}/two", "knobs": {**KNOBS, "batch_size": 1}}
    done = launch(tmp_path, [work], *REPLICAS)
    assert done.returncode == 0, done.stderr[-3000:]
    two, other = (logged(tmp_path / "two", rank) for rank in (0, 1))
    one = train(base, f"{tmp_path}/one", {**KNOBS, "batch_size": 2})
    assert len(two["curve"]) == len(one["curve"]) >= 4
    for name in ("curve", "valids"):
        assert two[name] == pytest.approx(one[name], abs=2e-3)
    assert other["valids"] == two["valids"] and two["tokens"] == one["tokens"]
    assert (tmp_path / "two/adapter-0/adapter_model.safetensors").is_file()
    assert not list((tmp_path / "two/adapter-1").iterdir())
    assert "step 1/" in done.stdout and done.stdout.count("before training") == 1
