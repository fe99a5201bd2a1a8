"""Whose checkpoints they are, which one a run goes on from, and when one is none."""

import os
import shutil

import pytest

from blogtwin.errors import UserError
from tests.support.training_jobs import settings
from tests.support.workspace import ROOT
from train.checkpoints import find_checkpoints, run_identity


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)


def runs(given=None, **changes):
    return find_checkpoints(run_identity("cpu", "d" * 64, settings(**changes), [["row"]]), given)


def keep(checkpoints, *steps):
    for step in steps:
        with checkpoints.save(step, 99) as folder:
            (folder / "weights").write_text(str(step))
    return checkpoints.folder / f"step-{step}"


def names(folder) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


def test_a_run_has_its_own_checkpoints():
    """Other params, data, base or trainer: another folder. How often one is kept is no such thing."""
    one = runs()
    assert one.folder == runs(save_steps=5).folder
    others = [runs(learning_rate=1e-3), runs(seed=8)] + [
        find_checkpoints(run_identity(*a))
        for a in (
            ("mlx", "d" * 64, settings(), [["row"]]),
            ("cpu", "e" * 64, settings(), [["row"]]),
            ("cpu", "d" * 64, settings(), [["other"]]),
        )
    ]
    assert len({o.folder for o in [one, *others]}) == 6


def test_half_a_checkpoint_is_none_and_success_leaves_nothing(tmp_path):
    made = runs()
    assert made.latest() is None
    with pytest.raises(ZeroDivisionError), made.save(2, 9):
        raise ZeroDivisionError
    (made.folder / "step-3").mkdir(parents=True)  # without its manifest
    assert made.latest() is None
    keep(made, 9, 10)
    assert made.latest().name == "step-10" and names(made.folder) == ["step-10"]
    made.clear()
    assert list(tmp_path.rglob("*step*")) == []


def test_resume_from_takes_only_a_checkpoint_of_this_run(tmp_path):
    keep(runs(), 2)
    folder = tmp_path / "elsewhere"
    runs().folder.rename(folder)
    runs().clear()
    assert runs(folder).latest() == runs(folder / "step-2").latest() == folder / "step-2"
    with pytest.raises(
        UserError, match="a checkpoint of another run: train.learning_rate was 0.005 and is 0.001 now; set it back"
    ):
        runs(folder, learning_rate=1e-3)
    with pytest.raises(UserError, match="holds no checkpoint: give a folder step-"):
        runs(tmp_path / "nowhere")


def test_a_checkpoint_of_before_parameters_were_renamed_can_be_given():
    made = runs()
    older = keep(made, 2)
    manifest = (older / "checkpoint.json").read_text()
    (older / "checkpoint.json").write_text(
        manifest.replace('"train.warmup_ratio"', '"train.warmup"').replace('"train.num_canaries"', '"train.canaries"')
    )
    assert (older / "checkpoint.json").read_text() != manifest and runs(older).latest() == older.resolve()


# --- --resume-from ----------------------------------------------------------------------------------------------------


def test_the_one_given_wins_over_those_before_it_and_not_over_those_made_since(tmp_path):
    """An older one from elsewhere, where a later one of the same run lies: it is what was asked for. What is made on
    from it is not lost."""
    given = tmp_path / "elsewhere/step-20"
    shutil.copytree(keep(runs(), 20), given)
    before = keep(runs(), 60)
    assert runs(given).latest() == given and before.is_dir()
    keep(runs(given), 40)
    assert names(runs().folder) == ["step-40"] and names(given.parent) == ["step-20"]
    keep(runs(given), 50)
    assert runs(given).latest().name == runs("elsewhere").latest().name == "step-50", "the same command goes on"
    keep(runs(), 70)  # the command without it, too; and with it again
    assert runs().latest().name == runs(given).latest().name == "step-70"
    other = shutil.copytree(given, tmp_path / "another/step-20")
    assert runs(other).latest() == other


def test_checkpoint_to_resume_from_in_the_runs_own_folder_stays_while_it_is_named():
    """Or the same command would find nothing where it points."""
    given = keep(runs(), 20)
    keep(runs(given), 40, 90)
    assert names(given.parent) == ["step-20", "step-90"] and runs(given).latest().name == "step-90"
    keep(runs(), 95)
    assert names(given.parent) == ["step-95"]


# --- a power cut ------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_on_the_disk_before_the_older_one_goes(monkeypatch):
    """Its files, their folder, and its name in the folder above."""
    made, sync, written = runs(), os.fsync, []
    older = keep(made, 9)

    def fsync(number):
        assert older.is_dir()
        written.append((os.fstat(number).st_ino, (made.folder / "step-10").is_dir()))
        sync(number)

    monkeypatch.setattr(os, "fsync", fsync)
    newer = keep(made, 10)
    of_it = {(f.stat().st_ino, False) for f in [newer, *newer.iterdir()]}
    assert len(of_it) == 3 and of_it | {(made.folder.stat().st_ino, True)} == set(written) and not older.exists()


@pytest.mark.parametrize("torn", ["", '{"step": 4', "\0" * 40, "[]", "{}"])
def test_a_torn_manifest_is_no_checkpoint(torn):
    """Nor in the way of a whole one beside it, given or not."""
    older = keep(runs(), 2)
    newer = shutil.copytree(older, older.with_name("step-4"))
    (newer / "checkpoint.json").write_text(torn)
    assert runs().latest() == older and runs(older.parent).latest() == older.resolve()
    with pytest.raises(
        UserError,
        match=(
            r"--resume-from is .*step-4, whose checkpoint.json is corrupt: give another checkpoint, or leave out"
            r" --resume-from\.$"
        ),
    ):
        runs(newer)
    shutil.rmtree(older)
    assert runs().latest() is None
    assert keep(runs(), 6) == runs().latest() and names(newer.parent) == ["step-6"]
