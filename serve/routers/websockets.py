"""The same events over WebSockets: {"event": name, "data": …}, one JSON text each."""

import asyncio
import contextlib
import json
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from blogtwin.validation import dotted, main_problem
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.errors import ApiError
from serve.routers.chats import SessionChatRequest, stream_chat
from serve.routers.training import stream_job
from serve.streaming import Cancelled, Event, GenerationStream, error_event, to_json

router = APIRouter(tags=["WebSockets"])
MAX_MESSAGE_CHARS = 500_000
IN_USE = ApiError(409, "in_use", "The previous question is still being answered.", 'Send {"type": "cancel"} first.')


@router.websocket("/ws/chat")
async def chat_socket(socket: WebSocket, state: StateDep, caller: CallerDep, request_id: RequestIdDep) -> None:
    """Send a chat request (as for POST /api/v1/chat/completions) for each question. {"type": "cancel"} stops the
    current answer."""
    await socket.accept(_protocol(socket))
    relay, answering, number = None, None, 0
    try:
        while True:
            text = await socket.receive_text()
            message = _parse(text)
            if isinstance(message, dict) and message.get("type") == "cancel":
                if relay is not None:
                    relay.cancel()
                continue
            try:
                if answering is not None and not answering.done():
                    raise IN_USE
                question = _question(message)
                socket.state.count()  # against the rate limit
            except ApiError as e:
                await _send(socket, error_event(e))
                continue
            number += 1
            relay = GenerationStream(
                state.running,
                f"{request_id}-{number}",
                caller.name,
                [stream_chat(state, caller, question)],
                state.settings.answer_seconds,
            )
            answering = asyncio.create_task(_send_events(socket, relay))
    except WebSocketDisconnect:
        pass
    finally:
        if answering is not None:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)


@router.websocket("/ws/training/{job_id}")
async def training_socket(
    socket: WebSocket, job_id: str, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> None:
    """The events of GET /api/v1/training/jobs/{id}/progress. The socket is closed when the job has ended."""
    await socket.accept(_protocol(socket))
    relay = GenerationStream(state.running, request_id, caller.name, [stream_job(state, job_id)], 7 * 86400)
    sending = asyncio.create_task(_send_events(socket, relay))
    disconnecting = asyncio.create_task(_until_disconnected(socket))
    await asyncio.wait({sending, disconnecting}, return_when=asyncio.FIRST_COMPLETED)
    for task in (sending, disconnecting):
        task.cancel()
    await asyncio.gather(sending, disconnecting, return_exceptions=True)
    with contextlib.suppress(RuntimeError):  # the client has disconnected
        await socket.close()


async def _send_events(socket: WebSocket, relay: GenerationStream) -> None:
    try:
        async with contextlib.aclosing(aiter(relay)) as events:
            answered = None
            async for event in events:
                if event.name == "answered":
                    answered = event
                else:
                    await _send(socket, event)
        if answered is not None:  # last, when everything is done: the client may then ask again at once
            await _send(socket, answered)
    except Cancelled:
        await _send(socket, Event("cancelled", {}))
    except WebSocketDisconnect:
        return
    except Exception as e:
        await _send(socket, error_event(e))


async def _send(socket: WebSocket, event: Event) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client has disconnected
        await socket.send_text(json.dumps({"event": event.name, "data": to_json(event)}, ensure_ascii=False))


async def _until_disconnected(socket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()


def _question(message: Any) -> SessionChatRequest:
    """Raises ApiError 422."""
    try:
        return SessionChatRequest.model_validate(message)
    except ValidationError as e:
        problem = main_problem(e)
        raise ApiError(422, "invalid_request", f"{dotted(problem['loc'])}: {problem['msg']}") from None


def _parse(text: str) -> Any:
    """The JSON of a message; None where it is none, or too long."""
    try:
        return json.loads(text) if len(text) <= MAX_MESSAGE_CHARS else None
    except ValueError:
        return None


def _protocol(socket: WebSocket) -> str | None:
    """A client that sent its key as a subprotocol must get one of its own names back."""
    return "bearer" if "bearer" in socket.scope.get("subprotocols", []) else None
