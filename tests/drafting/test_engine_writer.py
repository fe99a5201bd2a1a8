"""Candidates over HTTP: what is asked, how the beginning of an answer is given, and what goes wrong."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from blogtwin.drafting.candidates import Request
from blogtwin.drafting.drafter import DraftStopped
from blogtwin.drafting.engine_writer import EngineWriter
from blogtwin.drafting.plain_prompt import EXAMPLES, plain_messages
from blogtwin.inference.chat_stream import EngineFailed
from blogtwin.inference.client import Engine
from blogtwin.inference.ollama import go_template
from blogtwin.models import registry
from blogtwin.text.facts import extract_facts
from tests.support.ollama_server import OllamaServer

LINES = ("rope 22 mm, cost 118 pounds", "Denzil said too thick")
SENTENCES = ("The rope is 22 mm.", "It was 118 pounds. And more.", "No end", "The rope is 22 mm.")


class ChatServer:
    """Streams `sentences[seed]` by the OpenAI protocol. `continues`: whether it continues the assistant's last message,
    as vLLM does when it is told to; a prompt has a token for each word, and four for a turn."""

    def __init__(self, continues: bool, status: int = 200, pause: float = 0.0, sentences: tuple[str, ...] = SENTENCES):
        self.continues, self.status, self.pause, self.sentences = continues, status, pause, sentences
        self.asked: list[dict] = []
        self.open: set[int] = set()  # requests that are being answered
        self.most = 0
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with server.lock:
                    server.asked.append(body)
                    server.open.add(id(self))
                    server.most = max(server.most, len(server.open))
                try:
                    self.answer(body)
                except OSError:  # the reader is gone
                    pass
                finally:
                    server.open.discard(id(self))

            def answer(self, body):
                self.send_response(server.status)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                if server.status != 200:
                    self.wfile.write(b'{"error": {"message": "out of memory"}}')
                    return
                for piece in [*server.sentences[body.get("seed", 0) % len(server.sentences)].partition(" "), ""]:
                    time.sleep(server.pause)
                    self.event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
                self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                self.event({"choices": [], "usage": server.usage(body)})
                server.open.discard(id(self))
                self.wfile.write(b"data: [DONE]\n\n")

            def event(self, data):
                whole = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", **data}
                self.wfile.write(f"data: {json.dumps(whole)}\n\n".encode())
                self.wfile.flush()

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.engine = Engine("openai", f"http://127.0.0.1:{self.http.server_port}/v1", "k", "m")

    def usage(self, body) -> dict:
        turns = 4 * (len(body["messages"]) + 1) + sum(len(m["content"].split()) for m in body["messages"])
        last = body["messages"][-1]["role"]
        if self.continues and last == "assistant" and body.get("continue_final_message"):
            turns -= 4
        return {"prompt_tokens": turns, "completion_tokens": 5, "total_tokens": turns + 5}

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def start():
    """start(…) → a ChatServer that is closed at the end."""
    servers = []

    def run(continues=False, **given) -> ChatServer:
        servers.append(ChatServer(continues, **given))
        return servers[-1]

    yield run
    for server in servers:
        server.close()


def request(before="", prefix="", count=4) -> Request:
    return Request(LINES, before, "", frozenset(), count, 0.7, 0, prefix)


def writer(server, **given) -> EngineWriter:
    return EngineWriter(server.engine, plain_messages, "m", **given)


def chats(server) -> list[list[dict]]:
    return [body["messages"] for body in server.asked]


def test_each_candidate_is_a_whole_first_sentence_asked_for_with_a_seed_of_its_own(start):
    server = start()
    one = writer(server)
    assert [candidate.text for candidate in one.write(request())] == ["The rope is 22 mm.", "It was 118 pounds."]
    assert sorted(body["seed"] for body in server.asked) == [0, 1, 2, 3]
    for body in server.asked:
        assert (body["temperature"], body["stop"], body["max_tokens"]) == (0.7, ["\n"], 56)
        assert body["messages"] == plain_messages(LINES)
    assert one.candidates == 4 and one.written_tokens > 4


def test_no_more_requests_than_allowed_run_at_a_time(start):
    server = start(pause=0.05, sentences=SENTENCES[:1])  # none is dropped before its end
    writer(server, concurrency=2).write(request())
    assert server.most == 2


def test_an_engine_that_continues_is_found_out_and_given_the_beginning_of_its_answer(start):
    server = start(continues=True)
    one = writer(server)
    one.find_continuation()
    assert one.continuation == {"continue_final_message": True, "add_generation_prompt": False}
    server.asked.clear()
    texts = [candidate.text for candidate in one.write(request("It is here.", "Denzil said"))]
    for body in server.asked:
        assert body["messages"][-1] == {"role": "assistant", "content": "It is here. Denzil said"}
        assert body["continue_final_message"] is True and body["add_generation_prompt"] is False
    assert texts[0] == "Denzil said The rope is 22 mm."
    server.asked.clear()
    one.write(request())
    assert all("continue_final_message" not in body for body in server.asked)  # there is nothing to continue


def test_an_engine_that_begins_a_new_turn_is_told_in_words(start):
    server = start(continues=False)
    one = writer(server)
    one.find_continuation()
    assert one.continuation is None
    server.asked.clear()
    one.write(request("It is here.", "Denzil said", 1))
    one.write(request("", "Denzil said", 1))
    before, alone = chats(server)
    assert before[-2] == {"role": "assistant", "content": "It is here."} and before[-1]["role"] == "user"
    assert "“Denzil said”" in before[-1]["content"]
    assert (
        alone[-1]["content"].startswith(plain_messages(LINES)[-1]["content"])
        and "“Denzil said”" in alone[-1]["content"]
    )


@pytest.mark.parametrize("status", [400, 500])
def test_what_the_engine_answers_instead_is_one_sentence(start, status):
    with pytest.raises(EngineFailed, match=rf"^openai answered {status}: .*out of memory"):
        writer(start(status=status)).write(request())


def test_an_engine_that_is_gone_is_one_sentence():
    gone = EngineWriter(Engine("openai", "http://127.0.0.1:9/v1", "k", "m"), plain_messages, "m")
    with pytest.raises(EngineFailed, match=r"^openai stopped answering \(\w+\)\.$"):
        gone.write(request())


def test_a_draft_that_is_no_longer_wanted_drops_its_requests(start):
    server = start(pause=2.0)
    began = time.monotonic()
    with pytest.raises(DraftStopped):
        writer(server, concurrency=4, should_stop=lambda: time.monotonic() - began > 0.5 and bool(server.asked)).write(
            request()
        )
    assert time.monotonic() - began < 2.0


@pytest.mark.slow
@pytest.mark.model
def test_ollama_is_asked_without_a_penalty_on_the_notes_and_continues_the_beginning(tmp_path):
    """By the stand-in, whose answers are llama.cpp's."""
    base, ollama = registry.resolve_base("smollm2:135m"), OllamaServer(tmp_path)
    (tmp_path / f"sha256-{base.digest}").symlink_to(base.gguf)
    ollama.models["big:1b"] = {
        "blob": f"sha256:{base.digest}",
        "system": "",
        "parameters": {"stop": []},
        "template": go_template(base.template)["template"],
    }
    try:
        one = EngineWriter(Engine("ollama", f"http://{ollama.host}/v1", "ollama", "big:1b"), plain_messages, "big:1b")
        one.find_continuation()
        found = one.write(request("The rope is 22 mm.", "Denzil said", 2))
        assert found and all(candidate.text.startswith("Denzil said") for candidate in found)
        for number, body in enumerate(ollama.chats):
            assert body["options"]["repeat_last_n"] == 0 and body["options"]["seed"] == number
            assert body["truncate"] is False and body["shift"] is False and body["think"] is False
            assert body["messages"][-1] == {"role": "assistant", "content": "The rope is 22 mm. Denzil said"}
        ollama.faults.add("goes")
        with pytest.raises(EngineFailed, match="^ollama (stopped answering|ended its answer)"):
            one.write(request(count=1))
        with pytest.raises(EngineFailed, match="^ollama answered 404: model 'gone' not found"):
            EngineWriter(Engine("ollama", f"http://{ollama.host}/v1", "", "gone"), plain_messages, "gone").write(
                request()
            )
    finally:
        ollama.close()


def test_the_examples_of_plain_sentences_hold_no_fact_that_could_slip_into_a_draft():
    for notes, text in EXAMPLES:
        for part in (*notes, text):
            assert not [fact for fact in extract_facts(part) if fact.kind in ("number", "date", "name")], part
