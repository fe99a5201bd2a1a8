"""A draft from notes as events, searched and checked sentence by sentence."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from blogtwin.drafting.alternatives import SentencePlace
from blogtwin.drafting.notes import NoteLine
from blogtwin.errors import UserError
from blogtwin.twins.store import cached_digest
from serve import catalog, prometheus_metrics
from serve.catalog import Model
from serve.draft_models import SearchRequest
from serve.draft_writers import EngineModel, LocalModel, WritingModel
from serve.drafting import DraftJob
from serve.errors import ApiError
from serve.model_pool import ModelPool
from serve.streaming import Event

if TYPE_CHECKING:
    from serve.app_state import AppState


def draft_job(
    state: "AppState",
    asked: SearchRequest,
    title: str,
    notes: str,
    lines: Sequence[NoteLine],
    place: SentencePlace | None = None,
    content_model: str | None = None,
) -> DraftJob:
    """The job for the process that drafts. Raises ApiError for a model that is unknown or can't be used."""
    model = state.pool.get(asked.model).model
    content = None if content_model is None else state.pool.model(content_model)
    if content is not None and content.name == model.name:
        raise ApiError(
            422,
            "invalid_request",
            f"content_model: it is {content.name}, which is the model itself.",
            "Choose another one, or leave content_model out.",
        )
    headings = [line.text for line in lines if line.kind == "heading" and line.text not in notes]
    return DraftJob(
        title=title.strip(),
        notes="\n".join([notes, *headings]),
        lines=tuple(lines),
        seed=0 if asked.seed is None else asked.seed,
        candidates=asked.candidates,
        seconds=asked.seconds,
        project=model.folder,
        model=writing_model(state.pool, model),
        content=writing_model(state.pool, content) if content else None,
        room=asked.room,
        place=place,
    )


def writing_model(pool: ModelPool, model: Model) -> WritingModel:
    """How a model writes drafts: in llama.cpp where its weights are on this machine, else where it is served. Raises
    ApiError."""
    from blogtwin.models.registry import is_here, resolve_base

    engine, is_twin = pool.engine_elsewhere(model), model.name != catalog.BASE and not model.elsewhere
    if engine is not None and (pool.kind == "openai" or model.elsewhere):
        return EngineModel(model.name, engine.model, model.system, is_twin, engine)
    if model.unusable:
        raise ApiError(409, "unusable", f"{model.name} can't be used: {model.unusable}.")
    try:
        if not is_here(model.base):  # a twin from another machine: nothing is downloaded for a draft
            raise UserError(f"{model.name} was trained on {model.base}, which is not on this machine: drafts need it.")
        base = resolve_base(model.base)
    except UserError as e:
        if engine is not None:
            return EngineModel(model.name, engine.model, model.system, is_twin, engine)
        raise ApiError(409, "unusable", str(e)) from None
    weights, adapter = _weights(model, base.gguf)
    try:
        digest = cached_digest(adapter or weights)
    except FileNotFoundError:
        reason = f"{model.name} is being made anew, and its files are not there yet."
        raise ApiError(503, "not_ready", reason, "Try again when it is done.", 10) from None
    return LocalModel(model.name, digest, model.system, is_twin, weights, adapter, base.hf)


def _weights(model: Model, base: Path) -> tuple[Path, Path | None]:
    """(weights, adapter on them): the export with the adapter inside where there is one, which writes faster."""
    if model.adapter is None:
        return base, None
    merged = model.adapter.with_name("twin.gguf")
    return (merged, None) if merged.is_file() else (base, model.adapter)


@contextlib.asynccontextmanager
async def hold_slots(pool: ModelPool, job: DraftJob) -> AsyncIterator[DraftJob]:
    """The job with as many requests at a time as the limiters of its models have room for, one slot of each left free
    for others. A model that is not loaded here has no limiter."""
    async with contextlib.AsyncExitStack() as held:
        granted: dict[str, WritingModel] = {}
        models = [job.model] if job.content is None else [job.model, job.content]
        for model in sorted(models, key=lambda one: one.name):  # in one order: two drafts never wait for each other
            one = pool.loaded.get(model.name)
            if one is not None:
                await held.enter_async_context(one.limiter.acquire())
                if isinstance(model, EngineModel):
                    more = await held.enter_async_context(one.limiter.take_free(one.limiter.slots - 2))
                    model = replace(model, concurrency=1 + more)
            granted[model.name] = model
        content = granted[job.content.name] if job.content else None
        yield replace(job, model=granted[job.model.name], content=content)


async def job_messages(state: "AppState", job: DraftJob) -> AsyncIterator[tuple[str, dict]]:
    """What the process says of a job, while slots of its models are held. Raises ApiError."""
    async with hold_slots(state.pool, job) as granted:
        messages = state.drafting.write(granted)
        try:
            async for message in messages:
                yield message
        finally:
            await messages.aclose()


async def verified_draft_events(state: "AppState", job: DraftJob, title: str) -> AsyncIterator:
    """Events start {candidates, lines}, section {number, heading} before each heading, paragraph {number, text,
    sentences}, and at the end draft {title, text, paragraphs, questions, receipt}."""
    paragraphs: list[dict] = []
    sections = 0
    async with contextlib.aclosing(job_messages(state, job)) as messages:
        async for name, data in messages:
            if name == "receipt":
                prometheus_metrics.observe_draft(data["receipt"])
                text = "\n\n".join(paragraph["text"] for paragraph in paragraphs)
                yield Event("draft", {"title": title, "text": text, "paragraphs": paragraphs, **data})
                return
            if name == "paragraph":
                paragraphs.append(data)
                if data["sentences"][0]["status"] == "heading":
                    sections += 1
                    heading = data["sentences"][0]["text"].removeprefix("## ")
                    yield Event("section", {"number": sections, "heading": heading})
            yield Event(name, data)
