"""Everything that lives as long as the server: settings, params, keys, models, running requests, database, jobs."""

import asyncio
from dataclasses import dataclass, field

from blogtwin.config import Params
from serve.auth import Keys
from serve.cached import Cached
from serve.database import Database
from serve.drafting import DraftingWorker
from serve.model_pool import ModelPool
from serve.post_watch import PostWatch
from serve.scoring import ScoringWorker
from serve.settings import Settings
from serve.streaming import ActiveStreams
from serve.training_jobs import TrainingJobs


@dataclass
class AppState:
    settings: Settings
    params: Params
    keys: Keys
    pool: ModelPool
    database: Database
    scores: ScoringWorker
    jobs: TrainingJobs
    posts: PostWatch
    drafting: DraftingWorker = field(default_factory=DraftingWorker)
    running: ActiveStreams = field(default_factory=ActiveStreams)
    reading: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(2)
    )  # documents that are read at the same time
    past: Cached = field(
        default_factory=lambda: Cached(30)
    )  # what DVC and Git know of commits and experiments; seconds


def create_state(settings: Settings, params: Params) -> AppState:
    """Raises UserError when the database is of a newer version."""
    settings.home.mkdir(parents=True, exist_ok=True)
    keys = Keys(settings.home, settings.token_minutes)
    database = Database(settings.home / "serve.db")
    return AppState(
        settings,
        params,
        keys,
        ModelPool(settings, params),
        database,
        ScoringWorker(),
        TrainingJobs(settings.home, database),
        PostWatch(database),
    )
