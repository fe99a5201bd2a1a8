"""Generate with one model, or compare base and twin; cancel a running request."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from serve import generation, requests, streaming, verified_answer
from serve.app_state import AppState
from serve.catalog import BASE, PROJECT, TWIN
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.errors import ApiError
from serve.generation import Completion
from serve.model_pool import LoadedModel
from serve.requests import Name, PromptRequest, Strength
from serve.streaming import Event, GenerationStream, PrimedStreamingResponse, cancel_on_disconnect, collect_final

router = APIRouter(prefix="/api", tags=["writing"])
EVENTS = {
    200: {
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: delta\ndata: {"text": "It rained"}\n\n',
            }
        },
        "description": "Server-sent events",
    }
}


class GenerateRequest(PromptRequest):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "The ladder", "task": "write", "max_tokens": 60}]}
    )

    model: Name = Field(TWIN, description="base, finetuned, or a name of GET /api/models")
    stream: bool = False


class CompareRequest(PromptRequest):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "Write about the harbour in winter.", "max_tokens": 60}]}
    )

    base: Name = BASE
    twin: Name = TWIN
    third: Name | None = None
    base_strength: Strength | None = Field(None, description="like style_strength, which is the twin's")
    third_strength: Strength | None = None


class CancelResult(BaseModel):
    cancelled: bool


async def stream_answer(state: AppState, one: LoadedModel, asked: PromptRequest) -> AsyncIterator[Event]:
    """Events of one answer: start {model}, delta {text}…, written (a Completion). Raises ApiError."""
    messages = requests.build_messages(state, one, asked)
    sampling = requests.resolve_sampling(state, asked, messages[-1]["content"])
    begun = False
    async for event in generation.stream_completion(one, messages, sampling):
        if not begun:
            begun = True
            yield Event("start", {"model": one.model.name})
        yield event


async def written_events(state: AppState, one: LoadedModel, asked: PromptRequest) -> AsyncIterator[Event]:
    """Events of one answer: searched and checked against notes where they are given, else as the model writes it."""
    job = verified_answer.answer_job(state, one, asked)
    events = stream_answer(state, one, asked) if job is None else verified_answer.answer_events(state, one, job)
    async with contextlib.aclosing(events):
        async for event in events:
            yield event


@router.post("/generate", response_model=Completion, responses=EVENTS)
async def generate(
    asked: GenerateRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> Response | Completion:
    """One model's answer. With `stream`: the events start, delta {text}, written; or error or cancelled.

    With the task `write` and notes as `input`, a model whose weights are on this machine tells the notes sentence by
    sentence, as POST /api/draft does: `delta` is a paragraph then, the sampling parameters but `seed` don't count, and
    `tokens` are those of all candidates."""
    one = state.pool.get(asked.model)
    relay = GenerationStream(
        state.running, request_id, caller.name, [written_events(state, one, asked)], state.settings.answer_seconds
    )
    if asked.stream:
        return await PrimedStreamingResponse.of(request, streaming.encode_stream(relay))
    return await cancel_on_disconnect(request, collect_final(relay, "written"))


@router.post("/evaluate", response_class=PrimedStreamingResponse, responses=EVENTS)
async def compare(
    asked: CompareRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> PrimedStreamingResponse:
    """Base, twin and optionally a third model on the same prompt, streamed: the events of /api/generate with the prefix
    `base.`, `twin.` or `third.`, and at the end of each side `….scores` {style, copied_words, copied, copied_from,
    on_topic, notes}.
    """
    named = {
        "base": (asked.base, asked.base_strength),
        "twin": (asked.twin, asked.style_strength),
        "third": (asked.third, asked.third_strength),
    }
    sides = {
        side: (state.pool.get(name), asked.model_copy(update={"style_strength": strength}))
        for side, (name, strength) in named.items()
        if name
    }
    for one, wanted in sides.values():
        generation.style_strength_args(one, wanted.style_strength)

    # the base is compared with the same author as the twin
    project = next((one.model.folder for one, _ in sides.values() if one.model.folder != PROJECT), PROJECT)

    async def side(name: str) -> AsyncIterator[Event]:
        one, wanted = sides[name]
        async for event in stream_answer(state, one, wanted):
            yield Event(f"{name}.{event.name}", event.data)
        yield Event(f"{name}.scores", await state.scores.score(event.data.text, asked.prompt, project))

    relay = GenerationStream(
        state.running, request_id, caller.name, [side(name) for name in sides], state.settings.answer_seconds
    )
    return await PrimedStreamingResponse.of(request, streaming.encode_stream(relay))


@router.post("/cancel/{request_id}")
async def cancel(request_id: str, state: StateDep, caller: CallerDep) -> CancelResult:
    """Cancel a running request by its X-Request-ID; the engine stops at its next token. Admins can cancel anybody's."""
    if not state.running.cancel(request_id, None if caller.role == "admin" else caller.name):
        raise ApiError(
            404,
            "not_running",
            "You have no such request that is running.",
            "The id is in the X-Request-ID header of the response; you can also send your own.",
        )
    await asyncio.sleep(0)
    return CancelResult(cancelled=True)
