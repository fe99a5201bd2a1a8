"""The embedded engine: a model in a process of its own (engine_process.py), on a free loopback port with a random key.

What it serves is what is scored: every answer comes from the loop in blogtwin/models/decoding.py. Base and twin have a
process each.
"""

import contextlib
import multiprocessing
import secrets
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import httpx2

from blogtwin.inference.client import Engine
from blogtwin.inference.engine_process import EngineOptions, run_engine


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

    `n_ctx` is the context of each of `parallel` concurrent requests, in tokens. `chat_template` "": the GGUF's own.
    `threads` 0: all cores. Raises OSError with llama.cpp's own reason when it can't load the model.
    """
    key = secrets.token_urlsafe(24)
    options = EngineOptions(model, name, adapter, chat_template, n_ctx, parallel, threads, key)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_engine, args=(theirs, options), name=f"engine {name}", daemon=True)
    with _sigint_blocked():
        process.start()
    theirs.close()
    try:
        try:
            status, value = ours.recv()
        except EOFError:
            raise OSError(f"the process that should load {model} ended without a word") from None
        if status == "failed":
            raise OSError(value)
        yield Engine(
            "llamacpp",
            f"http://127.0.0.1:{value}/v1",
            key,
            name,
            scales=adapter is not None,
            penalty="repeat_penalty",
            counts_words=True,
            pid=process.pid or 0,
        )
    finally:
        process.kill()
        process.join()
        ours.close()


def has_ended(engine: Engine) -> bool:
    """Whether the process that `serve_model` started for an engine is gone, because memory was short or somebody ended
    it. Never so for an engine that was started elsewhere."""
    return engine.pid > 0 and all(child.pid != engine.pid for child in multiprocessing.active_children())


def render_prompt(engine: Engine, messages: list[dict]) -> str:
    """The prompt that the engine makes of chat messages."""
    url, key = engine.base_url.removesuffix("/v1") + "/render", {"Authorization": f"Bearer {engine.api_key}"}
    answer = httpx2.post(url, json={"messages": messages}, headers=key, timeout=60, trust_env=False)
    return answer.raise_for_status().json()["prompt"]


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Block Ctrl-C in this thread, and for good in processes that are started meanwhile."""
    resource_tracker.ensure_running()  # which unblocks it when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
