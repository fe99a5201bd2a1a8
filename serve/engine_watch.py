"""An embedded engine whose process is gone, because memory was short or somebody ended it, is started again.

What it was answering has failed with an error that says so; whoever asks meanwhile is told to wait. One that ends again
and again, or can't be loaded any more, is tried less and less often.
"""

import asyncio
import time
from dataclasses import dataclass, field

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.inference.llama_server import has_ended
from serve import prometheus_metrics
from serve.errors import ApiError
from serve.logging_setup import log_event
from serve.model_pool import Failure, ModelPool

LOOK_SECONDS = 0.5
STEADY_SECONDS = 60.0  # an engine that has lived that long is started again at once
LONGEST_PAUSE = 60.0  # between two starts of one that does not


@dataclass
class Attempt:
    """The last start of a model's engine: when, and how many seconds the next one waits after it."""

    at: float
    pause: float


@dataclass
class EngineWatch:
    """The watch over the engines of a pool. `waiting`: models whose engine is gone and not started again yet."""

    pool: ModelPool
    attempts: dict[str, Attempt] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    async def watch(self) -> None:
        """Look every LOOK_SECONDS, until the task is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Start the engines again that are gone, each when its pause is over."""
        for name in [name for name, one in self.pool.loaded.items() if has_ended(one.engine)]:
            await self._take_out(name)
        for name in sorted(self.waiting):
            if name in self.pool.loaded:  # somebody has loaded it by hand
                self.waiting.discard(name)
            elif self._pause_left(name) <= 0:
                await self._start(name)

    def _pause_left(self, name: str) -> float:
        last = self.attempts.get(name)
        return 0.0 if last is None else last.at + last.pause - time.monotonic()

    async def _take_out(self, name: str) -> None:
        """Take a model whose engine is gone out of the pool, so that nobody asks it any more."""
        pool = self.pool
        async with pool.lock:
            one = pool.loaded.get(name)
            if one is None or not has_ended(one.engine):  # another task has loaded it meanwhile
                return
            del pool.loaded[name]
            pool.failed[name] = Failure("engine_gone", "its engine's process ended, and is started again.")
            await asyncio.to_thread(one.exit_stack.close)
        last = self.attempts.get(name)
        if last is not None and time.monotonic() - last.at > STEADY_SECONDS:
            del self.attempts[name]
        self.waiting.add(name)
        log_event("engine ended", 40, model=name)

    async def _start(self, name: str) -> None:
        """Load a model again. Where that fails, the reason is told, and the next attempt waits longer."""
        last = self.attempts.get(name)
        pause = 2.0 if last is None else min(2 * last.pause, LONGEST_PAUSE)
        self.attempts[name] = Attempt(time.monotonic(), pause)
        try:
            await self.pool.load(name)
        except (ApiError, UserError, OSError) as e:
            reason = e.message if isinstance(e, ApiError) else str(e)
            self.pool.failed[name] = Failure("engine_gone", f"{reason} It is tried again in {pause:g} seconds.")
            log_event("engine not started", 40, e, model=name)
            return
        self.waiting.discard(name)
        prometheus_metrics.RESTARTS.labels(name).inc()
        log_event("engine started again", 30, model=name)
        echo(f"note: the process of {name}'s engine had ended, and was started again")
