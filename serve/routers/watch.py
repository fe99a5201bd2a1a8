"""New posts by themselves: look for them, and train the twin on them again."""

import asyncio
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from blogtwin.config import load_params
from serve import database
from serve.app_state import AppState
from serve.dependencies import CallerDep, StateDep
from serve.errors import ApiError
from serve.routers.training import Job, find_job, refuse_several_workers

router = APIRouter(prefix="/api/v1/watch", tags=["training"])


class WatchSettings(BaseModel):
    """`source`: a folder, an export or a feed's address, as `make watch FROM=` takes it; empty: the folder
    ingest.source."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"on": False, "source": "", "minutes": 60}]}
    )

    on: bool
    source: Annotated[str, Field(max_length=2000)] = ""
    minutes: int = Field(60, ge=1, le=10080, description="between two looks")


class Watching(WatchSettings):
    """`folder`: ingest.source. `found`: what the last look found, as a sentence, and `behind`, how many posts the twin
    does not know; `looked_at`: when, in seconds since 1970; `problem`: what went wrong at it. `job`: the newest
    training on these posts."""

    folder: str
    looking: bool
    looked_at: float | None
    found: str
    behind: int
    problem: str
    job: Job | None


@router.get("")
async def watch_state(state: StateDep) -> Watching:
    """How the server looks for new posts, and what it found."""
    settings, found = await state.posts.state()
    return Watching(
        **settings,
        folder=(await asyncio.to_thread(load_params)).ingest.source,
        looking=state.posts.looking,
        looked_at=found.get("looked_at"),
        found=found.get("sentence", ""),
        behind=found.get("behind", 0),
        problem=found.get("problem", ""),
        job=await newest_retraining(state),
    )


@router.put("")
async def configure_watch(asked: WatchSettings, state: StateDep) -> Watching:
    """Switch the looks on or off. The posts that a look brings are copied to data/blog, unless `source` is empty."""
    refuse_several_workers(state)
    await state.posts.configure(asked.on, asked.source.strip(), asked.minutes)
    return await watch_state(state)


@router.post("/look")
async def look_now(state: StateDep) -> Watching:
    """Look now, also where it is switched off. The answer does not wait for it: `looking` says when it is over."""
    refuse_several_workers(state)
    state.posts.look_now()
    return await watch_state(state)


@router.post("/train")
async def train_again(state: StateDep, caller: CallerDep) -> Job:
    """Queue a training on the project's own posts, with its params.yaml as it is. Its twin is kept, and goes live if it
    is no worse than the live one: `outcome` of the job says so."""
    refuse_several_workers(state)
    job = await newest_retraining(state)
    if job and job.state in ("waiting", "running"):
        raise ApiError(409, "already_training", "A training on these posts is waiting or running.", "Wait for its end.")
    params = await asyncio.to_thread(load_params)
    return await find_job(state, await asyncio.to_thread(state.jobs.submit_retraining, caller.name, params))


async def newest_retraining(state: AppState) -> Job | None:
    """The newest training on this project's own posts; None where there was none."""
    rows = await state.database.run(database.jobs)
    own = [row for row in rows if row["retraining"] and row["retraining"]["project"] == state.posts.project]
    return await find_job(state, own[0]["id"]) if own else None
