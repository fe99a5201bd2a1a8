"""A workspace with a small twin of the real base model, and the real server on it, started as `make serve` starts
it."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import gguf
import httpx
import numpy as np
import psutil

from tests.support.workspace import ROOT, environment

RANK = 4


def write_adapter_gguf(base, path: Path, seed: int = 0, strength: float = 0.008) -> Path:
    """A LoRA of random weights that is strong enough to be heard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random, writer = np.random.default_rng(seed), gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(RANK))
    for key, value in {
        "general.base_model.0.name": base.name,
        "blogtwin.base_digest": base.digest,
        "blogtwin.system": "You write blog posts in the voice of this blog's author.",
    }.items():
        writer.add_string(key, value)
    model = json.loads((base.hf / "config.json").read_text())  # reading the GGUF itself takes seconds
    hidden, key_value, wide = (
        model["hidden_size"],
        model["hidden_size"] // model["num_attention_heads"] * model["num_key_value_heads"],
        model["intermediate_size"],
    )
    for block in range(model["num_hidden_layers"]):
        for name, inside, outside in (
            ("attn_q", hidden, hidden),
            ("attn_v", hidden, key_value),
            ("ffn_down", wide, hidden),
        ):
            writer.add_tensor(
                f"blk.{block}.{name}.weight.lora_a", random.normal(0, 1, (RANK, inside)).astype(np.float32)
            )
            writer.add_tensor(
                f"blk.{block}.{name}.weight.lora_b", random.normal(0, strength, (outside, RANK)).astype(np.float32)
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_workspace(folder: Path) -> Path:
    """What `make all` leaves behind and the server reads: params, a twin, the split posts, the scorecard's samples."""
    from blogtwin.models import registry

    shutil.copy(ROOT / "params.yaml", folder)
    return write_outputs(folder, registry.resolve_base("smollm2:135m"))


def write_outputs(folder: Path, base) -> Path:
    """What the stages leave behind in a folder that has params: a twin of this base, split posts and samples."""
    from tests.support.sample_corpus import posts

    write_adapter_gguf(base, folder / "artifacts/gguf/adapter.gguf")
    rows = [
        {
            "id": f"{n:016x}-1",
            "post_id": f"{n:016x}",
            "part": 1,
            "parts": 1,
            "task": "write",
            "instruction": f"Write the post “{brief.split('. ')[0]}”.",
            "input": "",
            "output": text,
            "date": "2020-01-01",
            "title": brief.split(". ")[0],
            "tags": brief.split(". ")[1:],
        }
        for n, (brief, text) in enumerate(posts())
    ]
    example = ("id", "post_id", "part", "parts", "task", "instruction", "input", "output", "date")
    table(
        folder / "data/raw/posts.jsonl",
        [{"id": r["post_id"], "title": r["title"], "tags": r["tags"], "text": r["output"]} for r in rows],
    )
    for name, some in {"train": rows[:43], "valid": rows[43:48], "test": rows[48:]}.items():
        table(folder / f"data/split/{name}.jsonl", [{k: r[k] for k in example} for r in some])
    shutil.copy(folder / "data/split/train.jsonl", table(folder / "data/prepared/examples.jsonl", []))
    voices = {"base": "A base wrote this. ", "twin": "A twin wrote that. ", "five_shot": "Five were shown. "}
    samples = [
        {
            "id": r["id"],
            "post_id": r["post_id"],
            "prompt": r["instruction"],
            "brief": r["title"],
            "author": r["output"],
            **{v: {"text": text * 20} for v, text in voices.items()},
        }
        for r in rows[48:]
    ]
    table(folder / "artifacts/eval/samples.jsonl", samples)
    card = {
        "style": {"masked": 0.8, "function": 0.7},
        "copying": {"longest_copy_max": 5},
        "topic": {"minilm_auc": 0.9},
        "likelihood": {"bits_per_byte": 1.3},
        "verdict": {"closer_than_prompting": 1},
    }
    (folder / "artifacts/eval/metrics.json").write_text(json.dumps({"twin": card}))
    return folder


def table(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def of(folder) -> list[psutil.Process]:
    """The processes that work in a folder."""
    return [p for p in psutil.process_iter(["cwd"]) if (p.info["cwd"] or "").startswith(str(folder))]


class Server:
    """The server as a process of its own. `url` is where it answers."""

    def __init__(self, folder: Path, home: Path, **settings):
        # Its own project root, so that a frontend or a .env of the developer changes nothing.
        env = {
            **environment(home),
            "PYTHONWARNINGS": "always::DeprecationWarning",
            "SERVE_HOME": str(home),
            "SERVE_ENGINE": "llamacpp",
            "SERVE_RATE": "100000/minute",
            "SERVE_REQUIRE_KEY": "0",
            **settings,
        }
        home.mkdir(exist_ok=True)
        self.folder, self.home = folder, home
        self.said, self.http = home / "said.txt", None
        root = folder if (folder / "scripts").is_dir() else ROOT  # a whole project is served by its own code
        with open(self.said, "w") as said:
            self.process = subprocess.Popen(
                [sys.executable, str(root / "scripts/serve_api.py"), "--port", "0"],
                cwd=folder,
                env=env,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = self._wait(lambda: re.search(r"serving on (\S+)", self.text()), "say its address")[1]
        self.http = httpx.Client(base_url=self.url, timeout=120, trust_env=False)

    def text(self) -> str:
        return self.said.read_text()

    def _wait(self, found, what: str, seconds: float = 120):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.process.poll() is None, f"the server ended: {self.text()}"
            if answer := found():
                return answer
            time.sleep(0.05)
        raise AssertionError(f"the server did not {what} in {seconds} s: {self.text()}")

    def ready(self) -> "Server":
        self._wait(lambda: self.http.get("/api/v1/health").json()["ready"], "become ready")
        return self

    def kill(self) -> None:
        """As `kill -9` does, with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.http:
            self.http.close()

    def stop(self, older: bool = False) -> None:
        """End it; `older`: of a version whose warnings nobody can mend any more."""
        self.http.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.kill()
            warned = re.findall(r"^.*\b\w*Warning: .*", self.text(), re.M)
        assert older or not warned, (
            "the server's log has warnings: what a library takes away is replaced before it is gone"
        )


def events(lines) -> list[tuple[str, dict]]:
    """(name, data) of each server-sent event."""
    found, name = [], ""
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            found.append((name, json.loads(line[6:])))
    return found
