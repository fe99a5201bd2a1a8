"""A draft from notes as events, searched and checked where the model's weights are on this machine."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from blogtwin.drafting.notes import NoteLine, parse_notes, split_evenly
from blogtwin.errors import UserError
from serve import catalog
from serve.catalog import Model
from serve.drafting import DraftJob
from serve.errors import ApiError
from serve.streaming import Event

if TYPE_CHECKING:
    from serve.app_state import AppState
    from serve.routers.drafts import DraftRequest


def own_headings(asked: "DraftRequest") -> list[str]:
    """The writer's headings: those in the notes, else the outline. None is made up."""
    return [line.text for line in parse_notes(asked.notes) if line.kind == "heading"] or asked.outline


def notes_under_headings(notes: str, outline: list[str]) -> str:
    """The notes with the outline's headings among them, each over as many lines as the others; notes that have headings
    of their own stay as they are."""
    lines = parse_notes(notes)
    if not outline or any(line.kind == "heading" for line in lines):
        return notes
    parts: list[str] = []
    for heading, own in zip(outline, split_evenly(lines, len(outline)), strict=True):
        parts += ["", f"## {heading}", *_with_breaks(own)]
    return "\n".join(parts).strip()


def _with_breaks(lines: list[NoteLine]) -> list[str]:
    """The lines, with a blank one wherever a paragraph of the notes ends."""
    shown: list[str] = []
    for at, line in enumerate(lines):
        if at and line.paragraph != lines[at - 1].paragraph:
            shown.append("")
        shown.append(line.text)
    return shown


def draft_job(state: "AppState", asked: "DraftRequest", notes: str) -> DraftJob | None:
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
    return DraftJob(
        title=asked.title.strip(),
        notes=notes,
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
    )


def _weights(model: Model, base: Path) -> tuple[Path, Path | None]:
    """(weights, adapter on them): the export with the adapter inside where there is one, which writes faster."""
    if model.adapter is None:
        return base, None
    merged = model.adapter.with_name("twin.gguf")
    return (merged, None) if merged.is_file() else (base, model.adapter)


async def verified_draft_events(state: "AppState", asked: "DraftRequest", job: DraftJob, title: str) -> AsyncIterator:
    """Events start {candidates, lines}, section {number, heading} before each heading, paragraph {number, text,
    sentences}, and at the end draft {title, text, paragraphs, receipt}."""
    paragraphs: list[dict] = []
    sections = 0
    async with state.pool.get(asked.model).limiter.acquire():
        events = state.drafting.write(job)
        try:
            async for name, data in events:
                if name == "receipt":
                    text = "\n\n".join(paragraph["text"] for paragraph in paragraphs)
                    yield Event("draft", {"title": title, "text": text, "paragraphs": paragraphs, "receipt": data})
                    return
                if name == "paragraph":
                    paragraphs.append(data)
                    if data["sentences"][0]["status"] == "heading":
                        sections += 1
                        heading = data["sentences"][0]["text"].removeprefix("## ")
                        yield Event("section", {"number": sections, "heading": heading})
                yield Event(name, data)
        finally:
            await events.aclose()
