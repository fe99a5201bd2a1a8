"""How the server is, and tokens for admins."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from serve import meters
from serve.deps import Asking, Serving

router = APIRouter(prefix="/api/v1", tags=["server"])


class Health(BaseModel):
    """`live`: it answers. `ready`: a model answers too, and none is being loaded."""

    live: Literal[True] = True
    ready: bool
    engine: str
    why: str
    models: list[str]
    failed: dict[str, str]


class Token(BaseModel):
    token: str
    expires: int


@router.get("/health")
async def health(state: Serving) -> Health:
    """Open to anybody, and says nothing private."""
    pool = state.pool
    gone = await pool.gone()
    return Health(ready=pool.ready and not gone, engine=pool.kind, why=pool.reason, models=list(pool.loaded), failed=pool.failed | gone)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def metrics(state: Serving) -> Response:
    """For Prometheus."""
    return Response(meters.page(state.pool), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.post("/auth/token")
async def token(state: Serving, caller: Asking) -> Token:
    """A bearer token for the admin who asks: good for SERVE_TOKEN_MINUTES, void when the key is removed."""
    made, expires = state.keys.token(caller)
    return Token(token=made, expires=expires)
