"""The whole OpenAPI by schemathesis: to thousands of requests, right and wrong, an answer that the schema tells of, and
never a 5xx."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_process import Server, of, write_workspace

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.model]
CHECKS = ",".join(
    (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
)
JOBS = (  # a right request would train: those are for test_training_api.py and test_training_jobs.py
    "/api/v1/training/jobs"
)
DRAFTS = "/api/draft"  # a right request would search for minutes: those are for test_drafting.py


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One of its own, since models are unloaded and chats made here. A wrong job with a field too many is a job: what
    it began ends here."""
    home = tmp_path_factory.mktemp("home")
    running = Server(write_workspace(tmp_path_factory.mktemp("served")), home, SERVE_MAX_TOKENS="1").ready()
    yield running
    running.stop()
    for process in of(home):
        process.kill()


@pytest.mark.parametrize(
    "asked",
    [
        ["--exclude-path", JOBS, "--exclude-path", DRAFTS],
        ["--include-path", JOBS, "--mode", "negative"],
        ["--include-path", DRAFTS, "--mode", "negative"],
    ],
    ids=["everything", "wrong jobs", "wrong drafts"],
)
def test_no_request_breaks_the_server_or_gets_an_answer_the_schema_does_not_know(server, tmp_path, asked):
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        f"{server.url}/openapi.json",
        "--checks",
        CHECKS,
        "--phases",
        # The example of a draft is a right request.
        "coverage,fuzzing" if DRAFTS in asked and "--include-path" in asked else "examples,coverage,fuzzing",
        "--max-examples",
        "20",
    ]
    options = [
        "--seed",
        "7",
        "--generation-database",
        "none",
        "--suppress-health-check",
        "all",
        "--request-timeout",
        "60",
        "--continue-on-failure",
        "--no-color",
        "--warnings",
        "off",
    ]
    done = subprocess.run([*command, *options, *asked], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "No issues found" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
    # The last of the requests may have unloaded the models.
    assert server.http.post("/api/v1/models/load", json={"model": "base"}, timeout=120).status_code == 200
    server.ready()
