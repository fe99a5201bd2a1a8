"""The page, as a person uses it: built, small, and driven by a browser on the real server. Needs Node and Chromium, and
skips without."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import httpx
import pytest

from tests.support.server_process import Server, write_workspace
from tests.support.workspace import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.browser]
FRONTEND = ROOT / "frontend"
CHROMIUM = os.environ.get("CHROMIUM_PATH", "/usr/bin/chromium")
need_node = pytest.mark.skipif(
    not (shutil.which("npm") and (FRONTEND / "node_modules").is_dir()), reason="needs Node, and npm ci in frontend/"
)
need_browser = pytest.mark.skipif(
    not os.access(CHROMIUM, os.X_OK), reason=f"needs Chromium at {CHROMIUM} (CHROMIUM_PATH)"
)


def said(*command: str, **options) -> str:
    done = subprocess.run(command, cwd=FRONTEND, capture_output=True, text=True, timeout=1200, **options)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built():
    said("sh", "scripts/build.sh")
    assert (FRONTEND / "dist/index.html").is_file()


@need_node
def test_parts_and_types():
    """Stream reader, hooks and components by Vitest; types (also those of the API), lint rules and formatting by tsc
    and Biome."""
    said("npm", "run", "--silent", "check")
    said("npm", "run", "--silent", "test")


@need_node
def test_typed_client_is_generated_from_the_server_as_it_is(tmp_path):
    """src/api/schema.ts is what `npm run api` makes; when it differs, run that."""
    openapi = subprocess.run(
        [sys.executable, "frontend/scripts/openapi.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    (tmp_path / "openapi.json").write_text(openapi)
    said("npx", "openapi-typescript", str(tmp_path / "openapi.json"), "-o", str(tmp_path / "schema.ts"))
    assert (tmp_path / "schema.ts").read_text() == (FRONTEND / "src/api/schema.ts").read_text()


@need_node
def test_first_load_stays_within_its_budget(built):
    assert "first load" in said("npm", "run", "--silent", "size")


def scenarios(url: str, *names: str, **more) -> None:
    print(
        said(
            "node",
            "e2e/run.mjs",
            url,
            str(ROOT / "artifacts/screenshots"),
            *names,
            env={**os.environ, "CHROMIUM_PATH": CHROMIUM, "PYTHON": sys.executable, **more},
        )
    )


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """A workspace with a past: a second twin, two scorecards in Git, curves of a training, a base and an author to
    compare with."""
    folder = write_workspace(tmp_path_factory.mktemp("past"))
    (folder / "artifacts/twins/anna/job-1/gguf").mkdir(parents=True)
    shutil.copy(folder / "artifacts/gguf/adapter.gguf", folder / "artifacts/twins/anna/job-1/gguf")
    card = json.loads((folder / "artifacts/eval/metrics.json").read_text())
    card |= {
        "base": {"style": {"masked": 0.15, "function": 0.17}},
        "author": {"style": {"masked": 1.0}, "shape": {"words_median": 484}},
        "verifier": {"masked": {"author_p5": 0.4, "author_p95": 1.6, "others_p5": -0.6, "others_p95": 0.5}},
    }
    (folder / "artifacts/eval/verdict.txt").write_text(
        "Closer to you than prompting: a verdict.\nAdd posts: a first tip.\n"
    )
    (folder / "artifacts/eval/report.html").write_text(
        "<!doctype html><style>h1 { color: rgb(1, 2, 3) }</style><h1>The whole report</h1>"
    )
    (folder / "artifacts/train").mkdir()
    (folder / "artifacts/train/loss.tsv").write_text("step\tloss\n1\t3.7\n2\t3.4\n3\t3.2\n")
    (folder / "artifacts/train/valid_loss.tsv").write_text("step\tepoch\tloss\n0\t0\t3.6\n3\t1\t3.1\n")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=folder, check=True)
    for style in (0.7, 0.8):
        card["twin"]["style"]["masked"] = style
        (folder / "artifacts/eval/metrics.json").write_text(json.dumps(card))
        subprocess.run([*git, "add", "artifacts/eval/metrics.json"], cwd=folder, check=True)
        subprocess.run([*git, "commit", "-qm", f"style {style}"], cwd=folder, check=True)
    return folder


@need_node
@need_browser
def test_every_page_works_in_a_browser(built, past, tmp_path):
    """Each page from a click to what is saved; on a phone and a desktop, light and dark, axe; nothing leaves the
    origin."""
    server = Server(past, tmp_path / "home").ready()
    try:
        scenarios(server.url, VIEWS="390 light,1440 dark")
    finally:
        server.stop()


@pytest.mark.nightly
@need_node
@need_browser
def test_every_page_at_every_width_and_in_both_themes(built, past, tmp_path):
    """Empty and with something in it: axe, and nothing wider than the window."""
    server = Server(past, tmp_path / "home").ready()
    try:
        scenarios(server.url, "write", "compare", "rewrite", "draft", "view")
    finally:
        server.stop()


@pytest.mark.nightly
@need_node
@need_browser
def test_page_withstands_malicious_answers_failing_engines_and_slow_networks(built, past, tmp_path):
    """The real server, with an engine whose answers are scripted (e2e/fake-engine.mjs); the last scenario kills the
    server."""
    engine = subprocess.Popen(["node", "e2e/fake-engine.mjs"], cwd=FRONTEND, stdout=subprocess.PIPE, text=True)
    settings = {
        "ENGINE": "openai",
        "OPENAI_URL": engine.stdout.readline().strip(),
        "OPENAI_BASE_MODEL": "remote",
        "OPENAI_TWIN_MODEL": "remote",
        "SLOTS": "1",
        "QUEUE": "0",
    }
    server = Server(past, tmp_path / "home", **{f"SERVE_{name}": value for name, value in settings.items()}).ready()
    try:
        scenarios(server.url, FAKE_ENGINE="1", SERVE_HOME=str(server.home), SERVER_PID=str(server.process.pid))
    finally:
        server.stop()
        engine.kill()
        engine.wait()
        engine.stdout.close()


@need_node
def test_make_dev_serves_the_sources_and_passes_the_api_on(server):
    """`make dev` is uvicorn with reload, and this beside it."""
    dev = subprocess.Popen(
        ["npx", "vite", "--port", "0"],
        cwd=FRONTEND,
        env={**os.environ, "SERVE_URL": server.url, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        url = next(found[1] for line in dev.stdout if (found := re.search(r"(http://127\.0\.0\.1:\d+)", line)))
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
            assert "/src/main.tsx" in http.get("/").text and "createRoot" in http.get("/src/main.tsx").text
            assert http.get("/api/v1/health").json()["ready"]
            assert (
                http.post(
                    "/api/generate", json={"prompt": "A word.", "max_tokens": 2}, headers={"Origin": url}
                ).status_code
                == 200
            )
    finally:
        os.killpg(dev.pid, signal.SIGKILL)
        dev.wait()
        dev.stdout.close()


@pytest.mark.parametrize(
    ("script", "words"), [("build.sh", "The web app was not built"), ("lint.sh", "The web app was not linted")]
)
def test_without_node_one_sentence_says_so(tmp_path, script, words):
    """`make serve` serves the API then, and `make lint` checks the Python code."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(shutil.which(name))
    frontend = tmp_path / "frontend"
    (frontend / "scripts").mkdir(parents=True)
    shutil.copy(FRONTEND / "scripts" / script, frontend / "scripts")
    done = subprocess.run(
        ["sh", str(frontend / "scripts" / script)], env={"PATH": str(tools)}, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.count("\n") == 1 and words in done.stdout and "Node.js" in done.stdout
