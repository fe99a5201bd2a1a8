"""Blind comparison: two unnamed texts, one vote for each comparison, and the results."""

import secrets
import sqlite3
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.hints import make_command
from blogtwin.paths import EVAL_DIR, SPLIT_DIR
from blogtwin.text.sentences import truncate_words
from corpus.examples import first_parts
from serve import database, generation, requests, vote_statistics
from serve.app_state import AppState
from serve.auth import Caller
from serve.catalog import BASE, TWIN
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.errors import ApiError
from serve.preference_pairs import choices_to_pairs, votes_to_pairs
from serve.requests import Name, PromptRequest
from serve.streaming import GenerationStream, cancel_on_disconnect, collect_final

router = APIRouter(prefix="/api/blind", tags=["blind comparison"])
RANDOM = secrets.SystemRandom()  # sides can't be predicted from earlier ones
# {name in the API: name in the scorecard's samples}
SCORECARD_NAMES = {BASE: "base", TWIN: "twin", "five_shot": "five_shot", "styled": "styled"}


class BlindRequest(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"one": "base", "other": "finetuned"}]})

    one: Name = Field(
        BASE,
        description="a model; five_shot or styled, the scorecard's prompted systems; or author, the author's own text",
    )
    other: Name = TWIN
    fresh: bool = Field(False, description="generate now instead of taking the samples of the scorecard")


class Blind(BaseModel):
    """The response to the vote names the writers. `has_own_text`: one of them is the author's own."""

    id: str
    topic: str
    left: str
    right: str
    has_own_text: bool


class Vote(BaseModel):
    """Style and quality are separate questions: a text can sound like the author and read badly."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"preferred": "left", "more_similar": "right"}]})

    preferred: Literal["left", "right", "tie"] = Field(description="which one reads better")
    more_similar: Literal["left", "right", "tie"] | None = Field(
        None, description="which one sounds more like you; null where one is yours"
    )
    own_text: Literal["left", "right"] | None = Field(None, description="which one you wrote; null where none is yours")


class VoteResult(BaseModel):
    left: str
    right: str


class PairResult(BaseModel):
    """Votes for `one` against `other`; a tie is half a win. `lo` and `hi`: Wilson's 95 % interval of `share`. `p`:
    exact binomial test. `e`: an e-value, valid however often it is looked at."""

    one: str
    other: str
    wins: int
    losses: int
    ties: int
    n: int
    share: float | None
    lo: float | None
    hi: float | None
    p: float
    e: float


class SelfRecognition(BaseModel):
    """How often the author recognised their own text; a `share` of 0.5 is chance. `lo` and `hi`: Wilson's 95 %
    interval."""

    right: int
    n: int
    share: float
    lo: float
    hi: float


class Results(BaseModel):
    """`preferred`: which reads better. `more_similar`: which sounds more like the author. `strengths`: Bradley–Terry on
    `preferred`, the chance to win against an average model; empty for fewer than three models."""

    votes: int
    preferred: list[PairResult]
    more_similar: list[PairResult]
    strengths: dict[str, float]
    self_recognition: SelfRecognition | None


def held_out_prompts() -> list[dict]:
    """The prompts of held-out posts: the scorecard's samples, or the test split when there is no scorecard."""
    try:
        return read_jsonl(EVAL_DIR / "samples.jsonl")
    except UserError:
        rows = first_parts(read_jsonl(SPLIT_DIR / "test.jsonl"))
        return [{"prompt": e["instruction"], "brief": e["instruction"], "author": e["output"]} for e in rows]


async def text_for(name: str, topic: dict, fresh: bool, state: AppState, caller: Caller, request_id: str) -> str:
    """The text of `name` on a topic: the scorecard's sample, or with `fresh` a new one, which can be cancelled.

    Raises ApiError, also for an unknown name.
    """
    if name == vote_statistics.AUTHOR:
        return topic["author"]
    sample = topic.get(SCORECARD_NAMES.get(name, ""))
    if sample and not fresh:
        return sample["text"]
    one, asked = state.pool.get(name), PromptRequest(prompt=topic["prompt"])
    messages = requests.build_messages(state, one, asked)
    writer = generation.stream_completion(
        one, messages, requests.resolve_sampling(state, asked, messages[-1]["content"])
    )
    return (
        await collect_final(
            GenerationStream(state.running, request_id, caller.name, [writer], state.settings.answer_seconds), "written"
        )
    ).text


@router.post("")
async def compare(
    asked: BlindRequest, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> Blind:
    """Two texts on a held-out topic, on random sides and cut to about the same length, which must not give them
    away."""
    if asked.one == asked.other:
        raise ApiError(422, "invalid_request", "one and other are the same.", "Name two different writers.")
    if not (known := held_out_prompts()):
        raise ApiError(409, "no_topics", "There are no held-out posts to compare on.", f"Run `{make_command('all')}`.")
    topic = RANDOM.choice(known)
    texts = [
        (name, await cancel_on_disconnect(request, text_for(name, topic, asked.fresh, state, caller, request_id)))
        for name in (asked.one, asked.other)
    ]
    words = max(30, min(len(text.split()) for _, text in texts))
    left, right = RANDOM.sample([(name, truncate_words(text, words).strip()) for name, text in texts], 2)
    blind = await state.database.run(database.add_comparison, caller.name, topic["brief"], topic["prompt"], left, right)
    return Blind(
        id=blind,
        topic=topic["brief"],
        left=left[1],
        right=right[1],
        has_own_text=vote_statistics.AUTHOR in (asked.one, asked.other),
    )


@router.post("/{blind_id}/vote")
async def vote(blind_id: str, given: Vote, state: StateDep, caller: CallerDep) -> VoteResult:
    """Save the vote, once, and return who wrote which text."""

    def save(db: sqlite3.Connection) -> dict:
        found = database.comparison(db, caller.name, blind_id)
        if found is None:
            raise ApiError(
                404, "unknown_comparison", "You have no such comparison.", "Create one with POST /api/blind."
            )
        if not database.add_vote(db, blind_id, given.preferred, given.more_similar, given.own_text):
            raise ApiError(
                409, "voted_before", "This comparison already has a vote.", "Create a new one with POST /api/blind."
            )
        return found

    found = await state.database.run(save)
    return VoteResult(left=found["left_model"], right=found["right_model"])


@router.get("/results")
async def results(state: StateDep) -> Results:
    """The results of all votes."""
    votes = await state.database.run(database.votes)
    return Results(
        votes=len(votes),
        preferred=vote_statistics.pair_results(votes),
        more_similar=vote_statistics.pair_results(votes, vote_statistics.MORE_SIMILAR),
        strengths=vote_statistics.bradley_terry(votes),
        self_recognition=vote_statistics.self_recognition(votes),
    )


@router.get(
    "/pairs",
    response_class=Response,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def preference_pairs(state: StateDep) -> Response:
    """The votes, and the choices between sentences of drafts, as pairs for DPO, one JSON line each: {prompt, chosen,
    rejected}, lists of chat messages in TRL's format. Save them to a file and set `train.preference_data` to it."""
    rows = votes_to_pairs(await state.database.run(database.votes))
    rows += choices_to_pairs(await state.database.run(database.choices))
    return Response("".join(row.model_dump_json() + "\n" for row in rows), media_type="application/x-ndjson")
