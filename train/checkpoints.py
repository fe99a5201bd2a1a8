"""Checkpoints of a training run: where they are, which one is the latest, and which run they belong to.

artifacts/checkpoints/<key>/step-40/ is one. <key> is a hash of everything that decides the result (params, rows, base
model, trainer), so a run resumes only from its own checkpoints. A folder gets its name once all of it is on the disk,
and only then is the previous one deleted: `kill -9` or a power cut at any moment leaves a complete checkpoint.
`TrainingMonitor.resume` (train/callbacks.py) and `MlxTrainer.resume` restore one.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blogtwin.config import TrainParams
from blogtwin.errors import UserError
from blogtwin.files import atomic_directory, write_json
from blogtwin.paths import ARTIFACTS_DIR
from blogtwin.renamed_params import current_name

MANIFEST = "checkpoint.json"
CHECKPOINTS_DIR = ARTIFACTS_DIR / "checkpoints"
# Params that don't change what a checkpoint holds: preset, backend and warm_start are resolved before training, and the
# preference params belong to the training that follows.
IGNORED_FIELDS = {"preset", "backend", "warm_start", "save_steps", "method", "preference_prompts", "preference_data"}


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, and the one that the user named with --resume-from."""

    folder: Path  # of this run
    identity: dict[str, str]  # what decides the result, by name; the folder is named after its hash
    resume_from: Path | None = None  # --resume-from

    def latest(self) -> Path | None:
        """The checkpoint to resume from; None if there is none.

        That is the one with the most steps. With --resume-from, earlier checkpoints of this run are ignored: only those
        count that were made after resuming from the given one, so that the same command resumes where it was stopped.
        (To start from the given one again, delete the others.)
        """
        steps = {}
        for folder in [*self.folder.glob("step-*"), *([self.resume_from] if self.resume_from else [])]:
            manifest = read_manifest(folder)
            if manifest and (not self.resume_from or str(self.resume_from) in (str(folder), manifest["from"])):
                steps[folder] = manifest["step"]
        return max(steps, key=lambda folder: steps[folder], default=None)

    @contextlib.contextmanager
    def save(self, step: int, total_steps: int) -> Iterator[Path]:
        """A temporary folder to write into. It becomes the latest checkpoint when the block succeeds, and then the
        older ones are deleted."""
        origin = self._origin()
        with atomic_directory(self.folder / f"step-{step}") as temporary:
            yield temporary
            manifest = {"step": step, "of": total_steps, "from": origin, "belongs": self.identity}
            write_json(temporary / MANIFEST, manifest)
            for path in [*temporary.rglob("*"), temporary]:
                fsync(path)
        fsync(self.folder)  # the new name is on the disk before the old checkpoint is deleted
        for old in self.folder.iterdir():  # this also deletes what a kill left half-written
            # The given one stays: the same command would name it again.
            if old.name != f"step-{step}" and old.resolve() != self.resume_from:
                shutil.rmtree(old, ignore_errors=True)

    def _origin(self) -> str | None:
        """The --resume-from checkpoint that this run goes back to, if any, also after it was resumed without it."""
        if self.resume_from:
            return str(self.resume_from)
        latest = self.latest()
        manifest = read_manifest(latest) if latest else None
        return manifest["from"] if manifest else None

    def clear(self) -> None:
        """Delete the checkpoints: after success, or when resuming would only fail in the same way."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: another run has checkpoints
            self.folder.parent.rmdir()


def find_checkpoints(identity: dict[str, str], resume_from: str | None = None) -> Checkpoints:
    """The checkpoints of the run with that identity (see `run_identity`). `resume_from` is a checkpoint folder given by
    the user. Raises UserError if that is not a complete checkpoint of the same run."""
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    given = _given_checkpoint(resume_from, identity) if resume_from else None
    return Checkpoints(CHECKPOINTS_DIR / key, identity, given)


def run_identity(trainer: str, base_digest: str, params: TrainParams, rows: list, processes: int = 1) -> dict[str, str]:
    """Everything that decides the result of training, each as a short text under a name that messages can use. How many
    processes share the rows of a step does not: a run of two goes on in one with twice the batch."""
    settings = {f"train.{k}": str(v) for k, v in params.model_dump().items() if k not in IGNORED_FIELDS}
    settings["train.batch_size"] = str(params.batch_size * processes)
    data = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]
    return {
        **settings,
        "the trainer": trainer,
        "the base model": base_digest[:16],
        "the data": data,
    }


def read_manifest(checkpoint: Path) -> dict | None:
    """A checkpoint's manifest: "step", "of" (total steps), "from" (the --resume-from checkpoint it goes back to, or
    None) and "belongs" (the run's identity). None if the folder is not a checkpoint, or its manifest is corrupt."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        return {"from": None, **manifest, "step": int(manifest["step"]), "belongs": dict(manifest["belongs"])}
    return None


def unfinished_runs(project: Path = Path(".")) -> dict[Path, dict]:
    """{checkpoint: its manifest} of the runs in a project's folder that were stopped and can be resumed."""
    found = {folder: read_manifest(folder) for folder in sorted((project / CHECKPOINTS_DIR).glob("*/step-*"))}
    return {folder: manifest for folder, manifest in found.items() if manifest}


def incomplete_checkpoints(project: Path = Path(".")) -> list[Path]:
    """What a killed run left half-written among the checkpoints in a project's folder: no run can resume from it."""
    whole = unfinished_runs(project)
    return [folder for folder in sorted((project / CHECKPOINTS_DIR).glob("*/*")) if folder not in whole]


def fsync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, would survive a power cut."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that does not support it
            raise
    finally:
        os.close(number)


def _given_checkpoint(resume_from: str, identity: dict[str, str]) -> Path:
    """The checkpoint of --resume-from: a checkpoint's folder, or the folder of a run's checkpoints, of which the latest
    is taken. Raises UserError if it is not a checkpoint, corrupt, or of another run."""
    path = Path(resume_from).resolve()
    candidates = [f for f in [path, *path.glob("step-*")] if (f / MANIFEST).is_file()]
    complete = {}
    for folder in candidates:
        manifest = read_manifest(folder)
        if manifest:
            complete[folder] = manifest
    if not complete:
        problem = (
            f"whose {MANIFEST} is corrupt: give another checkpoint, or leave out --resume-from"
            if candidates
            else "which holds no checkpoint: give a folder step-… of artifacts/checkpoints"
        )
        raise UserError(f"--resume-from is {resume_from}, {problem}.")
    latest = max(complete, key=lambda f: complete[f]["step"])
    # An older checkpoint has the parameter names of its time.
    theirs = {current_name(name): value for name, value in complete[latest]["belongs"].items()}
    different = [name for name in identity if identity[name] != theirs.get(name)]
    if different:
        name, *more = different
        also = f" (and {', '.join(more)})" if more else ""
        raise UserError(
            f"--resume-from is {resume_from}, a checkpoint of another run: {name} was {theirs.get(name)} and is"
            f" {identity[name]} now{also}; set it back, or train from the beginning without --resume-from."
        )
    return latest
