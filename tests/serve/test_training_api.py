"""Uploads that are safe, jobs that can only set what they may, training data without the held-out posts."""

import asyncio
import functools
import gzip
import io
import json
import math
import sys
import typing
import zipfile
from types import SimpleNamespace

import pytest
import yaml
from pydantic import BaseModel

from blogtwin.config import AugmentationParams, Params, load_params
from blogtwin.files import read_jsonl
from corpus import dataset_export
from serve import database, job_params, training_jobs
from serve.errors import ApiError
from serve.routers import training
from tests.support.api_client import client
from tests.support.workspace import ROOT

POST = (
    "---\ntitle: The {n}th\ndate: 2020-01-{n:02}\n---\n\n" + "The ladder had {n} rungs and I counted them again. " * 20
).format


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
    archive = zipped(
        {**{f"blog/{n}.md": POST(n=n) for n in range(1, 12)}, "blog/short.md": "Hello.", "__MACOSX/x.md": "no"}
    )
    said = upload(http, "anna", ("blog.zip", archive), ("last.txt", POST(n=12).encode())).json()
    assert (said["posts"], said["ready"], said["first"], said["last"]) == (12, True, "2020-01-01", "2020-01-12")
    assert "Enough to try: 12 posts of 2," in said["advice"][0], "the sentence that `make report` prints"
    reasons = {d["source"]: d["reason"] for d in said["discarded"]}
    assert "fewer" in reasons.pop("blog.zip#blog/short.md") and reasons == {
        "blog.zip#__MACOSX": "not a folder of posts"
    }
    few = upload(http, "few", ("last.txt", POST(n=12).encode())).json()
    assert not few["ready"] and few["advice"][0].startswith("Not enough: 1 posts of ")
    assert http.get("/api/corpus").json()["corpora"] == ["sample", "anna", "few"]
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
        ("a.tgz", b"\x1f\x8b no archive"),
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

    monkeypatch.setattr(training.corpus_upload, "assess_upload", odd)
    answer = http.post(
        "/api/corpus",
        data={"name": "odd"},
        files=[("files", ("a.md", POST(n=1).encode()))],
        headers={"X-Request-ID": "look-me-up"},
    )
    assert answer.status_code == 500 and "fell over" not in answer.text
    rows = [json.loads(line) for line in (tmp_path / "logs/serve.jsonl").read_text().splitlines()]
    assert ["fell over" in row["error"] for row in rows if row.get("id") == "look-me-up" and "error" in row] == [True]


def test_a_packed_export_is_read_as_from_a_folder(http):
    said = upload(http, "packed", ("a.md.gz", gzip.compress(POST(n=3).encode()))).json()
    assert (said["posts"], said["first"]) == (1, "2020-01-03")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_a_bomb_is_refused_before_it_is_unpacked(http, kind):
    files = {f"{n}.md": "0" * 30_000_000 for n in range(8)}
    data = zipped(files) if kind == "zip" else gzip.compress("".join(files.values()).encode())
    answer = upload(http, "bomb", (f"a.md.{kind}", data))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("name", ["../up", "Anna", "", "a/b", "sample"])
def test_a_corpus_name_stays_in_its_folder(http, name):
    assert upload(http, name, ("a.md", POST(n=1).encode())).status_code in (409, 422)


def refused(knobs: dict) -> ApiError:
    with pytest.raises(ApiError) as error:
        job_params.validate_params(load_params(ROOT / "params.yaml"), None, "quality", knobs)
    assert (error.value.status_code, error.value.code) == (422, "invalid_request")
    return error.value


@pytest.mark.parametrize(
    "knobs",
    [
        {"train.epoch": 1},
        {"train.epochs": 0},
        {"train.epochs": "~"},
        {"epochs": 1},
        {"": 1},
        {"train": 1},
        {"prepare.augmentation": 1},
        {"train.preset": "best"},
        {"eval.repeat_penalty": math.inf},
    ],
)
def test_a_job_sets_no_wrong_knob(knobs):
    assert str(refused(knobs).message).startswith("params: ")


def test_a_misspelt_knob_of_a_job_is_told_its_right_name():
    assert refused({"train.epoch": 1}).hint == "Did you mean train.epochs?"


def leaves(section: type[BaseModel] = Params, prefix: str = "") -> dict:
    """{dotted name: type} of every parameter of params.yaml."""
    found = {}
    for name, field in section.model_fields.items():
        inner = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        found |= leaves(field.annotation, f"{prefix}{name}.") if inner else {prefix + name: field.annotation}
    return found


def test_every_parameter_is_a_hyperparameter_of_jobs_or_is_refused():
    """Whoever adds a parameter to params.yaml decides nothing about jobs: it is refused until somebody puts it on the
    list."""
    params = load_params(ROOT / "params.yaml")
    known = leaves()
    assert len(known) > 60 and set(known) > job_params.HYPERPARAMETERS
    for name in known:
        value = functools.reduce(getattr, name.split("."), params)
        if name in job_params.HYPERPARAMETERS:
            assert job_params.validate_params(params, None, "quality", {name: value}) == {
                "train.preset": "quality",
                name: value,
            }
        else:
            assert f"a job can't set {name}." in refused({name: value}).message
    assert not job_params.HYPERPARAMETERS & {
        "eval.judge_model",
        "eval.other_twin",
        "eval.impostors",
        "prepare.instruction_model",
        "prepare.persona",
        "train.preference_data",
        "train.base",
        "ingest.source",
        "ollama.name",
    }


def test_a_job_sets_no_free_text():
    """A text could be a path, or an address that posts are sent to; names from a list and numbers can't."""

    def free(kind) -> bool:
        return (
            kind is str
            or typing.get_origin(kind) is not typing.Literal
            and any(free(part) for part in typing.get_args(kind))
        )

    known = leaves()
    texts = {name for name in job_params.HYPERPARAMETERS if free(known[name])}
    of_a_list = {
        "train.preset",
        *(f"prepare.augmentation.{kind}" for kind in AugmentationParams.model_fields if kind != "persona"),
    }  # a preset's name, and `auto`
    assert texts == of_a_list and free(known["eval.judge_model"]) and free(known["train.preference_data"])
    for name in of_a_list:
        refused({name: "http://somewhere.example/v1"})


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("train.epochs", "3", 3),
        ("prepare.redact", "true", True),
        ("train.warm_start", 0, False),
        ("train.learning_rate", "1e-3", 1e-3),
        ("prepare.augmentation.notes", "auto", "auto"),
        ("train.epochs", "preset", "preset"),
    ],
)
def test_a_job_takes_a_value_as_it_was_validated(name, given, taken):
    found = job_params.validate_params(load_params(ROOT / "params.yaml"), None, "quality", {name: given})[name]
    assert found == taken and type(found) is type(taken)


@pytest.mark.parametrize(
    "value",
    [
        "null",
        "true",
        "~",
        "1",
        "0x1",
        "nan",
        "",
        "it's",
        "a\\b",
        "a\\",
        "a\\'b",
        "a\\\n",
        "${x}",
        "\\${x}",
        "[1]",
        "{a: 1}",
        "a,b",
        "a=b",
        "# a",
        " a ",
        1,
        -2,
        True,
        False,
        0.5,
        1e-3,
    ],
)
def test_a_value_reaches_params_yaml_as_it_is_with_its_type(tmp_path, value):
    """By way of Hydra's grammar and DVC, as `dvc exp run -S` writes it."""
    from dvc.utils.hydra import apply_overrides

    file = tmp_path / "params.yaml"
    file.write_text("section:\n  name: 0\n")
    apply_overrides(file, [f"section.name={job_params.hydra_literal(value)}"])
    found = yaml.safe_load(file.read_text())["section"]["name"]
    assert found == value and type(found) is type(value)


SECRETS = (
    "JUDGE_API_KEY",
    "INSTRUCTOR_API_KEY",
    "GROQ_API_KEY",
    "OPENAI_API_KEY",
    "some_apikey",
    "AWS_SECRET_ACCESS_KEY",
    "DVC_STUDIO_TOKEN",
    "SERVE_OPENAI_KEY",
    "DB_PASSWORD",
    "GOOGLE_APPLICATION_CREDENTIALS",
)


def test_a_job_has_no_keys_of_other_services(tmp_path, monkeypatch):
    """What a process of a job really sees; the tokenizers' setting is no secret, and gated base models need Hugging
    Face's token."""
    for name in (*SECRETS, "HF_TOKEN", "TOKENIZERS_PARALLELISM", "HF_ENDPOINT"):
        monkeypatch.setenv(name, "private")
    jobs = training_jobs.TrainingJobs(tmp_path, None)
    jobs.workspace.mkdir(parents=True, exist_ok=True)
    seen = json.loads(jobs.clone.run([sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]))
    assert {name for name, value in seen.items() if value == "private"} == {
        "HF_TOKEN",
        "TOKENIZERS_PARALLELISM",
        "HF_ENDPOINT",
    }


def test_a_preset_is_overruled_by_params_and_names_are_checked():
    params = load_params(ROOT / "params.yaml")
    assert job_params.validate_params(params, "llama3.2:1b", "highspeed", {"train.epochs": 2}) == {
        "train.preset": "highspeed",
        "train.epochs": 2,
        "train.base": "llama3.2:1b",
    }
    for base, preset in (("nobody", "quality"), (None, "best")):
        with pytest.raises(ApiError):
            job_params.validate_params(params, base, preset, {})


def test_a_job_that_is_stopped_while_somebody_asks_after_it_is_stopped(tmp_path):
    """DVC calls it failed; the page's stream asks at just that moment."""
    kept = database.Database(tmp_path / "a.db")
    with kept.open() as db:
        database.add_job(db, "job-1", "me", "sample", {})

    def states() -> dict[str, str]:
        with kept.open() as db:
            database.set_job_result(db, "job-1", "stopped")
        return {"job-1": "failed"}

    state = SimpleNamespace(database=kept, jobs=SimpleNamespace(states=states))
    assert asyncio.run(training.find_job(state, "job-1")).state == "stopped"
    assert [job.state for job in asyncio.run(training.list_jobs(state)).jobs] == ["stopped"]
    with kept.open() as db:
        assert database.job(db, "job-1")["result"] == "stopped"


def test_a_job_whose_twin_was_freed_names_no_twin(tmp_path, monkeypatch):
    """After `make gc`: the page would offer a model that the server does not have."""
    monkeypatch.chdir(tmp_path)
    kept = database.Database(tmp_path / "a.db")
    (tmp_path / "artifacts/twins/anna/job-2").mkdir(parents=True)
    with kept.open() as db:
        for job in ("job-1", "job-2"):
            database.add_job(db, job, "me", "anna", {})
            database.set_job_result(db, job, f"artifacts/twins/anna/{job}")
    state = SimpleNamespace(database=kept, jobs=SimpleNamespace(states=dict))
    found = [asyncio.run(training.find_job(state, job)) for job in ("job-1", "job-2")]
    assert [(job.state, job.twin) for job in found] == [("done", None), ("done", "anna/job-2")]


def tables(http, **asked) -> dict[str, list[dict]]:
    with zipfile.ZipFile(io.BytesIO(http.post("/api/finetune/export", json=asked).content)) as archive:
        return {
            name: [json.loads(line) for line in archive.read(f"{name}.jsonl").decode().splitlines()]
            for name in ("train", "validation")
        }


def test_training_data_has_whole_posts_on_each_side_and_no_held_out_one(http, served):
    found = tables(http, format="chat", validation_split=0.25)
    texts = {name: {row["messages"][-1]["content"] for row in rows} for name, rows in found.items()}
    assert len(texts["validation"]) == 12 and not texts["train"] & texts["validation"]
    held_out = {e["output"] for e in read_jsonl(served / "data/split/test.jsonl")}
    assert not held_out & (texts["train"] | texts["validation"])
    assert (
        found["train"][0]["messages"][0]["role"] == "system"
        and tables(http, include_system=False)["train"][0]["messages"][0]["role"] == "user"
    )


@pytest.mark.parametrize("form", dataset_export.FORMATS)
def test_every_format_of_the_script_is_exported_as_the_script_does(form, http, served):
    found = tables(http, format=form, quality_filter=True, deduplicate=True, validation_split=0.25)
    rows = read_jsonl(served / "data/split/train.jsonl") + read_jsonl(served / "data/split/valid.jsonl")
    params = load_params().prepare
    parts = dataset_export.split_examples(rows, form, 0.25, params.seed, True, True)
    assert found["train"] and found == {
        name: [dataset_export.format_row(row, form, params.system) for row in part] for name, part in parts.items()
    }


def test_an_export_may_be_asked_for_as_its_documentation_does(http):
    documented = http.get("/openapi.json").json()["components"]["schemas"]["FinetuneRequest"]["examples"]
    assert documented == [{"format": "chatml", "quality_filter": True, "deduplicate": True}]
    assert http.post("/api/finetune/export", json=documented[0]).status_code == 200
    assert tables(http, format="chat") == tables(http, format="chatml") == tables(http)


def test_near_duplicates_and_poor_texts_are_left_out_when_asked(http, served):
    file = served / "data/split/train.jsonl"
    before = file.read_text()
    row = json.loads(before.splitlines()[0])
    words = row["output"].split()
    more = [
        {**row, "post_id": "copy", "output": " ".join(["Well.", *words])},
        {**row, "post_id": "poor", "output": "buy " * 80},
    ]
    try:
        file.write_text(before + "".join(json.dumps(m) + "\n" for m in more))
        counts = {
            (d, q): sum(map(len, tables(http, format="text", deduplicate=d, quality_filter=q).values()))
            for d in (True, False)
            for q in (True, False)
        }
    finally:
        file.write_text(before)
    assert counts == {(False, False): 50, (True, False): 49, (False, True): 49, (True, True): 48}
