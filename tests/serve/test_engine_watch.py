"""An embedded engine whose process is killed is started again, and who asks meanwhile is told so."""

import asyncio
import contextlib
import os
import signal
import time
from types import SimpleNamespace

import psutil
import pytest

from serve import engine_watch
from serve.engine_watch import EngineWatch
from serve.errors import ApiError
from serve.soak_faults import engines_of
from tests.support.server_process import Server, events


@pytest.fixture
def pool(monkeypatch):
    """A stand-in of one model, `base`. `ended`: whether its engine's process is gone. `error`: what loading raises."""
    monkeypatch.setattr(engine_watch, "has_ended", lambda engine: pool.ended)
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(engine_watch, "time", SimpleNamespace(monotonic=lambda: clock.now))
    pool = SimpleNamespace(loaded={}, failed={}, lock=asyncio.Lock(), ended=False, error=None, starts=0, clock=clock)

    async def load(name: str) -> None:
        pool.starts += 1
        if pool.error:
            raise pool.error
        pool.ended = False
        pool.failed.pop(name, None)
        pool.loaded[name] = SimpleNamespace(engine=None, exit_stack=contextlib.ExitStack())

    pool.load = load
    asyncio.run(load("base"))
    return pool


def test_an_engine_that_ended_is_started_again_once(pool):
    watch = EngineWatch(pool)
    asyncio.run(watch.look())
    assert pool.starts == 1
    pool.ended = True
    asyncio.run(watch.look())
    asyncio.run(watch.look())
    assert pool.starts == 2 and list(pool.loaded) == ["base"] and pool.failed == {} and watch.waiting == set()


def test_one_that_ends_at_once_waits_longer_each_time_until_it_is_steady(pool):
    watch, started = EngineWatch(pool), []
    for _ in range(400):
        pool.ended = True
        before = pool.starts
        asyncio.run(watch.look())
        if pool.starts > before:
            started.append(pool.clock.now - 100)
        pool.clock.now += 1
    pauses = [after - before for before, after in zip(started, started[1:])]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    pool.clock.now += engine_watch.LONGEST_PAUSE
    asyncio.run(watch.look())  # it is started, and lives
    pool.clock.now += 2 * engine_watch.STEADY_SECONDS
    pool.ended, before = True, pool.starts
    asyncio.run(watch.look())
    assert pool.starts == before + 1, "one that has lived for minutes is started again at once"


def test_why_it_can_not_be_started_is_told_and_it_is_tried_again(pool):
    watch = EngineWatch(pool)
    pool.ended, pool.error = True, ApiError(507, "memory_full", "base needs 300 MB, and 20 MB are free.")
    asyncio.run(watch.look())
    assert pool.loaded == {} and pool.failed["base"].code == "engine_gone"
    assert pool.failed["base"].reason == "base needs 300 MB, and 20 MB are free. It is tried again in 2 seconds."
    pool.error = None
    asyncio.run(watch.look())
    assert pool.starts == 2, "its pause is not over"
    pool.clock.now += 2
    asyncio.run(watch.look())
    assert pool.starts == 3 and list(pool.loaded) == ["base"] and pool.failed == {}


def test_one_that_was_loaded_by_hand_meanwhile_is_left_alone(pool):
    watch = EngineWatch(pool)
    pool.ended, pool.error = True, ApiError(502, "engine_failed", "It failed.")
    asyncio.run(watch.look())
    pool.error = None
    asyncio.run(pool.load("base"))
    pool.clock.now += 100
    asyncio.run(watch.look())
    assert pool.starts == 3 and watch.waiting == set()


@pytest.mark.slow
@pytest.mark.model
def test_a_killed_engine_answers_again_and_what_was_asked_meanwhile_is_refused_in_a_sentence(served, tmp_path):
    """The answer that was being written ends with an error; the other model goes on."""
    server = Server(served, tmp_path / "home").ready()
    asked = {"message": "Write about rain.", "model": "base", "max_tokens": 400, "stream": True}
    try:
        base, twin = engines_of(psutil.Process(server.process.pid))
        with server.http.stream("POST", "/api/v1/chat/completions", json=asked) as answer:
            lines = answer.iter_lines()
            begun = [next(lines) for _ in range(6)]
            os.kill(base.pid, signal.SIGKILL)
            found = events([*begun, *lines])
        assert found[-1][0] == "error" and found[-1][1]["error"]["code"] == "engine_gone"
        assert "started again" in found[-1][1]["error"]["hint"]
        refused, until = [], time.monotonic() + 60
        while time.monotonic() < until:
            again = server.http.post("/api/generate", json={"prompt": "Rain.", "model": "base", "max_tokens": 2})
            if again.status_code == 200:
                break
            refused.append((again.status_code, again.json()["error"]))
            time.sleep(0.05)
        assert again.status_code == 200
        assert {status for status, _ in refused} <= {502, 503} and all(e["message"].endswith(".") for _, e in refused)
        assert twin.is_running() and len(engines_of(psutil.Process(server.process.pid))) == 2
        server.ready()
        metrics = server.http.get("/api/v1/metrics").text
        assert 'blogtwin_engine_restarts_total{model="base"} 1.0' in metrics
    finally:
        server.stop()
