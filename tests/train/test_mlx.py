"""The Apple path for real, on any system: mlx-lm trains on the CPU, its adapter is PEFT, and it passes parity as any
other.

mlx-lm has its own Python where this one has none: made once in .venv/share, as the pinned requirements are for Macs
only.
"""

import dataclasses
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.adapters import EXAMPLES, SYSTEM
from tests.support.hub_models import ROPE, random_model
from tests.support.training_jobs import job, settings, written
from tests.support.workspace import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.model, pytest.mark.network]
PINNED = re.search(r"^mlx-lm==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.M)[1]
KNOBS = {"epochs": 2, "learning_rate": 2e-2, "save_steps": 2, "lora_dropout": 0.1}
# What every program below begins with. It runs in mlx-lm's Python, which has no pytest.
PRELUDE = f"""
import json, os, resource, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.support import training_jobs
import mlx.core as mx
from train import mlx
from train.training_log import TrainingLog

def at_step(number, act):
    inner = TrainingLog.log_step
    TrainingLog.log_step = lambda log, step, *rest: (inner(log, step, *rest), step == number and act())

def end_of(call):
    try:
        return call()
    except (Exception, KeyboardInterrupt) as e:
        return print(f"{{type(e).__name__}}: {{e}}")
"""


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that has mlx-lm."""
    if importlib.util.find_spec("mlx_lm") or "BLOGTWIN_MLX_PYTHON" in os.environ:
        return os.environ.get("BLOGTWIN_MLX_PYTHON", sys.executable)
    folder = Path(sys.prefix) / f"share/mlx-{PINNED}"
    if not (folder / "ready").is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [
                folder / "bin/python",
                "-m",
                "pip",
                "install",
                "-q",
                "--no-compile",
                f"mlx-lm[cpu]=={PINNED}",
                "pydantic",
                "pyyaml",
                "rich",
            ],
            check=True,
        )
        (folder / "ready").touch()
    return str(folder / "bin/python")


@pytest.fixture(scope="module")
def program(python):
    def program(folder: Path, code: str, status: int = 0) -> str:
        """What a program says that works in `folder`."""
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            [python, "-c", PRELUDE + code],
            cwd=ROOT,
            env={**environment(folder), "BLOGTWIN_MLX_ON_LINUX": "1"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == status, (done.stdout, done.stderr[-3000:])
        return done.stdout

    return program


@pytest.fixture(scope="module")
def run(program, tiny):
    def run(folder: Path, kill_at: int = 0, start: str = "", before: str = "") -> str:
        call = f"training_jobs.train_with('mlx', {written(tiny)}, {str(folder)!r}, {KNOBS}, {kill_at}, {start!r})"
        return program(folder, f"{before}\n{call}", -9 if kill_at else 0)

    return run


@pytest.fixture(scope="module")
def unbroken(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlx") / "unbroken"
    run(folder)
    return folder, out(folder)


def out(folder: Path) -> dict:
    return json.loads((folder / "out").read_text())


def assert_same(found: dict, expected: dict) -> None:
    for name in ("curve", "valids"):
        assert found[name] == pytest.approx(expected[name], abs=1e-3)
    assert [found[k] for k in ("steps", "tokens", "best_epoch")] == [
        expected[k] for k in ("steps", "tokens", "best_epoch")
    ]


def test_mlx_adapter_passes_the_parity_gate(tiny, unbroken, tmp_path):
    from blogtwin.inference import parity
    from blogtwin.models.gguf_export import write_merged_gguf

    folder, numbers = unbroken
    assert numbers["loss_after"] < numbers["loss_before"] - 0.2 and numbers["steps"] == 8
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


def test_mlx_run_that_was_killed_ends_as_an_unbroken_one(run, unbroken, tmp_path):
    """kill -9 in the middle of the second epoch: on from the checkpoint, with the optimiser, the random numbers and the
    best epoch."""
    run(tmp_path / "killed", kill_at=7)
    assert "resuming from step 6 of 8" in run(tmp_path / "killed")
    assert_same(out(tmp_path / "killed"), unbroken[1])


def test_mlx_trainer_goes_on_from_an_adapter(run, unbroken, tmp_path):
    """What PEFT was given comes back as MLX's own: the first validation loss is the one the adapter was kept with."""
    folder, before = unbroken
    run(tmp_path / "on", start=str(folder / "adapter"))
    found = out(tmp_path / "on")
    assert (
        found["loss_before"] == pytest.approx(before["loss_after"], abs=0.01)
        and found["loss_after"] <= found["loss_before"]
    )


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_the_step_and_the_same_command_goes_on(program, tiny, unbroken, tmp_path):
    """A second one in the same step does not wait for it: the checkpoint before stays."""
    said = program(
        tmp_path,
        f"""
def train(knobs={KNOBS}):
    training_jobs.train_with('mlx', {written(tiny)}, {str(tmp_path)!r}, knobs)

step, press = TrainingLog.log_step, lambda: os.kill(os.getpid(), signal.SIGINT)
at_step(3, lambda: (press(), press()))
end_of(train)
TrainingLog.log_step = step
at_step(5, press)
end_of(train)
TrainingLog.log_step = step
kept = training_jobs.Path({str(tmp_path)!r}, "adapter-checkpoints/step-5/run.json")
state = json.loads(kept.read_text())
state["log"]["spent"] += 1000
kept.write_text(json.dumps(state))
train()
""",
    )
    assert re.search(r"^KeyboardInterrupt: $.*^resuming from step 2 of 8, ", said, re.M | re.S), said
    assert re.search(
        r"^KeyboardInterrupt: stopped: step 5 of 8 is saved in \S+/adapter-checkpoints/step-5; the same command resumes"
        r" from there\.$",
        said,
        re.M,
    ), said
    assert "resuming from step 5 of 8" in said
    assert_same(out(tmp_path), unbroken[1])
    assert 1000 < out(tmp_path)["seconds"] < 1600, "the seconds of all runs, as its steps and tokens are of all runs"


def test_ctrl_c_in_the_last_step_leaves_its_validation_to_the_next_run(program, tiny, tmp_path):
    """The last step of train.max_steps, in the middle of an epoch."""
    said = program(
        tmp_path,
        f"""
step = TrainingLog.log_step
at_step(3, lambda: os.kill(os.getpid(), signal.SIGINT))
train = lambda: training_jobs.train_with('mlx', {written(tiny)}, {str(tmp_path)!r}, {KNOBS | {"max_steps": 3}})
end_of(train)
TrainingLog.log_step = step
train()
""",
    )
    assert "stopped: step 3 of 3 is saved" in said and "resuming from step 3 of 3" in said, said
    assert len(out(tmp_path)["valids"]) == 2 and out(tmp_path)["best_epoch"] == 0.75


# --- disk, memory, numbers --------------------------------------------------------------------------------------------


def test_a_full_disk_stops_no_training(run, unbroken, tmp_path):
    """Full from step 4 on, also where mlx-lm writes the adapter at an epoch's end: the checkpoint before stays, the
    result is the same."""
    said = run(
        tmp_path / "full",
        before="""
limit, write = resource.getrlimit(resource.RLIMIT_FSIZE), mlx.write_peft
at_step(4, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1])))
mlx.write_peft = lambda *rest: (resource.setrlimit(resource.RLIMIT_FSIZE, limit), write(*rest))
""",
    )
    assert "the disk is full: step 4 is not saved, the latest checkpoint is still step-2; training continues" in said, (
        said
    )
    assert "the disk is full: step 6" in said
    assert_same(out(tmp_path / "full"), unbroken[1])
    assert sorted(f.name for f in (tmp_path / "full/adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_a_step_in_parts_is_the_same_step(program, tiny, tmp_path):
    """Four rows a step, of unequal lengths: at once, two by two, and one by one after memory ran out in the second part
    of the second step, whose update MLX has promised by then. Loss, gradient norm and validation loss are the same."""
    knobs = KNOBS | {"batch_size": 2, "lora_dropout": 0.0, "learning_rate": 2e-3, "max_steps": 3}
    said = program(
        tmp_path,
        f"""
import mlx.nn as nn
import mlx.optimizers as optim

example, padded, evaluate = training_jobs.example, mlx.pad_batch, mx.eval
start, init = mlx.MlxTrainer.start, mlx.MlxTrainer.__init__
training_jobs.example = lambda i: example(i, 10 + 12 * (i % 5))
parts, norms = [], []
mlx.pad_batch = lambda rows: (parts.append(len(rows)), padded(rows))[1]

def first_gradient(self):
    start(self)
    rows = [self.rows[i] for i in mlx.epoch_batches(len(self.rows), self.batch_size, self.job.params.seed)[0]]
    _, gradients = nn.value_and_grad(self.model, lambda model: mlx.default_loss(model, *padded(rows))[0])(self.model)
    norms.append(optim.clip_grad_norm(gradients, 1.0)[1].item())

def in_one(self, *rest):
    init(self, *rest)
    self.microbatch_size = self.batch_size

def too_little(*arrays):
    if parts[-1:] == [2] and parts.count(2) == 4:
        raise RuntimeError(
            "[metal::malloc] Attempting to allocate 21474836480 bytes which is greater than the maximum allowed buffer"
            " size of 17179869184 bytes."
        )
    evaluate(*arrays)

def train(name):
    parts.clear()
    inner = TrainingLog.log_step
    TrainingLog.log_step = lambda log, step, *rest: (inner(log, step, *rest), norms.append(rest[2]))
    training_jobs.train_with('mlx', {written(tiny)}, {str(tmp_path)!r} + name, {knobs})
    TrainingLog.log_step = inner
    print(json.dumps({{"read": parts, "norms": norms}}), file=open({str(tmp_path)!r} + name + "/parts", "w"))
    norms.clear()

mlx.MlxTrainer.start = first_gradient
for name in ("/whole", "/halves", "/short"):
    os.mkdir({str(tmp_path)!r} + name)
mlx.MlxTrainer.__init__ = in_one
train("/whole")
mlx.MlxTrainer.__init__ = init
train("/halves")
mx.eval = too_little
train("/short")
""",
    )
    whole, halves, short = (out(tmp_path / name) for name in ("whole", "halves", "short"))
    assert_same(halves, whole)
    assert_same(short, whole)
    assert "out of memory: the 4 rows of a step are now read 1 at a time (same result, slower)" in said
    told = {name: json.loads((tmp_path / name / "parts").read_text()) for name in ("whole", "halves", "short")}
    alone = [1, 1]  # each validation, and there are three
    assert told["whole"]["read"] == [*alone, 4, 4, *alone, 4, *alone]
    assert told["halves"]["read"] == [*alone, 2, 2, 2, 2, *alone, 2, 2, *alone]
    assert told["short"]["read"] == [*alone, 2, 2, 2, 2, *[1] * 4, *alone, *[1] * 4, *alone]
    expected, *norms = told["whole"]["norms"]
    assert norms[0] == pytest.approx(expected, rel=1e-3) and len(set(norms)) == 3, norms
    for name in ("halves", "short"):
        assert told[name]["norms"] == pytest.approx([expected, *norms], rel=1e-2)


def with_weights(tiny, model, folder: Path):
    """The tiny base, but for another architecture."""
    shutil.copytree(tiny.hf, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    model.save_pretrained(folder)
    return dataclasses.replace(tiny, hf=folder, name=folder.name)


def test_mlx_says_in_one_sentence_what_it_can_not_train(program, tiny, tmp_path):
    """No memory for a single row, a loss that is no number, validation posts with such a loss, weights that MLX can't
    read, layers without the names that are adapted."""
    model = random_model("GPT2", 49152, n_ctx=2048)
    bases = [with_weights(tiny, model, tmp_path / "dialogpt"), with_weights(tiny, model.transformer, tmp_path / "gpt2")]
    said = program(
        tmp_path,
        f"""
def broken(name, to):
    inner = getattr(mlx, name)
    setattr(mlx, name, to(inner))
    end_of(lambda: training_jobs.train_with('mlx', {written(tiny)}, {str(tmp_path)!r}, {KNOBS}))
    setattr(mlx, name, inner)

def no_memory(inner):
    def loss(*rest):
        raise RuntimeError("[malloc] Unable to allocate 21474836480 bytes.")
    return loss

broken("weighted_loss", no_memory)
broken("weighted_loss", lambda inner: lambda *rest: (inner(*rest)[0] * float("nan"), inner(*rest)[1]))
broken("evaluate", lambda inner: lambda *rest, **more: float("nan"))
for base in {[written(base) for base in bases]}:
    end_of(lambda: training_jobs.train_with('mlx', base, {str(tmp_path)!r}, {KNOBS}))
""",
    )
    ends = [line for line in said.splitlines() if "Error: " in line]
    assert (
        ends[0]
        == "UserError: Out of memory in training, even with one post at a time: set train.max_length below 256, or"
        " train on a smaller train.base."
    )
    assert ends[1:3] == [
        "FloatingPointError: the loss became nan at step 1",
        "FloatingPointError: the validation loss became nan at step 0",
    ]
    to_do = "set train.backend to cpu, or choose another train.base."
    assert ends[3] == f"UserError: MLX can't read dialogpt (Received 28 parameters not in model): {to_do}"
    assert re.fullmatch(
        r"UserError: MLX can't train gpt2: it adapts self_attn\.q_proj, .*, and the model's layers have only"
        r" attn\.c_attn, attn\.c_proj, mlp\.c_fc, mlp\.c_proj; " + re.escape(to_do),
        ends[4],
    ), ends


# --- other architectures ----------------------------------------------------------------------------------------------


def loss_by_peft(base, adapter: Path, rows: list[dict]) -> float:
    """Of an adapter, by transformers in fp32, over the same tokens as MLX's validation loss."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from blogtwin.models import chat

    model, losses = (
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base.hf, dtype=torch.float32), adapter),
        [],
    )
    for row in rows:
        prompt, completion = chat.encode_example(base.tokenizer(), row["prompt"], row["completion"][0]["content"])
        ids = torch.tensor([prompt + completion])
        with torch.no_grad():
            likely = model(ids).logits[0, :-1].log_softmax(-1)
        losses += (-likely.gather(1, ids[0, 1:, None])[len(prompt) - 1 :, 0]).tolist()
    return sum(losses) / len(losses)


@pytest.mark.parametrize(
    ("kind", "sizes", "targets"),
    [
        ("Phi3", {}, ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]),
        (
            "Llama",
            {"rope_scaling": ROPE, "tie_word_embeddings": True},
            ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"],
        ),
    ],
)
def test_the_adapter_gives_peft_the_loss_that_mlx_measured(kind, sizes, targets, program, tiny, tmp_path):
    """Phi-3 has q, k and v in one, and gate and up; Llama 3.2 turns by scaled frequencies, and none by those that MLX
    would take unasked."""
    base = with_weights(tiny, random_model(kind, 49152, rope_theta=500000.0, **sizes).float(), tmp_path / kind)
    program(tmp_path, f"training_jobs.train_with('mlx', {written(base)}, {str(tmp_path)!r}, {KNOBS | {'epochs': 1}})")
    config, numbers = json.loads((tmp_path / "adapter/adapter_config.json").read_text()), out(tmp_path)
    assert config["target_modules"] == targets
    assert numbers["loss_after"] < numbers["loss_before"] - 0.2
    valid_rows = job(base, tmp_path / "unused", settings(**KNOBS)).valid_rows
    assert loss_by_peft(base, tmp_path / "adapter", valid_rows) == pytest.approx(numbers["loss_after"], abs=1e-3)
