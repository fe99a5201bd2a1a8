"""Jobs on the project's own posts are settled once, whatever is killed meanwhile: the better twin is live, both are
kept."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from blogtwin.files import write_json
from blogtwin.twins import store
from blogtwin.twins.assignments import known_posts
from serve import database, retraining_jobs
from serve.training_jobs import TrainingJobs
from tests.support.kept_twins import keep_as_pipeline_does, write_params, write_scorecard, write_twin


class FinishedJobs(TrainingJobs):
    """Jobs that DVC has the results of: {job: (mark, bits per byte)} of the twins."""

    made: dict[str, tuple[str, float]]

    def extract(self, job: str, folder: Path, paths: list[str]) -> None:
        mark, bits = self.made[job]
        write_twin(folder, mark)
        write_scorecard(folder, bits)
        write_params(folder)
        write_json(
            folder / "data/split/assignments.json", {"settings": {"posts": {f"post-{mark}": "train"}, "where": {}}}
        )


@pytest.fixture
def jobs(project, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(retraining_jobs, "keep", keep_as_pipeline_does)
    home = tmp_path_factory.mktemp("home")
    found = FinishedJobs(home, database.Database(home / "serve.db"))
    found.made = {}
    return found


@pytest.fixture
def first(jobs) -> str:
    """The digest of the pipeline's own twin, which is live and not kept yet."""
    write_twin(Path(), "first")
    write_scorecard(Path(), 1.5)
    return store.pipeline_digest()


def kept(digest: str) -> str:
    """The name of the version with this digest."""
    (name,) = [version.name for version in store.list_versions() if version.digest == digest]
    return name


def queue(jobs: FinishedJobs, job: str, mark: str, bits: float) -> str:
    jobs.made[job] = (mark, bits)
    with jobs.database.open() as db:
        database.add_job(db, job, "me", "data/blog", {})
        database.add_retraining(db, job, str(Path.cwd()))
    return job


def settle(jobs: FinishedJobs, job: str) -> dict:
    """The job's row, after it was settled."""
    retraining_jobs.settle_job(jobs, job)
    with jobs.database.open() as db:
        return database.job(db, job)


def test_the_first_twin_of_all_goes_live(jobs):
    row = settle(jobs, queue(jobs, "job-1", "a", 1.5))
    (version,) = store.list_versions()
    assert version.live and row["result"] == str(version.folder)
    assert row["retraining"]["outcome"] == f"{version.name} is the twin now: it is the first one"
    assert known_posts() == {"post-a"}  # of which the project's own stages know nothing


@pytest.mark.parametrize(("bits", "promoted"), [(1.4, True), (1.6, False)])
def test_a_jobs_twin_goes_live_if_it_is_better_and_both_are_kept(jobs, first, bits, promoted):
    row = settle(jobs, queue(jobs, "job-1", "second", bits))
    old, new = kept(first), row["retraining"]["version"]
    assert {version.name for version in store.list_versions()} == {old, new} and new != old
    assert store.live_name() == (new if promoted else old)
    assert (store.live_gguf_dir() / "twin.gguf").is_file()
    said = row["retraining"]["outcome"]
    assert said.startswith(f"{new} is the twin now, in place of {old}: " if promoted else f"{old} stays the twin: ")
    assert promoted or f"`make use TWIN={new}` takes {new}" in said


def test_the_same_twin_again_changes_nothing(jobs, first):
    row = settle(jobs, queue(jobs, "job-1", "first", 1.5))
    assert row["retraining"]["outcome"] == f"{kept(first)} stays the twin: the training made the same one again"
    assert store.live_name() == kept(first) and len(store.list_versions()) == 1


KILLED_IN = {
    "keep": (retraining_jobs, "keep", 2),  # the new one's files are there, and it is not kept
    "decision": (database, "save_decision", 1),
    "carrying it out": (retraining_jobs, "make_live", 1),
    "the end": (database, "set_job_result", 1),
}


@pytest.mark.parametrize("place", KILLED_IN)
def test_a_kill_loses_nothing_and_the_next_start_settles(jobs, first, place):
    job = queue(jobs, "job-1", "second", 1.4)
    owner, name, nth = KILLED_IN[place]
    pid = os.fork()
    if pid == 0:
        calls = []
        inner = getattr(owner, name)

        def killing(*arguments):
            calls.append(name)
            if len(calls) == nth:
                os._exit(9)
            return inner(*arguments)

        setattr(owner, name, killing)
        retraining_jobs.settle_job(jobs, job)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert (store.live_gguf_dir() / "twin.gguf").is_file()
    for _ in range(2):  # the second time there is nothing to do
        row = settle(jobs, job)
        new = row["retraining"]["version"]
        assert row["result"] and store.live_name() == new != kept(first)
        assert row["retraining"]["outcome"].startswith(f"{new} is the twin now, in place of {kept(first)}: ")
    assert len(store.list_versions()) == 2


def test_what_somebody_chose_meanwhile_stays_live(jobs, first, monkeypatch):
    """Between the decision and its carrying out, which a crash may put hours apart."""
    third = settle(jobs, queue(jobs, "job-0", "third", 1.6))["retraining"]["version"]
    job = queue(jobs, "job-1", "second", 1.4)

    def fail(*_):
        raise retraining_jobs.UserError("Ollama does not work.")

    with monkeypatch.context() as patch:
        patch.setattr(retraining_jobs, "make_live", fail)
        row = settle(jobs, job)
    assert row["result"] == "" and row["retraining"]["outcome"] == "Ollama does not work."
    store.choose_live(store.find_version(third))
    row = settle(jobs, job)
    assert row["result"] and store.live_name() == third


def test_a_job_waits_while_make_retrain_runs(jobs, first, monkeypatch):
    keep_as_pipeline_does(None)
    store.hold_live(store.find_version(kept(first)))
    job = queue(jobs, "job-1", "second", 1.4)
    script = Path("scripts/watch.py")
    script.parent.mkdir()
    script.write_text("import sys; print('here', flush=True); sys.stdin.read()")
    with psutil.Popen([sys.executable, "scripts/watch.py"], stdin=-1, stdout=-1) as running:
        assert running.stdout.readline()
        row = settle(jobs, job)
        assert row["result"] == "" and "`make retrain` is running" in row["retraining"]["outcome"]
        assert len(store.list_versions()) == 1 and store.held_version()
    row = settle(jobs, job)  # it was killed before it decided
    assert store.live_name() == row["retraining"]["version"] != kept(first)
