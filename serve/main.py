"""The application, put together. `make serve` starts it (scripts/serve_api.py)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from blogtwin.config import load_params
from blogtwin.environment import load_environment
from blogtwin.inference.client import http_client
from blogtwin.paths import ROOT
from serve import app_state, errors, logging_setup, prometheus_metrics, tracing
from serve.engine_watch import EngineWatch
from serve.live_twin import LiveTwin
from serve.middleware import AccessMiddleware
from serve.routers import ALL, training
from serve.settings import Settings


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the models while the first requests are told to wait, and watch training jobs and new posts."""
    serving = app.state.serve
    several = serving.settings.workers > 1
    own = [prometheus_metrics.refresh(serving)] if several else [training.watch_jobs(serving), serving.posts.watch()]
    works = serving.pool.start(), LiveTwin(serving.pool).watch(), EngineWatch(serving.pool).watch(), *own
    tasks = [asyncio.create_task(work) for work in works]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    serving.scores.close()
    serving.drafting.close()
    await serving.pool.close()
    await http_client().aclose()
    http_client.cache_clear()
    await asyncio.to_thread(tracing.stop_tracing)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Raises UserError for params or a database that can't be used."""
    load_environment()
    settings = settings or Settings()
    tracing.start_tracing()
    logging_setup.configure_logging(settings.home)
    # No /docs page: it would fetch its scripts from a CDN. GET /openapi.json has everything.
    app = FastAPI(
        title="blogtwin", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, responses=errors.RESPONSES
    )
    app.state.serve = app_state.create_state(settings, load_params())
    errors.register_handlers(app)
    for router in ALL:
        app.include_router(router)
    app.add_middleware(AccessMiddleware, settings=settings, keys=app.state.serve.keys)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["X-Request-ID", "Retry-After"],
    )
    page = ROOT / "frontend/dist"
    if page.is_dir():
        app.frontend("/", directory=page)
    return app
