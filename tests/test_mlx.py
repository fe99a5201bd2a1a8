"""The Apple path for real, on any system: mlx-lm trains on the CPU, its adapter is PEFT, and it passes parity as any other.

mlx-lm has its own Python where this one has none: made once in .venv/share, as the pinned requirements are for Macs only.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, environment
from jobs import written
from test_export import EXAMPLES, SYSTEM

pytestmark = pytest.mark.slow
PINNED = re.search(r"^mlx-lm==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.M)[1]
KNOBS = {"epochs": 2, "learning_rate": 2e-2, "checkpoint_steps": 2, "lora_dropout": 0.1}


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that has mlx-lm."""
    if importlib.util.find_spec("mlx_lm") or "BLOGTWIN_MLX_PYTHON" in os.environ:
        return os.environ.get("BLOGTWIN_MLX_PYTHON", sys.executable)
    folder = Path(sys.prefix) / f"share/mlx-{PINNED}"
    if not (folder / "ready").is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "-q", "--no-compile", f"mlx-lm[cpu]=={PINNED}", "pydantic", "pyyaml", "rich"], check=True)
        (folder / "ready").touch()
    return str(folder / "bin/python")


@pytest.fixture(scope="module")
def run(python, tiny, tmp_path_factory):
    def run(folder: Path, kill_at: int = 0, start: str = "") -> subprocess.CompletedProcess:
        folder.mkdir(exist_ok=True)
        paths = [str(ROOT / "tests"), str(ROOT), str(ROOT / "scripts")]
        code = f"import sys; sys.path[:0] = {paths}; import jobs; jobs.train_with_mlx({written(tiny)}, {str(folder)!r}, {KNOBS}, {kill_at}, {start!r})"
        return subprocess.run([python, "-c", code], cwd=ROOT, env={**environment(folder), "BLOGTWIN_MLX_ON_LINUX": "1"}, capture_output=True, text=True, timeout=600)

    return run


@pytest.fixture(scope="module")
def unbroken(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlx") / "unbroken"
    done = run(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads((folder / "out").read_text())


def test_its_adapter_passes_parity(tiny, unbroken, tmp_path):
    from eval import parity
    from train.export import write_twin

    folder, numbers = unbroken
    assert numbers["loss_after"] < numbers["loss_before"] - 0.2 and numbers["steps"] == 8
    references = parity.reference(tiny, folder / "adapter", EXAMPLES[:1], SYSTEM, 48)
    write_twin(tiny.gguf, folder / "adapter", tmp_path / "twin.gguf", "f16", tiny.tokenizer().chat_template, {"general.name": "t"})
    found = parity.compare(references, tmp_path / "twin.gguf")
    assert parity.failures("twin", found) == [] and found["delta_to_twin"] < 0.05 < found["delta_to_base"], found


def test_killed_it_ends_as_if_unbroken(run, unbroken, tmp_path):
    """kill -9 in the middle of the second epoch: on from the checkpoint, with the optimiser, the random numbers and the best epoch."""
    assert run(tmp_path / "killed", kill_at=7).returncode == -9
    done = run(tmp_path / "killed")
    assert done.returncode == 0 and "going on from step 6 of 8" in done.stdout, (done.stdout, done.stderr[-3000:])
    found, expected = json.loads((tmp_path / "killed/out").read_text()), unbroken[1]
    assert found["curve"] == pytest.approx(expected["curve"], abs=1e-3) and found["valids"] == pytest.approx(expected["valids"], abs=1e-3)


def test_it_goes_on_from_an_adapter(run, unbroken, tmp_path):
    """What PEFT was given comes back as MLX's own: the first validation loss is the one the adapter was kept with."""
    folder, before = unbroken
    done = run(tmp_path / "on", start=str(folder / "adapter"))
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "on/out").read_text())
    assert found["loss_before"] == pytest.approx(before["loss_after"], abs=0.01) and found["loss_after"] <= found["loss_before"]
