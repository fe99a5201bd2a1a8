"""A whole post: drafted from notes or a title, and exported."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from blogtwin.drafting.notes import parse_notes, place_headings
from blogtwin.drafting.room import Room
from corpus.examples import CONTINUE_TEMPLATES, FINISH_TEMPLATES, OPENING_TEMPLATES
from serve import generation, post_export, requests, streaming, verified_draft
from serve.app_state import AppState
from serve.catalog import BASE, TWIN
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.draft_models import ROOM_DESCRIPTION, Heading
from serve.requests import Name, PromptRequest, SamplingOptions
from serve.routers.generation import EVENTS
from serve.streaming import Event, GenerationStream, PrimedStreamingResponse

router = APIRouter(prefix="/api", tags=["posts"])
CONTEXT_CHARS = 600  # characters of the section before that the next one is shown


class DraftRequest(SamplingOptions):
    """Notes or a title. From notes, the draft says what they say: each line is told, or stands there as it is, and no
    heading is made up. From a title alone, the model plans an outline and makes up the rest; with an `outline` (yours,
    or the one that came back, edited) nothing is planned. `only_outline` stops after it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "The ladder", "notes": "13 rungs, one is loose", "candidates": 4}]}
    )

    title: str = Field("", max_length=200)
    notes: str = Field("", max_length=20_000)
    outline: list[Heading] = Field([], max_length=20)
    sections: int = Field(4, ge=1, le=12)
    only_outline: bool = False
    model: Name = TWIN
    content_model: Name | None = Field(
        None, description="from notes: this model writes plain sentences first, which `model` puts into its voice"
    )
    candidates: int | None = Field(
        None, ge=1, le=16, description="for a sentence in each round; left out: as many as fit `seconds`"
    )
    seconds: float = Field(30, gt=0, le=600, description="time for a draft from notes, roughly")
    room: Room = Field("own", description=ROOM_DESCRIPTION)
    planner: Name = Field(BASE, description="the model that makes the outline")

    @model_validator(mode="after")
    def something_is_given(self) -> Self:
        if not self.title.strip() and not self.notes.strip():
            raise ValueError("give a title or notes")
        return self


class ExportRequest(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "The ladder", "text": "It had *13* rungs.", "format": "html"}]}
    )

    title: str = Field(min_length=1, max_length=200)
    text: str = Field(max_length=1_000_000)
    format: Literal["md", "html", "docx"] = "md"
    date: str | None = Field(None, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    tags: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field([], max_length=20)


def parse_headings(text: str, limit: int) -> list[str]:
    """The lines of a list, without their marks; a line of prose is no heading."""
    lines = [
        re.sub(r"^[\s>#*\-–•]*(?:(?:\d+[.):])+|[A-Za-z][.)])?[\s*]*", "", line).strip(" *:#")
        for line in text.split("\n")
    ]
    return list(dict.fromkeys(line for line in lines if 0 < len(line.split()) <= 12 and len(line) <= 120))[:limit]


async def plan_outline(state: AppState, asked: DraftRequest, title: str) -> list[str]:
    """Section headings: those given, else the planner's."""
    if asked.outline:
        return asked.outline
    wish = (
        f"List {asked.sections} short section headings for a blog post titled “{title}”, one on each line, nothing"
        " else."
    )
    one = state.pool.get(asked.planner)
    question = PromptRequest(
        prompt=wish, system="You plan blog posts.", max_tokens=24 * asked.sections, seed=asked.seed
    )
    text = ""
    async for event in generation.stream_completion(
        one, requests.build_messages(state, one, question), requests.resolve_sampling(state, question, wish)
    ):
        text = event.data.text if event.name == "written" else text
    return parse_headings(text, asked.sections) or [title]


def section_question(title: str, outline: list[str], number: int, heading: str, before: str) -> PromptRequest:
    """Each section but the first has the tail of the section before; all know the outline."""
    phrase = (
        OPENING_TEMPLATES[0]
        if number == 1
        else FINISH_TEMPLATES[0]
        if number == len(outline)
        else CONTINUE_TEMPLATES[0]
    )
    instruction, sections = phrase.replace("{title}", title), f"Sections: {'; '.join(outline)}."
    if number == 1:
        return PromptRequest(prompt=f"{instruction} {sections}")
    return PromptRequest(
        prompt=f"{sections} {instruction}", input=f"{before}\n\n## {heading}"
    )  # “… from here:” must stand last


async def draft_events(state: AppState, asked: DraftRequest) -> AsyncIterator[Event]:
    """Events outline {title, outline}, then for each section: section {number, heading}, delta…, section_end; at the
    end `draft` {title, text, written_by}: all of it is the model's own."""
    one, sampling = state.pool.get(asked.model), requests.resolve_sampling(state, asked, "")
    title = asked.title.strip()
    outline = await plan_outline(state, asked, title)
    yield Event("outline", {"title": title, "outline": outline})
    if asked.only_outline:
        return
    written: list[str] = []
    for number, heading in enumerate(outline, 1):
        yield Event("section", {"number": number, "heading": heading})
        question = section_question(title, outline, number, heading, written[-1][-CONTEXT_CHARS:] if written else "")
        text = ""
        async for event in generation.stream_completion(one, requests.build_messages(state, one, question), sampling):
            if event.name == "delta":
                yield event
            else:
                text = event.data.text.strip()
        written.append(text)
        yield Event("section_end", {"number": number, "text": text})
    whole = "\n\n".join(f"## {heading}\n\n{text}" for heading, text in zip(outline, written))
    yield Event("draft", {"title": title, "text": whole, "written_by": one.model.name})


async def events_of(state: AppState, asked: DraftRequest) -> AsyncIterator[Event]:
    """A draft from notes is checked sentence by sentence; one from a title is the model's own, section by section."""
    title = asked.title.strip() or " ".join(asked.notes.split())[:80]
    if asked.notes.strip():
        lines = place_headings(parse_notes(asked.notes), asked.outline)
        headings = [line.text for line in lines if line.kind == "heading"]
        outline = Event("outline", {"title": title, "outline": headings})
        if asked.only_outline:
            yield outline
            return
        job = verified_draft.draft_job(state, asked, asked.title, asked.notes, lines, content_model=asked.content_model)
        async for event in verified_draft.verified_draft_events(state, job, title):
            if event.name == "start":  # a model that can't be loaded, or an engine that is gone, has failed by now
                yield outline
            yield event
        return
    async for event in draft_events(state, asked):
        yield event


@router.post("/draft", response_class=PrimedStreamingResponse, responses=EVENTS)
async def draft(
    asked: DraftRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> Response:
    """A post, streamed. From notes: outline {title, outline} with the writer's own headings, start {candidates, lines},
    paragraph {number, text, sentences} for each, draft {title, text, paragraphs, questions, receipt}. From a title:
    outline, then for each section section, delta, section_end, and draft {title, text, written_by}. An engine that is
    gone is a 502 where nothing has come yet, else an event error, and no draft."""
    needed = {asked.model} if asked.outline or asked.notes.strip() else {asked.model, asked.planner}
    for name in needed:
        state.pool.get(name)
    if asked.content_model is not None:
        state.pool.model(asked.content_model)
    stream = GenerationStream(
        state.running, request_id, caller.name, [events_of(state, asked)], state.settings.answer_seconds
    )
    return await PrimedStreamingResponse.of(request, streaming.encode_stream(stream))


FILES = {
    200: {
        "content": {kind: {"schema": {"type": "string"}} for kind in post_export.KINDS.values()},
        "description": "The file",
    }
}


@router.post("/export", response_class=Response, responses=FILES)
def export_post(asked: ExportRequest) -> Response:
    """A text as Markdown with front matter, as an HTML page, or as .docx."""
    data = post_export.FORMATS[asked.format](asked.title, asked.text, asked.date, asked.tags)
    name = re.sub(r"[^a-z0-9]+", "-", asked.title.lower()).strip("-")[:60] or "post"
    return Response(
        data,
        media_type=post_export.KINDS[asked.format],
        headers={"Content-Disposition": f'attachment; filename="{name}.{asked.format}"'},
    )
