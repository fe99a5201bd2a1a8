"""“Write” with notes: an answer like any other, searched and checked sentence by sentence."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blogtwin.drafting.notes import parse_notes
from blogtwin.drafting.room import Room
from serve import prometheus_metrics, requests, verified_draft
from serve.draft_writers import LocalModel
from serve.drafting import DraftJob
from serve.generation import Completion
from serve.model_pool import LoadedModel
from serve.requests import PromptRequest
from serve.streaming import Event

if TYPE_CHECKING:
    from serve.app_state import AppState

SEARCH_SECONDS = 30.0  # for an answer, roughly


@dataclass(frozen=True)
class AnswerSearch:
    """A `SearchRequest` for an answer."""

    model: str
    seed: int | None
    candidates: int | None = None
    seconds: float = SEARCH_SECONDS
    room: Room = "own"


def answer_job(state: "AppState", one: LoadedModel, asked: PromptRequest) -> DraftJob | None:
    """The search for an answer from notes; None where there are none, or the model's weights are elsewhere, or the
    request wants another system message or style than the twin was trained with. A heading at the end, which the web
    app sends of the section that is to be written, is none of the notes. Raises ApiError for too long a prompt, and for
    a model that can't be used."""
    if asked.task != "write" or asked.system is not None or asked.style_strength not in (None, 1.0):
        return None
    lines = parse_notes(asked.input)
    while lines and lines[-1].kind == "heading":
        lines.pop()
    if not lines:
        return None
    requests.check_prompt_length(state, [{"content": asked.prompt}, {"content": asked.input}])
    search = AnswerSearch(one.model.name, asked.seed)
    job = verified_draft.draft_job(state, search, asked.prompt, asked.input, lines)
    return job if isinstance(job.model, LocalModel) else None


async def answer_events(state: "AppState", one: LoadedModel, job: DraftJob) -> AsyncIterator[Event]:
    """Events start {model}, delta {text} for each paragraph, written (a Completion whose tokens are those of all
    candidates, and none of prompts). Raises ApiError."""
    started = time.perf_counter()
    text, first = "", 0.0
    async with (
        prometheus_metrics.track_answer(one.model.name),
        contextlib.aclosing(verified_draft.job_messages(state, job)) as messages,
    ):
        async for name, data in messages:
            seconds = time.perf_counter() - started
            if name == "start":
                yield Event("start", {"model": one.model.name})
            elif name == "paragraph":
                first = first or seconds
                piece = ("\n\n" if text else "") + data["text"]
                text += piece
                yield Event("delta", {"text": piece})
            elif name == "receipt":
                tokens = data["receipt"]["tokens"]
                prometheus_metrics.observe_draft(data["receipt"])
                prometheus_metrics.observe_generation(one.model.name, first, seconds, tokens)
                yield Event(
                    "written",
                    Completion(
                        text=text,
                        model=one.model.name,
                        finish_reason="stop",
                        prompt_tokens=0,
                        tokens=tokens,
                        time_to_first_token=round(first, 4),
                        seconds=round(seconds, 4),
                        tokens_per_second=round(tokens / seconds, 2) if seconds else 0.0,
                    ),
                )
