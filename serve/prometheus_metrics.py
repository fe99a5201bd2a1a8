"""Metrics for Prometheus: requests, latency, tokens per second, queues, refused candidates, training, memory and disk.

deploy/alerts.yml and deploy/grafana/blogtwin.json are made of these names.
"""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from serve import tracing

if TYPE_CHECKING:
    from serve.app_state import AppState

REGISTRY = CollectorRegistry()
SEVERAL = "PROMETHEUS_MULTIPROC_DIR" in os.environ  # set by serve/server.py: the workers count into files there
REFRESH_SECONDS = 5
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
REQUESTS = Counter("blogtwin_requests", "Requests answered", ["method", "route", "status"], registry=REGISTRY)
LATENCY = Histogram(
    "blogtwin_request_seconds", "Seconds to the end of an answer", ["route"], buckets=SECONDS, registry=REGISTRY
)
FIRST_TOKEN = Histogram(
    "blogtwin_first_token_seconds",
    "Seconds to the first token, including the wait for a slot",
    ["model"],
    buckets=SECONDS,
    registry=REGISTRY,
)
TOKENS = Counter("blogtwin_tokens", "Tokens generated", ["model"], registry=REGISTRY)
SPEED = Histogram(
    "blogtwin_tokens_per_second",
    "Tokens per second of an answer",
    ["model"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
    registry=REGISTRY,
)
READY = Gauge(
    "blogtwin_ready", "1 when a model answers and none is being loaded", multiprocess_mode="livemin", registry=REGISTRY
)
ACTIVE = Gauge(
    "blogtwin_active", "Requests that a model is answering", ["model"], multiprocess_mode="livesum", registry=REGISTRY
)
WAITING = Gauge(
    "blogtwin_waiting",
    "Requests that wait for a slot of a model",
    ["model"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
QUEUE_AGE = Gauge(
    "blogtwin_queue_age_seconds",
    "How long the oldest waiting request has waited",
    ["model"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
ANSWERS = Counter(
    "blogtwin_answers", "Answers by how they ended: whole, cancelled or failed", ["model", "end"], registry=REGISTRY
)
ANSWER = Histogram(
    "blogtwin_answer_seconds",
    "Seconds to the end of a model's answer, including the wait for a slot",
    ["model"],
    buckets=SECONDS,
    registry=REGISTRY,
)
RESTARTS = Counter(
    "blogtwin_engine_restarts",
    "Engines whose process had ended and was started again",
    ["model"],
    registry=REGISTRY,
)
CANDIDATES = Counter("blogtwin_candidates", "Sentences that were written for drafts", registry=REGISTRY)
REJECTED = Counter(
    "blogtwin_rejected_candidates", "Sentences for drafts that a gate refused", ["reason"], registry=REGISTRY
)
DRAFT_LINES = Counter(
    "blogtwin_draft_lines", "Lines of notes by what became of them in a draft", ["status"], registry=REGISTRY
)
JOBS = Gauge("blogtwin_jobs", "Training jobs by state", ["state"], multiprocess_mode="livemax", registry=REGISTRY)
STEP = Gauge(
    "blogtwin_training_step",
    "The last step of the running job",
    ["job"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
STEPS = Gauge(
    "blogtwin_training_steps", "Steps of the running job", ["job"], multiprocess_mode="livemax", registry=REGISTRY
)
LOSS = Gauge(
    "blogtwin_training_loss",
    "Loss of the running job's last step",
    ["job"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
TRAINING_SPEED = Gauge(
    "blogtwin_training_tokens_per_second",
    "Tokens per second of the running job",
    ["job"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
MODEL_MEMORY = Gauge(
    "blogtwin_model_memory_bytes",
    "Estimated memory of a model",
    ["model"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
MEMORY = Gauge("blogtwin_memory_bytes", "Resident memory of the server", multiprocess_mode="livesum", registry=REGISTRY)
DISK = Gauge(
    "blogtwin_disk_free_bytes",
    "Free disk space, of the user's data and the project",
    ["of"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
OF_NOW = (ACTIVE, WAITING, QUEUE_AGE, MODEL_MEMORY, JOBS, STEP, STEPS, LOSS, TRAINING_SPEED)


@contextlib.asynccontextmanager
async def track_answer(model: str) -> AsyncIterator[None]:
    """Record how the answer inside the block ended, and after how many seconds."""
    started, end, span = time.perf_counter(), "failed", tracing.start_answer(model)
    try:
        yield
        end = "whole"
    except (asyncio.CancelledError, GeneratorExit):
        end = "cancelled"
        raise
    finally:
        ANSWERS.labels(model, end).inc()
        ANSWER.labels(model).observe(time.perf_counter() - started)
        tracing.end_answer(span, end)


def observe_generation(model: str, first: float, seconds: float, tokens: int) -> None:
    """Record an answer of `tokens` tokens: the first after `first` seconds, the last after `seconds`."""
    FIRST_TOKEN.labels(model).observe(first)
    TOKENS.labels(model).inc(tokens)
    if tokens > 1 and seconds > first:
        SPEED.labels(model).observe((tokens - 1) / (seconds - first))


def observe_draft(receipt: dict) -> None:
    """Record the receipt of a draft: how many candidates its gates refused, and what became of each line."""
    CANDIDATES.inc(receipt["candidates"])
    for reason, count in receipt["rejected"].items():
        REJECTED.labels(reason).inc(count)
    for line in receipt["lines"]:
        DRAFT_LINES.labels(line["status"]).inc()


def render(state: "AppState") -> bytes:
    """All metrics in Prometheus' text format, of all workers. Reads files of the running job: call it in a thread."""
    set_gauges(state)
    if not SEVERAL:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)


async def refresh(state: "AppState") -> None:
    """Tell the other workers, whichever is asked, what this one does: every few seconds, as long as it lives."""
    while True:
        await asyncio.to_thread(set_gauges, state)
        await asyncio.sleep(REFRESH_SECONDS)


def set_gauges(state: "AppState") -> None:
    """Set what is measured when it is asked for."""
    if not SEVERAL:  # with several workers there are no training jobs, and models stay
        for gauge in OF_NOW:
            gauge.clear()
    READY.set(state.pool.ready)
    for name, one in list(state.pool.loaded.items()):
        ACTIVE.labels(name).set(one.limiter.active)
        WAITING.labels(name).set(one.limiter.waiting)
        QUEUE_AGE.labels(name).set(one.limiter.longest_wait)
        MODEL_MEMORY.labels(name).set(one.memory_mb * 1e6)
    _set_training(state)
    MEMORY.set(psutil.Process().memory_info().rss)
    for name, folder in (("data", state.settings.home), ("project", Path())):
        DISK.labels(name).set(shutil.disk_usage(folder).free)


def _set_training(state: "AppState") -> None:
    """The jobs as they were when DVC was asked last: a scrape starts no command."""
    states = state.jobs.last_states
    for one in ("waiting", "running", "done", "failed"):
        JOBS.labels(one).set(list(states.values()).count(one))
    for job in [job for job, now in states.items() if now == "running"]:
        progress = state.jobs.progress(job, "running")
        values = ("step", STEP), ("steps", STEPS), ("loss", LOSS), ("tokens_per_second", TRAINING_SPEED)
        for name, gauge in values:
            if progress[name] is not None:
                gauge.labels(job).set(progress[name])
