"""What lives as long as the server: settings, params, keys, models, running requests, the store, the scores' process."""

import asyncio
from dataclasses import dataclass, field

from blogtwin.config import Params
from serve.auth import Keys
from serve.database import Store
from serve.model_pool import Pool
from serve.scoring import Scores
from serve.settings import Settings
from serve.streaming import Running
from serve.training_jobs import Jobs


@dataclass
class State:
    settings: Settings
    params: Params
    keys: Keys
    pool: Pool
    store: Store
    scores: Scores
    jobs: Jobs
    running: Running = field(default_factory=Running)
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))  # documents at once


def make(settings: Settings, params: Params) -> State:
    settings.home.mkdir(parents=True, exist_ok=True)
    keys = Keys(settings.home, settings.token_minutes)
    database = Store(settings.home / "serve.db")
    return State(settings, params, keys, Pool(settings, params), database, Scores(), Jobs(settings.home, database))
