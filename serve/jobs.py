"""Training jobs: the project's own DVC stages, as queued DVC experiments in a workspace of their own.

The queue, its worker and its logs are DVC's: a job waits its turn there, and goes on when this server ends or starts again. The
workspace is a Git clone of the project in the user's data folder, so that nothing here is touched; the cache of DVC is shared.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import yaml

from _shared import ARTIFACTS, PRESETS, ROOT, Params, making
from serve import store
from serve.errors import ApiError

SECTIONS = {"prepare", "split", "train", "export", "eval"}  # of params.yaml; the others hold paths, or reach beyond the workspace
PATHS = {"train.base", "eval.impostors", "eval.swap"}
STATES = {"Queued": "waiting", "Running": "running", "Success": "done", "Failed": "failed"}
STEP = re.compile(r"^step (\d+)/(\d+)\s+loss (\S+)\s+(\S+) tokens/s", re.M)
STAGE = re.compile(r"^Running stage '([\w-]+)'", re.M)


class Jobs:
    """Calls of DVC in the workspace, one at a time; each takes seconds, so call from a thread."""

    def __init__(self, home: Path, database: store.Store):
        self.home, self.store = home, database
        self.workspace = home / "workspace"
        self.lock = threading.Lock()
        self.known: tuple[float, dict[str, str]] = (0.0, {})
        self.worker: subprocess.Popen | None = None

    def add(self, owner: str, corpus: str, knobs: dict, scorecard: bool) -> str:
        """Queue a job and see that a worker is there. Raises ApiError."""
        job = f"job-{store.new_id()}"
        with self.lock:
            self._prepare(corpus)
            source = "data/sample" if corpus == "sample" else f"data/corpus-{corpus}"
            settings = [f"{key}={_written(value)}" for key, value in {"ingest.source": source, **knobs}.items()]
            self._dvc("exp", "run", "--queue", "--name", job, *[x for one in settings for x in ("-S", one)], "eval" if scorecard else "export_gguf")
            with self.store.open() as db:
                store.add_job(db, job, owner, corpus, knobs)
            self._start_worker()
            self.known = (0.0, {})
        return job

    def states(self) -> dict[str, str]:
        """{job: waiting, running, done or failed}, at most two seconds old."""
        with self.lock:
            if time.monotonic() - self.known[0] < 2:
                return self.known[1]
            found = {}
            if self.workspace.is_dir():
                for line in self._dvc("queue", "status").splitlines():
                    words = line.split()
                    if len(words) > 2 and words[1].startswith("job-") and words[-1] in STATES:
                        found[words[1]] = STATES[words[-1]]
                if "waiting" in found.values() and "running" not in found.values():
                    self._start_worker()  # the one before went, with the machine perhaps
            self.known = (time.monotonic(), found)
            return found

    def log(self, job: str) -> str:
        """What the stages said so far; empty before it runs."""
        return self._dvc("queue", "logs", job, ok=False)

    def progress(self, job: str, state: str) -> dict:
        """{state, stage, step, steps, loss, tokens_per_second}."""
        text = self.log(job) if state != "waiting" else ""
        stages, steps = STAGE.findall(text), STEP.findall(text)
        found = {"state": state, "stage": stages[-1] if stages else None, "step": None, "steps": None, "loss": None, "tokens_per_second": None}
        if steps:
            step, total, loss, speed = steps[-1]
            found |= {"step": int(step), "steps": int(total), "loss": float(loss), "tokens_per_second": float(speed)}
        return found

    def stop(self, job: str, state: str) -> None:
        """Take it out of the queue, or stop its stages as Ctrl-C does."""
        with self.lock:
            self._dvc(*(("queue", "kill", job) if state == "running" else ("queue", "remove", job)))
            with self.store.open() as db:
                store.keep_job(db, job, "stopped")
            self.known = (0.0, {})

    def keep(self, job: str, corpus: str) -> str:
        """Put a finished twin where the server looks for twins; the folder's name."""
        target = ARTIFACTS / "twins" / corpus / job
        with self.lock:
            if not target.is_dir():
                revision = self._revision(job)
                with making(target) as folder:
                    code = "import sys, dvc.api; dvc.api.DVCFileSystem('.', rev=sys.argv[1]).get('artifacts/gguf', sys.argv[2], recursive=True)"
                    self._run([sys.executable, "-c", code, revision, str((folder / "gguf").absolute())])
                    card = self._run(["git", "show", f"{revision}:artifacts/eval/metrics.json"], ok=False)
                    if card.startswith("{"):
                        (folder / "metrics.json").write_text(card, encoding="utf-8")
            with self.store.open() as db:
                store.keep_job(db, job, str(target))
        return str(target)

    def _revision(self, job: str) -> str:
        for line in self._run(["git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps"]).splitlines():
            revision, name = line.split(" ", 1)
            if name.endswith(f"/{job}"):
                return revision
        raise ApiError(404, "unknown_job", f"DVC has no experiment {job}.")

    def _prepare(self, corpus: str) -> None:
        """The workspace as the project's last commit has it, with the corpus in it, known to DVC."""
        if not (self.workspace / ".git").is_dir():
            shutil.rmtree(self.workspace, ignore_errors=True)
            self._run(["git", "clone", "-q", str(ROOT), str(self.workspace)], cwd=ROOT)
            cache = self._run([sys.executable, "-m", "dvc", "cache", "dir"], cwd=ROOT).strip()
            self._run(["git", "config", "user.name", "blogtwin"])
            self._run(["git", "config", "user.email", "blogtwin@localhost"])
            self._dvc("cache", "dir", "--local", str((ROOT / cache).resolve()))
        else:
            self._run(["git", "fetch", "-q", "origin"])
        if corpus == "sample":
            return
        folder = self.workspace / f"data/corpus-{corpus}"
        if not folder.is_dir():
            shutil.copytree(self.home / "corpora" / corpus, folder)
            self._dvc("add", "--quiet", str(folder.relative_to(self.workspace)))
            self._run(["git", "add", f"data/corpus-{corpus}.dvc"])
            self._run(["git", "commit", "-qm", f"corpus {corpus}"])

    def _start_worker(self) -> None:
        """DVC's own worker, which ends when the queue is empty. A session of its own: it must outlive this server."""
        command = [sys.executable, "-m", "dvc", "queue", "start"]
        self.worker = subprocess.Popen(command, cwd=self.workspace, env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def _dvc(self, *arguments: str, ok: bool = True) -> str:
        return self._run([sys.executable, "-m", "dvc", *arguments], ok=ok)

    def _run(self, command: list[str], cwd: Path | None = None, ok: bool = True) -> str:
        """What a command prints. Raises ApiError with its own words when it fails."""
        done = subprocess.run(command, cwd=cwd or self.workspace, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        if ok and done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())[-300:]
            raise ApiError(409, "dvc_refused", f"DVC or Git could not do it: {said}", "The project must be a Git repository with a commit (`git add -A && git commit`).")
        return done.stdout


def _environment() -> dict[str, str]:
    """For stages: this Python first on the PATH, and nothing of the server's own settings."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "SERVE_", "OMP_"))}
    return {**keep, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _written(value) -> str:
    """As Hydra's grammar for `-S` reads it: text in quotes."""
    if isinstance(value, str) and not re.fullmatch(r"[\w./:-]+", value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value) if not isinstance(value, str) else value


def checked(params: Params, base: str | None, preset: str, knobs: dict) -> dict:
    """Preset and knobs by dotted name, proven against params.yaml's own rules. Raises ApiError 422."""
    from train.base import known

    presets = yaml.safe_load(PRESETS.read_text(encoding="utf-8"))
    if preset not in presets:
        raise ApiError(422, "invalid_request", f"preset is {preset!r}.", f"There are: {', '.join(presets)}.")
    if base is not None and base not in known():
        raise ApiError(422, "invalid_request", f"base_model is {base!r}.", f"There are: {', '.join(known())}.")
    wanted = {"train.preset": preset, **knobs}
    data = params.model_dump()
    for key, value in wanted.items():
        section, _, name = key.partition(".")
        if section not in SECTIONS or key in PATHS or name not in data.get(section, {}):
            raise ApiError(422, "invalid_request", f"params: there is no knob {key[:80]} that a job can set.", "params.yaml lists them, in the sections prepare, split, train, export and eval.")
        data[section][name] = value
    try:
        Params.model_validate(data)
    except ValueError as e:
        raise ApiError(422, "invalid_request", f"params: {' '.join(str(e).split())[:200]}") from None
    return {**wanted, **({"train.base": base} if base else {})}
