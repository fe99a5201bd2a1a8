"""A cache for values that take seconds to compute."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Cached:
    """Each value is cached for `seconds`. Requests during its computation wait for it, so nothing is computed twice."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.found: dict[str, tuple[float, Any]] = {}
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, name: str, compute: Callable[[], Any]) -> Any:
        """The cached value of this name, or the result of `compute`, which runs in a thread."""
        async with self.locks[name]:
            at, value = self.found.get(name, (None, None))
            if at is None or time.monotonic() - at > self.seconds:
                value = await asyncio.to_thread(compute)
                self.found[name] = (time.monotonic(), value)
            return value
