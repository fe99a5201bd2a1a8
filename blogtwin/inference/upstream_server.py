"""llama.cpp's own HTTP server (xllamacpp), in this process: the code that Ollama runs, too.

No answer of ours comes from it. The parity gate lets it render the chat template in a GGUF, which is how others who run
the file will read it; it stands in for Ollama where the two are compared (scripts/compare_penalties.py) and in tests.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from blogtwin.hardware import available_cpus
from blogtwin.signals import defer_sigint


@dataclass(frozen=True)
class UpstreamServer:
    """The server's address, without /v1, and its key."""

    url: str
    key: str

    def request(self, method: str, path: str, **kwargs: Any) -> Any:
        """The JSON answer of a route; raises httpx2.HTTPError."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = httpx2.request(method, self.url + path, headers=headers, timeout=600, trust_env=False, **kwargs)
        return answer.raise_for_status().json()


@contextlib.contextmanager
def run_upstream_server(
    model: Path, n_ctx: int = 2048, parallel: int = 1, adapter: Path | None = None
) -> Iterator[UpstreamServer]:
    """A server of a model, with an adapter if given, that answers `parallel` requests of up to `n_ctx` tokens at a time
    while the block runs. Raises OSError with llama.cpp's own reason when it can't load the model."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    if adapter is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # chooses a free one
    key = secrets.token_urlsafe(24)
    params.api_keys = [key]
    params.cors_origins = ""
    params.n_parallel = parallel
    params.n_ctx = n_ctx * parallel
    params.cache_ram_mib = 0
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = available_cpus()
    with _capture_stderr() as stderr, defer_sigint():
        try:
            server = xllamacpp.Server(params)
        except Exception:
            raise OSError(f"llama.cpp can't serve {model}: {_failure_reason(stderr())}") from None
        running = UpstreamServer(server.listening_address, key)
        # The server's loop answers this: a server that is closed before its loop has begun would wait for ever.
        running.request("GET", "/slots")
    try:
        yield running
    finally:
        del server


def render_prompts(model: Path, chats: list[list[dict]]) -> list[str]:
    """The prompts that llama.cpp makes of chats with the template in a GGUF."""
    with run_upstream_server(model) as server:
        return [server.request("POST", "/apply-template", json={"messages": chat})["prompt"] for chat in chats]


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
