"""Training jobs: the project's own DVC stages, as queued DVC experiments in a workspace of their own.

The queue, its worker and its logs are DVC's, so jobs go on when this server ends or restarts. The workspace
(serve/job_workspace.py) is a clone of the project, so that the project itself is not touched; DVC's cache is shared.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil

from blogtwin.config import Params
from blogtwin.disk_usage import EXPERIMENTS_DIR
from blogtwin.dvc import DVC
from blogtwin.files import atomic_directory
from blogtwin.paths import ARTIFACTS_DIR, LOGS_DIR
from serve import database
from serve.errors import ApiError
from serve.job_params import NO_ADDRESSES, hydra_literal
from serve.job_workspace import JobWorkspace, own_places, stage_environment

STATES = {"Queued": "waiting", "Running": "running", "Success": "done", "Failed": "failed"}
STAGE = re.compile(r"^Running stage '([\w-]+)'", re.M)
TTL_SECONDS = 10  # DVC's answer about its queue is cached that long: asking takes two seconds of a core that trains
START_TIMEOUT_SECONDS = 30  # a worker that was started this recently counts as running


class TrainingJobs:
    """Runs DVC's commands in the workspace, one at a time. Each takes seconds: call them from a thread."""

    def __init__(self, home: Path, database: database.Database):
        self.home, self.database = home, database
        self.workspace = home / "workspace"
        self.clone = JobWorkspace(self.workspace)
        self.lock = threading.Lock()
        self.cached: tuple[float, dict[str, str]] = (-TTL_SECONDS, {})
        self.revisions: dict[str, str] = {}  # {job: DVC's revision, shortened}
        self.worker: subprocess.Popen | None = None
        self.started = -float(START_TIMEOUT_SECONDS)

    def submit(self, owner: str, corpus: str, params: dict, scorecard: bool) -> str:
        """Queue a job on the sample or an uploaded corpus, and start a worker if there is none. Returns the job's id.
        Raises ApiError."""
        job = f"job-{database.new_id()}"
        with self.lock:
            self.clone.prepare()
            source = "data/sample"
            if corpus != "sample":
                source = f"data/corpus-{corpus}"
                self.clone.add_corpus(corpus, self.home / "corpora" / corpus, Path(source))
            self._queue_stages(job, {**params, "ingest.source": source}, "eval" if scorecard else "export_gguf")
            with self.database.open() as db:
                database.add_job(db, job, owner, corpus, {**params, "scorecard": scorecard})
            self._go_on()
        return job

    def submit_retraining(self, owner: str, params: Params) -> str:
        """Queue a job on the project's own posts, with its params.yaml as it is (`params`); the job's id. Raises
        ApiError."""
        job, places = f"job-{database.new_id()}", own_places(params)
        with self.lock:
            self.clone.prepare()
            self.clone.add_own_posts(places)
            self._queue_stages(job, {}, "eval")
            with self.database.open() as db:
                database.add_job(db, job, owner, params.ingest.source, {"scorecard": True})
                database.add_retraining(db, job, str(Path.cwd()))
            self._go_on()
        return job

    def _queue_stages(self, job: str, params: dict, target: str) -> None:
        """Add a job to DVC's queue: the stages up to `target`, with these parameters."""
        settings = [f"{key}={hydra_literal(value)}" for key, value in {**params, **NO_ADDRESSES}.items()]
        options = [option for setting in settings for option in ("-S", setting)]
        self.clone.dvc("exp", "run", "--queue", "--name", job, *options, target)

    def _go_on(self) -> None:
        """Start a worker if there is none, for a job that was just queued."""
        if not self._is_worker_alive():
            self._start_worker()
        self._invalidate()

    def states(self) -> dict[str, str]:
        """{job: waiting, running, done or failed}, at most TTL_SECONDS old. Restarts a worker that has died."""
        with self.lock:
            if time.monotonic() - self.cached[0] < TTL_SECONDS:
                return self.cached[1]
            found = self._queue() if self.workspace.is_dir() else {}
            if {"waiting", "running"} & set(found.values()) and not self._is_worker_alive():
                for job in [job for job, state in found.items() if state == "running"]:
                    self.clone.dvc("queue", "kill", job, ok=False)  # its worker has died, which DVC would never notice
                    found[job] = "failed"
                self._start_worker()
            self.cached = (time.monotonic(), found)
            return found

    @property
    def last_states(self) -> dict[str, str]:
        """What `states` found last, however old; the server asks every minute while a job is not done."""
        return dict(self.cached[1])

    def _queue(self) -> dict[str, str]:
        """DVC's state of each job."""
        rows = [line.split() for line in self.clone.dvc("queue", "status").splitlines()]
        rows = [words for words in rows if len(words) > 2 and words[1].startswith("job-") and words[-1] in STATES]
        self.revisions = {words[1]: words[0] for words in rows}
        return {words[1]: STATES[words[-1]] for words in rows}

    def _is_worker_alive(self) -> bool:
        """Whether DVC's worker is alive or was just started: two of one name would stop each other.

        This looks at the process. DVC itself asks the worker, which answers too late on a busy machine, so that DVC
        would start another one.
        """
        if time.monotonic() - self.started < START_TIMEOUT_SECONDS:
            return True
        try:
            process = json.loads((self.workspace / EXPERIMENTS_DIR / "celery/dvc-exp-worker-1.json").read_text())["pid"]
            return "queue-worker" in psutil.Process(process).cmdline()
        except (OSError, ValueError, KeyError, psutil.Error):
            return False

    def _invalidate(self) -> None:
        """Ask DVC anew for the next states."""
        self.cached = (-TTL_SECONDS, self.cached[1])

    def progress(self, job: str, state: str) -> dict:
        """{state, stage, step, steps, loss, tokens_per_second} of a job; None where unknown.

        Read from files: a DVC command would take a second of a core that trains.
        """
        found = {"state": state, "stage": None, "step": None, "steps": None, "loss": None, "tokens_per_second": None}
        if state == "running":
            stages = STAGE.findall(
                "".join(f.read_text(encoding="utf-8", errors="replace") for f in self._files(job, "out"))
            )
            found["stage"] = stages[-1] if stages else None
            if row := self._last_step(job):
                found |= {
                    "step": row["step"],
                    "steps": row["of"],
                    "loss": row["loss"],
                    "tokens_per_second": row["tokens_per_s"],
                }
        return found

    def _last_step(self, job: str) -> dict | None:
        """The last step in the trainer's log, in the folder where DVC runs the job; None when there is none."""
        try:
            folder = json.loads(self._files(job, "run")[0].read_text(encoding="utf-8"))["root_dir"]
            with open(Path(folder) / LOGS_DIR / "train.jsonl", "rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 4000))
                rows = [json.loads(line) for line in log.read().splitlines()[1:] if line.endswith(b"}")]
            return next(row for row in reversed(rows) if row["event"] == "step")
        except (IndexError, OSError, KeyError, ValueError, StopIteration):  # not there yet, or deleted
            return None

    def _files(self, job: str, kind: str) -> list[Path]:
        """DVC's files of a job: `out` is its output, `run` names its folder, `json` its process."""
        revision = self.revisions.get(job)
        return sorted((self.workspace / EXPERIMENTS_DIR / "run").glob(f"{revision}*/*.{kind}")) if revision else []

    def cancel(self, job: str) -> None:
        """Remove a job from the queue, or stop its stages as Ctrl-C does; a job that has ended is not changed.

        Raises ApiError.
        """
        with self.lock:
            state = self._queue().get(job)  # not the cached state: it may have started since
            if state not in ("waiting", "running"):
                return
            if state == "running":
                self._interrupt(job)
            else:
                self.clone.dvc("queue", "remove", job)
            with self.database.open() as db:
                database.set_job_result(db, job, "stopped")
            self._invalidate()

    def _interrupt(self, job: str) -> None:
        """Send Ctrl-C to a job's stage and to the DVC that runs it. Raises ApiError when they do not stop in time.

        `dvc queue kill` would stop DVC's worker too, which may have taken the next job already: that one would be lost.
        """
        until = time.monotonic() + 2 * START_TIMEOUT_SECONDS
        while time.monotonic() < until:
            try:
                runner = psutil.Process(json.loads(self._files(job, "json")[0].read_text())["pid"])
                if "exec-run" not in runner.cmdline():
                    return
                for process in (runner, *runner.children(recursive=True)):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.send_signal(signal.SIGINT)
                runner.wait(START_TIMEOUT_SECONDS / 2)
                return
            except psutil.NoSuchProcess:  # it has ended
                return
            except psutil.TimeoutExpired:  # between two stages the signal may be lost: send it again
                continue
            except (IndexError, OSError, ValueError):  # DVC is still preparing the folder
                time.sleep(0.2)
        raise ApiError(503, "busy", "This job has not stopped yet.", "Try again in a moment.", 5)

    def publish(self, job: str, corpus: str, scorecard: bool) -> None:
        """Copy a finished twin, with its scorecard if there is one, to where the server looks for twins. Raises
        ApiError."""
        target = ARTIFACTS_DIR / "twins" / corpus / job
        with self.lock:
            if not target.is_dir():
                wanted = {
                    "artifacts/gguf": "gguf",
                    **({"artifacts/eval/metrics.json": "eval/metrics.json"} if scorecard else {}),
                }
                with atomic_directory(target) as folder:
                    self.clone.extract(job, {path: folder / name for path, name in wanted.items()})
            with self.database.open() as db:
                database.set_job_result(db, job, str(target))

    def extract(self, job: str, folder: Path, paths: list[str]) -> None:
        """Copy files and folders of a finished job to the same paths in `folder`. Raises ApiError: 404 for a job that
        DVC has no result of. It only reads a commit, so that nobody who asks for the jobs waits for it."""
        self.clone.extract(job, {path: folder / path for path in paths})

    def _start_worker(self) -> None:
        """Start DVC's worker, which ends when the queue is empty. It has a session of its own, to outlive this
        server."""
        self.started = time.monotonic()
        command = [*DVC, "queue", "start"]
        self.worker = subprocess.Popen(
            command,
            cwd=self.workspace,
            env=stage_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
