"""The embedded engine: llama.cpp's own server in this process (xllamacpp), on a free loopback port with a random key.

Base and twin have a server each: one that switches the LoRA per request reuses the wrong cache
(ggml-org/llama.cpp#26207).
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from blogtwin.hardware import available_cpus
from blogtwin.inference.client import Engine
from blogtwin.signals import defer_sigint

# Tokens of a prompt that are processed at a time, after which llama.cpp reports its progress (below). Measured on two
# cores: 32 are slower by half, 2048 not faster.
BATCH_TOKENS = 64
# Makes llama.cpp send its progress while it reads a prompt: only when it sends something does it notice that the client
# has closed the connection.
REPORTS = {"return_progress": True}


@contextlib.contextmanager
def serve_model(
    model: Path,
    name: str,
    adapter: Path | None = None,
    chat_template: str = "",
    n_ctx: int = 2048,
    parallel: int = 1,
    threads: int = 0,
) -> Iterator[Engine]:
    """An Engine that answers while the block runs.

    `n_ctx` is the context of each of `parallel` concurrent requests, in tokens. `threads` 0: all cores. Raises OSError
    with llama.cpp's own reason when it can't load the model.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {name}
    if adapter is not None:
        lora = xllamacpp.CommonAdapterLoraInfo()
        lora.path, lora.scale = str(adapter), 1.0
        params.lora_adapters = [lora]
    params.chat_template = chat_template
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # chooses a free one
    key = secrets.token_urlsafe(24)
    params.api_keys = [key]
    params.cors_origins = ""
    params.n_parallel = parallel
    params.n_ctx = n_ctx * parallel
    params.cache_ram_mib = 0
    params.n_batch = BATCH_TOKENS
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or available_cpus()
    with _capture_stderr() as stderr, defer_sigint():
        try:
            server = xllamacpp.Server(params)
        except Exception:
            raise OSError(f"llama.cpp can't serve {model}: {_failure_reason(stderr())}") from None
        engine = Engine(
            "llamacpp",
            f"{server.listening_address}/v1",
            key,
            name,
            extra_body=REPORTS,
            seeded={"cache_prompt": False},  # a partly cached prompt is rounded differently
            scales=adapter is not None,
            penalty="repeat_penalty",
        )
        # The server's loop answers this: a server that is closed before its loop has begun would wait for ever.
        _request(engine, "GET", "/slots")
    try:
        yield engine
    finally:
        del server


def render_prompt(engine: Engine, messages: list[dict]) -> str:
    """The prompt that the engine renders from chat messages with its own template code."""
    return _request(engine, "POST", "/apply-template", json={"messages": messages})["prompt"]


def _request(engine: Engine, method: str, path: str, **kwargs: Any) -> Any:
    """The JSON answer of a route that llama.cpp's server has in addition to the OpenAI protocol."""
    url, key = engine.base_url.removesuffix("/v1") + path, {"Authorization": f"Bearer {engine.api_key}"}
    return httpx2.request(method, url, headers=key, timeout=60, trust_env=False, **kwargs).raise_for_status().json()


@contextlib.contextmanager
def _capture_stderr() -> Iterator[Callable[[], str]]:
    """Capture file descriptor 2, where llama.cpp prints why it failed; a function that reads what was captured."""
    with tempfile.TemporaryFile() as file:
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)

        def read() -> str:
            file.seek(0)
            return file.read().decode("utf-8", "replace")

        try:
            yield read
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _failure_reason(text: str) -> str:
    """The first line with an error in llama.cpp's output."""
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower() or "fail" in line.lower()]
    return lines[0][:200] if lines else "no reason given"
