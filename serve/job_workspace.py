"""The workspace of training jobs: a clone of the project's last commit in the user's data folder, with a job's posts
added, in which DVC queues and runs its stages."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from blogtwin.config import Params
from blogtwin.disk_usage import add_sharer
from blogtwin.dvc import DVC, check_queue_path, dvc_cache_dir, share_dvc_settings
from blogtwin.errors import UserError
from blogtwin.files import atomic_open
from blogtwin.hints import make_command
from blogtwin.paths import ROOT
from blogtwin.repository import NoCommit, clone_project, fetch_project
from blogtwin.twins.assignments import known_assignments
from corpus.file_dates import DATES_FILE
from corpus.import_posts import copy_posts, save_post_dates
from corpus.split import ASSIGNMENTS_FILE
from serve.errors import ApiError

# A variable whose name matches holds a secret.
SECRET = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)
# Needed for base models that Hugging Face gives only to users who accepted their licence, such as llama3.2.
HUB_TOKENS = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
COMMAND_TIMEOUT_SECONDS = 120  # for one command of DVC or Git
# What a job on the project's own posts takes from the project as it is, committed or not. With DVC's lock file, and
# what the stages wrote that is not in DVC's cache, the stages that nothing changed for are not run again.
AS_THEY_ARE = (
    "params.yaml",
    "dvc.lock",
    *(f"artifacts/{stage}/{files}" for stage in ("train", "eval") for files in ("metrics.json", "*.tsv")),
)
# Copies of {path: target} in the commit argv[1].
COPY_FILES = (
    "import json, sys, dvc.api; files = dvc.api.DVCFileSystem('.', rev=sys.argv[1]);"
    " [files.get(path, target, recursive=files.isdir(path)) for path, target in json.loads(sys.argv[2]).items()]"
)


class JobWorkspace:
    """Git's and DVC's commands in the workspace. Each takes seconds; one at a time."""

    def __init__(self, folder: Path):
        self.folder = folder

    def prepare(self) -> None:
        """Bring the workspace to the project's last commit. Raises ApiError."""
        if not (self.folder / ".git").is_dir():
            shutil.rmtree(self.folder, ignore_errors=True)
            with _api_errors():
                check_queue_path(ROOT, self.folder)
                clone_project(ROOT, self.folder, **_options())
            self.run(["git", "config", "user.name", "blogtwin"])
            self.run(["git", "config", "user.email", "blogtwin@localhost"])
            with _api_errors():
                add_sharer(share_dvc_settings(ROOT, self.folder, self.folder), self.folder)
        else:
            with _api_errors():
                if not fetch_project(ROOT, self.folder, **_options()):
                    raise UserError("Git could not fetch this project's last commit: `git fsck` says what is wrong.")
            self.run(["git", "reset", "-q", "--hard", "FETCH_HEAD"])

    def add_corpus(self, name: str, source: Path, target: Path) -> None:
        """Add the folder `source` to DVC as `target`, and commit that. Raises ApiError."""
        if not (self.folder / target).is_dir():
            shutil.copytree(source, self.folder / target)
        self._track(target)
        self._commit(f"corpus {name}")

    def add_own_posts(self, places: list[Path]) -> None:
        """Commit the project's parameters and DVC's lock file as they are, and its files and folders `places`. Raises
        ApiError."""
        pipeline = [file for pattern in AS_THEY_ARE for file in sorted(Path().glob(pattern))]
        for place in (*pipeline, *places):
            self._copy(place)
        self._remember(known_assignments())
        self._commit("the posts of now")

    def _remember(self, assignments: dict[str, Any]) -> None:
        """Let DVC find these assignments as what stage split left: in its cache, and in the lock file. Each post stays
        in its split then, also where only earlier jobs have seen it."""
        if not assignments:
            return
        own = Path(ASSIGNMENTS_FILE)
        text = json.dumps(assignments, ensure_ascii=False)
        if own.is_file() and json.loads(own.read_text(encoding="utf-8")) == assignments:
            text = own.read_text(encoding="utf-8")  # so that the stage is as it was
        data = text.encode()
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        with _api_errors():
            cached = dvc_cache_dir(self.folder) / "files/md5" / digest[:2] / digest[2:]
        if not cached.is_file():
            with atomic_open(cached, "wb") as file:
                file.write(data)
        lock = self.folder / "dvc.lock"
        stages = yaml.safe_load(lock.read_text(encoding="utf-8")) if lock.is_file() else {"schema": "2.0", "stages": {}}
        pipeline = yaml.safe_load((self.folder / "dvc.yaml").read_text(encoding="utf-8"))
        stage = stages["stages"].setdefault("split", {"cmd": pipeline["stages"]["split"]["cmd"]})
        made = {"path": own.as_posix(), "hash": "md5", "md5": digest, "size": len(data)}
        stage["outs"] = [made, *(out for out in stage.get("outs", []) if out["path"] != made["path"])]
        lock.write_text(yaml.safe_dump(stages, sort_keys=False), encoding="utf-8")
        self.run(["git", "add", "-f", "--", lock.name])

    def _copy(self, place: Path) -> None:
        """Put a file or folder of the project into the workspace, in place of what is there, and track it."""
        target = self.folder / place
        shutil.rmtree(target, ignore_errors=True) if target.is_dir() else target.unlink(missing_ok=True)
        if place.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(place, target)
            self.run(["git", "add", "-f", "--", str(place)])
        elif place.is_dir():
            with _api_errors():
                copy_posts(place, target)
                if self._is_in_git(place):
                    self.run(["git", "add", "-A", "--", str(place)])
                    return
                if not (target / DATES_FILE).is_file():
                    save_post_dates(place, target)
            self._track(place)

    def _is_in_git(self, place: Path) -> bool:
        """Whether the workspace's commit has files in that folder."""
        return bool(self.run(["git", "ls-files", "--", str(place)]))

    def _track(self, place: Path) -> None:
        """Add a folder of the workspace to DVC, and DVC's pointer to Git."""
        self.dvc("add", "--quiet", str(place))
        self.run(["git", "add", "-f", "--", f"{place}.dvc"])

    def _commit(self, message: str) -> None:
        self.run(["git", "commit", "-q", "--allow-empty", "-m", message])

    def extract(self, job: str, targets: dict[str, Path]) -> None:
        """Copy files and folders of a finished job, {path in the project: where to}. Raises ApiError."""
        revision = self.revision(job)
        for target in targets.values():
            target.parent.mkdir(parents=True, exist_ok=True)
        wanted = {path: str(target.absolute()) for path, target in targets.items()}
        self.run([sys.executable, "-c", COPY_FILES, revision, json.dumps(wanted)])

    def revision(self, job: str) -> str:
        """The commit of a finished job. Raises ApiError 404."""
        for line in self.run(["git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps"]).splitlines():
            revision, name = line.split(" ", 1)
            if name.endswith(f"/{job}"):
                return revision
        raise ApiError(404, "unknown_job", f"DVC has no experiment {job}.")

    def dvc(self, *arguments: str, ok: bool = True) -> str:
        """The output of a command of DVC. Raises ApiError when it fails, unless not `ok`."""
        return self.run([*DVC, *arguments], ok=ok)

    def run(self, command: list[str], ok: bool = True) -> str:
        """The output of a command. Raises ApiError with its error message when it fails, unless not `ok`."""
        with _api_errors():
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=ok, **_options())
        return done.stdout


def own_places(params: Params) -> list[Path]:
    """The files and folders of the project that a job on its own posts needs and Git may not have: the posts, the
    author's persona, preferences. A job reads what has an absolute path where it is. Raises ApiError for parameters
    that no job can follow."""
    source = params.ingest.source
    if not Path(source).is_dir():
        raise ApiError(
            409,
            "no_posts",
            f"ingest.source is {source}, and there is no such folder.",
            f"Bring your posts with `{make_command('blog', FROM='your/folder')}`, or look for new ones from a source.",
        )
    if params.prepare.instruction_model:
        raise ApiError(
            409,
            "remote_model",
            "params.yaml names prepare.instruction_model, and a job asks no model elsewhere.",
            f"Train with `{make_command('retrain')}`, or empty that parameter.",
        )
    found = [Path(place) for place in (source, params.prepare.persona, params.train.preference_data)]
    outside = [place for place in found if not (place.is_absolute() or place.resolve().is_relative_to(Path.cwd()))]
    if outside:
        raise ApiError(
            409,
            "outside_project",
            f"params.yaml names {outside[0]}, which is outside of this project: a job can't find it.",
            f"Give its absolute path, or train with `{make_command('retrain')}`.",
        )
    return [place for place in found if not place.is_absolute()]


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
    return {"env": stage_environment(), "stdin": subprocess.DEVNULL, "timeout": COMMAND_TIMEOUT_SECONDS}


def stage_environment() -> dict[str, str]:
    """The environment of stages: this Python first on PATH, without the server's settings and without secrets, except
    the hub's token."""
    keep = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("GIT_", "SERVE_", "OMP_")) and (k in HUB_TOKENS or not SECRET.search(k))
    }
    return {**keep, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
