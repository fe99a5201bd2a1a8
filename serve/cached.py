"""Answers that take seconds to find, kept for a while."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Cached:
    """Each answer for `seconds`; whoever asks while it is being found waits for that one, and nothing is asked
    twice."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.found: dict[str, tuple[float, Any]] = {}
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, name: str, ask: Callable[[], Any]) -> Any:
        """What `ask` returns, which is called in a thread."""
        async with self.locks[name]:
            at, answer = self.found.get(name, (None, None))
            if at is None or time.monotonic() - at > self.seconds:
                answer = await asyncio.to_thread(ask)
                self.found[name] = (time.monotonic(), answer)
            return answer
