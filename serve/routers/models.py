"""Which models there are; load and unload them."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from serve import catalog
from serve.catalog import Model
from serve.dependencies import StateDep
from serve.requests import Name

router = APIRouter(prefix="/api", tags=["models"])


class ScorecardSummary(BaseModel):
    """The figures of the scorecard; none for a base."""

    style: float | None
    style_function_words: float | None
    copied_run: int | None
    on_topic: float | None
    bits_per_byte: float | None
    closer_than_prompting: bool


class ModelInfo(BaseModel):
    """`digest`: SHA-256 of the adapter, or of the base once it is loaded. `style_strength`: whether a request may
    choose it."""

    name: str
    kind: Literal["base", "twin"]
    base: str
    status: Literal["loaded", "loading", "available", "unusable"]
    why: str
    engine: str | None
    style_strength: bool
    size_mb: float
    memory_mb: float
    digest: str
    active: int
    waiting: int
    scorecard: ScorecardSummary | None


class ModelList(BaseModel):
    models: list[ModelInfo]
    memory_mb: float
    allowed_mb: float


class ModelRef(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "finetuned"}]})

    model: Name = Field(description="a name of GET /api/models")


def describe_models(state, model: Model) -> ModelInfo:
    pool, one = state.pool, state.pool.loaded.get(model.name)
    model = one.model if one else model
    why = model.unusable or (pool.failed[model.name].reason if model.name in pool.failed else "")
    status = (
        "loaded" if one else "loading" if model.name in pool.loading else "unusable" if model.unusable else "available"
    )
    return ModelInfo(
        name=model.name,
        kind="base" if model.name == catalog.BASE else "twin",
        base=model.base,
        status=status,
        why=why,
        engine=one.engine.name if one else None,
        style_strength=bool(one and one.engine.scales),
        size_mb=model.size_mb,
        memory_mb=round(one.memory_mb, 1) if one else 0.0,
        digest=catalog.cached_digest(model.adapter) if model.adapter else model.base_digest,
        active=one.limiter.active if one else 0,
        waiting=one.limiter.waiting if one else 0,
        scorecard=catalog.scorecard(model),
    )


@router.get("/models")
@router.get("/v1/models")
def models(state: StateDep) -> ModelList:
    """The base and every twin under artifacts/."""
    infos = [describe_models(state, model) for model in state.pool.known().values()]
    return ModelList(models=infos, memory_mb=round(state.pool.memory_mb, 1), allowed_mb=round(state.pool.allowed_mb, 1))


@router.post("/v1/models/load")
async def load(which: ModelRef, state: StateDep) -> ModelInfo:
    """Make a model ready. 507 when memory does not allow it: unload another one first."""
    return describe_models(state, (await state.pool.load(which.model)).model)


@router.post("/v1/models/unload")
async def unload(which: ModelRef, state: StateDep) -> ModelInfo:
    """Give its memory back. 409 while it answers somebody."""
    await state.pool.unload(which.model)
    return describe_models(state, state.pool.model(which.model))
