"""Uploads that are safe, jobs that can only set what they may, training data without the held-out posts."""

import asyncio
import io
import json
import zipfile
from types import SimpleNamespace

import pytest
from conftest import ROOT
from test_serve_access import client

from _shared import load_params, read_jsonl
from serve import jobs, store
from serve.errors import ApiError
from serve.routers import training

POST = ("---\ntitle: The {n}th\ndate: 2020-01-{n:02}\n---\n\n" + "The ladder had {n} rungs and I counted them again. " * 12).format


@pytest.fixture
def http(served, tmp_path, monkeypatch):
    monkeypatch.chdir(served)
    return client(tmp_path)


def zipped(files: dict[str, str], link: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        if link:
            entry = zipfile.ZipInfo(link)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, "/etc/passwd")
    return out.getvalue()


def upload(http, name: str, *files: tuple[str, bytes]):
    return http.post("/api/corpus", data={"name": name}, files=[("files", f) for f in files])


def test_an_upload_is_read_and_reported(http, tmp_path):
    archive = zipped({**{f"blog/{n}.md": POST(n=n) for n in range(1, 12)}, "blog/short.md": "Hello.", "__MACOSX/x.md": "no"})
    said = upload(http, "anna", ("blog.zip", archive), ("last.txt", POST(n=12).encode())).json()
    assert (said["posts"], said["ready"], said["first"], said["last"]) == (12, True, "2020-01-01", "2020-01-12")
    assert [(d["source"], "fewer" in d["reason"]) for d in said["discarded"]] == [("blog/short.md", True)]
    assert http.get("/api/corpus").json()["corpora"] == ["sample", "anna"]
    assert upload(http, "anna", ("a.md", b"x")).json()["error"]["code"] == "corpus_exists"


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("../../evil.md", b"x"),
        ("/etc/evil.md", b"x"),
        ("a.zip", zipped({"../../evil.md": "x"})),
        ("a.zip", zipped({"C:\\evil.md": "x"})),
        ("a.zip", zipped({"a.md": "x"}, link="b.md")),
        ("a.zip", b"PK\x03\x04 no zip"),
        ("a.zip", zipped({"a.exe": "x"})),
        ("a.exe", b"x"),
        (".dvc/notes.md", b"x"),
        ("a.zip", zipped({"a.md": "x", "a.md/b.md": "x"})),  # a file that is a folder as well
    ],
)
def test_an_unsafe_upload_is_refused_and_leaves_nothing(http, tmp_path, file, data):
    before = set(tmp_path.parent.rglob("evil.md"))
    answer = upload(http, "bad", (file, data))
    assert answer.status_code == 422 and answer.json()["error"]["code"] in ("unsafe_name", "unsafe_archive", "no_posts")
    assert set(tmp_path.parent.rglob("evil.md")) == before and not list((tmp_path / "corpora").glob("*bad*"))


def test_a_mistake_of_the_server_is_logged_under_the_requests_id(http, tmp_path, monkeypatch):
    def odd(*_):
        raise OSError("the reader fell over")

    monkeypatch.setattr(training.corpora, "readiness", odd)
    answer = http.post("/api/corpus", data={"name": "odd"}, files=[("files", ("a.md", POST(n=1).encode()))], headers={"X-Request-ID": "look-me-up"})
    assert answer.status_code == 500 and "fell over" not in answer.text
    rows = [json.loads(line) for line in (tmp_path / "logs/serve.jsonl").read_text().splitlines()]
    assert ["fell over" in row["error"] for row in rows if row.get("id") == "look-me-up" and "error" in row] == [True]


@pytest.mark.slow
def test_a_zip_bomb_is_refused_before_it_is_unpacked(http):
    answer = upload(http, "bomb", ("a.zip", zipped({f"{n}.md": "0" * 30_000_000 for n in range(8)})))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("name", ["../up", "Anna", "", "a/b", "sample"])
def test_a_corpus_name_stays_in_its_folder(http, name):
    assert upload(http, name, ("a.md", POST(n=1).encode())).status_code in (409, 422)


@pytest.mark.parametrize("knobs", [{"ingest.source": "/etc"}, {"train.base": "/tmp/x.gguf"}, {"eval.swap": "x"}, {"ollama.name": "x"}, {"train.epoch": 1}, {"train.epochs": 0}, {"epochs": 1}])
def test_a_job_sets_no_path_and_no_wrong_knob(knobs):
    with pytest.raises(ApiError) as refused:
        jobs.checked(load_params(ROOT / "params.yaml"), None, "quality", knobs)
    assert refused.value.status_code == 422


def test_a_preset_is_overruled_by_params_and_names_are_checked():
    params = load_params(ROOT / "params.yaml")
    assert jobs.checked(params, "llama3.2:1b", "highspeed", {"train.epochs": 2}) == {"train.preset": "highspeed", "train.epochs": 2, "train.base": "llama3.2:1b"}
    for base, preset in (("nobody", "quality"), (None, "best")):
        with pytest.raises(ApiError):
            jobs.checked(params, base, preset, {})


def test_a_job_that_is_stopped_while_somebody_asks_after_it_is_stopped(tmp_path):
    """DVC calls it failed; the page's stream asks at just that moment."""
    kept = store.Store(tmp_path / "a.db")
    with kept.open() as db:
        store.add_job(db, "job-1", "me", "sample", {})

    def states() -> dict[str, str]:
        with kept.open() as db:
            store.keep_job(db, "job-1", "stopped")
        return {"job-1": "failed"}

    state = SimpleNamespace(store=kept, jobs=SimpleNamespace(states=states))
    assert asyncio.run(training.find(state, "job-1")).state == "stopped"
    assert [job.state for job in asyncio.run(training.list_jobs(state)).jobs] == ["stopped"]
    with kept.open() as db:
        assert store.job(db, "job-1")["kept"] == "stopped"


def tables(http, **asked) -> dict[str, list[dict]]:
    with zipfile.ZipFile(io.BytesIO(http.post("/api/finetune/export", json=asked).content)) as archive:
        return {name: [json.loads(line) for line in archive.read(f"{name}.jsonl").decode().splitlines()] for name in ("train", "validation")}


def test_training_data_has_whole_posts_on_each_side_and_no_held_out_one(http, served):
    found = tables(http, format="chat", validation_split=0.25)
    texts = {name: {row["messages"][-1]["content"] for row in rows} for name, rows in found.items()}
    assert len(texts["validation"]) == 12 and not texts["train"] & texts["validation"]
    held_out = {e["output"] for e in read_jsonl(served / "data/split/test.jsonl")}
    assert not held_out & (texts["train"] | texts["validation"])
    assert found["train"][0]["messages"][0]["role"] == "system" and tables(http, include_system=False)["train"][0]["messages"][0]["role"] == "user"


def test_near_duplicates_and_poor_texts_are_left_out_when_asked(http, served):
    file = served / "data/split/train.jsonl"
    before = file.read_text()
    row = json.loads(before.splitlines()[0])
    words = row["output"].split()
    more = [{**row, "post_id": "copy", "output": " ".join(["Well.", *words])}, {**row, "post_id": "poor", "output": "buy " * 80}]
    try:
        file.write_text(before + "".join(json.dumps(m) + "\n" for m in more))
        counts = {(d, q): sum(map(len, tables(http, format="text", deduplicate=d, quality_filter=q).values())) for d in (True, False) for q in (True, False)}
    finally:
        file.write_text(before)
    assert counts == {(False, False): 50, (True, False): 49, (False, True): 49, (True, True): 48}
