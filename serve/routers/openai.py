"""OpenAI's protocol, so that any client of it works unchanged.

The engines speak it themselves, so their chunks are passed on as they come, with log-probabilities, finish reasons and
usage. Ollama is asked in its own protocol, which drops nothing that a client asks for. This is the only
route that does not go through pydantic-ai, whose own messages have no place for these.
"""

import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

import httpx2
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from blogtwin.inference.chat_stream import ollama_message, to_failure
from blogtwin.inference.client import MAX_STYLE_STRENGTH, http_client
from serve import generation, ollama_chunks, openai_chunks, prometheus_metrics
from serve.app_state import AppState
from serve.auth import Caller
from serve.catalog import TWIN
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.errors import ApiError
from serve.logging_setup import log_event
from serve.model_pool import LoadedModel
from serve.openai_chunks import Chunk
from serve.requests import Name, Seed, check_prompt_length, usual_max_tokens
from serve.streaming import (
    Cancelled,
    Event,
    GenerationStream,
    PrimedStreamingResponse,
    cancel_on_disconnect,
    error_event,
)

router = APIRouter(prefix="/v1", tags=["OpenAI"])
EVENTS = {
    200: {
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": (
                    'data: {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content":'
                    ' "It"}}]}\n\n'
                ),
            }
        },
        "description": "A completion, or with `stream` its chunks as server-sent events",
    }
}
Stops = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=8)]


class Part(BaseModel):
    type: Literal["text"]
    text: str


class Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    def plain(self) -> dict:
        text = self.content if isinstance(self.content, str) else "".join(p.text for p in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class CompletionBase(BaseModel):
    """The fields of both kinds of completion. Unknown fields are ignored, as OpenAI's own server does for some."""

    model: Name = TWIN
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = Field(None, ge=1, le=100_000)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    stop: Annotated[str, Field(min_length=1, max_length=100)] | Stops | None = None
    seed: Seed | None = None
    n: Literal[1] | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repeat_penalty: float | None = Field(None, gt=0, le=2)
    top_k: int | None = Field(None, ge=0, le=1000)
    min_p: float | None = Field(None, ge=0, le=1)
    style_strength: float | None = Field(None, ge=0, le=MAX_STYLE_STRENGTH)


class ChatRequest(CompletionBase):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "finetuned", "messages": [{"role": "user", "content": "Write about rain."}], "max_tokens": 40}
            ]
        }
    )

    messages: list[Message] = Field(min_length=1, max_length=500)
    max_completion_tokens: int | None = Field(None, ge=1, le=100_000)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)


class CompletionRequest(CompletionBase):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "base", "prompt": "Once upon a time", "max_tokens": 20}]}
    )

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    logprobs: int | None = Field(None, ge=0, le=20)


class Completion(BaseModel):
    """OpenAI's response; the engine may add fields."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any] | None = None


class ModelCard(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


# Fields that do not reach the engine as the client sent them.
OWN_PARAMETERS = {
    "model",
    "messages",
    "prompt",
    "stream",
    "stream_options",
    "style_strength",
    "max_completion_tokens",
}


def request_body(state: AppState, one: LoadedModel, asked: CompletionBase, prompt: str) -> dict:
    """The engine's request, whose last message is `prompt`: the client's fields, and params.yaml's sampling parameters
    for those it left out.

    Always a stream: an engine notices at once when nobody reads a stream any more, and otherwise only after a second.
    Raises ApiError 422 for more tokens than allowed.
    """
    usual, sent = state.params.eval, asked.model_dump(exclude_none=True, exclude=OWN_PARAMETERS)
    sent.setdefault("max_tokens", getattr(asked, "max_completion_tokens", None) or usual_max_tokens(state, prompt))
    if sent["max_tokens"] > state.settings.max_tokens:
        raise ApiError(
            422,
            "too_many_tokens",
            f"max_tokens is {sent['max_tokens']}, and at most {state.settings.max_tokens} are allowed.",
            "Lower max_tokens, or raise SERVE_MAX_TOKENS.",
        )
    for name in ("temperature", "top_p"):
        sent.setdefault(name, getattr(usual, name))
    sent |= one.engine.repeat_penalty_field(sent.pop("repeat_penalty", usual.repeat_penalty))
    return {
        **sent,
        **generation.style_strength_args(one, asked.style_strength),
        "model": one.engine.model,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def stream_chunks(one: LoadedModel, path: str, body: dict) -> AsyncIterator[Chunk]:
    """The chunks of the engine's answer to `body`. Raises ApiError."""
    started, first, tokens = time.perf_counter(), 0.0, 0
    url, key = f"{one.engine.base_url}/{path}", {"Authorization": f"Bearer {one.engine.api_key}"}
    own: Chunk | None = None
    if one.engine.name == "ollama":
        own_path, body = ollama_chunks.own_request(body)
        own, url = ollama_chunks.new_answer(own_path), one.engine.base_url.removesuffix("/v1") + own_path
    async with prometheus_metrics.track_answer(one.model.name), one.limiter.acquire():
        try:
            async with http_client().stream("POST", url, json=body, headers=key) as answer:
                if answer.status_code >= 400:
                    data = await answer.aread()
                    message = openai_chunks.body_message(data) if own is None else ollama_message(data)
                    raise generation.error_from_status(one, answer.status_code, message)
                async for line in answer.aiter_lines():
                    for chunk in parse_chunks(one, line, own):
                        if openai_chunks.text_of(chunk):
                            first = first or time.perf_counter() - started
                            tokens += 1
                        if path == "completions":
                            openai_chunks.use_legacy_logprobs(chunk)
                        yield chunk
        except httpx2.HTTPError as e:
            raise generation.engine_failure(one, to_failure(one.engine, e)) from e
    prometheus_metrics.observe_generation(one.model.name, first, time.perf_counter() - started, tokens)


def parse_chunks(one: LoadedModel, line: str, own: Chunk | None) -> list[Chunk]:
    """The chunks in a line of an engine's stream. `own`: what the chunks of an answer of Ollama's own have in common.
    Raises ApiError where the engine tells of an error."""
    try:
        chunks: Sequence[Chunk | None] = (
            [openai_chunks.parse_line(line)] if own is None else ollama_chunks.read_line(line, own)
        )
    except ValueError:
        raise generation.error_from_status(one, 500, f"its stream is not JSON: {line[:80]}") from None
    found = [chunk for chunk in chunks if chunk is not None]
    for chunk in found:
        if chunk.get("error"):
            raise generation.error_from_status(one, 500, openai_chunks.error_message(chunk["error"]))
    return found


async def stream(relay: GenerationStream, one: LoadedModel, include_usage: bool) -> AsyncIterator[bytes]:
    """The chunks as they come, under the model's name here; the one with the usage only where it was asked for."""
    begun = False
    chunks = aiter(relay)
    try:
        async for chunk in chunks:
            if openai_chunks.is_usage_only(chunk) and not include_usage:
                continue
            yield f"data: {openai_chunks.to_json({**chunk, 'model': one.model.name})}\n\n".encode()
            begun = True
        yield b"data: [DONE]\n\n"
    except Cancelled:
        yield b"data: [DONE]\n\n"
    except Exception as e:
        if not begun:
            raise
        yield encode_error(error_event(e))
    finally:
        await chunks.aclose()


def encode_error(error: Event) -> bytes:
    """An error in the midst of a stream, as OpenAI's clients read it."""
    return f"data: {json.dumps(error.data)}\n\n".encode()


async def collect(relay: GenerationStream, one: LoadedModel) -> dict:
    """The chunks put together, as the engine would have answered without a stream. Raises ApiError."""
    whole: Chunk = {}
    finish_reason = None
    text, logprobs = "", []
    try:
        async for chunk in relay:
            text += openai_chunks.text_of(chunk)
            whole = {**chunk, **{name: value for name, value in whole.items() if value is not None}}
            for choice in chunk.get("choices") or []:
                if choice.get("logprobs"):
                    logprobs.append(choice["logprobs"])
                finish_reason = choice.get("finish_reason") or finish_reason
    except Cancelled:
        raise ApiError(409, "cancelled", "This request was cancelled.") from None
    finally:
        await relay.close()
    is_chat = whole.get("object", "").startswith("chat")
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        **({"message": {"role": "assistant", "content": text}} if is_chat else {"text": text}),
        "logprobs": join_logprobs(logprobs),
    }
    kind = "chat.completion" if is_chat else "text_completion"
    return {**whole, "object": kind, "model": one.model.name, "choices": [choice]}


def join_logprobs(parts: list[dict]) -> dict | None:
    """The log-probabilities of all chunks, one list for each of their fields; None when there are none."""
    if not parts:
        return None
    joined: dict[str, list] = {name: [] for name in parts[0]}
    for part in parts:
        for name, values in joined.items():
            values += part.get(name) or []
    return joined


async def complete(
    path: str,
    asked: CompletionBase,
    prompt: dict,
    request: Request,
    state: AppState,
    caller: Caller,
    request_id: str,
) -> Response | dict:
    """Answer `asked`, with the prompt in the field that `path` has for it. Raises ApiError."""
    one = state.pool.get(asked.model)
    last = prompt["messages"][-1]["content"] if "messages" in prompt else ""
    body = {**request_body(state, one, asked, last), **prompt}
    if state.settings.log_prompts:
        log_event("prompt", id=request_id, **prompt)
    relay = GenerationStream(
        state.running, request_id, caller.name, [stream_chunks(one, path, body)], state.settings.answer_seconds
    )
    if asked.stream:
        include_usage = bool((asked.stream_options or {}).get("include_usage"))
        return await PrimedStreamingResponse.of(request, stream(relay, one, include_usage), encode_error)
    return await cancel_on_disconnect(request, collect(relay, one))


@router.post("/chat/completions", response_model=Completion, responses=EVENTS)
async def chat_completions(
    asked: ChatRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> Response | dict:
    """OpenAI's chat completion. Without a system message, the model gets the one that it was trained with."""
    messages = [m.plain() for m in asked.messages]
    if messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": state.pool.get(asked.model).model.system})
    check_prompt_length(state, messages)
    return await complete("chat/completions", asked, {"messages": messages}, request, state, caller, request_id)


@router.post("/completions", response_model=Completion, responses=EVENTS)
async def completions(
    asked: CompletionRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> Response | dict:
    """OpenAI's plain completion: the prompt as it is, without a chat template."""
    prompt = asked.prompt if isinstance(asked.prompt, str) else asked.prompt[0]
    check_prompt_length(state, [{"content": prompt}])
    return await complete("completions", asked, {"prompt": prompt}, request, state, caller, request_id)


@router.get("/models")
async def models(state: StateDep) -> ModelList:
    """The loaded models."""
    return ModelList(
        data=[
            ModelCard(id=name, created=0, owned_by=f"blogtwin ({one.engine.name})")
            for name, one in state.pool.loaded.items()
        ]
    )
