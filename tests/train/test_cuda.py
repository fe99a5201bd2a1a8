"""The GPU path for real: unsloth trains on the CPU here, as it does where it finds no card; its adapter is PEFT and
passes parity as any other.

Not tried without a card: 4 bit, packing (which unsloth leaves to cards), and memory that really ends.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.adapters import EXAMPLES, SYSTEM
from tests.support.training_jobs import written
from tests.support.workspace import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.model, pytest.mark.network]
PINNED = re.search(r"^unsloth==([\d.]+)", (ROOT / "train/requirements-cuda.txt").read_text(), re.M)[1]
KNOBS = {"epochs": 2, "learning_rate": 2e-2, "save_steps": 2, "batch_size": 2}


@pytest.fixture(scope="module")
def site() -> Path:
    """Where unsloth lies, made once: all that it needs for a CPU is installed already."""
    folder = Path(sys.prefix) / f"share/unsloth-{PINNED}"
    if not (folder / "ready").is_file():
        wanted = (f"unsloth=={PINNED}", f"unsloth_zoo=={PINNED}")
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "-q",
                "--no-compile",
                "--no-deps",
                "--upgrade",
                "--target",
                folder,
                *wanted,
            ],
            check=True,
        )
        (folder / "ready").touch()
    return folder


@pytest.fixture(scope="module")
def run(site, tiny):
    def run(folder: Path, kill_at: int = 0, start: str = "", before: str = "") -> subprocess.CompletedProcess:
        folder.mkdir(exist_ok=True)
        paths = [str(ROOT), str(site)]
        code = (
            f"import sys; sys.path[:0] = {paths}; from tests.support import training_jobs\n{before}\n"
            f"training_jobs.train_with('cuda', {written(tiny)}, {str(folder)!r}, {KNOBS}, {kill_at}, {start!r})"
        )
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**environment(folder), "UNSLOTH_FORCE_CPU": "1"},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run


def read(done: subprocess.CompletedProcess, folder: Path) -> dict:
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "out").read_text())


@pytest.fixture(scope="module")
def unbroken(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda") / "unbroken"
    return folder, read(run(folder), folder)


def test_cuda_adapter_passes_the_parity_gate(tiny, unbroken, tmp_path):
    from blogtwin.inference import parity
    from blogtwin.models.gguf_export import write_merged_gguf

    folder, numbers = unbroken
    assert (
        numbers["loss_after"] < numbers["loss_before"] - 0.2 and numbers["steps"] == 8 and numbers["unsloth"] == PINNED
    )
    assert sorted(f.name for f in (folder / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert json.loads((folder / "adapter/adapter_config.json").read_text())["base_model_name_or_path"] == tiny.repo
    references = parity.reference_logprobs(tiny, folder / "adapter", EXAMPLES[:1], SYSTEM, 48)
    write_merged_gguf(
        tiny.gguf,
        folder / "adapter",
        tmp_path / "twin.gguf",
        "f16",
        tiny.tokenizer().chat_template,
        {"general.name": "t"},
    )
    found = parity.compare_export(references, tmp_path / "twin.gguf")
    assert parity.parity_failures("twin", found) == [] and found["delta_to_twin"] < 0.05 < found["delta_to_base"], found


def test_cuda_losses_are_those_of_the_cpu_trainer(tiny, unbroken, tmp_path):
    """The same rows, template and labels: before a step is made, both trainers see the same validation loss."""
    from tests.support.training_jobs import job, settings
    from train import cpu

    numbers = cpu.train(job(tiny, tmp_path / "adapter", settings(**KNOBS, max_steps=1), 8))
    assert unbroken[1]["loss_before"] == pytest.approx(numbers["loss_before"], rel=5e-3)  # bf16


def test_cuda_run_that_was_killed_ends_as_an_unbroken_one(run, unbroken, tmp_path):
    """kill -9 in the middle of the second epoch: on from the checkpoint, with the optimiser, the random numbers and the
    best epoch."""
    assert run(tmp_path / "killed", kill_at=7).returncode == -9
    done = run(tmp_path / "killed")
    found, expected = read(done, tmp_path / "killed"), unbroken[1]
    assert "resuming from step 6 of 8" in done.stdout
    assert found["curve"] == pytest.approx(expected["curve"], abs=1e-3) and found["valids"] == pytest.approx(
        expected["valids"], abs=1e-3
    )


def test_cuda_trainer_goes_on_from_an_adapter(run, unbroken, tmp_path):
    folder, before = unbroken
    found = read(run(tmp_path / "on", start=str(folder / "adapter")), tmp_path / "on")
    assert (
        found["loss_before"] == pytest.approx(before["loss_after"], abs=0.01)
        and found["loss_after"] <= found["loss_before"]
    )


SHORT_OF_MEMORY = """
from train import cuda
inner = cuda.LabelledTrainer.training_step
def step(self, model, inputs, *rest):
    if len(inputs["input_ids"]) > 1 and self.state.global_step >= {at}:
        raise cuda.torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return inner(self, model, inputs, *rest)
cuda.LabelledTrainer.training_step = step
"""


@pytest.mark.parametrize("at, goes_on", [(0, False), (3, True)])
def test_out_of_memory_fewer_rows_at_a_time_make_the_same_twin(run, unbroken, tmp_path, at, goes_on):
    """Half as many rows on the card, twice as often: from the checkpoint, if there is one."""
    done = run(tmp_path / "short", before=SHORT_OF_MEMORY.format(at=at))
    found, expected = read(done, tmp_path / "short"), unbroken[1]
    assert (
        "batch size 1 instead of 2 (rows of 256 tokens), with gradient accumulation over 2 batches" in done.stdout
        and ("resuming from step 2" in done.stdout) == goes_on
    )
    assert found["steps"] == 8 and len(found["curve"]) == 8
    assert found["curve"] == pytest.approx(expected["curve"], abs=0.02) and found["valids"] == pytest.approx(
        expected["valids"], abs=0.02
    )  # bf16 rounds two halves otherwise than a whole


def test_without_memory_for_one_row_it_says_what_to_do(run, tmp_path):
    done = run(tmp_path / "none", before=SHORT_OF_MEMORY.format(at=0).replace("> 1 and", "> 0 and"))
    assert done.returncode == 1 and "set train.max_length below 256" in done.stderr


def test_where_bitsandbytes_does_not_work_the_weights_are_held_in_16_bit(run, tmp_path):
    """As of a model of 3 billion weights, which is held in 4 bit elsewhere."""
    before = (
        "from train import cuda; cuda.FOUR_BIT_FROM_BILLIONS = 0.0; sys.modules['bitsandbytes'] ="
        " sys.modules['bitsandbytes.functional'] = None"
    )
    done = run(tmp_path / "plain", before=before)
    assert read(done, tmp_path / "plain")["steps"] == 8
    assert "the weights are held in 16 bits instead of 4, because bitsandbytes doesn't work here" in done.stdout
