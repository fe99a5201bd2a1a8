"""What the server's own endpoints write: one model, both at once, strength, cancelling, loading."""

import json
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from types import SimpleNamespace

import httpx
import pytest

from blogtwin.models import chat
from serve.settings import Settings
from tests.support.server_process import events, write_adapter_gguf
from tests.support.workspace import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.model]


def generate(server, status: int = 200, **asked) -> dict:
    answer = server.http.post(
        "/api/generate", json={"prompt": "Write about the harbour.", "max_tokens": 12, "temperature": 0, **asked}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def idle(server, model: str) -> bool:
    rows = server.http.get("/api/models").json()["models"]
    return next(m["active"] + m["waiting"] for m in rows if m["name"] == model) == 0


def test_server_prints_its_address_and_its_models(server):
    said = server.text()
    assert f"serving on {server.url}" in said and "models   base, finetuned" in said and f"{server.url}/v1" in said


def test_a_stream_is_start_deltas_written(server):
    asked = {"prompt": "Write about the harbour.", "temperature": 0}  # a drawn answer may end after three tokens
    with server.http.stream(
        "POST", "/api/generate", json={**asked, "model": "base", "max_tokens": 6, "stream": True}
    ) as answer:
        found = events(answer.iter_lines())
    assert [n for n, _ in found][0] == "start" and [n for n, _ in found][-1] == "written"
    assert "".join(d["text"] for n, d in found if n == "delta") == found[-1][1]["text"]
    assert (
        found[-1][1]["tokens"] == 6
        and found[-1][1]["finish_reason"] == "length"
        and found[-1][1]["tokens_per_second"] > 0
    )


def test_strength_zero_is_the_base_and_one_the_twin_whatever_was_asked_before(server):
    base, twin = generate(server, model="base")["text"], generate(server)["text"]
    said = {s: [generate(server, style_strength=s)["text"] for _ in range(2)] for s in (0, 1.5, 1)}
    said[0].append(generate(server, style_strength=0)["text"])
    assert set(said[0]) == {base} and set(said[1]) == {twin} and len({base, twin, *said[1.5]}) == 3


def test_an_engine_that_cannot_change_the_strength_says_so(server):
    error = generate(server, 400, model="base", style_strength=0.5)["error"]
    assert error["code"] == "engine_cannot" and error["hint"]


def test_a_title_is_asked_for_as_in_training(served):
    """Word for word a phrase of the training examples. What is written is no proof: nearly even first tokens fall one
    way or the other by how the prompt was read."""
    from blogtwin.config import load_params
    from serve import requests

    state = SimpleNamespace(settings=Settings(home=served, _env_file=None), params=load_params(served / "params.yaml"))
    one = SimpleNamespace(model=SimpleNamespace(system="You write."))
    expected = chat.prompt_messages(
        {"instruction": "Write a blog post titled “The ladder”.", "input": ""}, "You write."
    )
    assert requests.build_messages(state, one, requests.PromptRequest(prompt=" The ladder", task="write")) == expected


@pytest.mark.parametrize("way", ["field", "chat", "openai"])
def test_an_answer_has_about_the_words_that_were_asked_for(server, way):
    """By the field, and where the message says it. Left to itself, this model writes 250 words or more."""
    wish = "Write about the harbour. About 60 words."
    if way == "field":
        done = server.http.post(
            "/api/generate", json={"prompt": "Write about the harbour.", "words": 60, "model": "base", "seed": 3}
        ).json()
        text, end = done["text"], done["finish_reason"]
    elif way == "chat":
        done = server.http.post("/api/v1/chat/completions", json={"message": wish, "model": "base", "seed": 3}).json()
        text, end = done["message"]["content"], done["message"]["finish_reason"]
    else:
        done, plain = (
            server.http.post(
                "/v1/chat/completions",
                json={"messages": [{"role": "user", "content": said}], "model": "base", "seed": 3, **limit},
            ).json()
            for said, limit in ((wish, {}), ("Write about the harbour.", {"max_tokens": 1}))
        )
        text, end = done["choices"][0]["message"]["content"], done["choices"][0]["finish_reason"]
        assert done["usage"]["prompt_tokens"] == plain["usage"]["prompt_tokens"], "the model was shown the wish"
    assert end == "stop" and 45 <= len(text.split()) <= 90, text


def test_a_long_text_gets_the_tokens_that_its_words_need(served):
    from blogtwin.config import load_params
    from serve import requests

    settings = Settings(home=served, max_tokens=1500, _env_file=None)
    state = SimpleNamespace(settings=settings, params=load_params(served / "params.yaml"))
    usual = state.params.eval.max_tokens
    asked = requests.PromptRequest(prompt="Rain")
    assert requests.resolve_sampling(state, asked, "Rain").max_tokens == usual
    assert requests.resolve_sampling(state, asked, "Rain. About 500 words.").max_tokens > max(usual, 900)
    assert requests.resolve_sampling(state, asked, "Rain. About 1500 words.").max_tokens == 1500
    limited = requests.PromptRequest(prompt="Rain", max_tokens=20)
    assert requests.resolve_sampling(state, limited, "Rain. About 500 words.").max_tokens == 20


def test_a_wish_for_words_stands_after_a_title_and_before_a_text_to_be_continued(served):
    from serve import requests

    state = SimpleNamespace(settings=Settings(home=served, _env_file=None))
    one = SimpleNamespace(model=SimpleNamespace(system="You write."))

    def said(**asked) -> str:
        return requests.build_messages(state, one, requests.PromptRequest(words=150, **asked))[-1]["content"]

    assert said(prompt="The ladder", task="write") == "Write a blog post titled “The ladder”. About 150 words."
    continued = said(prompt="The ladder", task="continue", input="It rained.")
    assert continued == "About 150 words. Go on with the post “The ladder” from here:\n\nIt rained."


def test_both_sides_stream_at_once_and_are_scored(server):
    with server.http.stream(
        "POST", "/api/evaluate", json={"prompt": "Write about the ladder.", "max_tokens": 150, "seed": 2}
    ) as answer:
        found = events(answer.iter_lines())
    names = [n for n, _ in found]
    assert names.index("twin.delta") < names.index("base.written") and names.index("base.delta") < names.index(
        "twin.written"
    )
    sides = "".join(n[0] for n in names if n.endswith("delta"))
    assert sides.count("bt") > 20  # token by token, not one after the other
    for side in ("base", "twin"):
        written = next(d for n, d in found if n == f"{side}.written")
        scores = next(d for n, d in found if n == f"{side}.scores")
        assert written["tokens_per_second"] > 0 and 0 <= scores["on_topic"] <= 1 and scores["copied_words"] < 12
        assert scores["style"] is not None or "100 words" in " ".join(scores["notes"])


def test_three_writers_with_a_strength_each(server):
    asked = {
        "prompt": "Write about the ladder.",
        "max_tokens": 12,
        "seed": 2,
        "temperature": 0,
        "base": "finetuned",
        "base_strength": 0,
        "third": "finetuned",
        "third_strength": 0,
    }
    with server.http.stream("POST", "/api/evaluate", json=asked) as answer:
        found = dict(events(answer.iter_lines()))
    assert (
        found["base.written"]["text"] == found["third.written"]["text"] != found["twin.written"]["text"]
        and "third.scores" in found
    )


def test_a_copied_run_names_its_post(server, served):
    post = json.loads((served / "data/raw/posts.jsonl").read_text().splitlines()[0])
    found = scores_of(served, " ".join(post["text"].split()[10:40]))
    assert found["copied_words"] >= 20 and found["copied_from"] == post["title"]


def scores_of(folder, text: str) -> dict:
    """As the server's process of its own scores it."""
    code = (
        f"import sys, json; sys.path.insert(0, {str(ROOT)!r}); from serve.scoring import score_text;"
        " print(json.dumps(score_text(sys.argv[1], 'x')))"
    )
    done = subprocess.run([sys.executable, "-c", code, text], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["cancel", "hang up"])
def test_cancelling_stops_the_engine(server, stream, how):
    """By id and by hanging up, watched or not: the answer ends as cancelled, not whole, and the model is free again."""
    before = ends(server)
    name, result = f"cancel-{stream}-{how.replace(' ', '-')}", []

    def ask():
        try:
            asked = {"prompt": "Write on and on.", "model": "base", "max_tokens": 1500, "stream": stream}
            with httpx.stream(
                "POST",
                f"{server.url}/api/generate",
                json=asked,
                headers={"X-Request-ID": name},
                trust_env=False,
                timeout=60,
            ) as answer:
                result.extend(answer.iter_lines())
        except httpx.HTTPError as e:
            result.append(type(e).__name__)

    if how == "cancel":
        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: not idle(server, "base"))
        time.sleep(0.3)
        assert server.http.post(f"/api/cancel/{name}").json() == {"cancelled": True}
    else:
        asked = {"prompt": "Write on and on.", "model": "base", "max_tokens": 1500, "stream": stream}
        connection = HTTPConnection(server.url.removeprefix("http://"))
        connection.request("POST", "/api/generate", json.dumps(asked), {"Content-Type": "application/json"})
        wait_until(lambda: not idle(server, "base"))
        if stream:
            assert connection.getresponse().readline().startswith(b"event: ")
        connection.close()
    wait_until(lambda: idle(server, "base"))
    assert ends(server) == {"cancelled": before["cancelled"] + 1, "whole": before["whole"]}
    if how == "cancel":
        thread.join(10)
        assert any("cancelled" in line for line in result)
    assert generate(server, model="base")["tokens"] == 12  # and it answers the next one


def test_cancelling_an_unknown_request_is_404(server):
    assert server.http.post("/api/cancel/nothing-of-mine").status_code == 404


def test_every_twin_is_listed_loaded_on_demand_and_unloaded(server, served):
    from blogtwin.models import registry

    other = served / "artifacts/twins/anna/2026-11/gguf/adapter.gguf"
    write_adapter_gguf(registry.resolve_base("smollm2:135m"), other, seed=5)
    rows = {m["name"]: m for m in server.http.get("/api/models").json()["models"]}
    assert set(rows) == {"base", "finetuned", "anna/2026-11"} and rows["anna/2026-11"]["status"] == "available"
    assert rows["base"]["size_mb"] > 50 and rows["base"]["digest"] == registry.resolve_base("smollm2:135m").digest
    assert rows["finetuned"]["scorecard"]["style"] == 0.8 and len(rows["finetuned"]["digest"]) == 64
    assert generate(server, 409, model="anna/2026-11")["error"]["code"] == "not_loaded"
    assert server.http.post("/api/v1/models/load", json={"model": "anna/2026-11"}).json()["status"] == "loaded"
    assert generate(server, model="anna/2026-11")["text"] != generate(server)["text"]
    assert server.http.post("/api/v1/models/unload", json={"model": "anna/2026-11"}).json()["status"] == "available"
    assert generate(server, 409, model="anna/2026-11")["error"]["code"] == "not_loaded"
    other.write_bytes(b"GGUF nonsense")
    assert server.http.post("/api/v1/models/load", json={"model": "anna/2026-11"}).json()["error"]["code"] == "unusable"
    other.unlink()
    assert server.http.post("/api/v1/models/load", json={"model": "../../etc"}).status_code == 404


def test_a_websocket_has_the_same_events_and_can_cancel(server):
    from websockets.sync.client import connect

    with connect(server.url.replace("http", "ws") + "/ws/chat", proxy=None) as socket:

        def ask(**asked):
            socket.send(json.dumps(asked))
            found = []
            while not found or found[-1][0] not in ("answered", "error", "cancelled"):
                event = json.loads(socket.recv(60))
                found.append((event["event"], event["data"]))
                if asked.get("max_tokens") == 1500 and len(found) == 4:
                    socket.send('{"type": "cancel"}')
            return found

        found = ask(
            message="Tell me a long story about the rain.", model="base", max_tokens=5, seed=1
        )  # never done in five tokens
        assert [n for n, _ in found][0] == "session" and found[-1][1]["message"]["content"] == "".join(
            d["text"] for n, d in found if n == "delta"
        )
        session = found[0][1]["session_id"]
        last = ask(message="Write on and on.", model="base", max_tokens=1500, session_id=session)[-1]
        assert last[0] == "cancelled", last
        assert ask(message="x", model="nobody")[-1][1]["error"]["code"] == "unknown_model"
        assert ask(nothing=1)[-1][1]["error"]["code"] == "invalid_request"
    chat = server.http.get(f"/api/v1/chat/sessions/{session}").json()["messages"]
    assert [m["finish_reason"] for m in chat] == ["", "length", "", "cancelled"] and chat[-1]["content"]


def test_a_draft_from_a_title_is_written_section_by_section_along_the_given_outline(server):
    asked = {
        "title": "The ladder",
        "outline": ["The top rung", "The bottom rung"],
        "max_tokens": 8,
        "model": "base",
        "seed": 1,
    }
    with server.http.stream("POST", "/api/draft", json=asked) as answer:
        found = events(answer.iter_lines())
    assert [n for n, _ in found if n != "delta"] == [
        "outline",
        "section",
        "section_end",
        "section",
        "section_end",
        "draft",
    ]
    text = found[-1][1]["text"]
    assert text.index("## The top rung") < text.index("## The bottom rung") and all(
        d["text"] in text for n, d in found if n == "section_end"
    )
    planned = events(
        server.http.post(
            "/api/draft", json={"title": "A ladder that broke", "only_outline": True, "sections": 3, "seed": 1}
        ).text.splitlines()
    )
    assert [n for n, _ in planned] == ["outline"] and 1 <= len(planned[0][1]["outline"]) <= 3


def test_a_rewrite_streams_and_says_what_became_of_every_fact(server):
    asked = {"text": "The ferry left at 9:30 with 40 people.", "model": "base", "candidates": 2, "seed": 1}
    whole = server.http.post("/api/rewrite", json=asked).json()
    with server.http.stream("POST", "/api/rewrite", json={**asked, "stream": True}) as answer:
        found = events(answer.iter_lines())
    again = found[-1][1]
    for result in (whole, again):
        result["receipt"].pop("seconds")
    assert [n for n, _ in found] == ["start", "delta", "paragraph", "rewritten"] and again == whole
    assert "".join(d["text"] for n, d in found if n == "delta").strip() == whole["text"] != ""
    assert {f["value"] for f in whole["kept"] + whole["missing"]} == {"9:30", "40"}


def test_a_text_that_is_too_long_is_not_rewritten(server):
    answer = server.http.post("/api/rewrite", json={"text": "a word " * 4000, "model": "base"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "prompt_too_long")


def ends(server) -> dict[str, float]:
    """How many answers of the base were cut short, and how many were written to their end."""
    lines = server.http.get("/api/v1/metrics").text.splitlines()
    return {
        end: sum(
            float(line.split()[-1])
            for line in lines
            if line.startswith(f'blogtwin_answers_total{{end="{end}",model="base"}}')
        )
        for end in ("cancelled", "whole")
    }


def wait_until(true, seconds: float = 60) -> None:
    """What never becomes true is a failure; how long it takes is none."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)
