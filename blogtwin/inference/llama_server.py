"""The embedded engine: llama.cpp's own server inside this process (xllamacpp), on a free loopback port with a random
key.

One server a voice: a server that switches LoRA by request reuses the wrong cache (ggml-org/llama.cpp#26207).
"""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

import httpx2

from blogtwin.hardware import available_cpus
from blogtwin.inference.client import Engine
from blogtwin.signals import defer_sigint

# tokens of a prompt that are read at a time, after which llama.cpp reports (below). On two cores 32 are slower by half,
# 2048 no faster
BATCH_TOKENS = 64
# Reports while it reads a prompt, in a stream: only where it has something to send does llama.cpp notice that nobody
# listens.
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
):
    """An Engine that answers while the block runs. `n_ctx` tokens for each of `parallel` requests at once; 0 threads:
    all cores.

    Raises OSError with llama.cpp's own reason when it can't load the model.
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
    params.port = 0  # a free one
    key = secrets.token_urlsafe(24)
    params.api_keys = [key]
    params.cors_origins = ""
    params.n_parallel = parallel
    params.n_ctx = n_ctx * parallel
    params.cache_ram_mib = 0
    params.n_batch = BATCH_TOKENS
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or available_cpus()
    with _capture_stderr() as said, defer_sigint():
        try:
            server = xllamacpp.Server(params)
        except Exception:
            raise OSError(f"llama.cpp can't serve {model}: {_failure_reason(said())}") from None
        engine = Engine(
            "llamacpp",
            f"{server.listening_address}/v1",
            key,
            name,
            extra_body=REPORTS,
            seeded={"cache_prompt": False},
            scales=adapter is not None,
            penalty="repeat_penalty",
        )  # a prompt half known is rounded otherwise
        _ask(
            engine, "GET", "/slots"
        )  # answered by the server's own loop: one that ends before its loop began waits for ever
    try:
        yield engine
    finally:
        del server


def render_prompt(engine: Engine, messages: list[dict]) -> str:
    """The text the engine makes of chat messages, by its own reading of the template."""
    return _ask(engine, "POST", "/apply-template", json={"messages": messages})["prompt"]


def _ask(engine: Engine, method: str, path: str, **kwargs):
    """What llama.cpp's server answers beside the OpenAI protocol."""
    url, key = engine.base_url.removesuffix("/v1") + path, {"Authorization": f"Bearer {engine.api_key}"}
    return httpx2.request(method, url, headers=key, timeout=60, trust_env=False, **kwargs).raise_for_status().json()


@contextlib.contextmanager
def _capture_stderr():
    """llama.cpp tells its reasons on file descriptor 2 only: hold them back, and let the caller read them."""
    with tempfile.TemporaryFile() as file:
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)

        def said() -> str:
            file.seek(0)
            return file.read().decode("utf-8", "replace")

        try:
            yield said
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _failure_reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower() or "fail" in line.lower()]
    return lines[0][:200] if lines else "no reason given"
