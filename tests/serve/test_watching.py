"""What an operator watches: metrics, the rules and the dashboard made of them, and traces."""

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading

import pytest
import yaml

from serve import prometheus_metrics
from serve.concurrency import ConcurrencyLimiter
from tests.support.server_process import Server
from tests.support.workspace import ROOT, sh

DEPLOY = ROOT / "deploy"
NAME = re.compile(r"\bblogtwin_\w+")
RULES = [rule for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((DEPLOY / "grafana/blogtwin.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian's package prometheus)")


def known_metrics() -> set[str]:
    """Every name that /api/v1/metrics may show."""
    names = set()
    for family in prometheus_metrics.REGISTRY.collect():
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + ending for ending in endings}
    return names


@pytest.mark.parametrize("query", [*(rule["expr"] for rule in RULES), *QUERIES])
def test_rules_and_dashboard_ask_for_metrics_that_exist(query):
    """A renamed metric would leave a rule that never fires, and an empty panel."""
    asked = set(NAME.findall(query))
    assert asked <= known_metrics() and (asked or "up{" in query)


@needs_promtool
def test_promtool_accepts_rules_configuration_and_every_query_of_the_dashboard(tmp_path):
    queries = {
        "groups": [{"name": "dashboard", "rules": [{"record": f"q{n}", "expr": q} for n, q in enumerate(QUERIES)]}]
    }
    (tmp_path / "queries.yml").write_text(yaml.safe_dump(queries))
    checks = (
        ("check", "rules", str(DEPLOY / "alerts.yml"), str(tmp_path / "queries.yml")),
        ("check", "config", "--syntax-only", str(DEPLOY / "prometheus.yml")),
    )
    for check in checks:
        done = subprocess.run(["promtool", *check], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_rule_fires_on_its_series_and_is_silent_on_others():
    done = subprocess.run(["promtool", "test", "rules", "alerts_test.yml"], cwd=DEPLOY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    tested = {test["name"] for test in yaml.safe_load((DEPLOY / "alerts_test.yml").read_text())["tests"]}
    assert {rule["alert"] for rule in RULES} == {name for name in tested if ", not yet" not in name}


async def waiting(limiter: ConcurrencyLimiter) -> None:
    async with limiter.acquire():
        pass


def test_the_queue_is_as_old_as_its_oldest_request():
    """Also after one in its midst has given up."""
    import asyncio

    async def run() -> None:
        limiter = ConcurrencyLimiter(1, 5, 60)
        assert limiter.longest_wait == 0
        async with limiter.acquire():
            tasks = [asyncio.create_task(waiting(limiter)) for _ in range(3)]
            await asyncio.sleep(0.05)
            first = limiter.longest_wait
            tasks[1].cancel()
            await asyncio.sleep(0.05)
            assert limiter.waiting == 2 and limiter.longest_wait > first >= 0.05
            tasks[0].cancel()
            await asyncio.sleep(0)
            assert limiter.waiting == 1
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (limiter.waiting, limiter.longest_wait) == (0, 0)

    asyncio.run(run())


def test_a_draft_counts_refused_sentences_by_reason_and_lines_by_what_became_of_them():
    def count(name: str, **labels: str) -> float:
        return prometheus_metrics.REGISTRY.get_sample_value(name, labels) or 0

    asked = [
        ("blogtwin_candidates_total", {}),
        ("blogtwin_rejected_candidates_total", {"reason": "length"}),
        ("blogtwin_draft_lines_total", {"status": "told"}),
    ]
    before = [count(name, **labels) for name, labels in asked]
    lines = [{"number": n, "text": "private", "status": "told"} for n in range(2)]
    prometheus_metrics.observe_draft({"candidates": 9, "rejected": {"length": 4}, "lines": lines})
    assert [count(name, **labels) - b for (name, labels), b in zip(asked, before)] == [9, 4, 2]


@pytest.mark.slow
@pytest.mark.model
def test_metrics_say_what_is_ready_and_how_much_disk_is_left(server):
    text = server.http.get("/api/v1/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values["blogtwin_ready"] == "1.0" and values['blogtwin_queue_age_seconds{model="base"}'] == "0.0"
    free = shutil.disk_usage(server.home).free
    assert abs(float(values['blogtwin_disk_free_bytes{of="data"}']) - free) < 0.1 * free + 1e9
    assert values['blogtwin_jobs{state="running"}'] == "0.0"


def test_a_running_jobs_step_and_loss_are_metrics(tmp_path, monkeypatch):
    """They are read from its files: a scrape asks DVC nothing."""
    from blogtwin.config import load_params
    from serve import app_state
    from serve.settings import Settings

    state = app_state.create_state(Settings(home=tmp_path), load_params(ROOT / "params.yaml"))
    state.jobs.cached = (0.0, {"job-1": "running", "job-2": "waiting"})
    state.jobs.revisions = {"job-1": "abc123"}
    run = state.jobs.workspace / ".dvc/tmp/exps/run/abc1234"
    for folder in (run, tmp_path / "job/artifacts/logs"):
        folder.mkdir(parents=True)
    (run / "abc1234.run").write_text(json.dumps({"root_dir": str(tmp_path / "job")}))
    row = {"event": "step", "step": 7, "of": 90, "loss": 2.5, "tokens_per_s": 800}
    (tmp_path / "job/artifacts/logs/train.jsonl").write_text("{}\n" + json.dumps(row) + "\n")
    lines = prometheus_metrics.render(state).decode().splitlines()
    wanted = {"step": 7.0, "steps": 90.0, "loss": 2.5, "tokens_per_second": 800.0}
    assert all(f'blogtwin_training_{name}{{job="job-1"}} {value}' in lines for name, value in wanted.items())
    assert 'blogtwin_jobs{state="waiting"} 1.0' in lines


def test_traces_that_are_asked_for_without_opentelemetry_are_refused(tmp_path):
    done = sh(
        tmp_path,
        f"{sys.executable} {ROOT / 'scripts/serve_api.py'} --port 0",
        60,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318",
        SERVE_HOME=str(tmp_path),
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "OpenTelemetry is not installed" in done.stderr and "opentelemetry-sdk" in done.stderr


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.network
@pytest.mark.model
def test_a_collector_gets_a_requests_span_and_its_answers_and_no_text(served, tmp_path):
    """OpenTelemetry is installed beside, since the project does not need it."""
    from serve.tracing import PACKAGES

    beside = tmp_path / "packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(beside)]
    subprocess.run([*install, *PACKAGES.split()], check=True, capture_output=True, timeout=600)
    got: list[tuple[str, bytes]] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{collector.server_address[1]}"
    more = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_COMPRESSION": "none", "PYTHONPATH": str(beside)}
    running = Server(served, tmp_path / "home", **more).ready()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    asked = {"prompt": "a private thing", "model": "base", "max_tokens": 4}
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    assert running.http.post("/api/generate", json=asked, headers=headers).status_code == 200
    running.stop()  # what is left is sent at the end
    collector.shutdown()
    collector.server_close()
    assert {path for path, _ in got} == {"/v1/traces"}
    sent = b"".join(body for _, body in got)
    assert sent.count(bytes.fromhex(trace)) == 2, "the request's span and its answer's are of the caller's trace"
    assert b"POST /api/generate" in sent and b"gen_ai.request.model" in sent and b"private" not in sent
