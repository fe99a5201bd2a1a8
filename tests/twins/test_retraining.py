"""Trainings in a row: one twin is live at every moment, and no twin is lost, also under kill -9."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.twins import store
from serve import kept_twins, retraining
from tests.support.kept_twins import keep_as_pipeline_does, write_scorecard, write_twin

pytestmark = pytest.mark.usefixtures("project")


class Pipeline:
    """DVC with stages that take no time: they remove the twin of before, make another one, and score it."""

    def __init__(self, mark: str, bits: float, status: int = 0):
        self.mark, self.bits, self.status = mark, bits, status
        self.calls: list[tuple[str, ...]] = []
        self.seen: list[str] = []  # which twin was live when a stage ended

    def __call__(self, *arguments: str) -> int:
        self.calls.append(arguments)
        if arguments != ("repro", "eval"):
            return 0
        for file in Path("artifacts/gguf").glob("*"):
            file.unlink()
        self.look()
        write_twin(Path(), self.mark)
        self.look()
        if not self.status:
            write_scorecard(Path(), self.bits)
        self.look()
        return self.status

    def look(self) -> None:
        self.seen.append(store.live_name())


@pytest.fixture(autouse=True)
def keep(monkeypatch):
    monkeypatch.setattr(retraining, "keep", keep_as_pipeline_does)


def train(mark: str, bits: float, status: int = 0) -> tuple[Pipeline, retraining.Decision | None]:
    pipeline = Pipeline(mark, bits, status)
    return pipeline, retraining.retrain(load_params(), pipeline)


def digests() -> set[str]:
    return {version.digest for version in store.list_versions()}


@pytest.fixture
def first() -> str:
    """The name of a twin that is live."""
    write_twin(Path(), "first")
    write_scorecard(Path(), 1.5)
    keep_as_pipeline_does(None)
    return store.live_name()


def test_the_first_twin_of_all_goes_live():
    assert train("first", 1.5)[1] is None
    assert [version.live for version in store.list_versions()] == [True]


def test_a_better_twin_goes_live_when_it_was_measured_and_not_before(first):
    pipeline, decision = train("second", 1.4)
    assert decision.promoted and pipeline.seen == [first] * 3
    assert store.live_name().endswith(store.pipeline_digest()[:12]) and store.live_name() != first
    assert pipeline.calls == [("repro", "eval"), ("repro",)] and len(digests()) == 2


def test_a_worse_twin_is_kept_and_does_not_go_live(first, capsys):
    pipeline, decision = train("second", 1.6)
    assert not decision.promoted and store.live_name() == first and len(digests()) == 2
    assert pipeline.calls == [("repro", "eval")]  # Ollama is not given it
    said = capsys.readouterr().out
    assert f"{first} stays the twin: the new one is worse in bits per byte" in said and "make use TWIN=" in said


def test_a_stage_that_fails_leaves_the_twin_live(first):
    with pytest.raises(UserError, match=f"The twin is still {first}"):
        train("second", 1.4, status=1)
    assert store.live_name() == first
    _, decision = train("second", 1.4)  # again, as it says
    assert decision.promoted and store.live_name() != first


def test_nothing_new_leaves_the_pipelines_twin_live(first):
    assert train("first", 1.5)[1] is None
    assert store.live_name() == first and not store.held_version()


def test_make_all_gets_its_twin_and_is_told_that_it_is_worse(first, capsys, monkeypatch):
    """Also where a retraining that was killed held another one."""
    monkeypatch.setattr(kept_twins, "keep", keep_as_pipeline_does)
    store.hold_live(store.list_versions()[0])
    write_twin(Path(), "second")
    write_scorecard(Path(), 1.6)
    assert store.live_name() == first
    kept_twins.keep_and_compare(load_params())
    assert store.live_name() != first
    said = " ".join(capsys.readouterr().out.split())
    assert f"worse than {first}" in said and f"make use TWIN={first.removeprefix('versions/')}" in said


# Where a training is killed: (module, function, the how manieth call).
KILLS = {
    3: (store, "write_json", 1),  # with the live twin to be held
    4: (store, "link_or_copy", 2),  # with the new one half kept
    6: (retraining, "compare_versions", 1),  # with the new one kept and not judged
    8: (sys.modules[__name__], "write_twin", 1),  # with the pipeline's twin removed
}


def killed(mark: str, bits: float, place: tuple) -> None:
    """A training in a process that kills itself at that place."""
    pid = os.fork()
    if pid == 0:
        owner, name, nth = place
        inner, calls = getattr(owner, name), []

        def wrapped(*args, **kwargs):
            calls.append(name)
            if len(calls) == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return inner(*args, **kwargs)

        setattr(owner, name, wrapped)
        train(mark, bits)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def is_one_live() -> bool:
    return (store.live_gguf_dir() / "twin.gguf").is_file()


def watch_live(pipe: int) -> None:
    """Until it is killed: writes a byte for each moment in which no twin was live."""
    while True:
        # Asked twice: between the answer, which folder it is, and the look into it another one may have gone live.
        if not is_one_live() and not is_one_live():
            os.write(pipe, b"x")
        time.sleep(0.0005)


@pytest.mark.slow
@pytest.mark.nightly
def test_ten_trainings_with_kills_lose_nothing_and_leave_one_live_twin(first):
    ours, theirs = os.pipe()
    watcher = os.fork()
    if watcher == 0:
        watch_live(theirs)
    os.close(theirs)
    made = {store.pipeline_digest()}
    try:
        best = 1.5
        for number in range(10):
            bits = 1.5 + 0.1 * (-1) ** number * (number + 1)  # by turns better than all of before, and worse
            if number in KILLS:
                before = store.live_name()
                killed(f"t{number}", bits, KILLS[number])
                assert store.live_name() == before
                assert made <= digests()
            train(f"t{number}", bits)
            made.add(store.pipeline_digest())
            best = min(best, bits)
            assert [version.live for version in store.list_versions()].count(True) == 1
            live = next(version for version in store.list_versions() if version.live)
            assert f"Style {best}." == live.about["verdict"]
    finally:
        os.kill(watcher, signal.SIGKILL)
        assert os.waitpid(watcher, 0)[1] == signal.SIGKILL  # it watched until then
    assert made == digests() and len(made) == 11
    assert os.read(ours, 100) == b""
    assert not store.held_version()
