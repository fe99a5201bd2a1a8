"""What becomes of a training job on the project's own posts: its twin is kept, compared with the live one, and goes
live only if it is no worse.

The steps are the same after a crash: the twin is kept under its digest, the decision is written down before it is
carried out, and the job counts as settled when that is done. Until then the twin of before is live.
"""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blogtwin.config import load_params
from blogtwin.disk_usage import STAGE_COMMAND, find_running
from blogtwin.errors import UserError
from blogtwin.hints import make_command
from blogtwin.paths import EVAL_DIR, GGUF_DIR, SPLIT_DIR, TRAIN_DIR
from blogtwin.twins import store
from blogtwin.twins.live import make_live
from eval.promotion import Decision
from serve import database
from serve.errors import ApiError
from serve.kept_twins import compare_versions, keep
from serve.retraining import outcome
from serve.training_jobs import TrainingJobs

# What of a job's results a version is made of.
RESULTS = (
    "params.yaml",
    "dvc.lock",
    str(GGUF_DIR),
    *(str(EVAL_DIR / name) for name in (*store.SCORECARD_FILES, store.MEASURED_FILE)),
    str(TRAIN_DIR / "metrics.json"),
    str(SPLIT_DIR / store.ASSIGNMENTS_FILE),
)
# `make retrain` and what it runs: while it lives, it decides what is live.
RETRAINING_COMMAND = re.compile(rf"scripts/watch\.py|{STAGE_COMMAND.pattern}")


def settle_job(jobs: TrainingJobs, job: str) -> None:
    """Settle a finished job, or go on where that was broken off. A problem that may pass is written down, and the job
    stays unsettled: the next call tries again."""
    try:
        _settle(jobs, job)
    except ApiError as e:
        if e.code != "unknown_job":
            _write(jobs, database.save_problem, job, f"{e.message} {e.hint}".strip())
            return
        _write(jobs, database.save_problem, job, "DVC has no result of this job.")
        _write(jobs, database.set_job_result, job, "failed")
    except UserError as e:
        _write(jobs, database.save_problem, job, str(e))


def _settle(jobs: TrainingJobs, job: str) -> None:
    """Raises ApiError and UserError."""
    with jobs.database.open() as db:
        row = database.job(db, job)
    if row is None or row["result"] or row["retraining"] is None:
        return
    noted = row["retraining"]
    if noted["promoted"] is None:
        live, new, decision = _compare(jobs, job)
        sentence = outcome(live, new, decision) if live else f"{new.name} is the twin now: {decision.reason}"
        if live and live.digest == new.digest:
            sentence = f"{live.name} stays the twin: {decision.reason}"
        noted = {"version": new.name, "replaced": live.name if live else "", "promoted": decision.promoted}
        _write(jobs, database.save_decision, job, *noted.values(), sentence)
    version = next((version for version in store.list_versions() if version.name == noted["version"]), None)
    if version is None:
        raise UserError(f"{noted['version']}, the twin of this job, is no longer kept.")
    # Where another twin went live since the decision, somebody chose it.
    if noted["promoted"] and store.live_name() == noted["replaced"]:
        make_live(version, load_params())
    _write(jobs, database.set_job_result, job, str(version.folder))


def _compare(jobs: TrainingJobs, job: str) -> tuple[store.Version | None, store.Version, Decision]:
    """(the live twin, if there is one; the job's twin; which of them shall be live). Both are kept. Raises ApiError
    and UserError."""
    if store.held_version() and find_running([Path()], RETRAINING_COMMAND):
        raise UserError(
            f"`{make_command('retrain')}` is running here: this job's twin is compared when that has ended."
        )
    live = store.live_version()
    if live is None and store.pipeline_digest():
        live = keep(load_params())  # the pipeline's own, which may not be kept yet
        if live is None:
            raise UserError(
                "The live twin is not kept, since params.yaml names another base than its own: run"
                f" `{make_command('all')}`, or set train.base back."
            )
    with tempfile.TemporaryDirectory(dir=jobs.home) as folder:
        made_in = Path(folder)
        jobs.extract(job, made_in, list(RESULTS))
        new = keep(load_params(made_in / "params.yaml"), made_in)
    if new is None:
        raise ApiError(404, "unknown_job", "This job's twin is not one of its base.")
    if live is None:
        return None, new, Decision(True, "it is the first one")
    if live.digest == new.digest:
        return live, new, Decision(False, "the training made the same one again")
    return live, new, compare_versions(live, new)


def _write(jobs: TrainingJobs, work: Callable[..., None], *arguments: Any) -> None:
    """One transaction of serve/database.py."""
    with jobs.database.open() as db:
        work(db, *arguments)
