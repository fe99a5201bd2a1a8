"""How the server is, and tokens for admins."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from serve import prometheus_metrics
from serve.dependencies import CallerDep, StateDep

router = APIRouter(prefix="/api/v1", tags=["server"])


class ModelFailure(BaseModel):
    """`code` stays the same from version to version: no_engine, unusable, memory_full, engine_failed, engine_gone or
    unknown_model."""

    code: str
    reason: str | None


class Health(BaseModel):
    """`live`: it answers. `ready`: a model answers too, and none is being loaded. `why` (this engine was taken) and the
    reasons of `failed` name files and addresses: null for who has no key where there are keys."""

    live: Literal[True] = True
    ready: bool
    engine: str
    why: str | None
    models: list[str]
    failed: dict[str, ModelFailure]


class Token(BaseModel):
    token: str
    expires: int


@router.get("/health")
async def health(state: StateDep, caller: CallerDep) -> Health:
    """Open to anybody; reasons are for holders of a key, and for this machine where there are no keys."""
    pool, told = state.pool, caller.has_role("user")
    gone = await pool.unreachable()
    failed = {
        name: ModelFailure(code=one.code, reason=one.reason if told else None)
        for name, one in (pool.failed | gone).items()
    }
    return Health(
        ready=pool.ready and not gone,
        engine=pool.kind,
        why=pool.reason if told else None,
        models=list(pool.loaded),
        failed=failed,
    )


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
async def metrics(state: StateDep) -> Response:
    """For Prometheus."""
    return Response(prometheus_metrics.render(state.pool), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.post("/auth/token")
async def token(state: StateDep, caller: CallerDep) -> Token:
    """A bearer token for the admin who asks: good for SERVE_TOKEN_MINUTES, void when the key is removed."""
    made, expires = state.keys.token(caller)
    return Token(token=made, expires=expires)
