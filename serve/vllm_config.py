"""How vLLM serves one base with a LoRA adapter for each author, and our server in front of it (`make serve-config`).

vLLM takes PEFT adapters. This project's own and those of authors/NAME are ones; a kept twin's is made of its
adapter.gguf, number for number.
"""

import json
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blogtwin.errors import UserError
from blogtwin.files import atomic_path, read_json_object
from blogtwin.hints import make_command
from blogtwin.models.registry import BaseModelFiles
from blogtwin.paths import ADAPTER_DIR, ADAPTER_WEIGHTS, ARTIFACTS_DIR, AUTHORS_DIR
from blogtwin.twins.store import gguf_strings, list_versions, live_choice
from serve.catalog import BASE, TWIN

FOLDER = ARTIFACTS_DIR / "vllm"
KEPT_DIR = FOLDER / "adapters"  # of kept twins
PORT = 8001
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that --max-lora-rank takes (vllm/config/lora.py)
MAX_IN_BATCH = 16  # adapters in one batch: each takes its rank's share of the GPU's memory from the start
MAX_IN_MEMORY = 512  # adapters kept in the machine's memory, about 20 MB each; vLLM reads others from the disk


@dataclass(frozen=True)
class Adapter:
    """A PEFT adapter that vLLM can serve; `name` is its name in both servers."""

    name: str
    folder: Path
    rank: int


def find_adapters(base: BaseModelFiles) -> tuple[list[Adapter], list[str]]:
    """(adapters of this project, its authors and its kept twins on the base, why others are left out). `finetuned` is
    the live twin."""
    authors = {folder.name: folder / ADAPTER_DIR for folder in sorted(AUTHORS_DIR.glob("[!.]*")) if folder.is_dir()}
    kept, left_out = kept_adapters(base)
    found = [adapter for adapter in kept if adapter.name == TWIN]
    places = authors if live_choice() else {TWIN: ADAPTER_DIR, **authors}
    for name, folder in places.items():
        config = read_json_object(folder / "adapter_config.json")
        if config is None or not (folder / ADAPTER_WEIGHTS).is_file():
            left_out += [] if name == TWIN else [f"{name} has no trained adapter"]
            continue
        trained = (read_json_object(folder / "backend.json") or {}).get("base", {})
        if trained.get("digest") != base.digest:
            left_out.append(f"{name} was trained on {trained.get('name', 'an unnamed base')}, not on {base.name}")
            continue
        found.append(Adapter(name, folder.absolute(), int(config["r"])))
    return found + [adapter for adapter in kept if adapter.name != TWIN], left_out


def kept_adapters(base: BaseModelFiles) -> tuple[list[Adapter], list[str]]:
    """(adapters of the kept twins on the base, as PEFT stores them, in KEPT_DIR; why others are left out). Where a
    version was chosen to be live, it is `finetuned`; where the pipeline's own is, its version is not there twice."""
    from blogtwin.models.gguf_to_peft import write_peft_adapter

    shutil.rmtree(KEPT_DIR, ignore_errors=True)
    found, left_out = [], []
    chosen = live_choice()
    for version in list_versions():
        adapter = version.gguf / "adapter.gguf"
        if version.live and not chosen:
            continue
        if not adapter.is_file():
            left_out.append(f"{version.name} has no adapter.gguf")
            continue
        header = gguf_strings(adapter)
        if header.get("blogtwin.base_digest") != base.digest:
            trained_on = header.get("general.base_model.0.name", "an unnamed base")
            left_out.append(f"{version.name} was trained on {trained_on}, not on {base.name}")
            continue
        folder = KEPT_DIR / version.name.replace("/", "-")
        rank = write_peft_adapter(adapter, base, folder)
        found.append(Adapter(TWIN if version.live else version.name, folder.absolute(), rank))
    return found, left_out


def vllm_arguments(base: BaseModelFiles, adapters: list[Adapter], context: int) -> list[str]:
    """The command that serves the base and the adapters. Raises UserError for a rank that vLLM does not have."""
    wanted = max(adapter.rank for adapter in adapters)
    rank = next((rank for rank in RANKS if rank >= wanted), None)
    if rank is None:
        raise UserError(f"An adapter has the rank {wanted}, and vLLM takes at most {RANKS[-1]}: lower train.lora_rank.")
    modules = [json.dumps({"name": one.name, "path": str(one.folder), "base_model_name": BASE}) for one in adapters]
    in_batch = min(len(adapters), MAX_IN_BATCH)
    return [
        *("vllm", "serve", str(base.hf.absolute()), "--served-model-name", BASE),
        *("--host", "127.0.0.1", "--port", str(PORT), "--max-model-len", str(context)),
        # What the base's makers recommend would change what a request leaves out.
        *("--generation-config", "vllm", "--enable-prefix-caching"),
        *("--enable-lora", "--max-lora-rank", str(rank), "--max-loras", str(in_batch)),
        *("--max-cpu-loras", str(max(in_batch, min(len(adapters), MAX_IN_MEMORY)))),
        *("--lora-modules", *modules),
    ]


def server_settings(adapters: list[Adapter]) -> dict[str, str]:
    """The settings of our server in front of it."""
    names = [adapter.name for adapter in adapters]
    return {
        "SERVE_ENGINE": "openai",
        "SERVE_OPENAI_URL": f"http://127.0.0.1:{PORT}/v1",
        "SERVE_OPENAI_BASE_MODEL": BASE,
        **({"SERVE_OPENAI_TWIN_MODEL": TWIN} if TWIN in names else {}),
        "SERVE_OPENAI_MODELS": json.dumps({name: name for name in names if name != TWIN}),
        "SERVE_OPENAI_PENALTY": "repetition_penalty",
        "SERVE_SLOTS": "64",
        "SERVE_WORKERS": "2",
    }


def write_config(base: BaseModelFiles, context: int) -> tuple[list[Adapter], list[str]]:
    """Write FOLDER/serve.sh and FOLDER/serve.env; what `find_adapters` returns. Raises UserError."""
    adapters, left_out = find_adapters(base)
    if not adapters:
        reasons = f" ({'; '.join(left_out)})" if left_out else ""
        raise UserError(
            f"There is no adapter on {base.name} here{reasons}: `{make_command('all')}` trains one, and"
            f" `{make_command('all', AUTHOR='anna')}` an author's."
        )
    words = [shlex.quote(word) for word in vllm_arguments(base, adapters, context)]
    lines = "".join(f" \\\n    {word}" if word.startswith(("--", "'{")) else f" {word}" for word in words[1:])
    write(FOLDER / "serve.sh", f"#!/bin/sh\n# Written by scripts/serve_config.py.\nexec {words[0]}{lines}\n")
    settings: dict[str, Any] = server_settings(adapters)
    write(FOLDER / "serve.env", "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
    return adapters, left_out


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
