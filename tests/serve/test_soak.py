"""`make soak` itself, for about a minute: the real server, a tiny base, and all that goes wrong; and that it would see
what was lost."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx2
import psutil
import pytest

from serve.soak_faults import FileLimit, find_clock
from serve.soak_writers import Tally, Writer, missing, why_no_sentence
from tests.support.server_process import Server, write_outputs
from tests.support.workspace import commit_all, environment, make_small_workspace, with_tiny

GOOD = {"error": {"code": "busy", "message": "Too many requests are waiting.", "hint": ""}}


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (503, GOOD, ""),
        (502, "<html>Bad gateway</html>", "no error of this API"),
        (500, "", "no error of this API"),
        (404, {"detail": "Not Found"}, "no error of this API"),
        (500, {"error": {**GOOD["error"], "code": "internal"}}, "nobody foresaw"),
        (409, {"error": {**GOOD["error"], "message": "KeyError: 'x'"}}, "no sentence"),
        (409, {"error": {**GOOD["error"], "message": ""}}, "no sentence"),
    ],
)
def test_a_refusal_is_a_sentence_or_a_fault(status, body, wrong):
    found = why_no_sentence(status, body)
    assert wrong in found and bool(wrong) is bool(found)


def test_what_is_missing_or_in_another_order_is_found():
    said = [("user", "a"), ("assistant", "b"), ("user", "c")]
    assert missing(said, [("user", "a"), ("assistant", "b"), ("assistant", "more"), ("user", "c")]) == []
    assert missing(said, [("user", "a"), ("user", "c")]) == [("assistant", "b")]
    assert missing(said, [("user", "c"), ("user", "a"), ("assistant", "b")]) == [("user", "c")]
    assert missing(said, []) == said


LOSSES = {
    "a message": "delete from message where id = (select min(id) from message)",
    "a text": "update message set content = 'x' where role = 'assistant'",
    "a chat": "delete from session",
    "a title": "update session set title = 'x'",
    "a vote": "delete from vote",
    "a comparison": "delete from comparison",
}


@pytest.mark.slow
@pytest.mark.model
def test_the_writers_find_what_was_lost(served, tmp_path):
    """They write, read back, and read back again after each loss."""
    server = Server(served, tmp_path / "home").ready()
    tally = Tally()
    writer = Writer("anna", "any", tally, 0, tokens=2)

    file = tmp_path / "home/serve.db"

    async def run() -> dict[str, list[str]]:
        async with httpx2.AsyncClient(base_url=server.url, timeout=120, trust_env=False) as http:
            for act in (writer.say, writer.say_streamed, writer.vote, writer.rename, writer.ask_wrongly):
                await act(http)
            found = {"": await writer.read_back(http)}
            with contextlib.closing(sqlite3.connect(file)) as db, sqlite3.connect(":memory:") as kept:
                db.execute("pragma foreign_keys=on")
                db.backup(kept)
                for name, statement in LOSSES.items():
                    db.execute(statement)
                    db.commit()
                    found[name] = await writer.read_back(http)
                    kept.backup(db)
            return found

    try:
        found = asyncio.run(run())
    finally:
        server.stop()
    assert tally.faults == {} and tally.acknowledged["messages"] == 4 and tally.refusals.total() == 1
    assert found.pop("") == [] and all(found.values()), found


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits another process")
def test_a_limit_of_the_servers_process_is_a_full_disk_to_it(served, tmp_path):
    """What was written can be read, nothing can be written, and all can once it is gone."""
    server, disk = Server(served, tmp_path / "home").ready(), FileLimit()
    process = psutil.Process(server.process.pid)
    try:
        assert server.http.post("/api/blind", json={"one": "base", "other": "author"}).status_code == 200
        disk.fill(process)
        assert server.http.get("/api/blind/results").json()["votes"] == 0
        answer = server.http.post("/api/blind", json={"one": "base", "other": "author"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
        disk.free(process)
        assert server.http.post("/api/blind", json={"one": "base", "other": "author"}).status_code == 200
    finally:
        server.stop()


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny, tiny_root):
    """A committed project on the tiny base, with a twin."""
    folder = make_small_workspace(tmp_path_factory.mktemp("project"))
    command = [sys.executable, "scripts/set_param.py", f"train.base={with_tiny(folder, tiny_root)}"]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True)
    commit_all(folder, "tiny")
    return write_outputs(folder, tiny)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.dvc
@pytest.mark.timeout(1200)
def test_a_minute_in_which_everything_goes_wrong_loses_nothing(project, run_in):
    """Memory is measured, and not judged: a minute is too short."""
    done = run_in(project, f"{sys.executable} scripts/soak.py --minutes 1", ok=False, timeout=1100)
    assert "Traceback" not in done.stderr and (project / "artifacts/bench/soak.json").is_file(), (
        done.stdout + done.stderr
    )
    found = json.loads((project / "artifacts/bench/soak.json").read_text())
    told = done.stdout[-4000:]
    assert found["lost"] == [] and found["faults"] == {}, told
    acknowledged = found["acknowledged"]
    assert acknowledged["messages"] >= 16 and acknowledged["votes"] >= 4 and acknowledged["choices"] > 0, told
    targets = {one["what"]: one for one in found["targets"]}
    assert len(targets) == 9 and len(found["memory_mb"]) == 10 and min(found["memory_mb"]) > 50
    memory = targets.pop("more memory at the end than after the warm-up")
    clock = targets.pop("moves of the clock that the server saw")
    assert clock["ok"] is (None if find_clock(project / "clock")[1] else True), told
    assert all(one["ok"] for one in targets.values()), told
    assert done.returncode == (0 if memory["ok"] else 1)
    assert found["refusals"]["disk_full"] > 0 and len(found["engine_ready_again_s"]) == 5
    assert not [p for p in psutil.process_iter(["cwd"]) if "blogtwin-soak" in (p.info["cwd"] or "")]
    assert list((project / "artifacts/twins").rglob("adapter.gguf")) == [], "the twin of its job is left behind"
    if sys.platform.startswith("linux"):
        assert "blogtwin-soak" not in Path("/proc/mounts").read_text()
