"""A new version of the project over what an older one made: posts, twin, chats, votes, another author. As a user does
it, `git pull` and `make all`."""

import contextlib
import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from blogtwin.config import load_params
from tests.support.server_process import Server
from tests.support.workspace import ROOT, commit_all, copy_project, link_venv, sh, short_suites

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.dvc, pytest.mark.model]
OLD = "8951a5e"
# In the names of that version, whatever today's are.
OLD_SMALL = (
    "train.max_steps=3 train.max_length=512 train.learning_rate=0.005 export.quantization=f16 export.parity_prompts=1"
    " export.parity_tokens=16 eval.prompts=2 eval.max_tokens=24 eval.read_tokens=64"
)
OLD_SETTINGS = {"SERVE_ENGINE": "llamacpp", "SERVE_RATE": "100000/minute"}
TITLES = ("The kettle", "A ladder", "Rain at last", "The blue door", "Two boats", "Bread", "A long walk", "The clock")
SAID = {"message": "Write about the zeppelin.", "max_tokens": 12, "temperature": 0}


def write_posts(folder: Path, name: str) -> Path:
    """Eight posts, of which no two are alike, a year apart."""
    folder.mkdir()
    for n, title in enumerate(TITLES):
        write_post(folder, f"{2011 + n}-03-0{n + 1}", title, name)
    return folder


def write_post(folder: Path, day: str, title: str, name: str) -> None:
    lines = (
        f"In {title} {name} counted {n}: {' '.join(f'{name}{title[-3:].strip()}{n}x{i}' for i in range(14))}."
        for n in range(6)
    )
    (folder / f"{day}-{title.replace(' ', '-').lower()}.md").write_text(
        f"---\ntitle: {title}\ndate: {day}\n---\n" + "\n\n".join(lines)
    )


def do(folder: Path, command: str, **environment: str) -> str:
    done = sh(folder, command, timeout=850, **environment)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def do_at_once(folder: Path, *commands: str) -> list[str]:
    """What each says, as in two terminals, a core for each: most of the time is imports, which have one thread
    anyway."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda command: do(folder, command, OMP_NUM_THREADS="1"), commands))


def split_of(folder: Path) -> dict[str, str]:
    """{title: split} of every post."""
    titles = {
        row["id"]: row["title"] for row in map(json.loads, (folder / "data/raw/posts.jsonl").read_text().splitlines())
    }
    rows = {name: (folder / f"data/split/{name}.jsonl").read_text().splitlines() for name in ("train", "valid", "test")}
    return {
        titles[post]: name
        for name, lines in rows.items()
        for post in (json.loads(line)["post_id"] for line in lines)
        if post in titles
    }


def answer(server: Server, model: str) -> str:
    assert server.http.post("/api/v1/models/load", json={"model": model}).json()["status"] == "loaded"
    got = server.http.post(
        "/api/generate", json={"prompt": SAID["message"], "max_tokens": 12, "temperature": 0, "model": model}
    )
    assert got.status_code == 200, got.text
    return got.json()["text"]


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_root):
    """What the old version made, before the new one came: a workspace whose own changes are not committed, its remote,
    and what it held."""
    if subprocess.run(["git", "cat-file", "-e", f"{OLD}^{{commit}}"], cwd=ROOT, capture_output=True).returncode != 0:
        pytest.skip(
            f"the version to come from, {OLD}, is not in this repository's history: `git fetch --unshallow` brings it"
        )
    place = tmp_path_factory.mktemp("upgrade")
    remote, folder = place / "remote", place / "mine"
    remote.mkdir()
    subprocess.run(f"git archive {OLD} | tar -x -C {remote}", shell=True, cwd=ROOT, check=True)
    short_suites(remote)
    commit_all(remote, "old")
    do(
        place,
        f"git clone -q {remote} {folder} && git -C {folder} config user.email test@example.org && git -C {folder}"
        " config user.name test",
    )
    link_venv(folder)
    posts = {name: write_posts(place / f"{name}s posts", name) for name in ("mine", "anna")}
    do(folder, f'make blog FROM="{posts["mine"]}" && make blog AUTHOR=anna FROM="{posts["anna"]}"')
    for project in (folder, folder / "authors/anna"):
        do(project, f"python scripts/set_param.py train.base={tiny_root}/tiny.gguf {OLD_SMALL}")
    do_at_once(folder, "dvc repro -q ollama_create", "cd authors/anna && dvc repro -q split")
    shutil.copytree(folder / "artifacts/gguf", folder / "artifacts/twins/kept/gguf")
    server = Server(folder, place / "home", SERVE_HOME=str(place / "home"), **OLD_SETTINGS).ready()
    try:
        chat = server.http.post("/api/v1/chat/completions", json=SAID).json()
        blind = server.http.post("/api/blind", json={}).json()["id"]
        assert (
            server.http.post(f"/api/blind/{blind}/vote", json={"better": "left", "closer": "right"}).status_code == 200
        )
        found = {name: answer(server, name) for name in ("base", "finetuned", "kept")}
        chats = server.http.get(f"/api/v1/chat/sessions/{chat['session_id']}").json()
    finally:
        server.stop(older=True)
    return SimpleNamespace(
        place=place,
        folder=folder,
        remote=remote,
        posts=posts,
        chats=chats,
        answers=found,
        splits={p: split_of(p) for p in (folder, folder / "authors/anna")},
    )


@contextlib.contextmanager
def serving(made):
    """Today's server in the workspace, on the old one's store."""
    server = Server(made.folder, made.place / "home").ready()
    try:
        yield server
    finally:
        server.stop()


def assert_chats_are_there(server: Server, made) -> None:
    """What was said, who said it, found by its words; and the vote."""
    listed = server.http.get("/api/v1/chat/sessions", params={"search": "zeppelin"}).json()["sessions"]
    assert [one["id"] for one in listed] == [made.chats["id"]]
    found = server.http.get(f"/api/v1/chat/sessions/{made.chats['id']}").json()
    assert [(m["role"], m["content"]) for m in found["messages"]] == [
        (m["role"], m["content"]) for m in made.chats["messages"]
    ]
    assert len(found["messages"]) == 2 and found["messages"][0]["content"] == SAID["message"]
    results = server.http.get("/api/blind/results").json()
    assert results["votes"] == results["preferred"][0]["n"] == results["more_similar"][0]["n"] == 1


@pytest.fixture(scope="module")
def pulled(made):
    """After `git pull`: the new version, over changes that were not committed."""
    subprocess.run("git rm -rq .", shell=True, cwd=made.remote, check=True)
    copy_project(made.remote)
    short_suites(made.remote)
    commit_all(made.remote, "new")
    do(made.folder, "git pull -q --autostash")
    link_venv(made.folder)  # in the place of pip
    do(made.folder, "make setup")  # as each verb does first: params.yaml is brought up to date
    return made


@pytest.fixture(scope="module")
def upgraded(pulled):
    """After a new post for each author, and `make all` for each; what was said."""
    made = pulled
    for name, posts in made.posts.items():
        write_post(posts, "2030-01-01", "The newest", name)
    do(made.folder, f'make blog FROM="{made.posts["mine"]}"')
    hints = re.findall("`(make [^`]+)`", do(made.folder, f'make blog AUTHOR=anna FROM="{made.posts["anna"]}"'))
    return made, *do_at_once(made.folder, "make all", hints[0])


def test_after_the_pull_chats_and_twins_are_as_they_were(pulled):
    """Before anything is made anew."""
    with serving(pulled) as server:
        assert_chats_are_there(server, pulled)
        assert {name: answer(server, name) for name in pulled.answers} == pulled.answers


def test_make_all_makes_both_twins_of_the_new_version(upgraded):
    made, *said = upgraded
    for folder, output in zip(made.splits, said, strict=True):
        assert "your twin, on 2 held-out posts" in output and "note:" not in output
        training = json.loads((folder / "artifacts/train/metrics.json").read_text())
        assert training["steps"] == 3 and (folder / "artifacts/eval/report.html").is_file()
    tracked = sh(made.folder, "git status --porcelain --untracked-files=no").stdout.splitlines()
    # The pointer to one's own posts is staged, so that experiments that wait find them.
    assert [line.split() for line in tracked] == [["A", "data/blog.dvc"], ["M", "params.yaml"]]


def test_values_of_ones_own_are_kept(upgraded, tiny_root):
    made, *_ = upgraded
    for folder, name in zip(made.splits, ("blogtwin", "blogtwin-anna"), strict=True):
        params = load_params(folder / "params.yaml")
        assert (params.ingest.source, params.ollama.name, params.train.base) == (
            "data/blog",
            name,
            f"{tiny_root}/tiny.gguf",
        )
        assert params.train.max_steps == 3 and params.export.quantization == "f16"


def test_no_post_changes_its_split(upgraded):
    """Nor would it show if the splits were made anew, but for the newest post, which would then be tested on."""
    made, *_ = upgraded
    for folder, before in made.splits.items():
        now = split_of(folder)
        assert now.pop("The newest") == "train" and now == before
        assert [before[title] for title in TITLES[-2:]] == ["test", "test"]


def test_after_make_all_chats_and_an_untouched_twin_are_as_they_were(upgraded):
    made, *_ = upgraded
    with serving(made) as server:
        assert_chats_are_there(server, made)
        assert answer(server, "kept") == made.answers["kept"]
        assert all(answer(server, name) for name in ("finetuned", "anna"))
        said = server.http.post(
            "/api/v1/chat/completions", json={**SAID, "session_id": made.chats["id"], "message": "Go on."}
        ).json()
        assert (
            said["session_id"] == made.chats["id"]
            and len(server.http.get(f"/api/v1/chat/sessions/{made.chats['id']}").json()["messages"]) == 4
        )
