"""Two processes, over gloo on loopback, make the loss curve of one with twice the batch; only the first writes."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.training_jobs import job, read, settings, written
from tests.support.workspace import ROOT, environment

KNOBS = {"epochs": 2, "max_steps": 0, "learning_rate": 5e-3}


def one_process(base: dict, folder: str, out: str) -> None:
    """What each process runs: no process but the first has a folder that counts."""
    from train import cpu

    tiny = read(base)
    rank = os.environ["RANK"]
    work = job(tiny, Path(folder) / f"adapter-{rank}", settings(**KNOBS, batch_size=1), 12)
    cpu.train(replace(work, checkpoints=replace(work.checkpoints, folder=Path(folder) / f"kept-{rank}")))
    (Path(out) / rank).write_text(
        json.dumps({"steps": work.log.steps, "valids": work.log.validations, "tokens": work.log.tokens})
    )


@pytest.mark.slow
def test_two_processes_learn_as_one_with_twice_the_batch(tiny, tmp_path, monkeypatch):
    from train import cpu

    monkeypatch.chdir(ROOT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = written(tiny)
    script = tmp_path / "run.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom tests.train import test_distributed"
        f"\ntest_distributed.one_process({base}, {str(tmp_path)!r}, {str(tmp_path)!r})\n"
    )
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        str(port),
        str(script),
    ]
    env = {**environment(tmp_path), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(launch, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    two, other = (json.loads((tmp_path / rank).read_text()) for rank in "01")
    one = job(tiny, tmp_path / "one", settings(**KNOBS, batch_size=2), 12)
    cpu.train(one)
    assert [s[0] for s in two["steps"]] == [s[0] for s in one.log.steps] and len(one.log.steps) >= 4
    assert [s[1] for s in two["steps"]] == pytest.approx([s[1] for s in one.log.steps], abs=2e-3)
    assert [v[2] for v in two["valids"]] == pytest.approx([v[2] for v in one.log.validations], abs=2e-3)
    assert other["valids"] == two["valids"] and two["tokens"] == one.log.tokens
    assert (tmp_path / "adapter-0/adapter_model.safetensors").is_file()
    assert not list((tmp_path / "adapter-1").iterdir()) and not (tmp_path / "kept-1").exists()
    assert "step 1/" in done.stdout and done.stdout.count("before training") == 1
