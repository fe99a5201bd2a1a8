"""Warm start (`train.warm_start`): continue from the adapter of the previous training, on the posts that are new since
then, with a replay of old posts so that nothing is forgotten.

Training starts from the base model instead if the previous adapter knows what this twin must not: a post that is held
out now, or one that was deleted.
"""

import json
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from blogtwin.config import Params, TrainParams
from blogtwin.dvc import dvc_cache_dir
from blogtwin.files import atomic_directory, sha256_file
from blogtwin.paths import ADAPTER_DIR, ADAPTER_WEIGHTS, ARTIFACTS_DIR
from blogtwin.renamed_params import current_name

LAST_ADAPTER_DIR = ARTIFACTS_DIR / "cache/last"
BACKEND_FILE, ADAPTER_CONFIG = "backend.json", "adapter_config.json"
REPLAY_RATIO = 2.0  # tokens of old posts per token of new ones
# Parameters whose effect is in the adapter, besides the posts: with other values it is another twin.
PREPARE_PARAMS = ("system", "redact", "links", "code", "quotes", "tables", "embeds")
TRAIN_PARAMS = ("num_canaries", "method")


@dataclass(frozen=True)
class WarmStart:
    """The adapter that training starts from."""

    adapter: Path  # its folder
    posts: frozenset[str]  # ids of the posts that it was trained on

    @property
    def digest(self) -> str:
        """A hash of its weights, 16 hexadecimal digits."""
        return sha256_file(self.adapter / ADAPTER_WEIGHTS)[:16]


@dataclass(frozen=True)
class PreviousAdapter:
    """What the files of the previous adapter say about it."""

    folder: Path
    posts: frozenset[str]  # ids of the posts that it was trained on
    base_digest: str
    lora_rank: int
    lora_alpha: int
    params: dict  # see `learned_params`


def learned_params(params: Params) -> dict:
    """{name: value} of the parameters whose effect is in the adapter; backend.json holds them as "knobs"."""
    return {f"prepare.{k}": getattr(params.prepare, k) for k in PREPARE_PARAMS} | {
        f"train.{k}": getattr(params.train, k) for k in TRAIN_PARAMS
    }


def find_warm_start(
    base_digest: str,
    settings: TrainParams,
    current_params: dict,
    posts: set[str],
    held_out: set[str],
    current_posts: set[str],
) -> tuple[WarmStart | None, str]:
    """(the adapter to start from, None for the base model; the sentence that says so).

    `current_params` are today's `learned_params`. `posts` are the ids of the posts to train on, `held_out` those of
    validation and test, `current_posts` all that the blog has now.
    """
    previous = read_previous_adapter()
    if previous is None:
        return None, "train.warm_start: there is no previous adapter yet, so training starts from the base model"
    reason = _mismatch(previous, base_digest, settings, current_params, posts, held_out, current_posts)
    if reason:
        return None, f"train.warm_start: the previous adapter {reason}, so training starts from the base model"
    return (
        WarmStart(previous.folder, previous.posts),
        f"train.warm_start: training continues from the previous adapter, with {len(posts - previous.posts)} new posts",
    )


def _mismatch(
    previous: PreviousAdapter,
    base_digest: str,
    settings: TrainParams,
    current_params: dict,
    posts: set[str],
    held_out: set[str],
    current_posts: set[str],
) -> str:
    """Why this training can't continue from the previous adapter, as the end of a sentence about it; "" if it can."""
    changed = [name for name, value in current_params.items() if previous.params.get(name) != value]
    if previous.base_digest != base_digest:
        return "is for another base model"
    if (previous.lora_rank, previous.lora_alpha) != (settings.lora_rank, settings.lora_alpha):
        return (
            f"has LoRA rank {previous.lora_rank} and alpha {previous.lora_alpha}, and train.lora_rank and"
            f" train.lora_alpha are {settings.lora_rank} and {settings.lora_alpha}"
        )
    if changed:
        return f"was trained with another {changed[0]}"
    if not posts & previous.posts:
        return "was trained on other posts"
    if previous.posts - current_posts:
        return f"knows {len(previous.posts - current_posts)} posts that were deleted or changed"
    if previous.posts & held_out:
        return f"knows {len(previous.posts & held_out)} of the posts that are held out now"
    if not posts - previous.posts:
        return "was trained on all of these posts already"
    return ""


def read_previous_adapter() -> PreviousAdapter | None:
    """The adapter of the previous training; None if there is none, or its files can't be read."""
    folder = previous_adapter_dir()
    if folder is None:
        return None
    try:
        backend = json.loads((folder / BACKEND_FILE).read_text(encoding="utf-8"))
        config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        return PreviousAdapter(
            folder=folder,
            posts=frozenset(backend["posts"]),
            base_digest=backend["base"]["digest"],
            lora_rank=config["r"],
            lora_alpha=config["lora_alpha"],
            # An older adapter has the parameter names of its time.
            params={current_name(name): value for name, value in backend["knobs"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def previous_adapter_dir() -> Path | None:
    """The folder of the previous adapter: the one in the workspace, or the one that dvc.lock lists, copied from DVC's
    cache, because DVC deletes a stage's outputs before it runs the stage."""
    if (ADAPTER_DIR / ADAPTER_WEIGHTS).is_file():
        return ADAPTER_DIR
    try:
        outs = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))["stages"]["train"]["outs"]
        listing = next(out["md5"] for out in outs if out["path"] == str(ADAPTER_DIR))
        files = dvc_cache_dir() / "files/md5"
        with atomic_directory(LAST_ADAPTER_DIR) as folder:
            for file in json.loads((files / listing[:2] / listing[2:]).read_text(encoding="utf-8")):
                shutil.copyfile(files / file["md5"][:2] / file["md5"][2:], folder / file["relpath"])
    except (OSError, subprocess.CalledProcessError, yaml.YAMLError, ValueError, KeyError, TypeError, StopIteration):
        return None
    return LAST_ADAPTER_DIR if (LAST_ADAPTER_DIR / ADAPTER_WEIGHTS).is_file() else None


def mix_replay(rows: list[dict], warm_start: WarmStart, lengths: dict[str, int], seed: int) -> list[dict]:
    """The rows of new posts, and a random replay of other rows with REPLAY_RATIO times as many tokens; in the order of
    `rows`. `lengths` are tokens by row id."""
    new = {r["id"] for r in rows if r["post_id"] not in warm_start.posts and r.get("task") != "persona"}
    old = [r["id"] for r in rows if r["id"] not in new]
    random.Random(seed).shuffle(old)
    budget = REPLAY_RATIO * sum(lengths[i] for i in new)
    replayed = set()
    for row_id in old:
        if budget > 0:
            replayed.add(row_id)
            budget -= lengths[row_id]
    return [r for r in rows if r["id"] in new | replayed]
