"""A draft from notes as events, searched and checked where the model's weights are on this machine."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blogtwin.drafting.alternatives import SentencePlace
from blogtwin.drafting.notes import NoteLine
from blogtwin.errors import UserError
from serve import catalog
from serve.catalog import Model
from serve.draft_models import SearchRequest
from serve.drafting import DraftJob
from serve.errors import ApiError
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
) -> DraftJob | None:
    """The job for the process that drafts; None where the model's weights are not on this machine. Raises ApiError for
    a model that can't be used."""
    from blogtwin.models.registry import resolve_base

    model = state.pool.get(asked.model).model
    if state.pool.kind == "openai":
        return None
    try:
        base = resolve_base(model.base)
    except UserError as e:
        raise ApiError(409, "unusable", str(e)) from None
    weights, adapter = _weights(model, base.gguf)
    headings = [line.text for line in lines if line.kind == "heading" and line.text not in notes]
    return DraftJob(
        title=title.strip(),
        notes="\n".join([notes, *headings]),
        lines=tuple(lines),
        seed=0 if asked.seed is None else asked.seed,
        candidates=asked.candidates,
        seconds=asked.seconds,
        weights=weights,
        adapter=adapter,
        base_folder=base.hf,
        system=model.system,
        project=model.folder,
        name=model.name,
        model=catalog.cached_digest(adapter or weights),
        room=asked.room,
        place=place,
    )


def _weights(model: Model, base: Path) -> tuple[Path, Path | None]:
    """(weights, adapter on them): the export with the adapter inside where there is one, which writes faster."""
    if model.adapter is None:
        return base, None
    merged = model.adapter.with_name("twin.gguf")
    return (merged, None) if merged.is_file() else (base, model.adapter)


async def job_messages(state: "AppState", model: str, job: DraftJob) -> AsyncIterator[tuple[str, dict]]:
    """What the process says of a job, while the model's limiter is held. Raises ApiError."""
    async with state.pool.get(model).limiter.acquire():
        messages = state.drafting.write(job)
        try:
            async for message in messages:
                yield message
        finally:
            await messages.aclose()


async def verified_draft_events(state: "AppState", asked: SearchRequest, job: DraftJob, title: str) -> AsyncIterator:
    """Events start {candidates, lines}, section {number, heading} before each heading, paragraph {number, text,
    sentences}, and at the end draft {title, text, paragraphs, questions, receipt}."""
    paragraphs: list[dict] = []
    sections = 0
    async with contextlib.aclosing(job_messages(state, asked.model, job)) as messages:
        async for name, data in messages:
            if name == "receipt":
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
