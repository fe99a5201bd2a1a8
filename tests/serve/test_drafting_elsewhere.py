"""Drafts by a model that another server holds: checked as ever, without the fence. The other server is a real one, with
the real base and a twin, and speaks OpenAI's protocol."""

import contextlib
import time

import pytest

from blogtwin.text.facts import unsupported_facts
from tests.support.long_draft import cancel_long_draft
from tests.support.server_process import Server, events

pytestmark = [pytest.mark.slow, pytest.mark.model]
TITLE, LINES = "The new rope", ["rope 22 mm, cost 118 pounds", "Denzil said too thick"]
ASKED = {"title": TITLE, "notes": "\n".join(LINES), "model": "base", "seed": 3, "candidates": 3}
SECONDS_TO_STOP = 20


@contextlib.contextmanager
def facade(served, home, url):
    """A server whose models are those at `url`."""
    running = Server(
        served,
        home,
        SERVE_ENGINE="openai",
        SERVE_OPENAI_URL=f"{url}/v1",
        SERVE_OPENAI_BASE_MODEL="base",
        SERVE_OPENAI_TWIN_MODEL="finetuned",
    ).ready()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def elsewhere(server, served, tmp_path_factory):
    with facade(served, tmp_path_factory.mktemp("facade"), server.url) as running:
        yield running


def drafted(server, **changes) -> list[tuple[str, dict]]:
    with server.http.stream("POST", "/api/draft", json={**ASKED, **changes}, timeout=400) as answer:
        assert answer.status_code == 200, answer.read()
        return events(answer.iter_lines())


def sentences_of(draft) -> list[dict]:
    return [sentence for paragraph in draft["paragraphs"] for sentence in paragraph["sentences"]]


def test_a_draft_is_checked_sentence_by_sentence_where_the_model_is_elsewhere(elsewhere):
    found = drafted(elsewhere)
    assert [name for name, _ in found[:2]] == ["outline", "start"] and found[-1][0] == "draft"
    draft, receipt = found[-1][1], found[-1][1]["receipt"]
    assert [line["text"] for line in receipt["lines"]] == LINES
    assert {line["status"] for line in receipt["lines"]} <= {"told", "own_words", "unsupported"}
    for sentence in sentences_of(draft):
        assert not unsupported_facts(f"{TITLE}\n{ASKED['notes']}", sentence["text"]), sentence
        assert sentence["written_by"] == (None if sentence["status"] == "own_words" else "base")
    assert receipt["fence"] is False and receipt["content"] is None
    assert receipt["candidates"] == 3 * receipt["rounds"] > 0 and receipt["tokens"] > 0
    # Without a fence a model of this size writes facts of its own; each such candidate is counted.
    assert receipt["rejected"], receipt


def test_with_the_model_here_the_receipt_says_that_there_is_a_fence(server):
    receipt = drafted(server, notes=LINES[0])[-1][1]["receipt"]
    assert receipt["fence"] is True and "unsupported fact" not in receipt["rejected"]


def test_a_title_alone_is_marked_as_the_models_own(elsewhere):
    draft = drafted(elsewhere, notes="", outline=["Buying it"], max_tokens=8)[-1][1]
    assert draft["written_by"] == "base" and "paragraphs" not in draft


def test_a_text_is_rewritten_sentence_by_sentence_by_a_model_elsewhere(elsewhere):
    asked = {"text": "The rope cost 118 pounds.", "model": "base", "candidates": 2, "seed": 3}
    found = elsewhere.http.post("/api/rewrite", json=asked, timeout=400).json()
    assert found["receipt"]["fence"] is False and len(found["sentences"]) == 1 and not found["invented"]


def test_a_server_that_is_gone_is_a_502_and_one_that_goes_in_the_middle_an_error_in_the_stream(
    served, tmp_path, tmp_path_factory
):
    there = Server(served, tmp_path_factory.mktemp("there")).ready()
    with facade(served, tmp_path / "home", there.url) as running:
        lines = [f"the boat number {n} was painted by Denzil" for n in range(40, 60)]
        with running.http.stream("POST", "/api/draft", json={**ASKED, "notes": "\n".join(lines)}) as answer:
            coming = answer.iter_lines()
            for line in coming:
                if line == "event: start":
                    there.kill()
                    break
            found = events(["event: start", *coming])
        assert found[-1][0] == "error" and "draft" not in [name for name, _ in found]
        error = found[-1][1]["error"]
        assert error["code"] == "engine_failed" and error["message"].startswith("openai stopped answering")
        gone = running.http.post("/api/draft", json=ASKED)
        assert (gone.status_code, gone.json()["error"]["code"]) == (502, "engine_failed")
        assert gone.json()["error"]["message"].startswith("openai stopped answering")


def test_a_draft_that_is_cancelled_drops_its_requests_at_once(server, elsewhere):
    cancel_long_draft(elsewhere, ASKED, "cancel-elsewhere", 200, SECONDS_TO_STOP)
    until = time.monotonic() + SECONDS_TO_STOP
    while active(server) and time.monotonic() < until:
        time.sleep(0.1)
    assert active(server) == 0 and active(elsewhere) == 0
    assert drafted(elsewhere, notes=LINES[0])[-1][0] == "draft"


def active(server) -> int:
    """Requests that the models of a server answer now."""
    return sum(model["active"] for model in server.http.get("/api/models").json()["models"])


def test_a_model_elsewhere_can_be_the_content_model_and_an_unknown_one_is_a_404(elsewhere):
    found = drafted(elsewhere, model="finetuned", content_model="base", candidates=2)
    draft = found[-1][1]
    assert draft["receipt"]["content"]["name"] == "base" and draft["receipt"]["content"]["fence"] is False
    for sentence in sentences_of(draft):
        expected = {"content": "base", "own_words": None}.get(sentence["status"], "finetuned")
        assert sentence["written_by"] == expected, sentence
    unknown = elsewhere.http.post("/api/draft", json={**ASKED, "content_model": "nobody"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_model")
    same = elsewhere.http.post("/api/draft", json={**ASKED, "content_model": "base"})
    assert same.status_code == 422 and "content_model" in same.json()["error"]["message"]
