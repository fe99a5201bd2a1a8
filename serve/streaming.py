"""Generation as a stream of server-sent events, cancelled when the client disconnects."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from serve.errors import ApiError, as_api_error
from serve.logging_setup import log_event

Result = TypeVar("Result")
KEEP_ALIVE_SECONDS = 15.0  # proxies wait 30 to 60 seconds for the next byte
PING = b": ping\n\n"  # a comment, which readers of server-sent events pass over
END = object()
CLIENT_CLOSED_REQUEST = ApiError(499, "cancelled", "The request was cancelled.")


class Event(NamedTuple):
    """A server-sent event."""

    name: str
    data: Any


class Cancelled(Exception):
    """The request was cancelled by POST /api/cancel or over its WebSocket."""


class ActiveStreams:
    """The requests that are being answered, by request id."""

    def __init__(self):
        self.streams: dict[str, GenerationStream] = {}

    def cancel(self, request_id: str, owner: str | None) -> bool:
        """Cancel a running request of this owner (None: of anybody). Returns False when there is none."""
        relay = self.streams.get(request_id)
        if relay is None or (owner is not None and relay.owner != owner):
            return False
        relay.cancel()
        return True


class GenerationStream:
    """The items of several writers, merged in the order of their arrival. Raises what a writer raises.

    It must be iterated or closed. After `seconds` a writer is stopped with an ApiError 503.
    """

    def __init__(
        self, running: ActiveStreams, request_id: str, owner: str, writers: list[AsyncIterator], seconds: float
    ):
        self.running, self.id, self.owner, self.seconds = running, request_id, owner, seconds
        self.items: asyncio.Queue = asyncio.Queue(256)
        self.left = len(writers)
        self.cancelled = False
        self.tasks = [asyncio.create_task(self._write(w)) for w in writers]
        self.running.streams[self.id] = self

    async def _write(self, writer: AsyncIterator) -> None:
        try:
            async with asyncio.timeout(self.seconds), contextlib.aclosing(writer):
                async for item in writer:
                    await self.items.put(item)
            await self.items.put(None)
        except TimeoutError:
            await self.items.put(
                ApiError(
                    503,
                    "too_slow",
                    f"The answer was not complete after {self.seconds:g} seconds.",
                    "Lower max_tokens.",
                    5,
                )
            )
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():
                raise
            await self.items.put(
                ApiError(502, "engine_gone", "The engine was stopped before the answer was complete.", "Try again.")
            )
        except Exception as e:  # raised where the stream is read
            await self.items.put(e)

    def cancel(self) -> None:
        """Stop the writers; the reader gets Cancelled after the items that are there."""
        self.cancelled = True
        self._stop()
        with contextlib.suppress(asyncio.QueueFull):
            self.items.put_nowait(Cancelled())

    def _stop(self) -> None:
        """Cancel each task once: a second cancellation would interrupt the closing of its connection, and the engine
        would go on generating."""
        for task in self.tasks:
            if not task.cancelling():
                task.cancel()

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            while self.left:
                if self.cancelled and self.items.empty():
                    raise Cancelled
                item = await self.items.get()
                if item is None:
                    self.left -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop the writers and wait until they have left the engine. A second call does nothing."""
        self._stop()
        self.running.streams.pop(self.id, None)
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def collect_final(relay: GenerationStream, name: str, if_cancelled: str = "This request was cancelled.") -> Any:
    """The data of the event `name`, with which every writer of this stream ends. Raises ApiError."""
    try:
        async for event in relay:
            if event.name == name:
                return event.data
    except Cancelled:
        raise ApiError(409, "cancelled", if_cancelled) from None
    finally:
        await relay.close()
    raise AssertionError(f"a writer ends with `{name}`, or raises")


async def cancel_on_disconnect(request: Request, work: Awaitable[Result]) -> Result:
    """The result of `work`, which is cancelled when the client disconnects (ApiError 499)."""
    task, disconnect = asyncio.ensure_future(work), asyncio.ensure_future(_until_disconnected(request))
    try:
        await asyncio.wait({task, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise CLIENT_CLOSED_REQUEST
        return task.result()
    finally:
        for one in (task, disconnect):
            one.cancel()
        await asyncio.gather(task, disconnect, return_exceptions=True)


async def _until_disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Pump:
    """Reads an iterator in a task of its own, an item ahead: who waits for the next may give up and wait again."""

    def __init__(self, items: AsyncIterator[bytes]):
        self.items, self.ready = items, asyncio.Queue(1)
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async with contextlib.aclosing(self.items):
                async for item in self.items:
                    await self.ready.put(item)
        except Exception as e:  # raised, or told, where the stream is read
            await self.ready.put(e)
        await self.ready.put(END)

    async def next(self) -> Any:
        """An item, an exception, END, or None when nothing came for KEEP_ALIVE_SECONDS."""
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                return await self.ready.get()
        except TimeoutError:
            return None

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.items.aclose()


class PrimedStreamingResponse(StreamingResponse):
    """A stream that waits for its first item before it sends the status, so that an error of the engine has its own
    status. After KEEP_ALIVE_SECONDS it waits no longer, and sends a comment as often as nothing comes for so long:
    proxies close a silent connection. An error is then an item, which `late_error` writes.

    Create it with `await PrimedStreamingResponse.of(request, items)`; `items` is closed in any case.
    """

    @classmethod
    async def of(
        cls,
        request: Request,
        items: AsyncIterator[bytes],
        late_error: Callable[[Event], bytes] | None = None,
        media_type: str = "text/event-stream",
    ) -> "PrimedStreamingResponse":
        pump = _Pump(items)
        try:
            first = await cancel_on_disconnect(request, pump.next())
            if isinstance(first, Exception):
                raise first
        except BaseException:
            await pump.close()
            raise

        async def body() -> AsyncIterator[bytes]:
            item = first
            while item is not END:
                if isinstance(item, Exception):
                    yield (late_error or encode_event)(error_event(item))
                else:
                    yield PING if item is None else item
                item = await pump.next()

        response = cls(body(), media_type=media_type, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.pump = pump
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.pump.close()


def encode_event(event: Event) -> bytes:
    """An event in the text format of SSE."""
    return f"event: {event.name}\ndata: {json.dumps(to_json(event), ensure_ascii=False)}\n\n".encode()


def to_json(event: Event) -> Any:
    """An event's data, as json.dumps takes it."""
    return event.data.model_dump() if isinstance(event.data, BaseModel) else event.data


async def encode_stream(events: AsyncIterable[Event]) -> AsyncIterator[bytes]:
    """Events as SSE. An error before the first event is raised; a later one becomes an event `error`."""
    begun = False
    try:
        async with contextlib.aclosing(aiter(events)) as coming:
            async for event in coming:
                yield encode_event(event)
                begun = True
    except Cancelled:
        yield encode_event(Event("cancelled", {}))
    except Exception as e:
        if not begun:
            raise
        yield encode_event(error_event(e))


def error_event(error: Exception) -> Event:
    """An exception as an event `error`; an unexpected one is logged with its traceback."""
    if not isinstance(error, ApiError):
        log_event("stream failed", 40, error)
    return Event("error", as_api_error(error).content())
