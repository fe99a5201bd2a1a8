"""List, load and unload models."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from serve import catalog
from serve.app_state import AppState
from serve.catalog import Model
from serve.dependencies import StateDep
from serve.model_pool import adapter_digest
from serve.requests import Name

router = APIRouter(prefix="/api", tags=["models"])


class ScorecardSummary(BaseModel):
    """The scorecard's main figures; null for a base."""

    style: float | None
    style_function_words: float | None
    copied_run: int | None
    on_topic: float | None
    bits_per_byte: float | None
    closer_than_prompting: bool


class ModelInfo(BaseModel):
    """`digest`: SHA-256 of the adapter, or of the base once it is loaded. `style_strength`: whether requests can set
    it. `size_mb` and `memory_mb`: MB of 10⁶ bytes."""

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


def describe_model(state: AppState, model: Model) -> ModelInfo:
    pool, one = state.pool, state.pool.loaded.get(model.name)
    model = one.model if one else model
    why = model.unusable or (pool.failed[model.name].reason if model.name in pool.failed else "")
    if one:
        status = "loaded"
    elif model.name in pool.loading:
        status = "loading"
    else:
        status = "unusable" if model.unusable else "available"
    return ModelInfo(
        name=model.name,
        kind="base" if model.name == catalog.BASE or model.elsewhere else "twin",
        base=model.base,
        status=status,
        why=why,
        engine=one.engine.name if one else None,
        style_strength=bool(one and one.engine.scales),
        size_mb=model.size_mb,
        memory_mb=round(one.memory_mb, 1) if one else 0.0,
        digest=(one.digest if one else adapter_digest(model)) or model.base_digest,
        active=one.limiter.active if one else 0,
        waiting=one.limiter.waiting if one else 0,
        scorecard=catalog.scorecard(model),
    )


@router.get("/models")
@router.get("/v1/models")
def models(state: StateDep) -> ModelList:
    """The base, all twins under artifacts/ and authors/, and where Ollama serves them, its other models."""
    infos = [describe_model(state, model) for model in state.pool.known().values()]
    return ModelList(models=infos, memory_mb=round(state.pool.memory_mb, 1), allowed_mb=round(state.pool.allowed_mb, 1))


@router.post("/v1/models/load")
async def load(which: ModelRef, state: StateDep) -> ModelInfo:
    """Load a model. 507 when there is not enough memory: unload another one first."""
    return describe_model(state, (await state.pool.load(which.model)).model)


@router.post("/v1/models/unload")
async def unload(which: ModelRef, state: StateDep) -> ModelInfo:
    """Free a model's memory. 409 while it answers a request."""
    await state.pool.unload(which.model)
    return describe_model(state, state.pool.model(which.model))
