"""Checkpoints of a training run: where they lie, which one is the newest, and what run they belong to.

artifacts/checkpoints/<key>/step-40/ is one. <key> is a hash of all that decides the result (params, rows, base model, trainer), so a
run only goes on from its own. A folder gets its name when all of it is written, and then the one before goes; `kill -9` at any
moment leaves a whole one.
"""

import contextlib
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from _shared import ARTIFACTS, UserError, making, write_json

MANIFEST = "checkpoint.json"
# params that change nothing in what a checkpoint holds: the first three are resolved by now, the last three are for what comes after
NO_MATTER = {"preset", "backend", "warm_start", "checkpoint_steps", "method", "pairs", "votes"}


@dataclass(frozen=True)
class Checkpoints:
    folder: Path  # of this run
    belongs: dict[str, str]  # what decides the result, by name; the folder is called by its hash
    given: Path | None = None  # --resume-from

    def newest(self) -> Path | None:
        """The checkpoint to go on from; None when there is none."""
        if self.given:
            return self.given
        found = [f for f in self.folder.glob("step-*") if (f / MANIFEST).is_file()]
        return max(found, key=step_of, default=None)

    @contextlib.contextmanager
    def saving(self, step: int, total: int):
        """A folder to write into, that becomes the newest checkpoint when the block ends well."""
        with making(self.folder / f"step-{step}") as temporary:
            yield temporary
            write_json(temporary / MANIFEST, {"step": step, "of": total, "belongs": self.belongs})
        for old in self.folder.iterdir():  # also what a kill left half-written
            if old.name != f"step-{step}":
                shutil.rmtree(old, ignore_errors=True)

    def clear(self) -> None:
        """After success, or when going on would only end the same way."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: another run's
            self.folder.parent.rmdir()


def checkpoints(belongs: dict[str, str], given: str | None = None) -> Checkpoints:
    """The checkpoints of the run that `belongs` describes; `given` is a folder to go on from, and must be of the same run."""
    key = hashlib.sha256(json.dumps(belongs, sort_keys=True).encode()).hexdigest()[:16]
    return Checkpoints(ARTIFACTS / "checkpoints" / key, belongs, _given(given, belongs) if given else None)


def belongs_to(trainer: str, base_digest: str, params, rows: list, processes: int = 1) -> dict[str, str]:
    """All that decides what comes out of training, each as a short text."""
    own = {f"train.{k}": str(v) for k, v in params.model_dump().items() if k not in NO_MATTER}
    data = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]
    return {**own, "the trainer": trainer, "the base model": base_digest[:16], "the data": data, "the number of processes": str(processes)}


def step_of(checkpoint: Path) -> int:
    return json.loads((checkpoint / MANIFEST).read_text())["step"]


def _given(given: str, belongs: dict) -> Path:
    """The checkpoint a user names: its folder, or the folder of a run's checkpoints."""
    path = Path(given)
    inside = [f for f in [path, *path.glob("step-*")] if (f / MANIFEST).is_file()]
    if not inside:
        raise UserError(f"--resume-from is {given}, which holds no checkpoint: give a folder step-… of artifacts/checkpoints.")
    newest = max(inside, key=step_of)
    theirs = json.loads((newest / MANIFEST).read_text())["belongs"]
    other = [name for name in belongs if belongs[name] != theirs.get(name)]
    if other:
        name, *more = other
        also = f" (and {', '.join(more)})" if more else ""
        raise UserError(f"--resume-from is {given}, a checkpoint of another run: {name} was {theirs.get(name)} and is {belongs[name]} now{also}; set it back, or train anew without --resume-from.")
    return newest
