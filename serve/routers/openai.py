"""OpenAI's protocol, so that any client of it works unchanged.

The engines speak it themselves, so what they stream is passed on as it comes, and nothing is lost of logprobs, finish
reasons and usage. pydantic-ai reads an answer into its own messages and has no place for the rest; this is the one way
past it.
"""

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import httpx2
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from blogtwin.inference.client import MAX_STYLE_STRENGTH, http_client
from serve import generation, prometheus_metrics
from serve.catalog import TWIN
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.errors import ApiError
from serve.logging_setup import log_event
from serve.model_pool import LoadedModel
from serve.requests import Name, Seed, check_prompt_length
from serve.streaming import Cancelled, GenerationStream, PrimedStreamingResponse, cancel_on_disconnect, error_event

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
    """What both kinds of completion take. Unknown fields are passed over, as OpenAI's own server does for some."""

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
    """As OpenAI gives it; the engine may add fields."""

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


OWN_PARAMETERS = {
    "model",
    "messages",
    "prompt",
    "stream",
    "stream_options",
    "style_strength",
    "max_completion_tokens",
}  # not passed on as they are


def request_body(state, one: LoadedModel, asked: CompletionBase) -> dict:
    """What the engine is asked: the client's fields, the usual sampling parameters where it says nothing, always as a
    stream.

    Always a stream, since an engine notices at once that nobody listens to one, and only after a second otherwise.
    """
    usual, sent = state.params.eval, asked.model_dump(exclude_none=True, exclude=OWN_PARAMETERS)
    sent.setdefault(
        "max_tokens", getattr(asked, "max_completion_tokens", None) or min(usual.max_tokens, state.settings.max_tokens)
    )
    if sent["max_tokens"] > state.settings.max_tokens:
        raise ApiError(
            422,
            "too_many_tokens",
            f"max_tokens is {sent['max_tokens']}, and {state.settings.max_tokens} are allowed.",
            "Ask for fewer, or raise SERVE_MAX_TOKENS.",
        )
    for name in ("temperature", "top_p"):
        sent.setdefault(name, getattr(usual, name))
    sent |= one.engine.repeat(sent.pop("repeat_penalty", usual.repeat_penalty))
    seeded = one.engine.seeded if asked.seed is not None else {}
    return {
        **sent,
        **one.engine.extra_body,
        **seeded,
        **generation.style_strength_args(one, asked.style_strength),
        "model": one.engine.model,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def chunks(one: LoadedModel, path: str, asked: dict) -> AsyncIterator[str]:
    """The JSON of each chunk of the engine's stream, without `[DONE]`. Raises ApiError."""
    started, first, tokens = time.perf_counter(), 0.0, 0
    url, key = f"{one.engine.base_url}/{path}", {"Authorization": f"Bearer {one.engine.api_key}"}
    async with prometheus_metrics.track_answer(one.model.name), one.gate.turn():
        try:
            async with http_client().stream("POST", url, json=asked, headers=key) as answer:
                if answer.status_code >= 400:
                    raise generation.error_from_status(one, answer.status_code, error_text(await answer.aread()))
                async for line in answer.aiter_lines():
                    if line.startswith("data: ") and line != "data: [DONE]" and '"prompt_progress":{' not in line:
                        if '"content":"' in line or '"text":"' in line:  # not the first one, which only names the role
                            first = first or time.perf_counter() - started
                            tokens += 1
                        yield (
                            legacy_logprobs(line[6:]) if path == "completions" and '"logprobs":{' in line else line[6:]
                        )
                    elif line.startswith("error: "):
                        raise generation.error_from_status(one, 500, line[7:])
        except httpx2.HTTPError as e:
            raise generation.engine_error(one, e) from e
    prometheus_metrics.observe_generation(one.model.name, first, time.perf_counter() - started, tokens)


def legacy_logprobs(chunk: str) -> str:
    """A chunk of a plain completion with its log-probabilities as OpenAI gives them there: llama.cpp has the chat's
    shape for both."""
    made = json.loads(chunk)
    for choice in made["choices"]:
        if content := (choice.get("logprobs") or {}).get("content"):
            top = [{one["token"]: one["logprob"] for one in token.get("top_logprobs") or []} for token in content]
            choice["logprobs"] = {
                "tokens": [t["token"] for t in content],
                "token_logprobs": [t["logprob"] for t in content],
                "top_logprobs": top,
            }
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))


def error_text(raw: bytes) -> str:
    """What an engine says is wrong."""
    try:
        error = json.loads(raw)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return raw[:200].decode("utf-8", "replace")


async def stream(relay: GenerationStream, one: LoadedModel, usage: bool) -> AsyncIterator[bytes]:
    """The chunks as they come; the one with the usage only for who asked for it."""
    begun, rename = False, one.engine.model != one.model.name
    stream = aiter(relay)
    try:
        async for chunk in stream:
            if '"choices":[]' in chunk and not usage:
                continue
            if rename:
                chunk = json.dumps({**json.loads(chunk), "model": one.model.name}, ensure_ascii=False)
            yield f"data: {chunk}\n\n".encode()
            begun = True
        yield b"data: [DONE]\n\n"
    except Cancelled:
        yield b"data: [DONE]\n\n"
    except Exception as e:
        if not begun:
            raise
        yield f"data: {json.dumps(error_event(e).data)}\n\n".encode()
    finally:
        await stream.aclose()


async def collect(relay: GenerationStream, one: LoadedModel) -> dict:
    """The chunks put together, as the engine would have answered without a stream."""
    made: dict = {}
    choice: dict = {"index": 0, "finish_reason": None}
    text, logprobs = "", []
    try:
        async for line in relay:
            chunk = json.loads(line)
            made = {**chunk, **{k: v for k, v in made.items() if v is not None}}
            for part in chunk.get("choices", []):
                text += part.get("delta", {}).get("content") or part.get("text") or ""
                logprobs += [part["logprobs"]] if part.get("logprobs") else []
                choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
    except Cancelled:
        raise ApiError(409, "cancelled", "This request was cancelled.") from None
    finally:
        await relay.close()
    chat = made.get("object", "").startswith("chat")
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice["logprobs"] = (
        {k: [x for one in logprobs for x in one.get(k) or []] for k in logprobs[0]} if logprobs else None
    )
    return {
        **made,
        "object": "chat.completion" if chat else "text_completion",
        "model": one.model.name,
        "choices": [choice],
    }


async def complete(path: str, asked: CompletionBase, given: dict, request: Request, state, caller, request_id: str):
    one = state.pool.get(asked.model)
    wanted = {**request_body(state, one, asked), **given}
    if state.settings.log_prompts:
        log_event("prompt", id=request_id, **given)
    relay = GenerationStream(
        state.running, request_id, caller.name, [chunks(one, path, wanted)], state.settings.answer_seconds
    )
    if asked.stream:
        return await PrimedStreamingResponse.of(
            request, stream(relay, one, bool((asked.stream_options or {}).get("include_usage")))
        )
    return await cancel_on_disconnect(request, collect(relay, one))


@router.post("/chat/completions", response_model=Completion, responses=EVENTS)
async def chat_completions(
    asked: ChatRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
):
    """OpenAI's chat completion. Without a system message the model gets the one that it was trained with."""
    messages = [m.plain() for m in asked.messages]
    if messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": state.pool.get(asked.model).model.system})
    check_prompt_length(state, messages)
    return await complete("chat/completions", asked, {"messages": messages}, request, state, caller, request_id)


@router.post("/completions", response_model=Completion, responses=EVENTS)
async def completions(
    asked: CompletionRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
):
    """OpenAI's plain completion: the prompt as it is, without a template."""
    prompt = asked.prompt if isinstance(asked.prompt, str) else asked.prompt[0]
    check_prompt_length(state, [{"content": prompt}])
    return await complete("completions", asked, {"prompt": prompt}, request, state, caller, request_id)


@router.get("/models")
async def models(state: StateDep) -> ModelList:
    """What can be asked now: the models that are loaded."""
    return ModelList(
        data=[
            ModelCard(id=name, created=0, owned_by=f"blogtwin ({one.engine.name})")
            for name, one in state.pool.loaded.items()
        ]
    )
