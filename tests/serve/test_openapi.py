"""The whole OpenAPI by schemathesis: to thousands of requests, right and wrong, an answer that the schema tells of, and
never a 5xx. OPENAPI_EXAMPLES=100 asks for more of them than the 20 of every night; `-s` shows how many requests it
were."""

import os
import re
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
EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "20"))  # random requests for each operation, at most
COUNTED = re.compile(r'^blogtwin_requests_total\{.*status="(\d+)"\} (\S+)$', re.M)
JOBS = (  # a right request would train: those are for test_training_api.py and test_training_jobs.py
    "/api/v1/training/jobs"
)
WATCH = "/api/v1/watch"  # a right request would copy a folder of this machine
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
        [option for path in (JOBS, WATCH, DRAFTS) for option in ("--exclude-path", path)],
        ["--include-path", JOBS, "--mode", "negative"],
        ["--include-path", WATCH, "--mode", "negative"],
        ["--include-path", DRAFTS, "--mode", "negative"],
    ],
    ids=["everything", "wrong jobs", "wrong watches", "wrong drafts"],
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
        str(EXAMPLES),
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
    done = subprocess.run(
        [*command, *options, *asked], cwd=tmp_path, capture_output=True, text=True, timeout=30 * max(20, EXAMPLES)
    )
    assert done.returncode == 0 and "No issues found" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
    # The last of the requests may have unloaded the models.
    assert server.http.post("/api/v1/models/load", json={"model": "base"}, timeout=120).status_code == 200
    server.ready()
    counted = [(int(status), float(n)) for status, n in COUNTED.findall(server.http.get("/api/v1/metrics").text)]
    failed = sum(n for status, n in counted if status >= 500)
    print(f"\n{sum(n for _, n in counted):.0f} requests so far, {failed:.0f} of them answered with a 5xx")
    assert counted and not failed
