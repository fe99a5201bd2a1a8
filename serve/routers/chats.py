"""Saved chats: ask, list, search, rename, delete. Messages are in the database before the client gets them."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from serve import database, generation, requests, streaming
from serve.app_state import AppState
from serve.auth import Caller
from serve.catalog import TWIN
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.errors import ApiError
from serve.requests import Name, Prompt, SamplingOptions
from serve.routers.generation import EVENTS
from serve.streaming import Event, GenerationStream, PrimedStreamingResponse, cancel_on_disconnect, collect_final

DATABASE_WAIT_SECONDS = 0.2  # how long saving a cancelled answer may wait for the database
router = APIRouter(prefix="/api/v1/chat", tags=["chats"])
Title = Annotated[str, Field(min_length=1, max_length=200)]


class SessionChatRequest(SamplingOptions):
    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "Write about rain.", "max_tokens": 40}]})

    message: Prompt
    session_id: str | None = Field(None, max_length=64, description="null starts a new chat")
    after: int | None = Field(
        None,
        ge=0,
        description="id of a message of the session: a new chat branches off after it, and the session is not changed",
    )
    model: Name = TWIN
    stream: bool = False


class Message(BaseModel):
    """`finish_reason`: stop, length or cancelled for an answer; empty for a question. `created_at`: seconds since
    1970."""

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
        f"You have no chat {session_id[:64]!r}.",
        "List your chats with GET /api/v1/chat/sessions.",
    )


def save_question(db: sqlite3.Connection, owner: str, asked: SessionChatRequest, model: str) -> tuple[str, list[dict]]:
    """Save the question. Returns (session id, all messages of the session)."""
    session = asked.session_id or database.add_session(db, owner, " ".join(asked.message.split())[:60] or "Chat", model)
    if database.session(db, owner, session) is None:
        raise not_found(session)
    if asked.session_id and asked.after is not None:
        session = database.branch(db, owner, session, asked.after)
    database.add_message(db, session, "user", asked.message)
    return session, database.messages(db, session)


def drop_retried_answers(history: list[dict]) -> list[dict]:
    """The history without retried questions and their old answers: the model must not see the answer that it replaces.

    A question is retried when it follows directly on itself, or on its own answer.
    """
    messages: list[dict] = []
    for message in history:
        before = -1 if messages and messages[-1]["role"] == "user" else -2  # the question before, if there is one
        if message["role"] == "user" and len(messages) >= -before and _is_same(messages[before], message):
            del messages[before:]
        messages.append(message)
    return messages


def _is_same(first: dict, second: dict) -> bool:
    return (first["role"], first["content"]) == (second["role"], second["content"])


def save_answer(db: sqlite3.Connection, session: str, text: str, model: str, finish_reason: str) -> dict:
    message = database.add_message(db, session, "assistant", text, model, finish_reason)
    if message is None:
        raise ApiError(409, "session_removed", "The chat was deleted while its answer was written.")
    return next(m for m in database.messages(db, session) if m["id"] == message)


async def stream_chat(state: AppState, caller: Caller, asked: SessionChatRequest) -> AsyncIterator[Event]:
    """Events session, delta…, answered. When it is cancelled or the engine fails, the partial answer is saved."""
    one, sampling = state.pool.get(asked.model), requests.resolve_sampling(state, asked, asked.message)
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
                saved = await state.database.run(
                    save_answer, session, event.data.text, one.model.name, event.data.finish_reason
                )
                yield Event(
                    "answered",
                    ChatReply(
                        session_id=session,
                        message=saved,
                        tokens=event.data.tokens,
                        tokens_per_second=event.data.tokens_per_second,
                    ),
                )
    except (asyncio.CancelledError, GeneratorExit, ApiError):
        if text:  # not in a thread: nothing may be awaited here. It blocks the server for DATABASE_WAIT_SECONDS at most
            with contextlib.suppress(sqlite3.OperationalError), state.database.open(DATABASE_WAIT_SECONDS) as db:
                database.add_message(db, session, "assistant", text, one.model.name, "cancelled")
        raise


def truncate_history(state: AppState, chat: list[dict]) -> list[dict]:
    """The system message and the newest turns that fit into max_prompt_characters, beginning with a question."""
    left = state.settings.max_prompt_characters - len(chat[0]["content"])
    newest: list[dict] = []
    for message in reversed(chat[1:]):
        left -= len(message["content"])
        if left < 0 and newest:
            break
        newest.insert(0, message)
    while newest[0]["role"] != "user":
        newest.pop(0)
    return [m for m in (chat[0], *newest) if m["content"]]


@router.post("/completions", response_model=ChatReply, responses=EVENTS)
async def chat(
    asked: SessionChatRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> Response | ChatReply:
    """Ask in a chat. With `stream`: the events session {session_id}, delta {text}, answered; or error or cancelled."""
    relay = GenerationStream(
        state.running, request_id, caller.name, [stream_chat(state, caller, asked)], state.settings.answer_seconds
    )
    if asked.stream:
        return await PrimedStreamingResponse.of(request, streaming.encode_stream(relay))
    return await cancel_on_disconnect(
        request, collect_final(relay, "answered", "This request was cancelled; the partial answer is saved.")
    )


@router.get("/sessions")
async def list_sessions(
    state: StateDep,
    caller: CallerDep,
    search: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ChatList:
    """Newest first. `search` finds words, and beginnings of words, in titles and messages."""
    return ChatList(sessions=await state.database.run(database.sessions, caller.name, search, limit, offset))


@router.get("/sessions/{session_id}")
async def get_session(session_id: str, state: StateDep, caller: CallerDep) -> Chat:
    def read(db: sqlite3.Connection) -> dict | None:
        found = database.session(db, caller.name, session_id)
        return found and {**found, "messages": database.messages(db, session_id)}

    if (found := await state.database.run(read)) is None:
        raise not_found(session_id)
    return Chat(**found)


@router.patch("/sessions/{session_id}")
async def rename_session(session_id: str, new: ChatUpdate, state: StateDep, caller: CallerDep) -> ChatSession:
    def rename(db: sqlite3.Connection) -> dict | None:
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
