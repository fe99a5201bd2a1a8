"""A twin that goes on learning (`train.warm_start`): from the adapter of the last training, on the posts that are new since, with old
ones read once more beside them, so that nothing is forgotten.

artifacts/cache/last/ is a copy of that adapter: DVC takes a stage's own outputs away before the stage begins.
"""

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from _shared import ADAPTER, ARTIFACTS, digest, making

LAST = ARTIFACTS / "cache/last"
WEIGHTS, ABOUT = "adapter_model.safetensors", "backend.json"
REPLAY = 2.0  # tokens of old posts for each of the new ones


@dataclass(frozen=True)
class Start:
    """Where training begins: the folder of an adapter, and the ids of the posts that it was trained on."""

    adapter: Path
    posts: frozenset[str]

    @property
    def digest(self) -> str:
        return digest(self.adapter / WEIGHTS)[:16]


def keep() -> None:
    """Keep the adapter that is there now for the next training."""
    with making(LAST) as folder:
        shutil.copytree(ADAPTER, folder, dirs_exist_ok=True)


def start(base_digest: str, params, posts: set[str], held_out: set[str]) -> tuple[Start | None, str]:
    """(where to begin, or None for the base; the sentence that says so). `posts` are the ids to train on, `held_out` the others."""
    try:
        about = json.loads((LAST / ABOUT).read_text(encoding="utf-8"))
        config = json.loads((LAST / "adapter_config.json").read_text(encoding="utf-8"))
        learnt, theirs, shape = set(about["posts"]), about["base"]["digest"], (config["r"], config["lora_alpha"])
    except (OSError, ValueError, KeyError):
        return None, "train.warm_start: there is no adapter of an earlier training yet, so this one begins at the base"
    why = ""
    if theirs != base_digest:
        why = "is for another base model"
    elif shape != (params.lora_rank, params.lora_alpha):
        why = f"has LoRA rank {shape[0]} and alpha {shape[1]}, and {params.lora_rank} and {params.lora_alpha} are asked for"
    elif seen := len(learnt & held_out):
        why = f"knows {seen} of the posts that are held out now"
    elif not posts - learnt:
        why = "has seen all of these posts"
    elif not posts & learnt:
        why = "was made of other posts"
    if why:
        return None, f"train.warm_start: the last adapter {why}, so this training begins at the base"
    return Start(LAST, frozenset(learnt)), f"train.warm_start: on from the last adapter, with {len(posts - learnt)} new posts"


def replayed(rows: list[dict], begin: Start, lengths: dict[str, int], seed: int) -> list[dict]:
    """The rows of posts that are new, and REPLAY times as many tokens of rows that are not, by chance; in the order of `rows`."""
    new = {r["id"] for r in rows if r["post_id"] not in begin.posts and r.get("task") != "persona"}
    room = REPLAY * sum(lengths[i] for i in new)
    old = [r["id"] for r in rows if r["id"] not in new]
    random.Random(seed).shuffle(old)
    again = set()
    for one in old:
        if room > 0:
            again.add(one)
            room -= lengths[one]
    return [r for r in rows if r["id"] in new | again]
