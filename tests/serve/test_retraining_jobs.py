"""New posts by themselves, for real: the API looks for them, DVC's queue trains on them, and the server settles which
twin is live, also when it was killed meanwhile."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blogtwin.config import load_params
from blogtwin.edit_params import set_params
from blogtwin.files import write_json
from corpus.ingest import ingest_folder
from corpus.split import assignments_key
from tests.support.kept_twins import keep
from tests.support.server_process import Server, of
from tests.support.workspace import commit_all, environment, make_workspace, short_suites, with_tiny

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.dvc, pytest.mark.model]
SMALL = (
    "train.max_steps=2 train.max_length=256 train.learning_rate=2e-2 export.quantization=f16 export.parity_prompts=1"
    " export.parity_tokens=30 eval.num_prompts=2 eval.max_tokens=16 eval.max_scored_tokens=32"
)


@pytest.fixture
def project(tmp_path, tiny_root):
    """A committed project on a tiny base, whose short posts lie in a folder elsewhere; what a test left running ends
    with it."""
    folder = make_workspace(tmp_path / "project")
    short_suites(folder)
    posts = sorted((folder / "data/sample").glob("*.md"), key=lambda path: path.stat().st_size)
    for place, some in {"posts": posts[2:14], "later": posts[:2]}.items():
        (tmp_path / place).mkdir()
        for path in some:
            path.rename(tmp_path / place / path.name)
    commit_all(folder, "small")
    # not committed: a job takes params.yaml as it is
    command = [sys.executable, "scripts/set_param.py", f"train.base={with_tiny(folder, tiny_root)}", *SMALL.split()]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True)
    yield folder
    for process in of(tmp_path):
        process.kill()


SPLIT_AS_A_JOB = """
import sys; sys.path.insert(0, ".")
from pathlib import Path
from blogtwin.config import load_params
from serve.job_workspace import JobWorkspace, own_places
workspace = JobWorkspace(Path(sys.argv[1]))
workspace.prepare()
workspace.add_own_posts(own_places(load_params()))
workspace.dvc("exp", "run", "--temp", "--name", "job-x", "split")
workspace.extract("job-x", {"data/split/assignments.json": Path(sys.argv[2])})
"""


def test_a_post_stays_in_the_split_that_an_earlier_job_put_it_in(project, tmp_path, monkeypatch):
    """Of which the project's own stages know nothing; posts of which nobody knows are split."""
    monkeypatch.chdir(project)
    (tmp_path / "posts").rename("data/blog")
    set_params(Path("params.yaml"), {"ingest.source": "data/blog"})
    params = load_params()
    posts = ingest_folder(Path("data/blog"), params.ingest.min_words, 1e6, "", "user", ["post"])[0]
    ids = [post["id"] for post in posts]
    known = dict(zip(ids[:8], ["train", "test", "valid", "train", "test", "train", "train", "train"], strict=True))
    version = keep("earlier", "2026-01-01")
    settings = assignments_key("data/blog", params.split)
    write_json(version.folder / "eval/assignments.json", {settings: {"posts": known, "where": {}}})
    found = tmp_path / "assignments.json"
    command = [sys.executable, "-c", SPLIT_AS_A_JOB, str(tmp_path / "home/workspace"), str(found)]
    (tmp_path / "home").mkdir()
    done = subprocess.run(command, cwd=project, env=environment(project), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    after = json.loads(found.read_text())[settings]["posts"]
    assert {post: after[post] for post in known} == known and set(after) == set(ids)


def watching(server, until, seconds: int = 300) -> dict:
    """The state of the watch when `until(state)` is true."""
    end = time.monotonic() + seconds
    while not until(state := server.http.get("/api/v1/watch").json()):
        assert time.monotonic() < end and not state["problem"], state
        time.sleep(0.5)
    return state


def settled(server) -> dict:
    """The job of the watch when it has ended."""
    return watching(server, lambda state: state["job"]["state"] not in ("waiting", "running"), 1200)["job"]


def live(project) -> str:
    """The one live version, as `make twins` marks it."""
    command = [sys.executable, "scripts/twins.py", "list"]
    said = subprocess.run(command, cwd=project, env=environment(project), capture_output=True, text=True, check=True)
    (name,) = re.findall(r"^→ (2\S+)  ", said.stdout, re.M)
    return f"versions/{name}"


@pytest.mark.timeout(3600)
def test_posts_are_found_and_trained_on_and_the_better_twin_is_live(project, tmp_path):
    server = Server(project, tmp_path / "home")
    server.http.timeout = 600  # DVC is asked, and a busy machine takes its time
    asked = {"on": True, "source": str(tmp_path / "posts"), "minutes": 600}
    assert server.http.put("/api/v1/watch", json=asked).json()["source"] == asked["source"]
    found = watching(server, lambda state: state["looked_at"])
    assert (found["found"], found["behind"]) == ("12 new posts; the twin is 12 posts behind", 12)
    job = server.http.post("/api/v1/watch/train").json()
    assert job["retraining"] and job["corpus"] == "data/blog"
    assert server.http.post("/api/v1/watch/train").json()["error"]["code"] == "already_training"
    first = settled(server)
    assert first["state"] == "done" and first["outcome"] == f"{first['twin']} is the twin now: it is the first one"
    assert live(project) == first["twin"]
    assert not (project / "artifacts/gguf").exists()  # the project itself is as it was

    for path in (tmp_path / "later").iterdir():
        path.rename(tmp_path / "posts" / path.name)
    assert server.http.post("/api/v1/watch/look").json()["looking"]
    found = watching(server, lambda state: not state["looking"])
    assert found["found"] == "2 new posts; the twin is 2 posts behind"
    assert server.http.post("/api/v1/watch/train").status_code == 200
    watching(server, lambda state: state["job"]["state"] == "running")
    server.kill()  # DVC's worker goes on
    assert live(project) == first["twin"]

    server = Server(project, tmp_path / "home")
    server.http.timeout = 600
    try:
        second = settled(server)
        state = server.http.get("/api/v1/watch").json()
        assert state["on"] and state["source"] == asked["source"]  # as it was before the kill
        assert second["state"] == "done" and second["twin"] != first["twin"]
        is_new = f"{second['twin']} is the twin now, in place of {first['twin']}: "
        is_old = f"{first['twin']} stays the twin: "
        assert second["outcome"].startswith((is_new, is_old))
        assert "no held-out posts in common" not in second["outcome"]  # posts stay in their split
        assert live(project) == (second if second["outcome"].startswith(is_new) else first)["twin"]
        server.http.post("/api/v1/watch/look")
        assert watching(server, lambda state: not state["looking"])["found"].endswith("the twin knows them all")
    finally:
        server.stop()
