"""A run that is stopped goes on from its last checkpoint and ends as an unbroken one; what goes wrong on the way is
caught and said."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from blogtwin.errors import UserError
from tests.support.training_jobs import job, read, settings, written
from tests.support.workspace import ROOT, environment
from train import callbacks, cpu
from train.training_log import TrainingLog

# Nine steps, three an epoch, of two rows each; dropout, so that the random numbers matter, too.
KNOBS = {"batch_size": 2, "lora_dropout": 0.1, "save_steps": 2, "learning_rate": 5e-3}
ROWS = 12

pytestmark = [pytest.mark.slow, pytest.mark.model]


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def work(tiny, folder):
    return job(tiny, folder, settings(**KNOBS), ROWS)


def result(done, numbers) -> dict:
    """All that must be the same."""
    return {
        "steps": done.log.steps,
        "valids": done.log.validations,
        "tokens": done.log.tokens,
        "best": numbers["best_epoch"],
        "steps_made": numbers["steps"],
    }


def assert_same(found: dict, expected: dict, a=None, b=None) -> None:
    assert [s[0] for s in found["steps"]] == list(range(1, 10))
    for name in ("steps", "valids"):
        assert [list(row) for row in found[name]] == [pytest.approx(list(row), abs=1e-3) for row in expected[name]]
    assert {k: found[k] for k in ("tokens", "best", "steps_made")} == {
        k: expected[k] for k in ("tokens", "best", "steps_made")
    }
    if a:
        one, other = (load_file(f / "adapter_model.safetensors") for f in (a, b))
        assert all(torch.allclose(one[k], other[k], atol=1e-3) for k in one)


@pytest.fixture(scope="module")
def unbroken(tiny, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        done = work(tiny, tmp_path_factory.mktemp("unbroken") / "adapter")
        return result(done, cpu.train(done)), done.output_dir


# --- kill -9 ----------------------------------------------------------------------------------------------------------

# Where each process is killed: (what is called, the how manieth time in that process). The first has no checkpoint yet;
# the second leaves one half-written; the third has made an epoch's last step and not looked at its end.
KILLS = [(TrainingLog, "log_step", 1), (callbacks, "save_file", 4), (callbacks.TrainingMonitor, "evaluate_epoch", 1)]


def killed_and_resumed(base: dict, folder: str, out: str) -> None:
    """In a process of its own: a child for each kill, and one that completes. Forked before torch starts its
    threads."""
    tiny = read(base)
    for kill in [*KILLS, None]:
        child = os.fork()
        if child == 0:
            if kill:
                kill_at(*kill)
            done = work(tiny, Path(folder))
            Path(out).write_text(json.dumps(result(done, cpu.train(done))))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if kill else 0), (kill, status)


def kill_at(owner, name: str, nth: int) -> None:
    inner, calls = getattr(owner, name), []

    def call(*args, **kwargs):
        calls.append(name)
        if len(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*args, **kwargs)

    setattr(owner, name, call)


def test_killed_three_times_it_ends_as_if_unbroken(tiny, unbroken, tmp_path):
    """kill -9 in the first step, in the middle of writing a checkpoint, and between an epoch's last step and its
    validation."""
    base = written(tiny)
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.train import test_resume;"
        f" test_resume.killed_and_resumed({base}, {str(tmp_path / 'adapter')!r}, {str(tmp_path / 'out')!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout
    assert said.count("resuming from step") == 2, said  # nothing was kept when the first was killed
    assert "resuming from step 4 of 9" in said and "resuming from step 6 of 9" in said, said
    assert_same(json.loads((tmp_path / "out").read_text()), unbroken[0], tmp_path / "adapter", unbroken[1])
    left = sorted(f.name for f in (tmp_path / "adapter-checkpoints").iterdir())
    assert left == ["step-8"], "older and half-written checkpoints are gone"


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_the_step_and_the_same_command_goes_on(tiny, unbroken, tmp_path, monkeypatch):
    stopped = work(tiny, tmp_path / "adapter")
    with (
        monkeypatch.context() as pressing,
        pytest.raises(KeyboardInterrupt, match="step 3 of 9 is saved in .*the same command resumes from there"),
    ):
        inner = TrainingLog.log_step
        pressing.setattr(
            TrainingLog,
            "log_step",
            lambda log, step, *rest: (inner(log, step, *rest), step == 3 and os.kill(os.getpid(), signal.SIGINT)),
        )
        cpu.train(stopped)
    assert stopped.checkpoints.latest().name == "step-3"
    again = work(tiny, tmp_path / "adapter")
    assert_same(result(again, cpu.train(again)), unbroken[0], again.output_dir, unbroken[1])


def test_ctrl_c_while_the_last_epoch_is_looked_at_is_kept_too(tiny, unbroken, tmp_path, monkeypatch, capsys):
    stopped, inner = work(tiny, tmp_path / "adapter"), callbacks.validation_loss

    def pressed(trainer):
        if trainer.state.global_step == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return inner(trainer)

    with (
        monkeypatch.context() as pressing,
        pytest.raises(KeyboardInterrupt, match="step 9 of 9 is saved in .*step-9; the same command"),
    ):
        pressing.setattr(callbacks, "validation_loss", pressed)
        cpu.train(stopped)
    again = work(tiny, tmp_path / "adapter")
    assert_same(result(again, cpu.train(again)), unbroken[0], again.output_dir, unbroken[1])
    assert "step 9/9" in capsys.readouterr().out.split("resuming from")[0], "no step was made again"


@pytest.mark.parametrize("patience", [0, 1])
def test_what_the_posts_taught_is_kept_for_the_method_that_follows(tiny, tmp_path, monkeypatch, capsys, patience):
    """dpo that is stopped begins at the end of the posts again, also where they ended early for the validation loss's
    sake."""
    losses, inner = [], callbacks.validation_loss
    if patience:  # it gets worse after the first epoch
        monkeypatch.setattr(
            callbacks,
            "validation_loss",
            lambda trainer: losses.append(inner(trainer)) or inner(trainer) + len(losses) ** 2,
        )
    last = 6 if patience else 9

    def train(folder):
        done = job(tiny, folder, settings(**KNOBS, method="dpo", early_stopping_patience=patience or 9), ROWS)
        return done, cpu.train(done)

    done, _ = train(tmp_path / "adapter")
    weights = load_file(done.output_dir / "adapter_model.safetensors")
    assert done.checkpoints.latest().name == f"step-{last}"
    again, numbers = train(tmp_path / "adapter")
    assert (
        numbers["steps"] == last
        and f"resuming from step {last} of 9" in capsys.readouterr().out
        and again.log.steps == done.log.steps
    )
    assert all(torch.equal(weights[k], w) for k, w in load_file(again.output_dir / "adapter_model.safetensors").items())


# --- memory, numbers, disk --------------------------------------------------------------------------------------------


def test_out_of_memory_halves_the_rows_and_changes_no_result(tiny, unbroken, tmp_path, monkeypatch, capsys):
    """Memory that ends in the backward pass of long rows, with a gradient half added up. In fp32: bf16 rounds the sum
    of two halves otherwise than that of the whole."""
    monkeypatch.setattr(cpu, "has_bf16", lambda: False)
    asked = []

    def greedy(model, inputs):
        loss, count = cpu_loss(model, inputs)
        if torch.is_grad_enabled() and inputs["input_ids"].shape[1] > 200:
            asked.append(inputs["input_ids"].shape[1])
            loss.register_hook(
                lambda _: (
                    (_ for _ in ()).throw(
                        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
                    )
                    if len(asked) % 3 == 0
                    else None
                )
            )
        return loss, count

    cpu_loss = cpu.summed_cross_entropy
    monkeypatch.setattr(cpu, "summed_cross_entropy", greedy)
    monkeypatch.setattr(cpu.PackedTrainer, "num_microbatches", 1)
    done = work(tiny, tmp_path / "adapter")
    done = type(done)(**{**vars(done), "params": settings(**{**KNOBS, "lora_dropout": 0.0})})
    numbers = cpu.train(done)
    assert (
        "out of memory: each row of 256 tokens is now read in up to 2 parts (same result, slower)"
        in capsys.readouterr().out
    )
    monkeypatch.setattr(cpu, "summed_cross_entropy", cpu_loss)
    plain = job(tiny, tmp_path / "plain", settings(**{**KNOBS, "lora_dropout": 0.0}), ROWS)
    assert_same(result(done, numbers), result(plain, cpu.train(plain)), done.output_dir, plain.output_dir)


def test_memory_for_not_even_one_post_is_one_sentence(tiny, tmp_path, monkeypatch):
    def none(model, inputs):
        if torch.is_grad_enabled():
            raise MemoryError
        return cpu_loss(model, inputs)

    cpu_loss = cpu.summed_cross_entropy
    monkeypatch.setattr(cpu, "summed_cross_entropy", none)
    with pytest.raises(
        UserError,
        match="even with one post at a time: set train.max_length below 256, or train on a smaller train.base",
    ):
        cpu.train(work(tiny, tmp_path / "adapter"))


def test_a_loss_that_is_no_number_stops_training(tiny, tmp_path, monkeypatch):
    """transformers would put the average of the losses before in its place, and train on."""
    cpu_loss = cpu.summed_cross_entropy
    monkeypatch.setattr(
        cpu, "summed_cross_entropy", lambda model, inputs: (cpu_loss(model, inputs)[0] * float("nan"), 1)
    )
    with pytest.raises(FloatingPointError, match="the loss became nan at step 1"):
        cpu.train(work(tiny, tmp_path / "adapter"))


def test_a_disk_that_is_full_at_a_checkpoint_stops_no_training(tiny, unbroken, tmp_path, monkeypatch, capsys):
    """The optimiser's state is too large for the disk at step 4 and later: the checkpoint before stays, the result is
    the same."""
    done, limit, inner = (
        work(tiny, tmp_path / "adapter"),
        resource.getrlimit(resource.RLIMIT_FSIZE),
        callbacks.TrainingMonitor.save_checkpoint,
    )

    def save(self):
        full = self.trainer.state.global_step >= 4
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000 if full else limit[0], limit[1]))
        try:
            inner(self)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    monkeypatch.setattr(callbacks.TrainingMonitor, "save_checkpoint", save)
    assert_same(result(done, cpu.train(done)), unbroken[0])
    assert (
        "the disk is full: step 4 is not saved, the latest checkpoint is still step-2; training continues"
        in capsys.readouterr().out
    )
    assert [f.name for f in done.checkpoints.folder.iterdir()] == ["step-2"]


def test_ctrl_c_on_a_full_disk_says_which_step_is_kept(tiny, tmp_path, monkeypatch, capsys):
    """Not the one it stops in, and that training goes on is not said."""
    stopped, inner = work(tiny, tmp_path / "adapter"), TrainingLog.log_step
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(
        TrainingLog,
        "log_step",
        lambda log, step, *rest: (
            inner(log, step, *rest),
            step == 3
            and (
                os.kill(os.getpid(), signal.SIGINT),
                monkeypatch.setattr(callbacks, "save_file", lambda *a: (_ for _ in ()).throw(full)),
            ),
        ),
    )
    with pytest.raises(KeyboardInterrupt, match="step 2 of 9 is saved in .*step-2; the same command"):
        cpu.train(stopped)
    assert "step 3 is not saved, the latest checkpoint is still step-2\n" in capsys.readouterr().out
