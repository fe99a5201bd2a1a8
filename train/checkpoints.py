"""Checkpoints of a training run: where they lie, which one is the newest, and what run they belong to.

artifacts/checkpoints/<key>/step-40/ is one. <key> is a hash of all that decides the result (params, rows, base model,
trainer), so a run only goes on from its own. A folder gets its name when all of it is on the disk, and then the one
before goes; `kill -9` or a power cut at any moment leaves a whole one.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from blogtwin.errors import UserError
from blogtwin.files import atomic_directory, write_json
from blogtwin.paths import ARTIFACTS_DIR
from blogtwin.renamed_params import current_name

MANIFEST = "checkpoint.json"
CHECKPOINTS_DIR = ARTIFACTS_DIR / "checkpoints"
# params that change nothing in what a checkpoint holds: the first three are resolved by now, the last three are for
# what comes after
IGNORED_FIELDS = {"preset", "backend", "warm_start", "save_steps", "method", "preference_prompts", "preference_data"}


@dataclass(frozen=True)
class Checkpoints:
    folder: Path  # of this run
    belongs: dict[str, str]  # what decides the result, by name; the folder is called by its hash
    given: Path | None = None  # --resume-from

    def newest(self) -> Path | None:
        """The checkpoint to go on from; None when there is none.

        That is the one with the most steps. But where one is given, those that were there before are passed over: only
        what was made on from it counts beside it, so that the same command goes on where it was stopped. (To begin at
        the one given once more, remove the others.)
        """
        there = [*self.folder.glob("step-*"), *([self.given] if self.given else [])]
        found = {
            f: told["step"]
            for f in there
            if (told := read_manifest(f)) and (not self.given or str(self.given) in (str(f), told["from"]))
        }
        return max(found, key=found.get, default=None)

    @contextlib.contextmanager
    def saving(self, step: int, total: int):
        """A folder to write into, that becomes the newest checkpoint when the block ends well."""
        origin = str(self.given) if self.given else (before := self.newest()) and read_manifest(before)["from"]
        with atomic_directory(self.folder / f"step-{step}") as temporary:
            yield temporary
            write_json(temporary / MANIFEST, {"step": step, "of": total, "from": origin, "belongs": self.belongs})
            for path in [*temporary.rglob("*"), temporary]:
                fsync(path)
        fsync(self.folder)  # its new name, before the old one goes
        for old in self.folder.iterdir():  # also what a kill left half-written
            if old.name != f"step-{step}" and old.resolve() != self.given:  # the same command names the given one again
                shutil.rmtree(old, ignore_errors=True)

    def clear(self) -> None:
        """After success, or when going on would only end the same way."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: another run's
            self.folder.parent.rmdir()


def find_checkpoints(belongs: dict[str, str], given: str | None = None) -> Checkpoints:
    """The checkpoints of the run that `belongs` describes; `given` is a folder to go on from, and must be of the same
    run."""
    key = hashlib.sha256(json.dumps(belongs, sort_keys=True).encode()).hexdigest()[:16]
    return Checkpoints(CHECKPOINTS_DIR / key, belongs, _resume_from(given, belongs) if given else None)


def run_identity(trainer: str, base_digest: str, params, rows: list, processes: int = 1) -> dict[str, str]:
    """All that decides what comes out of training, each as a short text."""
    own = {f"train.{k}": str(v) for k, v in params.model_dump().items() if k not in IGNORED_FIELDS}
    data = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]
    return {
        **own,
        "the trainer": trainer,
        "the base model": base_digest[:16],
        "the data": data,
        "the number of processes": str(processes),
    }


def read_manifest(checkpoint: Path) -> dict | None:
    """What a checkpoint says of itself: its "step", the one it goes back to as "from", what run it "belongs" to. None
    when it is none, or torn."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        told = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        return {"from": None, **told, "step": int(told["step"]), "belongs": dict(told["belongs"])}


def unfinished_runs(project: Path = Path(".")) -> dict[Path, dict]:
    """{checkpoint: its manifest} of the runs in a project's folder that were stopped and can be resumed."""
    found = {folder: read_manifest(folder) for folder in sorted((project / CHECKPOINTS_DIR).glob("*/step-*"))}
    return {folder: manifest for folder, manifest in found.items() if manifest}


def incomplete_checkpoints(project: Path = Path(".")) -> list[Path]:
    """What a killed run left half-written among the checkpoints in a project's folder: no run can resume from it."""
    whole = unfinished_runs(project)
    return [folder for folder in sorted((project / CHECKPOINTS_DIR).glob("*/*")) if folder not in whole]


def fsync(path: Path) -> None:
    """Wait until what a file holds, or the names that a folder holds, would be there after a power cut."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that can't tell
            raise
    finally:
        os.close(number)


def _resume_from(given: str, belongs: dict) -> Path:
    """The checkpoint a user names: its folder, or the folder of a run's checkpoints. Raises UserError when it is none,
    torn, or of another run."""
    path = Path(given).resolve()
    there = [f for f in [path, *path.glob("step-*")] if (f / MANIFEST).is_file()]
    whole = {f: told for f in there if (told := read_manifest(f))}
    if not whole:
        lacking = (
            f"whose {MANIFEST} is torn: give another checkpoint, or leave --resume-from out"
            if there
            else "which holds no checkpoint: give a folder step-… of artifacts/checkpoints"
        )
        raise UserError(f"--resume-from is {given}, {lacking}.")
    newest = max(whole, key=lambda f: whole[f]["step"])
    theirs = {
        current_name(name): value for name, value in whole[newest]["belongs"].items()
    }  # an older checkpoint has older names
    other = [name for name in belongs if belongs[name] != theirs.get(name)]
    if other:
        name, *more = other
        also = f" (and {', '.join(more)})" if more else ""
        raise UserError(
            f"--resume-from is {given}, a checkpoint of another run: {name} was {theirs.get(name)} and is"
            f" {belongs[name]} now{also}; set it back, or train anew without --resume-from."
        )
    return newest
