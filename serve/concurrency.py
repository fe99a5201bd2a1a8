"""Turns at a model: so many requests at once, a bounded line in order of arrival, and then a clear no."""

import asyncio
import contextlib

from serve.errors import ApiError


class ConcurrencyLimiter:
    """`slots` requests at once, `line` more that wait for at most `seconds`."""

    def __init__(self, slots: int, line: int, seconds: float):
        self.slots, self.line, self.seconds = slots, line, seconds
        self.semaphore = asyncio.Semaphore(slots)  # wakes in order of arrival
        self.waiting = self.active = 0
        self.closed = False
        self.lately = 1.0  # seconds an answer took, smoothed

    @contextlib.asynccontextmanager
    async def turn(self):
        """Hold a slot while the block runs. Raises ApiError 503 with the time after which to come back, or 409 once it
        is closed."""
        if self.closed:
            raise ApiError(
                409, "not_loaded", "This model was unloaded before its turn came.", "POST /api/v1/models/load loads it."
            )
        if self.waiting >= self.line and self.semaphore.locked():
            raise self._busy("The line for this model is full.")
        self.waiting += 1
        try:
            async with asyncio.timeout(self.seconds):
                await self.semaphore.acquire()
        except TimeoutError:
            raise self._busy(f"No turn came within {self.seconds:g} seconds.") from None
        finally:
            self.waiting -= 1
        self.active += 1
        started = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self.active -= 1
            self.semaphore.release()
            self.lately += 0.2 * (asyncio.get_running_loop().time() - started - self.lately)

    def close(self) -> bool:
        """Let nobody in from now on, and nobody can have slipped in meanwhile. False, and nothing happens, where
        somebody holds or awaits a slot."""
        self.closed = self.closed or not (self.active or self.waiting)
        return self.closed

    def _busy(self, message: str) -> ApiError:
        return ApiError(
            503, "busy", message, "Ask again after Retry-After seconds.", self.lately * (1 + self.waiting / self.slots)
        )
