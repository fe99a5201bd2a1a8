"""Events as server-sent events: `event: NAME`, `data: JSON`. An error in the middle is the event `error`, of the one shape."""

import contextlib
import json
from collections.abc import AsyncIterable, AsyncIterator

from pydantic import BaseModel

from serve.errors import ApiError, as_api_error
from serve.logs import log
from serve.relay import Cancelled, Event


def line(event: Event) -> bytes:
    return f"event: {event.name}\ndata: {json.dumps(plain(event), ensure_ascii=False)}\n\n".encode()


def plain(event: Event):
    """An event's data as JSON has it."""
    return event.data.model_dump() if isinstance(event.data, BaseModel) else event.data


async def lines(events: AsyncIterable[Event]) -> AsyncIterator[bytes]:
    """The stream; what goes wrong before the first event is raised, and after it told as an event."""
    begun = False
    try:
        async with contextlib.aclosing(aiter(events)) as coming:
            async for event in coming:
                yield line(event)
                begun = True
    except Cancelled:
        yield line(Event("cancelled", {}))
    except Exception as e:
        if not begun:
            raise
        yield line(failed(e))


def failed(error: Exception) -> Event:
    """The event `error`; an unexpected one is logged with its traceback."""
    if not isinstance(error, ApiError):
        log("stream failed", 40, error)
    return Event("error", as_api_error(error).content())
