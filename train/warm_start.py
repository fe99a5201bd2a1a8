"""A twin that goes on learning (`train.warm_start`): from the adapter of the last training, on the posts that are new
since, with old ones read once more beside them, so that nothing is forgotten.

It begins at the base instead wherever the last adapter knows what this twin must not: a post that is held out now, one
that is gone.
"""

import json
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from blogtwin.config import Params
from blogtwin.dvc import dvc_cache_dir
from blogtwin.files import atomic_directory, sha256_file
from blogtwin.paths import ADAPTER_DIR, ADAPTER_WEIGHTS, ARTIFACTS_DIR
from blogtwin.renamed_params import current_name

LAST_ADAPTER_DIR = ARTIFACTS_DIR / "cache/last"
BACKEND_FILE, ADAPTER_CONFIG = "backend.json", "adapter_config.json"
REPLAY_RATIO = 2.0  # tokens of old posts for each of the new ones
# Knobs that an adapter has learnt, beside the posts: with others it is another twin.
PREPARE_PARAMS, TRAIN_PARAMS = (
    ("system", "redact", "links", "code", "quotes", "tables", "embeds"),
    ("num_canaries", "method"),
)


@dataclass(frozen=True)
class WarmStart:
    """Where training begins: the folder of an adapter, and the ids of the posts that it was trained on."""

    adapter: Path
    posts: frozenset[str]

    @property
    def digest(self) -> str:
        return sha256_file(self.adapter / ADAPTER_WEIGHTS)[:16]


def learned_params(params: Params) -> dict:
    """What backend.json says of the knobs."""
    return {f"prepare.{k}": getattr(params.prepare, k) for k in PREPARE_PARAMS} | {
        f"train.{k}": getattr(params.train, k) for k in TRAIN_PARAMS
    }


def find_warm_start(
    base_digest: str, settings, knobs: dict, posts: set[str], held_out: set[str], there: set[str]
) -> tuple[WarmStart | None, str]:
    """(where to begin, or None for the base; the sentence that says so).

    `posts` are the ids to train on, `held_out` those of validation and test, `there` all that the blog has now.
    """
    folder = previous_adapter()
    try:
        about, config = (
            json.loads((folder / name).read_text(encoding="utf-8")) for name in (BACKEND_FILE, ADAPTER_CONFIG)
        )
        learnt, theirs, shape = set(about["posts"]), about["base"]["digest"], (config["r"], config["lora_alpha"])
        made = {current_name(name): value for name, value in about["knobs"].items()}  # an older adapter has older names
        other = [k for k in knobs if made.get(k) != knobs[k]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, "train.warm_start: there is no adapter of an earlier training yet, so this one begins at the base"
    why = ""
    if theirs != base_digest:
        why = "is for another base model"
    elif shape != (settings.lora_rank, settings.lora_alpha):
        why = (
            f"has LoRA rank {shape[0]} and alpha {shape[1]}, and {settings.lora_rank} and {settings.lora_alpha} are"
            " asked for"
        )
    elif other:
        why = f"was made with another {other[0]}"
    elif not posts & learnt:
        why = "was made of other posts"
    elif gone := len(learnt - there):
        why = f"knows {gone} posts that are gone or were changed"
    elif seen := len(learnt & held_out):
        why = f"knows {seen} of the posts that are held out now"
    elif not posts - learnt:
        why = "has seen all of these posts"
    if why:
        return None, f"train.warm_start: the last adapter {why}, so this training begins at the base"
    return (
        WarmStart(folder, frozenset(learnt)),
        f"train.warm_start: on from the last adapter, with {len(posts - learnt)} new posts",
    )


def previous_adapter() -> Path | None:
    """The folder of the last adapter: the one that is there, or the one of dvc.lock, since DVC takes a stage's outputs
    away before it begins."""
    if (ADAPTER_DIR / ADAPTER_WEIGHTS).is_file():
        return ADAPTER_DIR
    try:
        outs = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))["stages"]["train"]["outs"]
        listed = next(out["md5"] for out in outs if out["path"] == str(ADAPTER_DIR))
        files = dvc_cache_dir() / "files/md5"
        with atomic_directory(LAST_ADAPTER_DIR) as folder:
            for file in json.loads((files / listed[:2] / listed[2:]).read_text(encoding="utf-8")):
                shutil.copyfile(files / file["md5"][:2] / file["md5"][2:], folder / file["relpath"])
    except (OSError, subprocess.CalledProcessError, yaml.YAMLError, ValueError, KeyError, TypeError, StopIteration):
        return None
    return LAST_ADAPTER_DIR if (LAST_ADAPTER_DIR / ADAPTER_WEIGHTS).is_file() else None


def mix_replay(rows: list[dict], begin: WarmStart, lengths: dict[str, int], seed: int) -> list[dict]:
    """The rows of posts that are new, and REPLAY times as many tokens of rows that are not, by chance; in the order of
    `rows`."""
    new = {r["id"] for r in rows if r["post_id"] not in begin.posts and r.get("task") != "persona"}
    room = REPLAY_RATIO * sum(lengths[i] for i in new)
    old = [r["id"] for r in rows if r["id"] not in new]
    random.Random(seed).shuffle(old)
    again = set()
    for one in old:
        if room > 0:
            again.add(one)
            room -= lengths[one]
    return [r for r in rows if r["id"] in new | again]
