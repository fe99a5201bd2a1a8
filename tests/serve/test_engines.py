"""Which engine is taken, and what callers are told when it fails: in the middle of an answer, before it, or by a full
line."""

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from blogtwin.errors import UserError
from serve import engines, model_pool, openai_chunks, verified_draft
from serve.concurrency import ConcurrencyLimiter
from serve.draft_writers import EngineModel, LocalModel
from serve.errors import ApiError
from serve.main import create_app
from serve.routers import openai
from serve.scoring import ScoringWorker
from serve.settings import Settings
from serve.streaming import ActiveStreams, GenerationStream, collect_final
from tests.support.ollama_server import OllamaServer
from tests.support.server_process import events, write_adapter_gguf
from tests.support.workspace import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project that Ollama has a twin of, says its receipt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "artifacts/ollama").mkdir(parents=True)
    (tmp_path / "artifacts/ollama/receipt.json").write_text(
        json.dumps({"status": "registered", "model": "blogtwin:abc", "tag": "blogtwin:latest"})
    )
    return tmp_path


def settings(**given) -> Settings:
    return Settings(_env_file=None, **given)


# --- the choice -------------------------------------------------------------------------------------------------------


def test_auto_takes_ollama_only_when_it_is_up_and_has_the_twin_of_the_receipt(project, monkeypatch):
    server = OllamaServer(project)
    monkeypatch.setenv("OLLAMA_HOST", server.host)
    try:
        kind, why, tags = engines.select_engine(settings(engine="auto"))
        assert (kind, tags) == ("llamacpp", {}) and "does not have the twin" in why
        receipt = project / "artifacts/ollama/receipt.json"
        made = receipt.rename(project / "receipt.json")  # as after a registration that failed
        kind, why, tags = engines.select_engine(settings(engine="auto"))
        assert (kind, tags) == ("llamacpp", {}) and "its registration failed" in why
        made.rename(receipt)
        server.models["blogtwin:abc"] = {}
        assert engines.select_engine(settings(engine="auto"))[::2] == ("ollama", {"finetuned": "blogtwin:abc"})
        server.models["smollm2:135m"] = {}
        assert engines.select_engine(settings(engine="ollama"))[2] == {
            "finetuned": "blogtwin:abc",
            "base": "smollm2:135m",
        }
        params = project / "params.yaml"  # the base was taken out of Ollama's store, where its name is another
        params.write_text(params.read_text().replace("base: smollm2:135m", "base: ollama/smollm2:135m"))
        assert engines.select_engine(settings(engine="ollama"))[2]["base"] == "smollm2:135m"
    finally:
        server.close()
    assert engines.select_engine(settings(engine="auto"))[0] == "llamacpp"  # it is gone
    with pytest.raises(UserError, match="make ollama"):
        engines.select_engine(settings(engine="ollama"))
    with pytest.raises(UserError, match="SERVE_OPENAI_URL"):
        engines.select_engine(settings(engine="openai"))


def test_an_engine_that_comes_later_is_taken_when_a_model_is_loaded(project, monkeypatch, capsys):
    server = OllamaServer(project)
    host = server.host
    monkeypatch.setenv("OLLAMA_HOST", host)

    async def work():
        one = model_pool.ModelPool(settings(engine="ollama"), pool_params())
        await one.start()  # it is up, and has no twin
        assert one.failed["base"].code == "no_engine" and "make ollama" in one.failed["base"].reason and not one.ready
        with pytest.raises(UserError, match="make ollama"):
            await one.load("base")
        server.models |= {"blogtwin:abc": {}, "smollm2:135m": {}}
        return (await one.load("base")).engine.name, one.kind

    try:
        assert asyncio.run(work()) == ("ollama", "ollama")
    finally:
        server.close()
    assert "make ollama" in "".join(capsys.readouterr())


def test_other_models_of_ollama_are_listed_unless_they_cannot_chat(project, monkeypatch):
    server = OllamaServer(project)
    monkeypatch.setenv("OLLAMA_HOST", server.host)
    kept = {"blob": f"sha256:{'0' * 64}", "template": "", "system": "", "parameters": {}}
    server.models |= dict.fromkeys(("blogtwin:abc", "blogtwin:older", "smollm2:135m", "llama3.2:3b"), kept)
    server.models["nomic-embed-text:latest"] = {**kept, "capabilities": ["embedding"]}
    server.models["big:cloud"] = {**kept, "remote_model": "big", "remote_host": "https://ollama.com"}
    try:
        pool = model_pool.ModelPool(settings(engine="ollama"), pool_params())
        asyncio.run(pool.choose())
        assert list(pool.known()) == ["base", "llama3.2:3b"]  # the project has no twin's adapter
        model = pool.model("llama3.2:3b")
        assert model.elsewhere and not pool.model("base").elsewhere
        assert pool.engine_elsewhere(model).model == "llama3.2:3b"
        assert asyncio.run(pool.load("llama3.2:3b")).memory_mb == 0
        larger, base = (verified_draft.writing_model(pool, pool.model(name)) for name in ("llama3.2:3b", "base"))
        assert isinstance(larger, EngineModel) and larger.digest == "llama3.2:3b" and not larger.is_twin
        assert isinstance(base, LocalModel) and not base.is_twin  # its weights are here: under the fence
    finally:
        server.close()


def test_memory_bounds_what_is_loaded(project, tmp_path):
    one = model_pool.ModelPool(settings(engine="llamacpp", memory_mb=100, home=tmp_path), pool_params())
    with pytest.raises(ApiError) as full:
        asyncio.run(one.load("base"))
    assert (full.value.status_code, full.value.code) == (507, "memory_full")


def pool_params():
    from blogtwin.config import load_params

    return load_params()


@pytest.mark.slow
def test_ollama_answers_and_when_it_goes_everybody_is_told_and_the_next_one_is_answered(project, tmp_path, monkeypatch):
    """Through an Ollama with the base in place of the twin, whose answers are llama.cpp's."""
    from blogtwin.inference.ollama import go_template
    from blogtwin.models import registry

    model, ollama = registry.resolve_base("smollm2:135m"), OllamaServer(tmp_path)
    monkeypatch.setenv("OLLAMA_HOST", ollama.host)
    write_adapter_gguf(model, project / "artifacts/gguf/adapter.gguf")
    (tmp_path / f"sha256-{model.digest}").symlink_to(model.gguf)
    kept = {
        "blob": f"sha256:{model.digest}",
        "system": "",
        "parameters": {"stop": []},
        "template": go_template(model.template)["template"],
    }
    ollama.models |= {"blogtwin:abc": kept, "smollm2:135m": kept}
    try:
        with ready(create_app(settings(engine="auto", home=tmp_path / "home"))) as http:
            health = http.get("/api/v1/health").json()
            assert (health["engine"], health["models"]) == (
                "ollama",
                ["base", "finetuned"],
            ) and "blogtwin:abc" in health["why"], str(health)
            asked = {"prompt": "Write about the harbour.", "model": "finetuned", "max_tokens": 12, "temperature": 0}
            whole = http.post("/api/generate", json=asked).json()
            assert len(whole["text"]) > 10 and whole["tokens"] == 12
            assert (
                http.post("/api/generate", json={**asked, "style_strength": 0.5}).json()["error"]["code"]
                == "engine_cannot"
            )
            assert ollama.chats[-1]["options"]["repeat_last_n"] == 64
            noted = {**asked, "prompt": "Write from these notes:", "input": "- rope 22 mm\n- 40 m, 118 pounds"}
            assert http.post("/api/generate", json=noted).json()["text"]
            assert ollama.chats[-1]["options"]["repeat_last_n"] == 0  # it would be kept from saying the notes
            assert ollama.chats[-1]["messages"][-1]["content"].endswith("118 pounds")
            long = http.post("/api/generate", json={**asked, "prompt": "rain " * 3000})
            chat = {"model": "finetuned", "messages": [{"role": "user", "content": "Write about the harbour."}]}
            chat |= {"max_tokens": 12, "temperature": 0, "repeat_penalty": 1.3, "stop": "\x00"}
            one = http.post("/v1/chat/completions", json={**chat, "logprobs": True}).json()
            assert one["usage"]["completion_tokens"] == 12 and one["choices"][0]["finish_reason"] == "length"
            assert one["choices"][0]["message"]["content"] and len(one["choices"][0]["logprobs"]["content"]) == 12
            options = ollama.chats[-1]["options"]
            assert options["repeat_penalty"] == 1.3 and options["stop"] == ["\x00"] and options["repeat_last_n"] == 64
            told = http.post("/v1/chat/completions", json={**chat, "stream": True}).text
            assert told.count("data: {") > 3 and told.endswith("data: [DONE]\n\n") and '"usage"' not in told
            said = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: {")]
            assert "".join(map(openai_chunks.text_of, said)) == one["choices"][0]["message"]["content"]
            huge = {**chat, "messages": [{"role": "user", "content": "rain " * 3000}]}
            assert http.post("/v1/chat/completions", json=huge).json()["error"]["code"] == "prompt_too_long"
            plain = {"model": "finetuned", "prompt": "One, two, three,", "max_tokens": 12, "temperature": 0}
            plain |= {"repeat_penalty": 1.3, "logprobs": 2, "stop": "\x00"}
            done = http.post("/v1/completions", json=plain).json()
            choice = done["choices"][0]
            assert done["object"] == "text_completion" and choice["text"] and choice["finish_reason"] == "length"
            assert done["usage"]["completion_tokens"] == 12 and len(choice["logprobs"]["token_logprobs"]) == 12
            sent = ollama.chats[-1]
            assert sent["raw"] and sent["prompt"] == plain["prompt"] and not {"system", "template"} & sent.keys()
            assert sent["options"]["repeat_penalty"] == 1.3 and not sent["truncate"] and not sent["shift"]
            told = http.post("/v1/completions", json={**plain, "stream": True}).text
            said = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: {")]
            assert "".join(map(openai_chunks.text_of, said)) == choice["text"] and len(said) > 3
            cut = http.post("/v1/completions", json={**plain, "prompt": "rain " * 3000}).json()
            assert cut["error"]["code"] == "prompt_too_long"
            error = long.json()["error"]  # it would be cut in half in silence
            assert (long.status_code, error["code"]) == (400, "prompt_too_long") and "ollama.num_ctx" in error["hint"]
            assert re.search(r"the prompt has 30\d\d tokens, and the context holds 2048", error["message"]), error
            # /v1 would forget the temperature and top_p of a Modelfile, and every penalty of a request
            assert not [request for request in ollama.requests if request.startswith("POST /v1")]
            assert {"temperature", "top_p", "repeat_penalty"} <= ollama.chats[-1]["options"].keys()
            ollama.faults.add("goes")
            found = events(http.post("/api/generate", json={**asked, "stream": True}).text.splitlines())
            assert [n for n, _ in found] == ["start", "delta", "delta", "error"] and found[-1][1]["error"][
                "code"
            ] == "engine_gone"
            ollama.faults.clear()
            assert http.post("/api/generate", json=asked).json()["text"] == whole["text"]
            assert http.get("/api/v1/health").json()["ready"]
            ollama.close()
            monkeypatch.setattr(model_pool, "TTL_SECONDS", 0.5)
            time.sleep(0.6)
            health = http.get("/api/v1/health").json()
            gone = health["failed"]["finetuned"]
            assert not health["ready"] and gone["code"] == "engine_gone" and "ollama does not answer" in gone["reason"]
    finally:
        ollama.close()
    with ready(create_app(settings(engine="auto", home=tmp_path / "home", memory_mb=1)), "failed") as http:
        assert http.get("/api/v1/health").json()["engine"] == "llamacpp"  # at the next start, without it


@contextlib.contextmanager
def ready(app, until: str = "ready"):
    """A client of the application when it is ready, or when its models have failed."""
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as http:
        end = time.monotonic() + 60
        while not http.get("/api/v1/health").json()[until]:
            assert time.monotonic() < end
            time.sleep(0.01)
        yield http


# --- an engine that fails ---------------------------------------------------------------------------------------------


class Engine(BaseHTTPRequestHandler):
    """Speaks OpenAI's protocol badly, by the `fault` of its server: dies, refuses, breaks, tells of an error after its
    first tokens, waits after the first one, or writes on until the caller has gone. Without a fault of that name,
    `answers`, it does well. `asked` are the requests' bodies, `wrote` is set with a first token, and `left` when one
    that waits finds its caller gone."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        fault = self.server.fault
        self.close_connection = True
        if fault in ("refuses", "breaks"):
            data = json.dumps(
                {
                    "error": {
                        "message": (
                            "the request exceeds the available context size" if fault == "refuses" else "out of memory"
                        )
                    }
                }
            ).encode()
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
        try:
            for text in ("One", " two") if fault in ("dies", "tells", "answers") else ("tick " for _ in range(10_000)):
                self.chunk([{"index": 0, "finish_reason": None, "delta": {"role": "assistant", "content": text}}])
                self.server.wrote.set()
                if fault == "waits":
                    if not self.connection.recv(1):
                        self.server.left.set()
                    return
                time.sleep(0.02)
            if fault == "tells":
                self.write('data: {"error": {"code": 500, "message": "out of memory"}}')
                self.write("data: [DONE]")
                self.wfile.write(b"0\r\n\r\n")
            if fault == "answers":
                self.chunk([{"index": 0, "finish_reason": "stop", "delta": {}}])
                self.chunk([], usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
                self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        except OSError:
            pass  # the caller has gone

    def chunk(self, choices: list[dict], **more) -> None:
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "remote",
            "choices": choices,
            **more,
        }
        self.write(f"data: {json.dumps(chunk)}")

    def write(self, line: str) -> None:
        data = f"{line}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


@pytest.fixture
def failing(project, tmp_path):
    """(client, engine) of a server whose engine is bad."""
    engine = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    engine.fault, engine.wrote, engine.left, engine.asked = "", threading.Event(), threading.Event(), []
    threading.Thread(target=engine.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{engine.server_port}/v1"
    app = create_app(
        settings(
            engine="openai",
            openai_url=url,
            openai_base_model="remote",
            openai_twin_model="remote",
            home=tmp_path / "home",
            slots=1,
            queue=1,
        )
    )
    with ready(app) as http:
        yield http, engine
    engine.shutdown()
    engine.server_close()


ASKED = {"model": "base", "messages": [{"role": "user", "content": "Count."}], "max_tokens": 9}


def test_a_model_that_answers_somebody_is_not_unloaded(failing):
    http, engine = failing
    writing = threading.Thread(
        target=http.post,
        args=("/api/generate",),
        kwargs={"json": {"prompt": "Count.", "model": "base"}, "headers": {"X-Request-ID": "the-writer"}},
    )
    writing.start()
    until = time.monotonic() + 10
    while not engine.asked and time.monotonic() < until:
        time.sleep(0.01)
    assert http.post("/api/v1/models/unload", json={"model": "base"}).json()["error"]["code"] == "in_use"
    http.post("/api/cancel/the-writer")
    writing.join()
    assert http.post("/api/v1/models/unload", json={"model": "base"}).json()["status"] == "available"


def test_an_engine_that_goes_in_the_middle_is_an_error_in_the_stream_and_a_502_without_one(failing):
    http, engine = failing
    engine.fault = "dies"
    lines = [
        json.loads(line[6:])
        for line in http.post("/v1/chat/completions", json={**ASKED, "stream": True}).text.splitlines()
        if line.startswith("data: {")
    ]
    assert lines[0]["choices"][0]["delta"]["content"] == "One" and lines[-1]["error"]["code"] == "engine_gone"
    found = events(
        http.post("/api/generate", json={"prompt": "Count.", "model": "base", "stream": True}).text.splitlines()
    )
    assert [n for n, _ in found] == ["start", "delta", "delta", "error"] and found[-1][1]["error"]["hint"]
    for path, asked in (("/v1/chat/completions", ASKED), ("/api/generate", {"prompt": "Count.", "model": "base"})):
        answer = http.post(path, json=asked)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "engine_gone")


def test_an_error_that_an_engine_tells_in_its_stream_is_no_answer(failing):
    """vLLM and llama.cpp have sent the status 200 by then."""
    http, engine = failing
    engine.fault = "tells"
    lines = http.post("/v1/chat/completions", json={**ASKED, "stream": True}).text.splitlines()
    found = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert [c["choices"][0]["delta"]["content"] for c in found[:-1]] == ["One", " two"]
    assert found[-1]["error"]["code"] == "engine_failed" and "out of memory" in found[-1]["error"]["message"]
    answer = http.post("/v1/chat/completions", json=ASKED)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "engine_failed")


def test_an_engine_may_write_its_json_as_it_likes(failing):
    """Whether there are spaces in it: usage is told only to who asked, and tokens and the first one are measured."""
    http, engine = failing
    engine.fault = "answers"

    def measured() -> list[float]:
        lines = http.get("/api/v1/metrics").text.splitlines()
        names = ("blogtwin_tokens_total", "blogtwin_first_token_seconds_sum")
        return [
            sum(float(line.split()[-1]) for line in lines if line.startswith(f'{n}{{model="base"}}')) for n in names
        ]

    def chunks(**more) -> list[dict]:
        text = http.post("/v1/chat/completions", json={**ASKED, "stream": True, **more}).text
        return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]

    tokens, first = measured()
    plain = chunks()
    assert [c["model"] for c in plain] == ["base"] * 3 and not any("usage" in c for c in plain)
    now, first_now = measured()
    assert now == tokens + 2 and first_now > first
    assert chunks(stream_options={"include_usage": True})[-1]["usage"]["total_tokens"] == 5


@pytest.mark.parametrize("line, chunk", [
    ('data: {"choices": []}', {"choices": []}),
    ('data:{"choices":[]}', {"choices": []}), ("data: [DONE]", None), ("data:", None), (": ping", None),
    ("", None), ("error: out of memory", {"error": "out of memory"}),
])  # fmt: skip
def test_a_line_of_a_stream_is_a_chunk_or_none(line, chunk):
    assert openai_chunks.parse_line(line) == chunk


@pytest.mark.parametrize("line", ["data: {", "data: [1]", "data: null"])
def test_a_line_that_is_no_chunk_is_an_error_of_the_engine(line):
    engine = SimpleNamespace(engine=SimpleNamespace(name="openai"))
    with pytest.raises(ApiError) as failed:
        openai.parse_chunks(engine, line, None)
    assert (failed.value.status_code, failed.value.code) == (502, "engine_failed")


def test_what_came_before_the_engine_went_is_kept_in_the_chat(failing):
    http, engine = failing
    engine.fault = "dies"
    found = events(
        http.post(
            "/api/v1/chat/completions", json={"message": "Count.", "model": "base", "stream": True}
        ).text.splitlines()
    )
    kept = http.get(f"/api/v1/chat/sessions/{found[0][1]['session_id']}").json()["messages"]
    assert found[-1][1]["error"]["code"] == "engine_gone"
    assert [(m["role"], m["content"], m["finish_reason"]) for m in kept] == [
        ("user", "Count.", ""),
        ("assistant", "One two", "cancelled"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "status", "code"), [("refuses", 400, "prompt_too_long"), ("breaks", 502, "engine_failed")]
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/generate"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_an_engine_refuses_has_its_status_also_in_a_stream(failing, fault, status, code, path, stream):
    http, engine = failing
    engine.fault = fault
    answer = http.post(
        path, json={**(ASKED if path.startswith("/v1") else {"prompt": "Count.", "model": "base"}), "stream": stream}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_engine_that_is_not_there_is_502_and_the_next_one_answers(failing, monkeypatch):
    http, engine = failing
    state = http.app.state.serve
    one = state.pool.loaded["base"]
    one.engine = type(one.engine)("openai", "http://127.0.0.1:1/v1", "k", "remote")
    assert http.post("/v1/chat/completions", json=ASKED).json()["error"]["code"] == "engine_gone"
    assert one.limiter.active == 0


def test_strength_is_refused_where_the_style_is_merged(failing):
    http, _ = failing
    error = http.post("/v1/chat/completions", json={**ASKED, "model": "finetuned", "style_strength": 0.5}).json()[
        "error"
    ]
    assert error["code"] == "engine_cannot"


def test_every_section_of_a_draft_is_asked_with_the_outline_and_the_tail_of_the_one_before(failing):
    http, engine = failing
    engine.fault = "answers"
    asked = {"title": "The ladder", "outline": ["Up", "Along", "Down"], "model": "base"}
    found = events(http.post("/api/draft", json=asked).text.splitlines())
    text = "## Up\n\nOne two\n\n## Along\n\nOne two\n\n## Down\n\nOne two"
    assert found[-1] == ("draft", {"title": "The ladder", "text": text, "written_by": "base"})
    prompts = [body["messages"][-1]["content"] for body in engine.asked]
    assert len(prompts) == 3 and all("The ladder" in p and "Up; Along; Down" in p for p in prompts)
    assert ["One two\n\n## " in p for p in prompts] == [False, True, True]
    assert prompts[1].endswith("## Along") and prompts[2].endswith("## Down")


def test_a_blind_comparison_that_writes_now_ends_when_its_engine_does_not(failing, project):
    http, engine = failing
    state, samples = http.app.state.serve, project / "artifacts/eval/samples.jsonl"
    assert (
        http.post("/api/blind", json={"one": "base", "other": "author"}).json()["error"]["code"] == "not_possible"
    )  # nothing was made yet
    samples.parent.mkdir(parents=True)
    samples.write_text("")
    assert http.post("/api/blind", json={"one": "base", "other": "author"}).json()["error"]["code"] == "no_topics"
    samples.write_text(
        json.dumps({"prompt": "Count.", "brief": "Counting", "author": "Mine.", "base": {"text": "Kept."}})
    )
    engine.fault = "answers"
    blind = http.post("/api/blind", json={"one": "base", "other": "author", "fresh": True}).json()
    assert {blind["left"], blind["right"]} == {"One two", "Mine."}
    engine.fault, state.settings = "", state.settings.model_copy(update={"answer_seconds": 0.3})
    late = http.post("/api/blind", json={"one": "base", "other": "author", "fresh": True})
    assert (late.status_code, late.json()["error"]["code"]) == (503, "too_slow") and state.pool.loaded[
        "base"
    ].limiter.active == 0


def test_a_repeat_penalty_goes_to_an_engine_by_the_name_it_has_there_or_not_at_all(failing):
    http, engine = failing
    engine.fault, one = "answers", http.app.state.serve.pool.loaded["base"]
    for name in ("", "repetition_penalty"):
        one.engine = dataclasses.replace(one.engine, penalty=name)
        engine.asked.clear()
        http.post("/api/generate", json={"prompt": "Count.", "model": "base", "repeat_penalty": 1.3})
        http.post("/v1/chat/completions", json={**ASKED, "repeat_penalty": 1.3})
        assert [{k: v for k, v in body.items() if "penalty" in k} for body in engine.asked] == [
            {name: 1.3} if name else {}
        ] * 2


@pytest.mark.parametrize("asked", [False, True])
def test_a_prompt_is_in_the_log_only_where_the_setting_says_so(failing, tmp_path, asked):
    http, engine = failing
    engine.fault, state = "answers", http.app.state.serve
    state.settings = state.settings.model_copy(update={"log_prompts": asked})
    http.post(
        "/v1/chat/completions", json={"model": "base", "messages": [{"role": "user", "content": "a private thing"}]}
    )
    log = (tmp_path / "home/logs/serve.jsonl").read_text()
    assert "/v1/chat/completions" in log and ("a private thing" in log) == asked


def test_prometheus_is_told_of_an_answer(failing):
    http, engine = failing
    engine.fault = "answers"

    def count(name: str) -> float:
        lines = dict(
            line.rsplit(" ", 1) for line in http.get("/api/v1/metrics").text.splitlines() if not line.startswith("#")
        )
        return float(lines.get(name, 0))

    names = [
        'blogtwin_first_token_seconds_count{model="base"}',
        'blogtwin_tokens_total{model="base"}',
        'blogtwin_requests_total{method="POST",route="/api/generate",status="200"}',
        'blogtwin_request_seconds_count{route="/api/generate"}',
        'blogtwin_answers_total{end="whole",model="base"}',
        'blogtwin_answer_seconds_count{model="base"}',
    ]
    before = [count(name) for name in names]
    http.post("/api/generate", json={"prompt": "Count.", "model": "base"})
    assert [count(name) - b for name, b in zip(names, before)] == [1, 2, 1, 1, 1, 1]
    assert count("blogtwin_memory_bytes") > 1e7 and count('blogtwin_waiting{model="base"}') == 0


def test_an_answer_that_takes_too_long_ends_with_503_and_frees_the_engine(failing):
    http, engine = failing
    state = http.app.state.serve
    state.settings = state.settings.model_copy(update={"answer_seconds": 0.3})
    answer = http.post("/api/generate", json={"prompt": "Count.", "model": "base"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "too_slow") and answer.headers["retry-after"]
    assert state.pool.loaded["base"].limiter.active == 0


def test_a_full_line_answers_503_with_the_time_to_come_back_and_never_hangs(failing):
    http, engine = failing
    gate = http.app.state.serve.pool.loaded["base"].limiter
    threads = [
        threading.Thread(
            target=http.post,
            args=("/api/generate",),
            kwargs={"json": {"prompt": "Count.", "model": "base"}, "headers": {"X-Request-ID": f"in-the-line-{n}"}},
        )
        for n in range(2)
    ]
    for thread in threads:  # one is answered, one waits; more are not let in (slots=1, queue=1)
        thread.start()
    until = time.monotonic() + 20
    while (gate.active, gate.waiting) != (1, 1):
        assert time.monotonic() < until
        time.sleep(0.01)
    refused = http.post("/v1/chat/completions", json=ASKED)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy") and int(
        refused.headers["retry-after"]
    ) >= 1
    while any(thread.is_alive() for thread in threads):
        for n in range(2):
            http.post(f"/api/cancel/in-the-line-{n}")
        assert time.monotonic() < until
    assert (gate.active, gate.waiting) == (0, 0)


def test_cancelling_closes_the_engines_connection_without_another_token(failing):
    """The engine has written one, and writes none until its caller has gone."""
    http, engine = failing
    engine.fault, got = "waits", []

    def ask():
        got.append(
            http.post(
                "/api/generate", json={"prompt": "Count.", "model": "base"}, headers={"X-Request-ID": "cancel-this-one"}
            ).json()
        )

    thread = threading.Thread(target=ask)
    thread.start()
    assert engine.wrote.wait(60)
    assert http.post("/api/cancel/cancel-this-one").json() == {"cancelled": True}
    assert engine.left.wait(60)
    thread.join(60)
    assert got[0]["error"]["code"] == "cancelled"


# --- the scores -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_texts_are_scored_though_the_process_that_scores_them_is_killed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def work():
        scores = ScoringWorker()
        both = [asyncio.create_task(scores.score(text, "a brief")) for text in ("One.", "Two.")]
        await asyncio.sleep(0.2)
        for process in list(scores.pool._processes.values()):
            os.kill(process.pid, signal.SIGKILL)
        try:
            return await asyncio.wait_for(asyncio.gather(*both), 100)
        finally:
            scores.close()

    assert all("not scored" in found["notes"][0] for found in asyncio.run(work()))  # there are no posts here


def test_a_writer_that_is_cancelled_from_within_is_an_error_and_no_wait_for_ever():
    async def writer():
        raise asyncio.CancelledError
        yield

    async def work():
        return await asyncio.wait_for(
            collect_final(GenerationStream(ActiveStreams(), "id", "me", [writer()], 60), "written"), 5
        )

    with pytest.raises(ApiError) as gone:
        asyncio.run(work())
    assert gone.value.status_code == 502


# --- the line ---------------------------------------------------------------------------------------------------------


def test_turns_go_in_order_and_a_full_line_says_when_to_come_back():
    async def work():
        gate, order = ConcurrencyLimiter(1, 2, 5), []

        async def one(n):
            async with gate.acquire():
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


def test_a_model_that_is_unloaded_between_two_steps_of_a_request_is_answered_by_no_freed_engine(project, tmp_path):
    """A request takes the model from the pool first, and its turn later; in between an admin may unload it."""
    freed = []

    async def work():
        one = model_pool.ModelPool(settings(engine="llamacpp", home=tmp_path), pool_params())
        closing = contextlib.ExitStack()
        closing.callback(freed.append, "engine")
        one.loaded["base"] = model_pool.LoadedModel(one.model("base"), None, ConcurrencyLimiter(1, 1, 1), closing, 0.0)
        taken = one.get("base")
        async with taken.limiter.acquire():
            with pytest.raises(ApiError) as used:
                await one.unload("base")
        assert (used.value.code, freed) == ("in_use", [])
        await one.unload("base")
        with pytest.raises(ApiError) as late:
            async with taken.limiter.acquire():
                raise AssertionError("it has no engine any more")
        return late.value

    refused = asyncio.run(work())
    assert (refused.status_code, refused.code, freed) == (409, "not_loaded", ["engine"])


def test_nobody_waits_for_ever():
    async def work():
        gate = ConcurrencyLimiter(1, 5, 0.05)
        async with gate.acquire():
            with pytest.raises(ApiError) as late:
                async with gate.acquire():
                    raise AssertionError("two at once")
        async with gate.acquire():  # and the slot is free again
            return late.value

    assert asyncio.run(work()).code == "busy"
