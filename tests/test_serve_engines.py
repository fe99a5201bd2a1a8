"""Which engine is taken, and what callers are told when it fails: in the middle of an answer, before it, or by a full line."""

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import ROOT
from ollama_server import OllamaServer
from serving import events
from starlette.testclient import TestClient

from _shared import UserError
from serve import pool
from serve.errors import ApiError
from serve.gate import Gate
from serve.main import create_app
from serve.settings import Settings


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project that Ollama has a twin of, says its receipt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "artifacts/ollama").mkdir(parents=True)
    (tmp_path / "artifacts/ollama/receipt.json").write_text(json.dumps({"status": "registered", "model": "blogtwin:abc", "tag": "blogtwin:latest"}))
    return tmp_path


def settings(**given) -> Settings:
    return Settings(_env_file=None, **given)


# --- the choice -------------------------------------------------------------------------------------------------------


def test_auto_takes_ollama_only_when_it_is_up_and_has_the_twin_of_the_receipt(project, monkeypatch):
    server = OllamaServer(project)
    monkeypatch.setenv("OLLAMA_HOST", server.host)
    try:
        kind, why, tags = pool.choose(settings(engine="auto"))
        assert (kind, tags) == ("llamacpp", {}) and "does not have the twin" in why
        server.models["blogtwin:abc"] = {}
        assert pool.choose(settings(engine="auto"))[::2] == ("ollama", {"finetuned": "blogtwin:abc"})
        server.models["smollm2:135m"] = {}
        assert pool.choose(settings(engine="ollama"))[2] == {"finetuned": "blogtwin:abc", "base": "smollm2:135m"}
    finally:
        server.close()
    assert pool.choose(settings(engine="auto"))[0] == "llamacpp"  # it is gone
    with pytest.raises(UserError, match="make ollama"):
        pool.choose(settings(engine="ollama"))
    with pytest.raises(UserError, match="SERVE_OPENAI_URL"):
        pool.choose(settings(engine="openai"))


def test_memory_bounds_what_is_loaded(project, tmp_path):
    one = pool.Pool(settings(engine="llamacpp", memory_mb=100, home=tmp_path), pool_params())
    with pytest.raises(ApiError) as full:
        asyncio.run(one.load("base"))
    assert (full.value.status_code, full.value.code) == (507, "memory_full")


def pool_params():
    from _shared import load_params

    return load_params()


# --- an engine that fails ---------------------------------------------------------------------------------------------


class Engine(BaseHTTPRequestHandler):
    """Speaks OpenAI's protocol badly, by the `fault` of its server: dies, refuses, breaks, or hangs until the caller has gone."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.fault
        self.close_connection = True
        if fault in ("refuses", "breaks"):
            data = json.dumps({"error": {"message": "the request exceeds the available context size" if fault == "refuses" else "out of memory"}}).encode()
            self.send_response(400 if fault == "refuses" else 500)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for text in ("One", " two") if fault == "dies" else ("tick " for _ in range(10_000)):
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "remote", "choices": [{"index": 0, "finish_reason": None, "delta": {"role": "assistant", "content": text}}]}
            data = f"data: {json.dumps(chunk)}\n\n".encode()
            try:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            except OSError:
                self.server.left.append(time.monotonic())
                return
            time.sleep(0.02)


@pytest.fixture
def failing(project, tmp_path):
    """(client, engine) of a server whose engine is bad."""
    engine = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    engine.fault, engine.left = "", []
    threading.Thread(target=engine.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{engine.server_port}/v1"
    app = create_app(settings(engine="openai", openai_url=url, openai_base_model="remote", openai_twin_model="remote", home=tmp_path / "home", slots=1, queue=1))
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as http:
        until = time.monotonic() + 30
        while not http.get("/api/v1/health").json()["ready"]:
            assert time.monotonic() < until
            time.sleep(0.01)
        yield http, engine
    engine.shutdown()
    engine.server_close()


ASKED = {"model": "base", "messages": [{"role": "user", "content": "Count."}], "max_tokens": 9}


def test_an_engine_that_goes_in_the_middle_is_an_error_in_the_stream_and_a_502_without_one(failing):
    http, engine = failing
    engine.fault = "dies"
    lines = [json.loads(line[6:]) for line in http.post("/v1/chat/completions", json={**ASKED, "stream": True}).text.splitlines() if line.startswith("data: {")]
    assert lines[0]["choices"][0]["delta"]["content"] == "One" and lines[-1]["error"]["code"] == "engine_gone"
    found = events(http.post("/api/generate", json={"prompt": "Count.", "model": "base", "stream": True}).text.splitlines())
    assert [n for n, _ in found] == ["start", "delta", "delta", "error"] and found[-1][1]["error"]["hint"]
    for path, asked in (("/v1/chat/completions", ASKED), ("/api/generate", {"prompt": "Count.", "model": "base"})):
        answer = http.post(path, json=asked)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "engine_gone")


def test_what_came_before_the_engine_went_is_kept_in_the_chat(failing):
    http, engine = failing
    engine.fault = "dies"
    found = events(http.post("/api/v1/chat/completions", json={"message": "Count.", "model": "base", "stream": True}).text.splitlines())
    kept = http.get(f"/api/v1/chat/sessions/{found[0][1]['session_id']}").json()["messages"]
    assert found[-1][1]["error"]["code"] == "engine_gone"
    assert [(m["role"], m["content"], m["finish"]) for m in kept] == [("user", "Count.", ""), ("assistant", "One two", "cancelled")]


@pytest.mark.parametrize(("fault", "status", "code"), [("refuses", 400, "prompt_too_long"), ("breaks", 502, "engine_failed")])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/generate"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_an_engine_refuses_has_its_status_also_in_a_stream(failing, fault, status, code, path, stream):
    http, engine = failing
    engine.fault = fault
    answer = http.post(path, json={**(ASKED if path.startswith("/v1") else {"prompt": "Count.", "model": "base"}), "stream": stream})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_engine_that_is_not_there_is_502_and_the_next_one_answers(failing, monkeypatch):
    http, engine = failing
    state = http.app.state.serve
    one = state.pool.loaded["base"]
    one.engine = type(one.engine)("openai", "http://127.0.0.1:1/v1", "k", "remote")
    assert http.post("/v1/chat/completions", json=ASKED).json()["error"]["code"] == "engine_gone"
    assert one.gate.active == 0


def test_strength_is_refused_where_the_style_is_merged(failing):
    http, _ = failing
    error = http.post("/v1/chat/completions", json={**ASKED, "model": "finetuned", "style_strength": 0.5}).json()["error"]
    assert error["code"] == "engine_cannot"


def test_cancelling_closes_the_engines_connection_within_200_ms(failing):
    http, engine = failing
    got = []

    def ask():
        got.append(http.post("/api/generate", json={"prompt": "Count.", "model": "base"}, headers={"X-Request-ID": "cancel-this-one"}).json())

    thread = threading.Thread(target=ask)
    thread.start()
    until = time.monotonic() + 10
    while http.app.state.serve.pool.loaded["base"].gate.active == 0:
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(0.2)
    began = time.monotonic()
    assert http.post("/api/cancel/cancel-this-one").json() == {"cancelled": True}
    thread.join(10)
    while not engine.left:
        assert time.monotonic() - began < 5
        time.sleep(0.005)
    assert engine.left[0] - began < 0.2 and got[0]["error"]["code"] == "cancelled"


# --- the line ---------------------------------------------------------------------------------------------------------


def test_turns_go_in_order_and_a_full_line_says_when_to_come_back():
    async def work():
        gate, order = Gate(1, 2, 5), []

        async def one(n):
            async with gate.turn():
                order.append(n)
                await asyncio.sleep(0.01)

        first = [asyncio.create_task(one(n)) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as full:
            await one(9)
        await asyncio.gather(*first)
        return order, full.value, gate.active, gate.waiting

    order, refused, active, waiting = asyncio.run(work())
    assert order == [0, 1, 2] and refused.status_code == 503 and refused.retry_after > 0 and active == waiting == 0


def test_nobody_waits_for_ever():
    async def work():
        gate = Gate(1, 5, 0.05)
        async with gate.turn():
            with pytest.raises(ApiError) as late:
                async with gate.turn():
                    raise AssertionError("two at once")
        async with gate.turn():  # and the slot is free again
            return late.value

    assert asyncio.run(work()).code == "busy"
