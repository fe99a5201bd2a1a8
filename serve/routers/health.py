"""The server's health and metrics, and tokens for admins."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from serve import prometheus_metrics
from serve.dependencies import CallerDep, StateDep
from serve.model_pool import Failure

router = APIRouter(prefix="/api/v1", tags=["server"])
DRAFTS = "drafts"  # among `failed`: the process that writes them


class ModelFailure(BaseModel):
    """`code` never changes: no_engine, unusable, memory_full, engine_failed, engine_gone or unknown_model."""

    code: str
    reason: str | None


class Health(BaseModel):
    """`live`: the server answers. `ready`: a model answers too, and none is being loaded. `why` this engine was chosen,
    and the reasons in `failed`, contain paths and addresses: they are null for callers without a key. `failed` has
    models, and `drafts` where the process that writes them died; the next draft starts it again."""

    live: Literal[True] = True
    ready: bool
    engine: str
    why: str | None
    models: list[str]
    failed: dict[str, ModelFailure]


class Token(BaseModel):
    """`expires`: seconds since 1970."""

    token: str
    expires: int


@router.get("/health")
async def health(state: StateDep, caller: CallerDep) -> Health:
    """Open to anybody. Reasons are shown to callers with a key, or on loopback while there are no keys."""
    pool, shows_reasons = state.pool, caller.has_role("user")
    unreachable = await pool.unreachable()
    died = {DRAFTS: Failure("engine_gone", why)} if (why := state.drafting.failure) else {}
    failed = {
        name: ModelFailure(code=one.code, reason=one.reason if shows_reasons else None)
        for name, one in (pool.failed | unreachable | died).items()
    }
    return Health(
        ready=pool.ready and not unreachable,
        engine=pool.kind,
        why=pool.reason if shows_reasons else None,
        models=list(pool.loaded),
        failed=failed,
    )


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
async def metrics(state: StateDep) -> Response:
    """Metrics for Prometheus."""
    rendered = await asyncio.to_thread(prometheus_metrics.render, state)
    return Response(rendered, media_type="text/plain; version=0.0.4; charset=utf-8")


@router.post("/auth/token")
async def token(state: StateDep, caller: CallerDep) -> Token:
    """A bearer token for an admin. It expires after SERVE_TOKEN_MINUTES, and when the admin's key is removed."""
    issued, expires = state.keys.token(caller)
    return Token(token=issued, expires=expires)
