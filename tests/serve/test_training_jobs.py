"""Training jobs for real: the API, DVC's queue and worker, the project's own stages on a tiny base, and what becomes of
a job when things are killed."""

import json
import subprocess
import sys
import time

import pytest
from websockets.sync.client import connect

from tests.support.server_process import Server, of
from tests.support.workspace import environment, make_workspace, with_tiny

pytestmark = [pytest.mark.slow, pytest.mark.dvc, pytest.mark.model]
SMALL = {
    "train.max_length": 512,
    "export.parity_prompts": 1,
    "export.parity_tokens": 16,
    "export.quantization": "f16",
    "train.learning_rate": 0.005,
}
LONG = {
    **SMALL,
    "train.epochs": 5000,
    "train.early_stopping_patience": 5000,
    "train.max_tokens": 0,
}  # hours, if nobody stops it
CARD = {"twin": {"style": 0.5}}


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny_root):
    """A committed project with eight short posts, on a tiny base of the user's own, with a scorecard and a curve."""
    folder = make_workspace(tmp_path_factory.mktemp("project"))
    for path in (folder / "data/sample").iterdir():
        if path not in shortest(folder) and path.name != "ABOUT":
            path.unlink()
    for name, text in {"eval/metrics.json": json.dumps(CARD), "train/loss.tsv": "step\tloss\n1\t2.5\n"}.items():
        (folder / "artifacts" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "artifacts" / name).write_text(text)
    subprocess.run(
        [sys.executable, "scripts/set_param.py", f"train.base={with_tiny(folder, tiny_root)}"],
        cwd=folder,
        env=environment(folder),
        check=True,
    )
    commit(folder)
    return folder


def shortest(folder) -> list:
    return sorted((folder / "data/sample").glob("*.md"), key=lambda p: p.stat().st_size)[:8]


def commit(folder) -> None:
    subprocess.run("git add -A && git commit -qm more", shell=True, cwd=folder, env=environment(folder), check=True)


def start(server, **asked) -> str:
    answer = server.http.post("/api/v1/training/jobs", json={"preset": "highspeed", "scorecard": False, **asked})
    assert answer.status_code == 200 and answer.json()["state"] in ("waiting", "running"), answer.text
    return answer.json()["id"]


def state(server, job: str) -> str:
    return server.http.get(f"/api/v1/training/jobs/{job}").json()["state"]


def until(server, job: str, wanted: str) -> None:
    end = time.monotonic() + 300
    while (now := state(server, job)) != wanted:
        assert time.monotonic() < end and now in ("waiting", "running"), (now, wanted)
        time.sleep(0.5)


def step(server, job: str, after: int = 0) -> int:
    """A step of its training that is later than `after`, by the stream of events."""
    with server.http.stream("GET", f"/api/v1/training/jobs/{job}/progress") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and ((data := json.loads(line[6:])).get("step") or 0) > after:
                assert (
                    data["stage"] == "train"
                    and data["state"] == "running"
                    and data["loss"] > 0
                    and data["steps"] > data["step"]
                )
                return data["step"]
    raise AssertionError("the stream ended before that step")


def cut_power(workspace) -> None:
    """kill -9 for DVC's worker and all that it runs."""
    mine = of(workspace)
    assert any("queue-worker" in p.cmdline() for p in mine) and any("scripts/04_train.py" in p.cmdline() for p in mine)
    for process in mine:
        process.kill()


@pytest.fixture
def home(project, tmp_path):
    """The user's data; what a failed test left running there and in the project ends with the test."""
    yield tmp_path / "home"
    for process in of(tmp_path) + of(project):
        process.kill()


@pytest.mark.nightly
def test_jobs_take_turns_outlive_the_server_stop_when_asked_and_end_as_twins(project, home):
    # params.yaml names a judge and an instructor elsewhere, and their keys are there: a job has none of it
    named = {
        "eval.judge_model": "judge@http://somewhere.example/v1",
        "prepare.instruction_model": "model@http://somewhere.example/v1",
    }
    subprocess.run(
        [sys.executable, "scripts/set_param.py", *(f"{k}={v}" for k, v in named.items())],
        cwd=project,
        env=environment(project),
        check=True,
    )
    commit(project)
    keys = dict.fromkeys(("JUDGE_API_KEY", "INSTRUCTOR_API_KEY", "GROQ_API_KEY", "OPENAI_API_KEY"), "private")
    server = Server(project, home, **keys).ready()
    cut, stopped, unwanted = (start(server, params=LONG) for _ in range(3))
    seen = step(server, cut)
    working = of(home / "workspace")  # DVC's worker, and all that it runs
    assert any("scripts/04_train.py" in p.cmdline() for p in working) and not any(
        "API_KEY" in name for p in working for name in p.environ()
    )
    assert server.http.delete(f"/api/v1/training/jobs/{unwanted}").json()["state"] == "stopped"  # one that waits
    server.kill()

    (project / "params.yaml").write_text((project / "params.yaml").read_text() + "# a newer one\n")
    commit(project)
    server = Server(project, home).ready()
    try:
        files = [("files", (f"{n}.md", post.read_bytes())) for n, post in enumerate(shortest(project))]
        assert server.http.post("/api/corpus", data={"name": "anna"}, files=files).json()["posts"] == 8
        short = start(server, corpus="anna", params={**SMALL, "train.max_steps": 2})
        assert "# a newer one" in (home / "workspace/params.yaml").read_text()
        assert step(server, cut, after=seen) > seen  # it went on meanwhile
        with connect(f"{server.url.replace('http', 'ws')}/ws/training/{cut}", proxy=None) as socket:
            told = json.loads(socket.recv(60))
            assert told["event"] == "progress" and told["data"]["step"] > seen
        assert [state(server, job) for job in (stopped, short, unwanted)] == ["waiting", "waiting", "stopped"]

        cut_power(home / "workspace")
        until(server, stopped, "running")  # its turn, although DVC itself takes the first one for running still
        assert state(server, cut) == "failed"
        step(server, stopped)
        assert server.http.delete(f"/api/v1/training/jobs/{stopped}").json()["state"] == "stopped"
        until(server, short, "done")
        jobs = {j["id"]: j for j in server.http.get("/api/v1/training/jobs").json()["jobs"]}
        assert [jobs[job]["state"] for job in (cut, stopped, unwanted, short)] == [
            "failed",
            "stopped",
            "stopped",
            "done",
        ]
        assert [str(p.relative_to(project)) for p in (project / "artifacts/twins").glob("*/*")] == [
            f"artifacts/twins/anna/{short}"
        ]
        twin = jobs[short]["twin"]
        assert server.http.post("/api/v1/models/load", json={"model": twin}).json()["status"] == "loaded"
        assert (
            server.http.post("/api/generate", json={"prompt": "Rain.", "model": twin, "max_tokens": 4}).json()["tokens"]
            == 4
        )
        shown = {
            e["name"]: e
            for e in server.http.get("/api/dashboard").json()["experiments"]
            if (e["name"] or "").startswith("job-")
        }
        assert list(shown) == [short] and shown[short]["params"]["params.yaml"]["train"]["max_steps"] == 2
        asked = shown[short]["params"]["params.yaml"]
        assert (
            asked["eval"]["judge_model"] == asked["prepare"]["instruction_model"] == ""
            and asked["train"]["learning_rate"] == 0.005
            and asked["export"]["quantization"] == "f16"
        )
        assert shown[short]["metrics"]["artifacts/train/metrics.json"]["steps"] == 2
        assert not any(
            "scripts/04_train.py" in p.cmdline() for p in of(home / "workspace")
        )  # what was stopped did stop
    finally:
        server.stop()


def test_the_dashboard_has_what_git_and_dvc_know(project, tmp_path):
    server = Server(project, tmp_path / "home")
    try:
        found = server.http.get("/api/dashboard").json()
    finally:
        server.stop()
    assert found["scorecard"] == CARD and [row["metrics"] for row in found["history"]] == [CARD]
    assert found["curves"]["loss"] == [{"step": 1, "loss": 2.5}] and found["votes"] == []
    workspace = found["experiments"][0]
    assert workspace["revision"] == "workspace" and workspace["metrics"]["artifacts/eval/metrics.json"] == CARD
    assert workspace["params"]["params.yaml"]["train"]["base"].endswith("tiny.gguf")
