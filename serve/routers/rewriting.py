"""Rough text in, the author's voice out, with what became of its facts."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response

from blogtwin.drafting.notes import parse_prose
from blogtwin.text.facts import extract_facts, preserved_facts, unsupported_facts
from serve import requests, streaming, verified_draft
from serve.app_state import AppState
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.draft_models import FoundFact, RewriteRequest, RewriteResult
from serve.routers.generation import EVENTS
from serve.streaming import Event, GenerationStream, PrimedStreamingResponse, cancel_on_disconnect, collect_final

router = APIRouter(prefix="/api", tags=["posts"])


def compare_facts(source: str, text: str) -> dict[str, list[FoundFact]]:
    """The facts of two texts, as RewriteResult shows them."""
    there, found = extract_facts(source), preserved_facts(source, text)
    groups = {"kept": found, "missing": there - found, "invented": unsupported_facts(source, text)}
    return {name: [FoundFact(kind=f.kind, value=f.value) for f in sorted(some)] for name, some in groups.items()}


async def rewrite_events(state: AppState, asked: RewriteRequest) -> AsyncIterator[Event]:
    """Events start {candidates, lines}; for each paragraph delta {text} and paragraph {number, text, sentences}; at the
    end rewritten, a RewriteResult. Raises ApiError."""
    requests.check_prompt_length(state, [{"role": "user", "content": asked.text}])
    job = verified_draft.draft_job(state, asked, "", asked.text, parse_prose(asked.text))
    paragraphs: list[dict] = []
    async with contextlib.aclosing(verified_draft.job_messages(state, job)) as messages:
        async for name, data in messages:
            if name == "receipt":
                text = "\n\n".join(paragraph["text"] for paragraph in paragraphs)
                result = RewriteResult(
                    text=text,
                    finish_reason="stop",
                    tokens=data["receipt"]["tokens"],
                    paragraphs=paragraphs,
                    sentences=[sentence for paragraph in paragraphs for sentence in paragraph["sentences"]],
                    receipt=data["receipt"],
                    **compare_facts(asked.text, text),
                )
                yield Event("rewritten", result)
                return
            if name == "paragraph":
                yield Event("delta", {"text": ("\n\n" if paragraphs else "") + data["text"]})
                paragraphs.append(data)
            yield Event(name, data)


@router.post("/rewrite", response_model=RewriteResult, responses=EVENTS)
async def rewrite(
    asked: RewriteRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> Response | RewriteResult:
    """Rough text in, the author's voice out, and which numbers, dates, names, links and quotes were kept, lost or made
    up. With `stream`: start {candidates, lines}, for each paragraph delta {text} and paragraph {number, text,
    sentences}, and at the end rewritten."""
    relay = GenerationStream(
        state.running, request_id, caller.name, [rewrite_events(state, asked)], state.settings.answer_seconds
    )
    if asked.stream:
        return await PrimedStreamingResponse.of(request, streaming.encode_stream(relay))
    return await cancel_on_disconnect(request, collect_final(relay, "rewritten"))
