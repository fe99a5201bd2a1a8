"""Several workers over one database and one count of requests, in front of another engine."""

import asyncio
import sys
import threading

import httpx
import psutil
import pytest

from serve.rate_limit import RateLimiter, SharedRateLimiter
from tests.support.server_process import Server, events
from tests.support.streaming_engine import StreamingEngine
from tests.support.workspace import ROOT, sh

STREAMS, TURNS = 64, 3


@pytest.mark.parametrize("shared", [False, True])
def test_a_window_takes_as_many_as_the_rate_and_says_when_the_next_one_may_come(tmp_path, shared):
    limiter = SharedRateLimiter("3/minute", tmp_path / "rate.db") if shared else RateLimiter("3/minute")
    assert [limiter.hit("anna") for _ in range(3)] == [None] * 3
    assert 50 < limiter.hit("anna") <= 60 and limiter.hit("ben") is None


def test_two_limiters_on_one_file_count_together(tmp_path):
    """Also while both count at once: each request is counted once."""
    limiters = [SharedRateLimiter("50/minute", tmp_path / "rate.db") for _ in range(2)]
    taken: list[bool] = []

    def ask(limiter: SharedRateLimiter) -> None:
        taken.extend(limiter.hit("anna") is None for _ in range(40))

    threads = [threading.Thread(target=ask, args=(limiter,)) for limiter in limiters for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(taken), len(taken)) == (50, 160)


def test_what_is_older_than_the_window_is_forgotten(tmp_path, monkeypatch):
    from serve import rate_limit

    limiter = SharedRateLimiter("1/minute", tmp_path / "rate.db")
    now = rate_limit.time.time()
    assert limiter.hit("anna") is None and limiter.hit("anna") is not None
    monkeypatch.setattr(rate_limit.time, "time", lambda: now + 61)
    assert limiter.hit("anna") is None


def test_several_workers_of_the_embedded_engine_are_refused(tmp_path):
    line = f"{sys.executable} {ROOT / 'scripts/serve_api.py'} --port 0"
    done = sh(tmp_path, line, 60, SERVE_HOME=str(tmp_path), SERVE_WORKERS="2", SERVE_ENGINE="auto")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "SERVE_WORKERS is 2" in done.stderr and "SERVE_ENGINE" in done.stderr


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """(server of two workers, its engine)."""
    engine, folder = StreamingEngine(), tmp_path_factory.mktemp("project")
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    running = Server(
        folder,
        tmp_path_factory.mktemp("home"),
        SERVE_ENGINE="openai",
        SERVE_OPENAI_URL=engine.url,
        SERVE_OPENAI_BASE_MODEL="base",
        SERVE_OPENAI_MODELS='{"anna": "lora-of-anna"}',
        SERVE_WORKERS="2",
        SERVE_SLOTS="64",
        SERVE_RATE="1000/minute",
    ).ready()
    yield running, engine
    running.stop()
    engine.close()


@pytest.mark.slow
def test_a_server_of_several_workers_does_not_train(workers):
    answer = workers[0].http.post("/api/v1/training/jobs", json={"corpus": "sample"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_training")


async def write_chat(client: httpx.AsyncClient, number: int) -> tuple[str, list[str]]:
    """A chat of some turns, one after the other; (its id, the texts that were acknowledged)."""
    session, acknowledged = None, []
    for turn in range(TURNS):
        word = f"w{number}t{turn}"
        asked = {"message": f"Say {word}", "session_id": session, "model": "anna", "stream": True}
        async with client.stream("POST", "/api/v1/chat/completions", json=asked) as answer:
            assert answer.status_code == 200, await answer.aread()
            found = dict(events([line async for line in answer.aiter_lines()]))
        session = found["session"]["session_id"]
        acknowledged += [f"Say {word}", found["answered"]["message"]["content"]]
        assert set(acknowledged[-1].split()) == {word}
    return session, acknowledged


@pytest.mark.slow
@pytest.mark.nightly
def test_64_streams_on_two_workers_lose_no_acknowledged_message_and_are_counted_together(workers):
    server, engine = workers
    limits = httpx.Limits(max_connections=STREAMS)

    async def run() -> list[tuple[str, list[str]]]:
        async with httpx.AsyncClient(base_url=server.url, timeout=300, limits=limits, trust_env=False) as client:
            return await asyncio.gather(*(write_chat(client, number) for number in range(STREAMS)))

    chats = asyncio.run(run())
    for session, acknowledged in chats:
        saved = server.http.get(f"/api/v1/chat/sessions/{session}").json()["messages"]
        assert [message["content"] for message in saved] == acknowledged
    assert {body["model"] for body in engine.asked} == {"lora-of-anna"} and len(engine.asked) == STREAMS * TURNS
    busy = [p for p in psutil.Process(server.process.pid).children() if sum(p.cpu_times()[:2]) > 0.5]
    assert len(busy) >= 2
    lines = server.http.get("/api/v1/metrics").text.splitlines()
    assert f'blogtwin_answers_total{{end="whole",model="anna"}} {STREAMS * TURNS:.1f}' in lines
    # 1000 a minute, and chats, reads and this scrape were counted by whichever worker answered: both refuse now
    left = 1000
    codes = []
    while 429 not in codes and left > 0:
        codes.append(server.http.get("/api/models").status_code)
        left -= 1
    before = STREAMS * TURNS + STREAMS + 1
    health_checks = 1000 - before - (len(codes) - 1)
    assert codes[-1] == 429 and set(codes[:-1]) == {200}
    assert 0 < health_checks < 700, "what waited for the server to be ready was counted too, and nothing twice"
    with httpx.Client(base_url=server.url, trust_env=False) as another:
        assert [another.get("/api/models").status_code for _ in range(8)] == [429] * 8
