"""Who gets in: every endpoint with every credential, and what no key can open. The application itself, without its models."""

import contextlib
import subprocess
import sys
import time

import jwt
import pytest
from conftest import ROOT, environment
from starlette.testclient import TestClient

from serve import roles
from serve.main import create_app
from serve.settings import Settings

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


def client(home, **settings) -> TestClient:
    """Not as a context manager: the lifespan, which loads models, does not run."""
    app = create_app(Settings(home=home, _env_file=None, engine="llamacpp", **settings))
    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def guarded(inside, tmp_path_factory):
    """(client, {credential: key}) of a server with keys."""
    http = client(tmp_path_factory.mktemp("home"))
    keys = http.app.state.serve.keys
    given = {"no key": "", "user": keys.add("ann", "user"), "admin": keys.add("bob", "admin"), "wrong key": "bt_wrong"}
    secret = keys._secret()
    claims = {"sub": "bob", "role": "admin", "aud": "blogtwin"}
    given["token"] = http.post("/api/v1/auth/token", headers={"Authorization": f"Bearer {given['admin']}"}).json()["token"]
    given["expired token"] = jwt.encode({**claims, "exp": int(time.time()) - 5}, secret, "HS256")
    given["forged token"] = jwt.encode({**claims, "exp": int(time.time()) + 500}, "x" * 40, "HS256")
    given["token of a removed key"] = jwt.encode({**claims, "sub": "eve", "exp": int(time.time()) + 500}, secret, "HS256")
    return http, given


def status(http: TestClient, place: str, key: str) -> int:
    """What an endpoint answers; for a WebSocket 101, or the 403 that refuses its handshake."""
    method, path = place.split(" ")
    path = path.replace("{request_id}", "none-such").replace("{session_id}", "none").replace("{blind_id}", "none").replace("{job_id}", "none")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if method == "WEBSOCKET":
        entered = False
        # Refused; or let in, and gone before the first event is sent. The host is the name it is called by.
        with contextlib.suppress(Exception), http.websocket_connect(f"ws://127.0.0.1:8000{path}", headers=headers):
            entered = True
        return 101 if entered else 403
    return http.request(method, path, headers=headers, **({"json": BODIES.get(place, {})} if method in ("POST", "PATCH") and place not in FORM else {})).status_code


def test_every_route_stands_in_the_table_and_nothing_else(guarded):
    http, _ = guarded
    found = {f"{method.upper()} {path}" for path, item in http.app.openapi()["paths"].items() for method in item}
    listed = {place for place in roles.ROLES if not place.startswith("WEBSOCKET") and place != "GET /openapi.json"}
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


@pytest.mark.parametrize("place", sorted(roles.ROLES))
def test_every_endpoint_with_every_credential(guarded, place):
    http, given = guarded
    for who, allowed in ALLOWED.items():
        said = status(http, place, given[who])
        inside = roles.ROLES[place] in allowed
        if place.startswith("WEBSOCKET"):
            assert said == (101 if inside else 403), who
        elif inside:
            assert said not in (401, 403) and said < 500, (who, said)
        else:
            assert said == (403 if who == "user" else 401), (who, said)


def test_without_keys_this_machine_may_ask_and_a_clients_dummy_key_does_no_harm(inside, tmp_path):
    http = client(tmp_path)
    assert status(http, "GET /api/corpus", "") == status(http, "GET /api/corpus", "sk-none") == 200


def test_keys_are_kept_as_hashes_only(guarded):
    http, given = guarded
    kept = http.app.state.serve.keys.file
    assert given["user"] not in kept.read_text() and kept.stat().st_mode & 0o077 == 0


def test_off_loopback_it_refuses_to_start_without_keys(inside, tmp_path):
    done = subprocess.run([sys.executable, str(ROOT / "scripts/serve_api.py"), "--host", "0.0.0.0"], cwd=inside, env={**environment(tmp_path), "SERVE_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=300)
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
def test_hosts_and_origins(inside, tmp_path, headers, expected):
    answer = client(tmp_path).post("/api/cancel/none-such", headers=headers)
    assert answer.status_code == expected and set(answer.json()["error"]) == {"code", "message", "hint"}


def test_a_listed_origin_may_ask_and_read_and_another_may_not(inside, tmp_path):
    http = client(tmp_path, origins=["https://mine.example"])
    asked = {"Access-Control-Request-Method": "POST"}
    mine, other = (http.options("/api/generate", headers={**asked, "Origin": o}) for o in ("https://mine.example", "https://evil.example"))
    assert mine.headers["access-control-allow-origin"] == "https://mine.example" and "access-control-allow-origin" not in other.headers


def test_bodies_and_prompts_have_limits(inside, tmp_path):
    http = client(tmp_path, max_body_mb=0.01)
    for body in (b"x" * 20_000, iter([b"x" * 9_000] * 3)):  # told beforehand, and not
        answer = http.post("/api/export", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_too_many_requests_are_told_when_to_come_back(inside, tmp_path):
    http = client(tmp_path, rate="3/minute")
    answers = [http.get("/api/v1/health") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_every_answer_has_its_id_and_the_headers_of_a_private_page(inside, tmp_path):
    http = client(tmp_path)
    for answer in (http.get("/api/v1/health", headers={"X-Request-ID": "my-own-id-1"}), http.get("/nothing", headers={"X-Request-ID": "my-own-id-1"})):
        assert answer.headers["x-request-id"] == "my-own-id-1"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"] and answer.headers["x-content-type-options"] == "nosniff"
    assert http.get("/api/v1/health", headers={"X-Request-ID": "bad\nid"}).headers["x-request-id"] != "bad\nid"


def test_a_model_that_is_no_model_is_404_and_one_that_is_not_loaded_409(inside, tmp_path):
    http = client(tmp_path)
    assert http.post("/api/generate", json={"prompt": "a", "model": "../secret"}).status_code == 404
    assert http.post("/api/generate", json={"prompt": "a", "model": "base"}).json()["error"]["code"] == "not_loaded"


def test_logs_have_ids_and_no_prompts(inside, tmp_path):
    http = client(tmp_path)
    http.post("/v1/chat/completions", json={"model": "base", "messages": [{"role": "user", "content": "my secret"}]}, headers={"X-Request-ID": "find-me-here"})
    log = (tmp_path / "logs/serve.jsonl").read_text()
    assert "find-me-here" in log and "my secret" not in log
