"""Slots of a model: a number of requests at once, a bounded queue in order of arrival, and then a clear error."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from serve.errors import ApiError


class ConcurrencyLimiter:
    """`slots` requests at once, and `max_waiting` more that wait for at most `seconds`."""

    def __init__(self, slots: int, max_waiting: int, seconds: float):
        self.slots, self.max_waiting, self.seconds = slots, max_waiting, seconds
        self.semaphore = asyncio.Semaphore(slots)  # FIFO
        self.active = 0
        self.waits: dict[object, float] = {}  # {request: when it came}, in order of arrival
        self.closed = False
        self.average_seconds = 1.0  # of an answer, as an exponential moving average

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self.waits)

    @property
    def longest_wait(self) -> float:
        """Seconds for which the oldest waiting request has waited; 0 when none waits."""
        return time.monotonic() - next(iter(self.waits.values())) if self.waits else 0.0

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """Hold a slot while the block runs. Raises ApiError 503 with the seconds to retry after, or 409 once the
        limiter is closed."""
        if self.closed:
            raise ApiError(
                409,
                "not_loaded",
                "This model was unloaded while the request waited.",
                "POST /api/v1/models/load loads it.",
            )
        if self.waiting >= self.max_waiting and self.semaphore.locked():
            raise self._busy("Too many requests are waiting for this model.")
        request = object()
        self.waits[request] = time.monotonic()
        try:
            async with asyncio.timeout(self.seconds):
                await self.semaphore.acquire()
        except TimeoutError:
            raise self._busy(f"No slot became free within {self.seconds:g} seconds.") from None
        finally:
            del self.waits[request]
        self.active += 1
        started = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self.active -= 1
            self.semaphore.release()
            self.average_seconds += 0.2 * (asyncio.get_running_loop().time() - started - self.average_seconds)

    @contextlib.asynccontextmanager
    async def take_free(self, most: int) -> AsyncIterator[int]:
        """Hold, while the block runs, up to `most` slots that are free now and that nobody waits for; how many."""
        taken = 0
        while taken < most and not self.semaphore.locked():
            await self.semaphore.acquire()  # at once
            taken += 1
        try:
            yield taken
        finally:
            for _ in range(taken):
                self.semaphore.release()

    def close(self) -> bool:
        """Accept no more requests. Returns False, and changes nothing, while a request holds or awaits a slot."""
        self.closed = self.closed or not (self.active or self.waiting)
        return self.closed

    def _busy(self, message: str) -> ApiError:
        return ApiError(
            503,
            "busy",
            message,
            "Ask again after Retry-After seconds.",
            self.average_seconds * (1 + self.waiting / self.slots),
        )
