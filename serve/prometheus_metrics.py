"""Metrics for Prometheus: requests, latency, time to first token, tokens per second, queue and memory by model."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from serve.model_pool import ModelPool

REGISTRY = CollectorRegistry()
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
ACTIVE = Gauge("blogtwin_active", "Requests that a model is answering", ["model"], registry=REGISTRY)
WAITING = Gauge("blogtwin_waiting", "Requests that wait for a slot of a model", ["model"], registry=REGISTRY)
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
MODEL_MEMORY = Gauge("blogtwin_model_memory_bytes", "Estimated memory of a model", ["model"], registry=REGISTRY)
MEMORY = Gauge("blogtwin_memory_bytes", "Resident memory of the server", registry=REGISTRY)


@contextlib.asynccontextmanager
async def track_answer(model: str) -> AsyncIterator[None]:
    """Record how the answer inside the block ended, and after how many seconds."""
    started, end = time.perf_counter(), "failed"
    try:
        yield
        end = "whole"
    except (asyncio.CancelledError, GeneratorExit):
        end = "cancelled"
        raise
    finally:
        ANSWERS.labels(model, end).inc()
        ANSWER.labels(model).observe(time.perf_counter() - started)


def observe_generation(model: str, first: float, seconds: float, tokens: int) -> None:
    """Record an answer of `tokens` tokens: the first after `first` seconds, the last after `seconds`."""
    FIRST_TOKEN.labels(model).observe(first)
    TOKENS.labels(model).inc(tokens)
    if tokens > 1 and seconds > first:
        SPEED.labels(model).observe((tokens - 1) / (seconds - first))


def render(pool: ModelPool) -> bytes:
    """All metrics in Prometheus' text format."""
    for gauge in (ACTIVE, WAITING, MODEL_MEMORY):
        gauge.clear()
    for name, one in pool.loaded.items():
        ACTIVE.labels(name).set(one.limiter.active)
        WAITING.labels(name).set(one.limiter.waiting)
        MODEL_MEMORY.labels(name).set(one.memory_mb * 1e6)
    MEMORY.set(psutil.Process().memory_info().rss)
    return generate_latest(REGISTRY)
