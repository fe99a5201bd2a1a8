"""The embedded engine: llama.cpp's own server inside this process (xllamacpp), on a free loopback port with a random key.

One server a voice: a server that switches LoRA by request reuses the wrong cache (ggml-org/llama.cpp#26207).
"""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

import httpx

from serve.engines.engine import Engine


@contextlib.contextmanager
def serving(model: Path, name: str, adapter: Path | None = None, chat_template: str = "", n_ctx: int = 2048, parallel: int = 1):
    """An Engine that answers while the block runs. `n_ctx` tokens for each of `parallel` requests at once.

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
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = os.cpu_count() or 1
    with _stderr_kept() as said:
        try:
            server = xllamacpp.Server(params)
        except Exception:
            raise OSError(f"llama.cpp can't serve {model}: {_reason(said())}") from None
    try:
        yield Engine("llamacpp", f"{server.listening_address}/v1", key, name)
    finally:
        del server


def rendered(engine: Engine, messages: list[dict]) -> str:
    """The text the engine makes of chat messages, by its own reading of the template."""
    answer = httpx.post(
        engine.base_url.removesuffix("/v1") + "/apply-template", json={"messages": messages}, headers={"Authorization": f"Bearer {engine.api_key}"}, timeout=60, trust_env=False
    )
    answer.raise_for_status()
    return answer.json()["prompt"]


@contextlib.contextmanager
def _stderr_kept():
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


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower() or "fail" in line.lower()]
    return lines[0][:200] if lines else "no reason given"
