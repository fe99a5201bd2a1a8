"""A sentence of a draft: others in its place, which of two the writer took, and the mark of one that was changed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request

from blogtwin.drafting.alternatives import SentencePlace
from blogtwin.drafting.drafter import DraftSentence
from blogtwin.drafting.marks import mark_sentence
from blogtwin.drafting.notes import NoteLine, parse_notes, place_headings
from serve import database, preference_pairs, verified_draft
from serve.app_state import AppState
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.draft_models import (
    CheckRequest,
    ChoiceRequest,
    ChoiceResult,
    RemovedChoice,
    SentenceRequest,
    SentenceResult,
)
from serve.errors import ApiError
from serve.streaming import Event, GenerationStream, cancel_on_disconnect, collect_final

router = APIRouter(prefix="/api/draft", tags=["posts"])


def named_lines(asked: SentenceRequest | ChoiceRequest) -> list[NoteLine]:
    """The notes as the draft was made of them. Raises ApiError 422 for a number that no line has."""
    lines = place_headings(parse_notes(asked.notes), asked.outline)
    unknown = [number for number in asked.lines if number >= len(lines)]
    if unknown:
        raise ApiError(
            422,
            "invalid_request",
            f"lines: the notes have {len(lines)} lines, and {unknown[0]} is none of their numbers, which begin with 0.",
            "Send the numbers that the draft's sentence has, with the same notes and outline.",
        )
    return lines


async def sentence_events(state: AppState, asked: SentenceRequest, lines: list[NoteLine]) -> AsyncIterator[Event]:
    """One event, sentences. Raises ApiError."""
    place = SentencePlace(tuple(sorted(set(asked.lines))), asked.paragraph, asked.draft_before, asked.text)
    job = verified_draft.draft_job(state, asked, asked.title, asked.notes, lines, place)
    async with contextlib.aclosing(verified_draft.job_messages(state, job)) as messages:
        async for name, data in messages:
            yield Event(name, SentenceResult(**data))


@router.post("/sentence")
async def sentence(
    asked: SentenceRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> SentenceResult:
    """Other sentences for the same lines of the notes, under the same checks as those of a draft."""
    lines = named_lines(asked)
    state.pool.get(asked.model)
    relay = GenerationStream(
        state.running, request_id, caller.name, [sentence_events(state, asked, lines)], state.settings.answer_seconds
    )
    return await cancel_on_disconnect(request, collect_final(relay, "sentences"))


@router.post("/check")
async def check(asked: CheckRequest, caller: CallerDep) -> DraftSentence:
    """The mark of a sentence that the writer changed: which lines of the notes it tells, and whether it says more than
    they do, or denies one. No model is asked."""
    lines = place_headings(parse_notes(asked.notes), asked.outline)
    return await asyncio.to_thread(mark_sentence, asked.text, asked.title, lines)


@router.post("/choice")
async def choice(asked: ChoiceRequest, state: StateDep, caller: CallerDep) -> ChoiceResult:
    """Keep which of two sentences the writer took, as a preference pair for training."""
    lines = named_lines(asked)
    state.pool.model(asked.model)
    if asked.chosen.strip() == asked.rejected.strip():
        raise ApiError(422, "invalid_request", "chosen and rejected are the same.", "Send two different sentences.")
    prompt = preference_pairs.choice_prompt(lines, asked.lines)
    chosen, rejected = (f"{asked.before} {text}".strip() for text in (asked.chosen, asked.rejected))
    added = await state.database.run(database.add_choice, caller.name, asked.model, prompt, chosen, rejected)
    return ChoiceResult(id=added)


@router.delete("/choice/{choice_id}")
async def remove_choice(choice_id: str, state: StateDep, caller: CallerDep) -> RemovedChoice:
    """Take a choice back: it is deleted, and no training reads it."""
    if not await state.database.run(database.remove_choice, caller.name, choice_id):
        raise ApiError(404, "unknown_choice", "You have no such choice.", "The id is in the answer to the choice.")
    return RemovedChoice(removed=True)
