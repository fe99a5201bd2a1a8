"""Who gets in: every endpoint with every credential, and what no key can open. The application itself, without its
models."""

import asyncio
import contextlib
import importlib
import json
import re
import socket
import subprocess
import sys
import threading
import time

import httpx
import jwt
import pytest
import uvicorn
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from blogtwin.errors import UserError
from blogtwin.inference.client import Engine
from serve import logging_setup, permissions, startup
from serve.auth import Keys
from serve.concurrency import ConcurrencyLimiter
from serve.errors import ApiError
from serve.model_pool import Failure, LoadedModel
from serve.settings import Settings
from serve.soak_writers import why_no_sentence
from tests.support.api_client import client
from tests.support.workspace import ROOT, environment

FORM = {"POST /api/corpus"}
BODIES = {"POST /api/v1/training/jobs": {"corpus": "none-such"}}  # an empty one would train


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """The working directory of the server: a project whose twin is not made yet."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def guarded(inside, tmp_path_factory):
    """(client, {credential: key}) of a server with keys."""
    http = client(tmp_path_factory.mktemp("home"))
    keys = http.app.state.serve.keys
    given = {"no key": "", "user": keys.add("ann", "user"), "admin": keys.add("bob", "admin"), "wrong key": "bt_wrong"}
    secret = keys._secret()
    claims = {"sub": "bob", "role": "admin", "aud": "blogtwin"}
    given["token"] = http.post("/api/v1/auth/token", headers={"Authorization": f"Bearer {given['admin']}"}).json()[
        "token"
    ]
    given["expired token"] = jwt.encode({**claims, "exp": int(time.time()) - 5}, secret, "HS256")
    given["forged token"] = jwt.encode({**claims, "exp": int(time.time()) + 500}, "x" * 40, "HS256")
    given["token of a removed key"] = jwt.encode(
        {**claims, "sub": "eve", "exp": int(time.time()) + 500}, secret, "HS256"
    )
    return http, given


def status(http: TestClient, place: str, key: str) -> int:
    """What an endpoint answers; for a WebSocket 101, or the 403 that refuses its handshake."""
    method, path = place.split(" ")
    path = (
        path.replace("{request_id}", "none-such")
        .replace("{session_id}", "none")
        .replace("{blind_id}", "none")
        .replace("{job_id}", "none")
    )
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if method == "WEBSOCKET":
        entered = False
        # Refused; or let in, and gone before the first event is sent. The host is the name it is called by.
        with contextlib.suppress(Exception), http.websocket_connect(f"ws://127.0.0.1:8000{path}", headers=headers):
            entered = True
        return 101 if entered else 403
    return http.request(
        method,
        path,
        headers=headers,
        **({"json": BODIES.get(place, {})} if method in ("POST", "PATCH") and place not in FORM else {}),
    ).status_code


def test_every_route_stands_in_the_table_and_nothing_else(guarded):
    http, _ = guarded
    found = {f"{method.upper()} {path}" for path, item in http.app.openapi()["paths"].items() for method in item}
    listed = {
        place for place in permissions.ROUTE_ROLES if not place.startswith("WEBSOCKET") and place != "GET /openapi.json"
    }
    assert found == listed


ALLOWED = {
    "no key": {"open"},
    "user": {"open", "user"},
    "admin": {"open", "user", "admin"},
    "token": {"open", "user", "admin"},
    "wrong key": {"open"},
    "expired token": {"open"},
    "forged token": {"open"},
    "token of a removed key": {"open"},
}


@pytest.mark.parametrize("place", sorted(permissions.ROUTE_ROLES))
def test_every_endpoint_with_every_credential(guarded, place):
    http, given = guarded
    for who, allowed in ALLOWED.items():
        said = status(http, place, given[who])
        inside = permissions.ROUTE_ROLES[place] in allowed
        if place.startswith("WEBSOCKET"):
            assert said == (101 if inside else 403), who
        elif inside:
            assert said not in (401, 403) and said < 500, (who, said)
        else:
            assert said == (403 if who == "user" else 401), (who, said)


def test_a_key_is_read_wherever_clients_can_put_it(guarded):
    """In the header of its own that some send; for a WebSocket of a browser, which can set no header, as a
    subprotocol."""
    http, given = guarded
    assert [
        http.get("/api/models", headers={"X-API-Key": given[who]}).status_code for who in ("user", "wrong key")
    ] == [200, 401]
    with http.websocket_connect("ws://127.0.0.1:8000/ws/chat", subprotocols=["bearer", given["user"]]) as socket:
        assert socket.accepted_subprotocol == "bearer"
    with (
        pytest.raises(WebSocketDisconnect),
        http.websocket_connect("ws://127.0.0.1:8000/ws/chat", subprotocols=["bearer", given["wrong key"]]),
    ):
        pass


def test_without_keys_this_machine_may_ask_and_a_clients_dummy_key_does_no_harm(inside, tmp_path):
    http = client(tmp_path)
    assert status(http, "GET /api/corpus", "") == status(http, "GET /api/corpus", "sk-none") == 200


def test_keys_are_made_listed_and_removed_on_the_command_line(inside, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SERVE_HOME", str(tmp_path))

    def say(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["api_keys.py", *words])
        importlib.import_module("api_keys").main()
        return capsys.readouterr().out.strip()

    key = say("add", "ann", "--role", "admin")
    http = client(tmp_path)
    assert status(http, "GET /api/corpus", key) == 200 and status(http, "GET /api/corpus", "") == 401
    assert "ann" in say("list") and key not in say("list")
    for words in (("add", "ann"), ("add", "a b"), ("remove", "bob")):
        with pytest.raises(UserError):
            say(*words)
    say("remove", "ann")
    say("add", "bob")
    assert status(http, "GET /api/corpus", key) == 401


def test_keys_that_are_made_at_once_are_all_kept(tmp_path):
    """By as many processes, as `scripts/api_keys.py` is one beside the server; and the secret of the tokens is one for
    all."""
    code = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "scripts")!r}]
from pathlib import Path
from serve.auth import Keys
keys, me = Keys(Path({str(tmp_path)!r})), sys.argv[1]
print("ready", flush=True)
sys.stdin.read()  # until all are
for n in range(20):
    keys.add(f"{{me}}-{{n}}", "user")
for n in range(10):
    assert keys.remove(f"{{me}}-{{n}}")
print(keys._secret())
"""
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path
        )
        for n in range(3)
    ]
    assert {maker.stdout.readline() for maker in makers} == {"ready\n"}
    for maker in makers:
        maker.stdin.close()
    secrets = set()
    for maker in makers:
        with maker.stdout:
            secrets.add(maker.stdout.read())
    assert [maker.wait(60) for maker in makers] == [0, 0, 0] and len(secrets) == 1
    assert {key["name"] for key in Keys(tmp_path).all()} == {
        f"{maker}-{n}" for maker in range(3) for n in range(10, 20)
    }


def test_settings_are_read_from_env_files_and_the_environment_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text('SERVE_PORT=9001\nSERVE_SLOTS=2\nSERVE_ORIGINS=["https://a.example"]\nOTHER=1\n')
    monkeypatch.setenv("SERVE_SLOTS", "3")
    found = Settings()
    assert (found.port, found.slots, found.origins) == (9001, 3, ["https://a.example"])


def test_every_json_request_has_an_example(guarded):
    http, _ = guarded
    schema = http.app.openapi()
    bodies = {
        f"{method.upper()} {path}": item["requestBody"]["content"].get("application/json")
        for path, methods in schema["paths"].items()
        for method, item in methods.items()
        if "requestBody" in item
    }
    names = {place: body["schema"]["$ref"].rsplit("/", 1)[1] for place, body in bodies.items() if body}
    assert (
        len(names) > 10
        and [place for place, name in names.items() if not schema["components"]["schemas"][name].get("examples")] == []
    )


def test_keys_are_kept_as_hashes_only(guarded):
    http, given = guarded
    kept = http.app.state.serve.keys.file
    assert given["user"] not in kept.read_text() and kept.stat().st_mode & 0o077 == 0


def test_off_loopback_it_refuses_to_start_without_keys(inside, tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/serve_api.py"), "--host", "0.0.0.0"],
        cwd=inside,
        env={**environment(tmp_path), "SERVE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1 and "keys.py add" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "evil.example"}, 400),  # a name that was pointed at this machine
        ({"Origin": "https://evil.example"}, 403),  # another site's page
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:8000"}, 404),
        ({}, 404),
    ],
)
def test_requests_of_other_hosts_and_origins_are_refused(inside, tmp_path, headers, expected):
    answer = client(tmp_path).post("/api/cancel/none-such", headers=headers)
    assert answer.status_code == expected and set(answer.json()["error"]) == {"code", "message", "hint"}


def asgi(app, headers: list[tuple[bytes, bytes]], **scope) -> list[dict]:
    """What the application sends back to a request whose headers no client would send."""
    sent = []

    async def receive() -> dict:
        return (
            {"type": "websocket.connect"}
            if scope.get("type") == "websocket"
            else {"type": "http.request", "body": b"{}", "more_body": False}
        )

    async def send(message) -> None:
        sent.append(message)

    given = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/export",
        "raw_path": b"/api/export",
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8000),
        "headers": headers,
        **scope,
    }
    asyncio.run(app(given, receive, send))
    return sent


OURS = (b"host", b"127.0.0.1:8000")


@pytest.mark.parametrize(
    "host",
    [
        "[",
        "[]",
        "[::1",
        "::1]",
        "[::1]x",
        "[v1.x]",
        "",
        " ",
        "²",
        "127.0.0.1:x",
        "127.0.0.1:²",
        "127.0.0.1:",
        "127.0.0.1:999999",
        "me@127.0.0.1",
        "127.0.0.1/x",
        "127.0.0.1?x",
        "127.0.0.1#x",
        "127.0.0.1\\",
        "a b",
        "//127.0.0.1",
        "127.0.0.1, 127.0.0.1",
        "\x00",
        "é",
        "127.0.0.1\n",
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_malformed_host_is_400_and_no_mistake_of_the_server(inside, tmp_path, host, kind):
    sent = asgi(
        client(tmp_path).app,
        [(b"host", host.encode("latin-1"))],
        type=kind,
        **({"path": "/ws/chat", "subprotocols": []} if kind == "websocket" else {}),
    )
    if kind == "websocket":
        assert [(m["type"], m["code"]) for m in sent] == [("websocket.close", 1008)] and "Host" in sent[0]["reason"]
    else:
        assert sent[0]["status"] == 400 and b'"bad_request"' in sent[1]["body"]


def test_a_request_with_two_host_headers_is_400(inside, tmp_path):
    assert asgi(client(tmp_path).app, [OURS, (b"host", b"evil.example")])[0]["status"] == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]", "[::1]:8000"])
def test_a_host_of_ours_is_known_however_it_is_written(inside, tmp_path, host):
    assert client(tmp_path).get("/api/v1/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("length", "status"),
    [
        ("²", 400),
        ("-1", 400),
        ("+1", 400),
        ("1_0", 400),
        ("0x2", 400),
        ("", 400),
        (" 2", 400),
        ("2, 2", 400),
        ("two", 400),
        ("9" * 19, 413),
        ("9" * 5000, 413),
        ("0" * 5000 + "2", 422),
        ("2", 422),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_a_malformed_length_is_400_and_no_mistake_of_the_server(inside, tmp_path, length, status):
    """422: the body itself, {}, is looked at."""
    sent = asgi(
        client(tmp_path).app,
        [OURS, (b"content-type", b"application/json"), (b"content-length", length.encode("latin-1"))],
    )
    assert sent[0]["status"] == status
    rows = [json.loads(line) for line in (tmp_path / "logs/serve.jsonl").read_text().splitlines()]
    assert rows and not any("error" in row for row in rows)  # no traceback


def test_two_lengths_that_differ_are_400(inside, tmp_path):
    for second, status in ((b"3", 400), (b"2", 422)):
        assert (
            asgi(
                client(tmp_path).app,
                [OURS, (b"content-type", b"application/json"), (b"content-length", b"2"), (b"content-length", second)],
            )[0]["status"]
            == status
        )


@pytest.mark.parametrize(
    "header",
    [
        b"Host: [\r\n",
        b"Host: \xb2\r\n",
        b"Host: 127.0.0.1\r\nContent-Length: \xb2\r\n",
        b"Host: 127.0.0.1\r\nContent-Length: -1\r\n",
        b"Host: 127.0.0.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n",
    ],
    ids=lambda value: repr(value)[:50],
)
def test_malformed_headers_over_a_socket_are_never_500(inside, tmp_path, header):
    """The HTTP parser in front refuses some by itself."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(client(tmp_path).app, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with socket.create_connection(listening.getsockname(), timeout=30) as connection:
            connection.sendall(b"POST /api/export HTTP/1.1\r\n" + header + b"Connection: close\r\n\r\n{}")
            answer = connection.makefile("rb").readline()
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
    assert answer.split()[1] in (b"400", b"413"), answer


def test_another_sites_page_opens_no_websocket(inside, tmp_path):
    http = client(tmp_path)
    for origin, entered in (("https://evil.example", False), ("http://127.0.0.1:8000", True)):
        with contextlib.ExitStack() as stack:
            refused = None
            try:
                stack.enter_context(http.websocket_connect("ws://127.0.0.1:8000/ws/chat", headers={"Origin": origin}))
            except Exception as e:
                refused = e
            assert (refused is None) == entered, origin


def test_a_listed_origin_may_ask_and_read_and_another_may_not(inside, tmp_path):
    http = client(tmp_path, origins=["https://mine.example"])
    asked = {"Access-Control-Request-Method": "POST"}
    mine, other = (
        http.options("/api/generate", headers={**asked, "Origin": o})
        for o in ("https://mine.example", "https://evil.example")
    )
    assert (
        mine.headers["access-control-allow-origin"] == "https://mine.example"
        and "access-control-allow-origin" not in other.headers
    )


def test_bodies_and_prompts_have_limits(inside, tmp_path):
    http = client(tmp_path, max_body_mb=0.01)
    for body in (b"x" * 20_000, iter([b"x" * 9_000] * 3)):  # told beforehand, and not
        answer = http.post("/api/export", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_prompts_and_answers_have_limits(inside, tmp_path):
    http = client(tmp_path, max_prompt_characters=100, max_tokens=50)
    one = LoadedModel(
        http.app.state.serve.pool.model("base"),
        Engine("openai", "http://127.0.0.1:1/v1", "k", "m"),
        ConcurrencyLimiter(1, 1, 1),
        contextlib.ExitStack(),
        0.0,
    )
    http.app.state.serve.pool.loaded["base"] = one
    for path, asked in (
        ("/api/generate", {"prompt": "x" * 200}),
        ("/v1/completions", {"prompt": "x" * 200}),
        ("/api/v1/chat/completions", {"message": "x" * 200}),
    ):
        answer = http.post(path, json={"model": "base", **asked})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "prompt_too_long"), path
    for path, asked in (
        ("/api/generate", {"prompt": "x"}),
        ("/v1/completions", {"prompt": "x"}),
        ("/api/v1/chat/completions", {"message": "x"}),
    ):
        answer = http.post(path, json={"model": "base", "max_tokens": 51, **asked})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "too_many_tokens"), path


def test_a_body_that_does_not_come_is_not_waited_for(inside, tmp_path):
    app = client(tmp_path, body_seconds=0.1).app

    async def slow():
        yield b'{"title": '
        await asyncio.sleep(30)

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000") as http:
            return await http.post("/api/export", content=slow(), headers={"Content-Type": "application/json"})

    answer = asyncio.run(asyncio.wait_for(ask(), 10))
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "too_slow")


@pytest.mark.parametrize("keyed", [True, False], ids=["with keys", "without keys"])
def test_health_gives_codes_to_anybody_and_reasons_to_holders_of_a_key(inside, tmp_path, keyed):
    """A file that can't be served, and a server of models that does not answer: path and address are for who may know
    them."""
    secret = "http://127.0.0.1:1/somebody/v1"
    http = client(tmp_path, openai_url=secret)
    pool, keys = http.app.state.serve.pool, http.app.state.serve.keys
    who = (
        {"ann": keys.add("ann", "user"), "bob": keys.add("bob", "admin"), "wrong": "bt_wrong", "nobody": ""}
        if keyed
        else {"this machine": ""}
    )
    pool.failed["base"] = Failure("engine_failed", f"llama.cpp can't serve {tmp_path}/base.gguf: no reason given")
    pool.loaded["finetuned"] = LoadedModel(
        pool.model("base"), Engine("openai", secret, "k", "m"), ConcurrencyLimiter(1, 1, 1), contextlib.ExitStack(), 0.0
    )
    pool.kind, pool.reason = "openai", f"SERVE_ENGINE is openai, at {secret}"
    for name, key in who.items():
        answer = http.get("/api/v1/health", headers={"Authorization": f"Bearer {key}"} if key else {})
        found = answer.json()
        assert answer.status_code == 200 and (found["live"], found["ready"], found["engine"]) == (True, False, "openai")
        assert {model: one["code"] for model, one in found["failed"].items()} == {
            "base": "engine_failed",
            "finetuned": "engine_gone",
        }
        may_know = name not in ("wrong", "nobody")
        assert (
            (
                str(tmp_path) in found["failed"]["base"]["reason"]
                and secret in found["failed"]["finetuned"]["reason"]
                and secret in found["why"]
            )
            if may_know
            else "/somebody" not in answer.text and str(tmp_path) not in answer.text
        ), name


@pytest.mark.parametrize("engine", ["openai", "ollama"])
def test_why_no_engine_was_there_is_a_code(inside, tmp_path, monkeypatch, engine):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    http = client(tmp_path, engine=engine)
    http.app.state.serve.keys.add("ann", "user")
    asyncio.run(http.app.state.serve.pool.start())
    assert http.get("/api/v1/health").json()["failed"] == {"base": {"code": "no_engine", "reason": None}}


def test_too_many_requests_are_told_when_to_come_back(inside, tmp_path):
    http = client(tmp_path, rate="3/minute")
    answers = [http.get("/api/v1/health") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_keys_that_are_guessed_are_counted_and_each_key_has_its_own_count(inside, tmp_path):
    http = client(tmp_path, rate="3/minute")
    keys = http.app.state.serve.keys
    ann, bob = (keys.add(name, "user") for name in ("ann", "bob"))

    def asked(key: str) -> int:
        return http.get("/api/models", headers={"Authorization": f"Bearer {key}"}).status_code

    assert [asked(f"bt_guess{n}") for n in range(4)] == [401, 401, 401, 429]
    assert [asked(ann) for _ in range(4)] == [200, 200, 200, 429] and asked(bob) == 200


def test_questions_over_an_open_websocket_are_counted(inside, tmp_path):
    http, found = client(tmp_path, rate="3/minute"), []
    with http.websocket_connect("ws://127.0.0.1:8000/ws/chat") as socket:
        for _ in range(3):  # and the handshake
            socket.send_text('{"message": "hello", "model": "base"}')
            found.append(socket.receive_json()["data"]["error"]["code"])
    assert found == ["not_loaded", "not_loaded", "too_many_requests"]


def test_every_answer_has_its_id_and_the_headers_of_a_private_page(inside, tmp_path):
    http = client(tmp_path)
    for answer in (
        http.get("/api/v1/health", headers={"X-Request-ID": "my-own-id-1"}),
        http.get("/nothing", headers={"X-Request-ID": "my-own-id-1"}),
    ):
        assert answer.headers["x-request-id"] == "my-own-id-1"
        assert (
            "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            and answer.headers["x-content-type-options"] == "nosniff"
        )
    assert http.get("/api/v1/health", headers={"X-Request-ID": "bad\nid"}).headers["x-request-id"] != "bad\nid"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/nothing", None, 404),
        ("PUT", "/api/models", None, 405),
        ("POST", "/api/generate", {"max_tokens": 3}, 422),
        ("POST", "/api/draft", {}, 422),
    ],
)
def test_what_the_framework_refuses_is_a_sentence_too(inside, tmp_path, method, path, body, status):
    answer = client(tmp_path).request(method, path, json=body)
    assert answer.status_code == status and why_no_sentence(status, answer.json()) == ""
    assert answer.json()["error"]["hint"]


def test_a_model_that_is_no_model_is_404_and_one_that_is_not_loaded_409(inside, tmp_path):
    http = client(tmp_path)
    assert http.post("/api/generate", json={"prompt": "a", "model": "../secret"}).status_code == 404
    assert http.post("/api/generate", json={"prompt": "a", "model": "base"}).json()["error"]["code"] == "not_loaded"


def test_logs_have_ids_and_no_prompts(inside, tmp_path):
    http = client(tmp_path)
    http.post(
        "/v1/chat/completions",
        json={"model": "base", "messages": [{"role": "user", "content": "my secret"}]},
        headers={"X-Request-ID": "find-me-here"},
    )
    log = (tmp_path / "logs/serve.jsonl").read_text()
    assert "find-me-here" in log and "my secret" not in log


def test_logs_hold_no_key_and_are_rotated(guarded, inside, tmp_path):
    http, given = guarded
    logging_setup.configure_logging(http.app.state.serve.settings.home)  # the newest application writes the log
    for place in ("GET /api/models", "GET /api/corpus"):
        for key in given.values():
            status(http, place, key)
    log = (http.app.state.serve.settings.home / "logs/serve.jsonl").read_text()
    assert '"caller": "ann"' in log and not any(key in log for key in given.values() if key)
    logging_setup.configure_logging(tmp_path)
    for _ in range(40):
        logging_setup.log_event("much", text="x" * 1_000_000)
    files = list((tmp_path / "logs").iterdir())
    assert len(files) == 5 and sum(f.stat().st_size for f in files) < 26e6


# --- the key of this machine's user -----------------------------------------------------------------------------------


def test_the_key_that_is_printed_at_the_start_is_the_same_at_the_next_and_opens_everything(inside, tmp_path, capsys):
    """As an ordinary key, so that OpenAI's clients go on; without it, loopback is no admin."""
    http = client(tmp_path, require_key=True)
    assert status(http, "GET /api/corpus", "") == status(http, "GET /api/corpus", "sk-none") == 401
    keys = []
    for _ in range(2):
        startup.announce(http.app.state.serve, "http://127.0.0.1:8000")
        keys.append(re.search(r"^  key +(bt_\S+)", capsys.readouterr().out, re.M)[1])
    assert keys[0] == keys[1] and status(http, "GET /api/corpus", keys[0]) == 200
    assert (tmp_path / "local.key").stat().st_mode & 0o077 == 0
    assert client(tmp_path, require_key=True).get("/v1/models", headers={"X-API-Key": keys[0]}).status_code == 200


def test_without_the_wish_for_a_key_loopback_is_open_also_after_a_start_with_one(inside, tmp_path, capsys):
    assert Keys(tmp_path).local()
    http = client(tmp_path, require_key=False)
    assert status(http, "GET /api/corpus", "") == 200
    startup.announce(http.app.state.serve, "http://127.0.0.1:8000")
    assert "anybody on this machine has access" in capsys.readouterr().out
    Keys(tmp_path).add("ann", "user")
    assert status(http, "GET /api/corpus", "") == 401


def test_where_somebody_has_added_keys_none_is_printed(inside, tmp_path, capsys):
    http = client(tmp_path, require_key=True)
    http.app.state.serve.keys.add("ann", "admin")
    startup.announce(http.app.state.serve, "http://127.0.0.1:8000")
    said = capsys.readouterr().out
    assert "bt_" not in said and "keys     1" in said and not (tmp_path / "local.key").exists()


def test_a_lost_file_of_the_local_key_makes_a_new_one(tmp_path):
    """The old one is worth nothing then: its hash is replaced."""
    keys = Keys(tmp_path)
    first = keys.local()
    (tmp_path / "local.key").write_text("bt_another")
    second = keys.local()
    assert first != second and keys.caller(second).name == "local"
    with pytest.raises(ApiError):
        keys.caller(first)
