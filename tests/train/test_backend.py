"""What comes before training and beside it: which trainer, which rows, the curves, the template."""

import itertools
import json
import math
import platform
import re
import sys
import warnings
from types import ModuleType, SimpleNamespace

import pytest

from blogtwin.errors import UserError
from blogtwin.models import chat
from tests.support.training_jobs import settings
from train import backend, probe
from train.budget import select_within_token_budget
from train.training_log import TrainingLog


def test_budget_keeps_openings_before_later_parts_and_new_before_old():
    """train.max_tokens leaves out later parts of old posts first; a shorter row may still fit; never all of them."""
    rows = [
        {"post_id": f"p{i}", "part": part, "date": f"20{10 + i}-01-01", "id": f"p{i}-{part}"}
        for i in range(5)
        for part in (1, 2)
    ]
    lengths = {r["id"]: 40 if r["post_id"] == "p0" else 100 for r in rows}

    def kept(tokens):
        return [f"{r['post_id']}.{r['part']}" for r in select_within_token_budget(rows, lengths, 2, tokens)]

    assert kept(500) == [
        "p0.1",
        "p3.1",
        "p4.1",
    ]  # two new openings at 200 over two passes, and an old short one that still fits
    assert kept(1100) == ["p0.1", "p1.1", "p2.1", "p3.1", "p4.1", "p4.2"]
    assert select_within_token_budget(rows, lengths, 2, 0) == rows and kept(1) == ["p4.1"]


def test_passages_with_notes_have_a_budget_of_their_own_and_are_spread_over_the_blog():
    """The voice is learnt from the posts, and would lose what they take."""
    posts = [
        {"post_id": f"p{i}", "part": 1, "task": "write", "date": f"20{i:02}-01-01", "id": f"p{i}-1"} for i in range(20)
    ]
    notes = [{**post, "task": "notes", "id": f"{post['id']}-notes-{n}"} for post in posts for n in range(5)]
    lengths = {row["id"]: 100 if row["task"] == "write" else 20 for row in posts + notes}

    def kept(tokens):
        return select_within_token_budget(notes + posts, lengths, 1, tokens)

    assert [row["id"] for row in kept(1000) if row["task"] == "write"] == [post["id"] for post in posts[10:]]
    with_notes = [row for row in kept(1000) if row["task"] == "notes"]
    assert len(with_notes) == 20 and len({row["post_id"] for row in with_notes}) > 10  # 400 tokens, of old posts too
    assert {row["date"] for row in with_notes if row["date"] < "2005"}
    assert len(kept(3900)) == 20 + 95  # what the posts leave: 1,900 tokens
    assert kept(10_000) == notes + posts


def test_select_backend_says_why(monkeypatch):
    monkeypatch.setenv("FORCE_CPU", "1")
    monkeypatch.setattr(backend, "_mlx_unusable_reason", lambda: "")
    assert backend.select_backend("auto") == ("cpu", "FORCE_CPU is set")
    with pytest.raises(UserError, match="train.backend is mlx, but FORCE_CPU is set"):
        backend.select_backend("mlx")
    monkeypatch.setenv("FORCE_CPU", "0")
    assert backend.select_backend("auto")[0] == "mlx"
    monkeypatch.setattr(backend, "_mlx_unusable_reason", lambda: "this is not a Mac")
    monkeypatch.setattr(backend, "_cuda_unusable_reason", lambda: "no GPU is found")
    assert backend.select_backend("auto") == ("cpu", "no GPU is found")
    with pytest.raises(UserError, match="train.backend is cuda, but no GPU is found"):
        backend.select_backend("cuda")


# --- what is installed decides nothing, what works does ---------------------------------------------------------------


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """machine(tool): the PATH holds nothing but a tool of that name that shows a GPU; no driver has made its device."""
    monkeypatch.setattr(backend, "probe_trainer", backend.probe_trainer.__wrapped__)  # not what it found before
    monkeypatch.delenv("FORCE_CPU", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(backend, "GPU_DEVICE_FILES", ())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # so that PyTorch finds none where there is one

    def add(tool: str) -> None:
        (tmp_path / tool).write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100'\n")
        (tmp_path / tool).chmod(0o755)

    return add


@pytest.mark.slow
def test_a_tool_that_shows_a_gpu_is_not_believed_where_pytorch_can_not_use_it(machine):
    """For real: PyTorch is asked, in a process of its own."""
    machine("nvidia-smi")
    assert backend.select_backend("auto") == ("cpu", "PyTorch finds no GPU that it can use, though nvidia-smi is here")
    with pytest.raises(UserError, match="train.backend is cuda, but PyTorch finds no GPU that it can use"):
        backend.select_backend("cuda")


def test_where_nothing_shows_a_gpu_no_process_is_started(machine, monkeypatch):
    monkeypatch.setattr(backend.subprocess, "run", lambda *_, **__: pytest.fail("asks for a GPU"))
    monkeypatch.setattr(
        backend.importlib.util, "find_spec", lambda name: pytest.fail(f"asks whether {name} is installed")
    )
    assert backend.select_backend("auto")[0] == "cpu" and backend.select_backend("cpu")[0] == "cpu"


def test_a_driver_without_its_tool_is_tried(machine, monkeypatch, tmp_path):
    """A container may have the device and not the tool."""
    monkeypatch.setattr(backend, "GPU_DEVICE_FILES", (str(tmp_path),))
    monkeypatch.setattr(backend, "probe_trainer", lambda name: "")
    assert backend.select_backend("auto") == ("cuda", "there is a GPU and unsloth works on it")


TRIALS = {
    "hangs": ("import time; time.sleep(60)", "trying cuda took more than 0.5 seconds"),
    "ends": ("import os; os.abort()", "trying cuda failed (status -6)"),
    "fails": ("raise OSError('libcuda.so.1 is broken')", "trying cuda failed (OSError: libcuda.so.1 is broken)"),
    "says no": ("print('Welcome to unsloth!'); print(probe.ANSWER + 'no kernels'); print('Bye')", "no kernels"),
    "says yes": ("print('Welcome to unsloth!'); print(probe.ANSWER)", ""),
}


@pytest.mark.parametrize("how", TRIALS)
def test_a_trial_that_hangs_or_breaks_is_a_reason(machine, monkeypatch, tmp_path, how):
    code, expected = TRIALS[how]
    (tmp_path / "trial.py").write_text("from train import probe\n" + code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(backend, "probe", SimpleNamespace(__name__="trial", ANSWER=probe.ANSWER))
    if how == "hangs":
        monkeypatch.setattr(backend, "PROBE_TIMEOUT_SECONDS", 0.5)
    assert backend.probe_trainer("cuda") == expected


def torch_with(monkeypatch, ones=None, found: bool = True, warning: str = "") -> None:
    """PyTorch with a GPU to the eye, on which nothing but what `ones` does can be done."""
    import torch

    real = torch.ones

    def is_available() -> bool:
        if warning:
            warnings.warn(warning, stacklevel=1)
        return found

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    monkeypatch.setattr(torch, "ones", ones or (lambda *shape, device: real(*shape)))


def no_kernels(*_, **__):
    raise RuntimeError(
        "CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be …"
    )


@pytest.mark.slow
def test_a_gpu_that_pytorch_can_not_use_is_named(monkeypatch):
    old = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update."
    torch_with(monkeypatch, found=False, warning=old)
    assert probe.probe_cuda() == f"PyTorch can't use it ({old.rstrip('.')})"
    torch_with(monkeypatch, ones=no_kernels)
    assert (
        probe.probe_cuda()
        == "PyTorch can't compute on it (CUDA error: no kernel image is available for execution on the device)"
    )


@pytest.mark.slow
def test_unsloth_has_to_load_not_to_lie_there(monkeypatch, tmp_path):
    torch_with(monkeypatch)
    monkeypatch.delitem(sys.modules, "unsloth", raising=False)
    monkeypatch.delitem(sys.modules, "train.cuda", raising=False)
    monkeypatch.setattr(probe.importlib.util, "find_spec", lambda name: None)
    assert probe.probe_cuda().startswith("unsloth is not installed (`pip install")
    monkeypatch.undo()
    torch_with(monkeypatch)
    (tmp_path / "unsloth.py").write_text("raise RuntimeError('unsloth_zoo is of another version.\\nUpgrade it.')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("UNSLOTH_COMPILE_LOCATION", str(tmp_path))
    assert probe.probe_cuda() == "unsloth can't be loaded (RuntimeError: unsloth_zoo is of another version)"


@pytest.mark.slow
def test_bf16_takes_a_cpu_that_multiplies_it_and_a_pytorch_that_asks_it_to(monkeypatch):
    import torch

    from blogtwin.hardware import has_bf16

    for avx512, amx, onednn in itertools.product([False, True], repeat=3):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda given=avx512: given)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda given=amx: given)
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda given=onednn: given)
        assert has_bf16() == (onednn and (avx512 or amx))
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert has_bf16()
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    assert not has_bf16(), "PyTorch was told to compute as another CPU does"


def a_mac(monkeypatch, machine: str = "arm64") -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(sys, "platform", "darwin")


def test_mlx_lm_is_picked_where_metal_works_not_where_it_is_installed(machine, monkeypatch):
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: object())  # mlx-lm is installed
    monkeypatch.setattr(backend, "probe_trainer", lambda name: pytest.fail("tries mlx on Linux"))
    monkeypatch.delenv("BLOGTWIN_MLX_ON_LINUX", raising=False)
    if platform.system() != "Darwin":
        assert backend.unusable_reason("mlx") == "this is not a Mac"
    a_mac(monkeypatch)
    for why in ("", "Metal is not available (in a virtual machine, for example)"):
        monkeypatch.setattr(backend, "probe_trainer", lambda name, why=why: why)
        assert backend.select_backend("auto") == (
            ("cpu", why) if why else ("mlx", "this is Apple silicon and mlx-lm works")
        )
    a_mac(monkeypatch, "x86_64")
    assert backend.select_backend("auto") == ("cpu", "this Mac has no Apple silicon")


def test_metal_that_is_absent_or_broken_is_named(monkeypatch):
    a_mac(monkeypatch)

    def broken(*_):
        raise RuntimeError("[metal::Device] Unable to load kernel")

    core = ModuleType("mlx.core")
    core.metal, core.ones, core.eval = (
        SimpleNamespace(is_available=lambda: False),
        lambda shape: type("Array", (), {"__matmul__": lambda *_: 1})(),
        broken,
    )
    package = ModuleType("mlx")
    package.core = core
    monkeypatch.setitem(sys.modules, "mlx", package)
    monkeypatch.setitem(sys.modules, "mlx.core", core)
    assert probe.probe_mlx() == "Metal is not available (in a virtual machine, for example)"
    core.metal = SimpleNamespace(is_available=lambda: True)
    assert probe.probe_mlx() == "mlx can't compute ([metal::Device] Unable to load kernel)"
    core.eval = lambda array: None
    monkeypatch.setitem(sys.modules, "train.mlx", None)
    assert probe.probe_mlx().startswith("mlx-lm can't be loaded (ModuleNotFoundError: ")
    monkeypatch.setitem(sys.modules, "train.mlx", ModuleType("train.mlx"))
    assert probe.probe_mlx() == ""
    monkeypatch.setitem(sys.modules, "mlx", None)
    monkeypatch.delitem(sys.modules, "mlx.core")
    assert probe.probe_mlx().startswith("mlx can't be loaded (")


@pytest.mark.slow
@pytest.mark.parametrize("picked", ["cpu", "cuda", "mlx"])
def test_preferences_compute_where_the_trainer_was_picked_to(monkeypatch, tmp_path, picked):
    """PyTorch sees a GPU each time: where the trainer is not on it (unsloth is missing, say), neither are they."""
    import torch

    from train.preferences import common

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(common, "gpu_has_bf16", lambda: False)
    monkeypatch.setattr(backend, "select_backend", lambda wanted: (picked, "the test says so"))
    found = common.shared_arguments(SimpleNamespace(params=settings()), str(tmp_path))
    assert found["use_cpu"] == (picked != "cuda") and found["gradient_checkpointing"] == (picked == "cuda")
    assert found["bf16"] == (picked != "cuda" and common.has_bf16())


def test_training_log_writes_the_curves(tmp_path):
    log = TrainingLog()
    log.log_validation(0, 0, 3.5)
    log.start(2)
    log.log_step(1, 3.0, 1e-4, 0.5, 100, 1.0)
    log.log_step(2, 2.5, 5e-5, 0.4, 100, 1.0)
    log.log_validation(2, 1, 2.75)
    log.stop()
    log.write(tmp_path)
    assert (
        tmp_path / "loss.tsv"
    ).read_text() == "step\tloss\tlearning_rate\tgrad_norm\n1\t3\t0.0001\t0.5\n2\t2.5\t5e-05\t0.4\n"
    assert (tmp_path / "valid_loss.tsv").read_text() == "step\tepoch\tloss\n0\t0\t3.5\n2\t1\t2.75\n"
    assert log.tokens == 200 and math.isclose(log.seconds, 2.0)


def test_log_says_each_step_and_keeps_the_logs_before(tmp_path, capsys):
    """Tokens/s, time left and memory on the terminal and as JSON lines; the newest five logs of earlier runs stay
    beside the present one."""
    file = tmp_path / "logs/train.jsonl"
    for run in range(7):
        log = TrainingLog(file)
        log.start(4)
        log.log_step(1, 3.0 + run, 1e-4, 0.5, 100, 0.5)
        log.stop()
    assert re.search(
        r"step 1/4  loss 9.000  200 tokens/s  \d+ s left  \d+\.\d GB", capsys.readouterr().out.splitlines()[-1]
    )
    start, step = map(json.loads, file.read_text().splitlines())
    assert (
        start["event"] == "start"
        and step["tokens_per_s"] == 200
        and step["loss"] == 9
        and step["peak_memory_mb"] > 10
        and step["seconds_left"] >= 0
    )
    assert sorted(f.name for f in file.parent.iterdir()) == ["train.jsonl", *(f"train.jsonl.{n}" for n in range(1, 6))]
    assert [json.loads(file.with_name(f"train.jsonl.{n}").read_text().splitlines()[1])["loss"] for n in (1, 5)] == [
        8,
        4,
    ]


def test_llama_template_renders_the_same_on_every_day():
    """A template that asks for the date gets the pinned one, in transformers and wherever the template is taken."""
    template = (
        "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}{{"
        " date_string }}"
    )
    from jinja2 import Environment

    assert Environment().from_string(chat.pin_date(template)).render(strftime_now=lambda f: "today") == chat.PINNED_DATE
    assert chat.pin_date("{{ messages }}") == "{{ messages }}"


def test_a_sharded_model_is_trained_without_unsloth(monkeypatch):
    """accelerate says so in the environment."""
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    name, reason = backend.select_backend("auto")
    assert name == "cpu" and "FSDP" in reason
    with pytest.raises(UserError, match="train.backend is cuda, but it can't train a model that accelerate shards"):
        backend.select_backend("cuda")


def test_deepspeed_is_refused_with_what_to_do_instead(monkeypatch):
    from blogtwin.config import load_params
    from tests.support.workspace import ROOT
    from train.run import choose_trainer

    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(UserError, match="--config_file train/accelerate/fsdp.yaml"):
        choose_trainer(load_params(ROOT / "params.yaml"))
