"""Chats that are kept: ask, list, search, rename, delete. What a chat says is in the database before the caller is
told."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from serve import database, generation, requests, streaming
from serve.catalog import TWIN
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.errors import ApiError
from serve.requests import Name, Prompt, SamplingOptions
from serve.routers.generation import EVENTS
from serve.streaming import Event, GenerationStream, PrimedStreamingResponse, cancel_on_disconnect, collect_final

DATABASE_WAIT_SECONDS = 0.2  # seconds that the end of a cancelled answer waits for the database
router = APIRouter(prefix="/api/v1/chat", tags=["chats"])
Title = Annotated[str, Field(min_length=1, max_length=200)]


class SessionChatRequest(SamplingOptions):
    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "Write about rain.", "max_tokens": 40}]})

    message: Prompt
    session_id: str | None = Field(None, max_length=64, description="none begins a new chat")
    after: int | None = Field(
        None,
        ge=0,
        description="a message of the session: a new chat goes on from there, and the session stays as it is",
    )
    model: Name = TWIN
    stream: bool = False


class Message(BaseModel):
    """`finish_reason`: stop, length or cancelled for an answer; empty for a question."""

    id: int
    role: Literal["user", "assistant"]
    content: str
    model: str
    finish_reason: str
    created_at: float


class ChatReply(BaseModel):
    session_id: str
    message: Message
    tokens: int
    tokens_per_second: float


class ChatSession(BaseModel):
    id: str
    title: str
    model: str
    created_at: float
    updated_at: float


class ChatSummary(ChatSession):
    messages: int


class Chat(ChatSession):
    messages: list[Message]


class ChatList(BaseModel):
    sessions: list[ChatSummary]


class ChatUpdate(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "The ladder, again"}]})

    title: Title


class DeleteResult(BaseModel):
    removed: bool


def not_found(session_id: str) -> ApiError:
    return ApiError(
        404,
        "unknown_session",
        f"There is no chat {session_id[:64]!r} of yours.",
        "GET /api/v1/chat/sessions lists them.",
    )


def save_question(db, owner: str, asked: SessionChatRequest, model: str) -> tuple[str, list[dict]]:
    """The question is kept; (session, all its messages)."""
    session = asked.session_id or database.add_session(db, owner, " ".join(asked.message.split())[:60] or "Chat", model)
    if database.session(db, owner, session) is None:
        raise not_found(session)
    if asked.session_id and asked.after is not None:
        session = database.branch(db, owner, session, asked.after)
    database.add_message(db, session, "user", asked.message)
    return session, database.messages(db, session)


def drop_retried_answers(history: list[dict]) -> list[dict]:
    """Without answers that were asked for again: the model must not see the answer that it is to replace."""
    kept: list[dict] = []
    for message in history:
        asked = next((n for n in (-1, -2) if len(kept) >= -n and kept[n]["role"] == "user"), 0)
        if message["role"] == "user" and asked and kept[asked]["content"] == message["content"]:
            del kept[asked:]
        kept.append(message)
    return kept


def save_answer(db: sqlite3.Connection, session: str, text: str, model: str, finish_reason: str) -> dict:
    message = database.add_message(db, session, "assistant", text, model, finish_reason)
    if message is None:
        raise ApiError(409, "session_removed", "The chat was deleted while its answer was written.")
    return next(m for m in database.messages(db, session) if m["id"] == message)


async def stream_chat(state, caller, asked: SessionChatRequest) -> AsyncIterator[Event]:
    """Events session, delta…, answered. An answer that is cancelled, or whose engine fails, is kept as far as it
    came."""
    one, sampling = state.pool.get(asked.model), requests.resolve_sampling(state, asked)
    requests.check_prompt_length(state, [{"content": asked.message}])
    session, history = await state.database.run(save_question, caller.name, asked, one.model.name)
    chat = truncate_history(
        state,
        [
            {"role": "system", "content": one.model.system},
            *({"role": m["role"], "content": m["content"]} for m in drop_retried_answers(history)),
        ],
    )
    yield Event("session", {"session_id": session, "model": one.model.name})
    text = ""
    try:
        async for event in generation.stream_completion(one, chat, sampling):
            if event.name == "delta":
                text += event.data["text"]
                yield event
            else:
                kept = await state.database.run(
                    save_answer, session, event.data.text, one.model.name, event.data.finish_reason
                )
                yield Event(
                    "answered",
                    ChatReply(
                        session_id=session,
                        message=kept,
                        tokens=event.data.tokens,
                        tokens_per_second=event.data.tokens_per_second,
                    ),
                )
    except (asyncio.CancelledError, GeneratorExit, ApiError):
        if text:  # at once and not in a thread: nothing may be awaited here, and nobody is served meanwhile
            with contextlib.suppress(sqlite3.OperationalError), state.database.open(DATABASE_WAIT_SECONDS) as db:
                database.add_message(db, session, "assistant", text, one.model.name, "cancelled")
        raise


def truncate_history(state, chat: list[dict]) -> list[dict]:
    """The system message and the newest turns that the limit allows, from a question on."""
    left = state.settings.max_prompt_characters - len(chat[0]["content"])
    kept: list[dict] = []
    for message in reversed(chat[1:]):
        left -= len(message["content"])
        if left < 0 and kept:
            break
        kept.insert(0, message)
    while kept[0]["role"] != "user":
        kept.pop(0)
    return [m for m in (chat[0], *kept) if m["content"]]


@router.post("/completions", response_model=ChatReply, responses=EVENTS)
async def chat(
    asked: SessionChatRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
):
    """Ask in a chat. With `stream`: the events session {session_id}, delta {text}, answered; error or cancelled where
    it ends early."""
    relay = GenerationStream(
        state.running, request_id, caller.name, [stream_chat(state, caller, asked)], state.settings.answer_seconds
    )
    if asked.stream:
        return await PrimedStreamingResponse.of(request, streaming.encode_stream(relay))
    return await cancel_on_disconnect(
        request, collect_final(relay, "answered", "This request was cancelled; the answer is kept as far as it came.")
    )


@router.get("/sessions")
async def list_sessions(
    state: StateDep,
    caller: CallerDep,
    search: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ChatList:
    """Newest first; `search` finds words in titles and messages, also their beginnings."""
    return ChatList(sessions=await state.database.run(database.sessions, caller.name, search, limit, offset))


@router.get("/sessions/{session_id}")
async def get_session(session_id: str, state: StateDep, caller: CallerDep) -> Chat:
    def read(db):
        found = database.session(db, caller.name, session_id)
        return found and {**found, "messages": database.messages(db, session_id)}

    if (found := await state.database.run(read)) is None:
        raise not_found(session_id)
    return Chat(**found)


@router.patch("/sessions/{session_id}")
async def rename_session(session_id: str, new: ChatUpdate, state: StateDep, caller: CallerDep) -> ChatSession:
    def rename(db):
        return (
            database.session(db, caller.name, session_id)
            if database.rename(db, caller.name, session_id, new.title)
            else None
        )

    if (found := await state.database.run(rename)) is None:
        raise not_found(session_id)
    return ChatSession(**found)


@router.delete("/sessions/{session_id}")
async def remove_session(session_id: str, state: StateDep, caller: CallerDep) -> DeleteResult:
    if not await state.database.run(database.remove_session, caller.name, session_id):
        raise not_found(session_id)
    return DeleteResult(removed=True)
