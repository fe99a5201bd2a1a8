"""Whose checkpoints they are, and when one is none."""

import pytest
from conftest import ROOT
from jobs import settings

from _shared import UserError
from train.checkpoints import belongs_to, checkpoints


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def runs(given=None, **changes):
    return checkpoints(belongs_to("cpu", "d" * 64, settings(**changes), [["row"]]), given)


def test_a_run_has_its_own_checkpoints(tmp_path, monkeypatch):
    """Other params, data, base or trainer: another folder. How often one is kept is no such thing."""
    monkeypatch.chdir(ROOT)
    one = runs()
    assert one.folder == runs(checkpoint_steps=5).folder
    others = [runs(learning_rate=1e-3), runs(seed=8)] + [checkpoints(belongs_to(*a)) for a in (("mlx", "d" * 64, settings(), [["row"]]), ("cpu", "e" * 64, settings(), [["row"]]), ("cpu", "d" * 64, settings(), [["other"]]))]
    assert len({o.folder for o in [one, *others]}) == 6


def test_half_a_checkpoint_is_none_and_success_leaves_nothing(tmp_path, monkeypatch):
    made = runs()
    monkeypatch.chdir(tmp_path)
    assert made.newest() is None
    with pytest.raises(ZeroDivisionError), made.saving(2, 9):
        raise ZeroDivisionError
    (made.folder / "step-3").mkdir(parents=True)  # without its manifest
    assert made.newest() is None
    for step in (9, 10):
        with made.saving(step, 20) as folder:
            (folder / "weights").touch()
    assert made.newest().name == "step-10" and [f.name for f in made.folder.iterdir()] == ["step-10"]
    made.clear()
    assert list(tmp_path.rglob("*step*")) == []


def test_resume_from_takes_only_a_checkpoint_of_this_run(tmp_path, monkeypatch):
    with runs().saving(2, 9):
        pass
    folder = tmp_path / "elsewhere"
    runs().folder.rename(folder)
    runs().clear()
    assert runs(folder).newest() == runs(folder / "step-2").newest() == folder / "step-2"
    with pytest.raises(UserError, match="a checkpoint of another run: train.learning_rate was 0.005 and is 0.001 now; set it back"):
        runs(folder, learning_rate=1e-3)
    with pytest.raises(UserError, match="holds no checkpoint: give a folder step-"):
        runs(tmp_path / "nowhere")
