"""A stream says that it lives while nothing comes, shows no path to whom it does not belong, and a proxy is not the
client."""

import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from serve import streaming
from serve.errors import ROLE, ApiError, hide_paths
from serve.routers.openai import encode_error
from serve.streaming import PrimedStreamingResponse
from tests.support.server_process import Server
from tests.support.workspace import ROOT


def stream_of(items, late=None) -> TestClient:
    app = FastAPI()

    @app.get("/")
    async def answer(request: Request) -> PrimedStreamingResponse:
        return await PrimedStreamingResponse.of(request, items(), late)

    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.05)


def test_a_comment_comes_before_the_first_item_and_between_two(impatient):
    async def slow():
        await asyncio.sleep(0.12)
        yield b"data: 1\n\n"
        await asyncio.sleep(0.12)
        yield b"data: 2\n\n"

    pings, _, rest = stream_of(slow).get("/").text.partition("data: 1\n\n")
    assert pings and set(pings.split("\n\n")) == {": ping", ""}
    between, _, rest = rest.partition("data: 2\n\n")
    assert ": ping\n\n" in between and rest == ""


def test_a_stream_that_is_not_silent_has_no_comment():
    async def quick():
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    assert stream_of(quick).get("/").text == "data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize(("late", "begins"), [(None, "event: error\ndata: "), (encode_error, "data: ")])
def test_an_error_that_comes_after_the_status_is_told_in_the_stream(impatient, late, begins):
    """In the words of the protocol: OpenAI's has no names of events."""

    async def failing():
        await asyncio.sleep(0.12)
        raise ApiError(502, "engine_gone", "It is gone.")
        yield b""

    text = stream_of(failing, late).get("/").text.replace(": ping\n\n", "")
    assert text.startswith(begins) and json.loads(text.removeprefix(begins))["error"]["code"] == "engine_gone"


def test_the_writer_is_closed_when_its_reader_goes(impatient):
    closed = asyncio.Event()

    async def endless():
        try:
            while True:
                yield b"data: x\n\n"
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    async def run():
        class Gone:
            async def receive(self):
                await asyncio.sleep(3600)

        response = await PrimedStreamingResponse.of(Gone(), endless())

        async def receive():
            await asyncio.sleep(0.1)
            return {"type": "http.disconnect"}

        async def send(message):
            pass

        await response({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
        assert closed.is_set()

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize("role", ["admin", "user", "open"])
def test_only_an_admin_is_shown_where_files_are(role):
    text = "llama.cpp can't serve /srv/anna's/x y/base.gguf (/home/anna/.cache/a.gguf): POST /api/v1/models/load"
    token = ROLE.set(role)
    try:
        shown = hide_paths(text)
        body = ApiError(409, "x", text, text).content()["error"]
    finally:
        ROLE.reset(token)
    assert body["message"] == body["hint"] == shown
    assert (shown == text) if role == "admin" else ("anna/" not in shown and "/srv" not in shown)
    assert "POST /api/v1/models/load" in shown and "a.gguf" in shown


@pytest.mark.slow
@pytest.mark.parametrize("trusted", [True, False])
def test_requests_behind_a_proxy_are_counted_by_the_client_it_names(tmp_path, trusted):
    """Whoever is not named in SERVE_PROXIES can't choose an address of its own for each request."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    proxies = '["127.0.0.1"]' if trusted else "[]"
    more = {"SERVE_ENGINE": "openai", "SERVE_RATE": "5/minute", "SERVE_PROXIES": proxies}
    running = Server(tmp_path, tmp_path / "home", **more)
    try:
        with httpx.Client(base_url=running.url, trust_env=False) as http:
            codes = [
                http.get("/api/v1/health", headers={"X-Forwarded-For": f"10.0.0.{n % 2}"}).status_code for n in range(8)
            ]
        assert codes == ([200] * 8 if trusted else [200] * 5 + [429] * 3)
    finally:
        running.stop()
