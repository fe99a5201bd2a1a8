"""The watch over new posts: what is kept of it, when it looks, what it refuses, and what it says when it can't look."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blogtwin.edit_params import set_params
from blogtwin.errors import UserError
from serve import post_watch
from serve.database import Database
from serve.job_workspace import stage_environment
from serve.post_watch import PostWatch, seconds_to_next
from serve.retraining import Look, run_dvc_quietly
from tests.support.api_client import client
from tests.support.kept_twins import write_params


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An empty project as the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_params(folder)
    return folder


def error(answer) -> str:
    assert answer.status_code == 409, answer.text
    found = answer.json()["error"]
    return f"{found['message']} {found['hint']}"


def test_settings_are_kept_for_this_project_and_a_look_can_be_asked_for(project, tmp_path, monkeypatch):
    home = tmp_path / "home"
    fresh = client(home).get("/api/v1/watch").json()
    assert (fresh["on"], fresh["source"], fresh["minutes"], fresh["looked_at"]) == (False, "", 60, None)
    assert fresh["folder"] == "data/sample" and fresh["job"] is None
    asked = {"on": True, "source": " https://a.example/feed ", "minutes": 15}
    assert client(home).put("/api/v1/watch", json=asked).status_code == 200
    http = client(home)  # another start
    found = http.get("/api/v1/watch").json()
    assert (found["on"], found["source"], found["minutes"]) == (True, "https://a.example/feed", 15)
    assert not found["looking"] and http.post("/api/v1/watch/look").json()["looking"]
    for wrong in ({"on": True, "minutes": 0}, {"on": True, "often": 1}, {"source": "x"}):
        assert http.put("/api/v1/watch", json=wrong).status_code == 422
    monkeypatch.chdir(tmp_path)  # the same data folder, and another project
    write_params(tmp_path)
    assert not client(home).get("/api/v1/watch").json()["on"]


def test_several_workers_neither_look_nor_train(project, tmp_path):
    http = client(tmp_path / "home", workers=2, engine="openai")
    for answer in (
        http.put("/api/v1/watch", json={"on": True}),
        http.post("/api/v1/watch/look"),
        http.post("/api/v1/watch/train"),
    ):
        assert "A server with several workers does not train." in error(answer)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"ingest.source": "data/none"}, "ingest.source is data/none, and there is no such folder."),
        ({"prepare.instruction_model": "m@http://127.0.0.1:1/v1"}, "`make retrain`, or empty that parameter"),
        ({"ingest.source": "../posts"}, "params.yaml names ../posts, which is outside of this project"),
    ],
)
def test_a_training_that_no_job_can_do_is_refused_before_anything_is_made(project, tmp_path, params, said):
    for folder in ("project/posts", "posts"):
        (tmp_path / folder).mkdir()
    set_params(Path("params.yaml"), {"ingest.source": "posts", **params})
    assert said in error(client(tmp_path / "home").post("/api/v1/watch/train"))
    assert not (tmp_path / "home/workspace").exists()


@pytest.mark.parametrize(
    ("on", "found", "seconds"),
    [
        (False, {}, None),
        (True, {}, 0),
        (True, {"looked_at": 1000.0}, 600),
        (True, {"looked_at": 1.0}, 0),
        (True, {"looked_at": 9e9}, 900),  # the clock was set back
    ],
)
def test_the_next_look_comes_in_time(on, found, seconds):
    assert seconds_to_next({"on": on, "minutes": 15}, found, now=1300.0) == seconds


@pytest.mark.slow
def test_a_look_that_fails_is_said_and_leaves_what_was_found_before(project, tmp_path):
    """For real, in a process of its own: the folder is not there, and then DVC has no project here."""
    watch = PostWatch(Database(tmp_path / "serve.db"))

    async def looks() -> list[dict]:
        found = []
        before = {"sentence": "2 new posts", "behind": 2, "seen": ["a"]}
        for source in (str(tmp_path / "gone"), ""):
            await watch.look({"source": source}, before)
            found.append((await watch.state())[1])
        return found

    gone, no_project = asyncio.run(looks())
    assert gone["problem"].startswith(f"FROM is {tmp_path}/gone, which is not there")
    assert no_project["problem"].startswith("The posts could not be read: ")
    assert (gone["sentence"], gone["behind"], gone["seen"]) == ("2 new posts", 2, ["a"])
    assert gone["looked_at"] > time.time() - 600 and not watch.looking


def test_the_watch_looks_when_it_is_asked_and_when_it_is_switched_on(project, tmp_path, monkeypatch):
    sources = []

    def look(work, source, *_, **__) -> dict:
        sources.append(source)
        return {"sentence": f"look {len(sources)}"}

    monkeypatch.setattr(post_watch, "run_apart", look)

    async def until(watch: PostWatch, sentence: str) -> None:
        async with asyncio.timeout(20):
            while (await watch.state())[1].get("sentence") != sentence or watch.looking:
                await asyncio.sleep(0.01)

    async def main() -> None:
        watch = PostWatch(Database(tmp_path / "serve.db"))
        task = asyncio.create_task(watch.watch())
        watch.look_now()
        await until(watch, "look 1")
        await watch.configure(True, "x", 1)  # the last look is younger than a minute
        watch.look_now()
        await until(watch, "look 2")
        await watch.database.run(lambda db: post_watch.database.save_watch(db, watch.project, found={"looked_at": 0}))
        await watch.configure(True, "y", 1)
        await until(watch, "look 3")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert sources == ["", "x", "y"]


@pytest.mark.slow
def test_a_stage_that_fails_and_another_command_of_dvc_are_told_in_a_sentence(project):
    Path("dvc.yaml").write_text("stages: {slow: {cmd: python slow.py, outs: [made]}, wrong: {cmd: python wrong.py}}")
    Path("wrong.py").write_text("import sys; sys.exit('error: The posts are not there.')")
    Path("slow.py").write_text("import pathlib, time; pathlib.Path('started').touch(); time.sleep(600)")
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], check=True)
    with pytest.raises(UserError, match=r"^The posts are not there\.$"):
        run_dvc_quietly("repro", "wrong")
    with subprocess.Popen([*dvc, "repro", "-q", "slow"], env=stage_environment(), start_new_session=True) as running:
        try:
            end = time.monotonic() + 120
            while not Path("started").exists():
                assert time.monotonic() < end and running.poll() is None
                time.sleep(0.1)
            with pytest.raises(UserError, match=r"DVC is at work in this project, as during `make all`\."):
                run_dvc_quietly("repro", "slow")
        finally:
            subprocess.run(["kill", "-9", "--", f"-{running.pid}"], check=True)


def test_without_dvc_a_look_says_so(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="This server has no DVC"):
        run_dvc_quietly("repro", "ingest")


def test_a_twin_that_knows_all_posts_is_behind_none():
    assert [str(Look(5, 0, 0)), str(Look(5, 1, 3))] == [
        "no new posts; the twin knows them all",
        "1 new post; the twin is 3 posts behind",
    ]
