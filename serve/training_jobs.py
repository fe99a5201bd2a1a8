"""Training jobs: the project's own DVC stages, as queued DVC experiments in a workspace of their own.

The queue, its worker and its logs are DVC's, so jobs go on when this server ends or restarts. The workspace is a Git
clone of the project in the user's data folder, so that the project itself is not touched; DVC's cache is shared.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from blogtwin.disk_usage import EXPERIMENTS_DIR, add_sharer
from blogtwin.dvc import DVC, check_queue_path, share_dvc_settings
from blogtwin.errors import UserError
from blogtwin.files import atomic_directory
from blogtwin.paths import ARTIFACTS_DIR, LOGS_DIR, ROOT
from blogtwin.repository import NoCommit, clone_project, fetch_project
from serve import database
from serve.errors import ApiError
from serve.job_params import NO_ADDRESSES, hydra_literal

# A variable whose name matches holds a secret.
SECRET = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)
# Needed for base models that Hugging Face gives only to users who accepted their licence, such as llama3.2.
HUB_TOKENS = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
STATES = {"Queued": "waiting", "Running": "running", "Success": "done", "Failed": "failed"}
STAGE = re.compile(r"^Running stage '([\w-]+)'", re.M)
TTL_SECONDS = 10  # DVC's answer about its queue is cached that long: asking takes two seconds of a core that trains
COMMAND_TIMEOUT_SECONDS = 120  # for one command of DVC or Git
START_TIMEOUT_SECONDS = 30  # a worker that was started this recently counts as running


class TrainingJobs:
    """Runs DVC's commands in the workspace, one at a time. Each takes seconds: call them from a thread."""

    def __init__(self, home: Path, database: database.Database):
        self.home, self.database = home, database
        self.workspace = home / "workspace"
        self.lock = threading.Lock()
        self.cached: tuple[float, dict[str, str]] = (-TTL_SECONDS, {})
        self.revisions: dict[str, str] = {}  # {job: DVC's revision, shortened}
        self.worker: subprocess.Popen | None = None
        self.started = -float(START_TIMEOUT_SECONDS)

    def submit(self, owner: str, corpus: str, params: dict, scorecard: bool) -> str:
        """Queue a job, and start a worker if there is none. Returns the job's id. Raises ApiError."""
        job = f"job-{database.new_id()}"
        with self.lock:
            self._prepare(corpus)
            source = "data/sample" if corpus == "sample" else f"data/corpus-{corpus}"
            settings = [
                f"{key}={hydra_literal(value)}"
                for key, value in {**params, **NO_ADDRESSES, "ingest.source": source}.items()
            ]
            self._dvc(
                "exp",
                "run",
                "--queue",
                "--name",
                job,
                *[x for one in settings for x in ("-S", one)],
                "eval" if scorecard else "export_gguf",
            )
            with self.database.open() as db:
                database.add_job(db, job, owner, corpus, {**params, "scorecard": scorecard})
            if not self._is_worker_alive():
                self._start_worker()
            self._invalidate()
        return job

    def states(self) -> dict[str, str]:
        """{job: waiting, running, done or failed}, at most TTL_SECONDS old. Restarts a worker that has died."""
        with self.lock:
            if time.monotonic() - self.cached[0] < TTL_SECONDS:
                return self.cached[1]
            found = self._queue() if self.workspace.is_dir() else {}
            if {"waiting", "running"} & set(found.values()) and not self._is_worker_alive():
                for job in [job for job, state in found.items() if state == "running"]:
                    self._dvc("queue", "kill", job, ok=False)  # its worker has died, which DVC would never notice
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
        rows = [line.split() for line in self._dvc("queue", "status").splitlines()]
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
                self._dvc("queue", "remove", job)
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
                revision = self._revision(job)
                with atomic_directory(target) as folder:
                    code = (
                        "import sys, dvc.api; dvc.api.DVCFileSystem('.', rev=sys.argv[1]).get('artifacts/gguf',"
                        " sys.argv[2], recursive=True)"
                    )
                    self._run([sys.executable, "-c", code, revision, str((folder / "gguf").absolute())])
                    if scorecard:
                        (folder / "eval").mkdir()
                        (folder / "eval/metrics.json").write_text(
                            self._run(["git", "show", f"{revision}:artifacts/eval/metrics.json"]), encoding="utf-8"
                        )
            with self.database.open() as db:
                database.set_job_result(db, job, str(target))

    def _revision(self, job: str) -> str:
        """The commit of a finished job. Raises ApiError 404."""
        for line in self._run(["git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps"]).splitlines():
            revision, name = line.split(" ", 1)
            if name.endswith(f"/{job}"):
                return revision
        raise ApiError(404, "unknown_job", f"DVC has no experiment {job}.")

    def _prepare(self, corpus: str) -> None:
        """Bring the workspace to the project's last commit, and add the corpus to it and to DVC."""
        if not (self.workspace / ".git").is_dir():
            shutil.rmtree(self.workspace, ignore_errors=True)
            with _api_errors():
                check_queue_path(ROOT, self.workspace)
                clone_project(ROOT, self.workspace, **_options())
            self._run(["git", "config", "user.name", "blogtwin"])
            self._run(["git", "config", "user.email", "blogtwin@localhost"])
            with _api_errors():
                add_sharer(share_dvc_settings(ROOT, self.workspace, self.workspace), self.workspace)
        else:
            with _api_errors():
                if not fetch_project(ROOT, self.workspace, **_options()):
                    raise UserError("Git could not fetch this project's last commit: `git fsck` says what is wrong.")
            self._run(["git", "reset", "-q", "--hard", "FETCH_HEAD"])
        if corpus == "sample":
            return
        folder = self.workspace / f"data/corpus-{corpus}"
        if not folder.is_dir():
            shutil.copytree(self.home / "corpora" / corpus, folder)
        self._dvc("add", "--quiet", str(folder.relative_to(self.workspace)))
        self._run(["git", "add", f"data/corpus-{corpus}.dvc"])
        self._run(["git", "commit", "-q", "--allow-empty", "-m", f"corpus {corpus}"])

    def _start_worker(self) -> None:
        """Start DVC's worker, which ends when the queue is empty. It has a session of its own, to outlive this
        server."""
        self.started = time.monotonic()
        command = [*DVC, "queue", "start"]
        self.worker = subprocess.Popen(
            command,
            cwd=self.workspace,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _dvc(self, *arguments: str, ok: bool = True) -> str:
        return self._run([*DVC, *arguments], ok=ok)

    def _run(self, command: list[str], ok: bool = True) -> str:
        """The output of a command. Raises ApiError with its error message when it fails."""
        with _api_errors():
            done = subprocess.run(command, cwd=self.workspace, capture_output=True, text=True, check=ok, **_options())
        return done.stdout


@contextlib.contextmanager
def _api_errors() -> Iterator[None]:
    """Raises ApiError for what DVC, Git and the project raise; without a commit, with the way out."""
    try:
        yield
    except NoCommit as e:
        raise ApiError(409, "no_commit", "Jobs train what the project's last commit holds.", str(e)) from None
    except UserError as e:
        raise ApiError(409, "dvc_refused", "Jobs can't run here.", str(e)) from None
    except subprocess.CalledProcessError as e:
        message = f"DVC or Git failed: {' '.join((e.stderr or e.stdout).split())[-300:]}"
        hint = "`git status` and `dvc status` in the project say whether both work."
        raise ApiError(409, "dvc_refused", message, hint) from None
    except subprocess.TimeoutExpired:
        message = f"DVC or Git did not finish within {COMMAND_TIMEOUT_SECONDS} seconds."
        raise ApiError(503, "dvc_busy", message, "Try again later.", 60) from None


def _options() -> dict[str, Any]:
    """How DVC and Git run for the server."""
    return {"env": _environment(), "stdin": subprocess.DEVNULL, "timeout": COMMAND_TIMEOUT_SECONDS}


def _environment() -> dict[str, str]:
    """The environment of stages: this Python first on PATH, without the server's settings and without secrets, except
    the hub's token."""
    keep = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("GIT_", "SERVE_", "OMP_")) and (k in HUB_TOKENS or not SECRET.search(k))
    }
    return {**keep, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
