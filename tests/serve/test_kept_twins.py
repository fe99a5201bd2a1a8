"""Real twins through the whole way: exported, kept, packed, unpacked elsewhere, served; and the tag in Ollama."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.models import registry
from blogtwin.models.gguf_export import write_lora_gguf, write_merged_gguf
from blogtwin.twins import store as twins
from serve import kept_twins
from serve.catalog import TWIN, Model
from serve.engines import find_in_ollama
from serve.errors import ApiError
from serve.model_pool import ModelPool
from serve.settings import Settings
from tests.support.adapters import export_stage, make_adapter
from tests.support.kept_twins import write_params
from tests.support.ollama_server import OllamaServer
from tests.support.server_process import Server
from tests.support.workspace import embedded_base

pytestmark = [pytest.mark.slow, pytest.mark.model]


@pytest.fixture(scope="module")
def two_twins(tiny, tmp_path_factory):
    """A project that has made two twins; both are kept, and the second one is live."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder / "home"))
        patch.setenv("OLLAMA_HOST", "127.0.0.1:1")
        project = folder / "project"
        project.mkdir()
        adapter = make_adapter(tiny, folder / "adapter", seed=2)
        export = export_stage(tiny, adapter, project, patch).main
        params, gguf_dir = load_params(), project / "artifacts/gguf"
        gguf_dir.mkdir(parents=True)
        older = make_adapter(tiny, folder / "older", seed=1)
        metadata = {"general.base_model.0.name": tiny.name, "blogtwin.base_digest": tiny.digest}
        template = tiny.tokenizer().chat_template
        write_merged_gguf(tiny.gguf, older, gguf_dir / "twin.gguf", "q4_k_m", template, metadata)
        write_lora_gguf(tiny.gguf, older, gguf_dir / "adapter.gguf", metadata)
        (gguf_dir / "parity.json").write_text('{"quantization": "q4_k_m"}')
        kept_twins.keep(params)
        export()
        kept_twins.keep(params)
    return project


@pytest.fixture
def project(two_twins, monkeypatch, tmp_path):
    """That project as the working folder, with nothing chosen."""
    monkeypatch.chdir(two_twins)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    twins.LIVE_FILE.unlink(missing_ok=True)
    return two_twins


@pytest.fixture
def ollama(project, tiny, tmp_path, monkeypatch):
    server = OllamaServer(tmp_path / "blobs", base=tiny.gguf)
    server.folder.mkdir()
    monkeypatch.setenv("OLLAMA_HOST", server.host)
    yield server
    server.close()


def first_and_second() -> list[twins.Version]:
    second, first = sorted(twins.list_versions(), key=lambda version: version.live, reverse=True)
    return [first, second]


def test_an_unpacked_twin_answers_on_a_machine_without_its_base(project, tmp_path, monkeypatch):
    """From the export to the answer: the tokens are those of the twin that was trained, by its own template."""
    from blogtwin.inference import llama_server

    version = first_and_second()[1]
    assert kept_twins.pack("", load_params()).name == f"blogtwin-{version.name.removeprefix('versions/')}.zip"
    package = next(project.glob("blogtwin-*.zip"))
    embedded_base()  # what the other machine serves as the base
    other = tmp_path / "other"
    other.mkdir()
    write_params(other)
    monkeypatch.chdir(other)
    kept_twins.unpack(package, load_params())
    package.unlink()
    assert not registry.is_here("tiny")  # neither its name nor its file
    server = Server(other, tmp_path / "home").ready()
    try:
        asked = {"model": "twin", "max_tokens": 12, "temperature": 0, "seed": 1}
        asked["messages"] = [{"role": "user", "content": "Write about the harbour."}]
        found = server.http.post("/v1/chat/completions", json=asked).json()["choices"][0]["message"]["content"]
        listed = {model["name"]: model for model in server.http.get("/api/models").json()["models"]}
        assert listed["finetuned"]["status"] == "loaded" and listed[version.name]["status"] == "available"
    finally:
        server.stop()
    chat = [{"role": "system", "content": load_params().prepare.system}, *asked["messages"]]
    with llama_server.serve_model(project / version.gguf / "twin.gguf", "twin") as engine:
        import httpx2

        answer = httpx2.post(
            f"{engine.base_url}/chat/completions",
            json={"model": "twin", "max_tokens": 12, "temperature": 0, "seed": 1, "messages": chat},
            headers={"Authorization": f"Bearer {engine.api_key}"},
            timeout=60,
            trust_env=False,
        ).json()
    assert found and found == answer["choices"][0]["message"]["content"]


def test_a_twin_whose_base_is_another_here_is_served_by_its_own_weights(project, tiny):
    """Ollama's files of one name differ from machine to machine. The adapter alone can't be served on such a base."""
    folder = first_and_second()[0].gguf
    model = Model("x", str(tiny.gguf), folder / "adapter.gguf", base_digest="0" * 64)
    pool = ModelPool(Settings(), load_params())
    loaded = pool._load(model)
    assert not loaded.engine.scales and loaded.engine.base_url
    loaded.exit_stack.close()
    loaded = pool._load(dataclasses.replace(model, base_digest=tiny.digest))
    assert loaded.engine.scales
    loaded.exit_stack.close()
    alone = project / "alone/adapter.gguf"
    alone.parent.mkdir()
    shutil.copy(folder / "adapter.gguf", alone)
    with pytest.raises(ApiError, match="trained on another version"):
        pool._load(dataclasses.replace(model, adapter=alone))


def test_a_twin_of_another_base_than_params_yaml_names_is_not_kept(project, tiny, monkeypatch, tmp_path):
    """Somebody changed train.base and did not train yet: the twin that is there must not be told to be of that base."""
    other = tmp_path / "changed"
    shutil.copytree(project / "artifacts/gguf", other / "artifacts/gguf")
    shutil.copy(project / "params.yaml", other)
    monkeypatch.chdir(other)
    changed = {"blogtwin.base_digest": "0" * 64}
    write_merged_gguf(tiny.gguf, None, other / "artifacts/gguf/twin.gguf", "q8_0", "x", changed)
    kept_twins.keep(load_params())
    assert twins.list_versions() == []


def test_use_moves_latest_in_ollama_and_the_server_follows(project, ollama):
    """What Ollama lacks is created there and verified; what it has is only named."""
    first, second = first_and_second()
    params = load_params()
    kept_twins.use(first.name, params)
    tag = f"blogtwin:{first.digest[:12]}"
    assert set(ollama.models) == {tag, "blogtwin:latest"} and ollama.models["blogtwin:latest"] == ollama.models[tag]
    assert ollama.models[tag]["system"] == params.prepare.system
    assert find_in_ollama()[0][TWIN] == tag and twins.live_name() == first.name
    kept_twins.use("newest", params)
    creations = sum("/api/create" in request for request in ollama.requests)
    kept_twins.use(first.digest[:12], params)
    assert sum("/api/create" in request for request in ollama.requests) == creations == 2
    assert ollama.models["blogtwin:latest"] == ollama.models[tag] and twins.live_name() == first.name


@pytest.mark.parametrize("fault", ["error", "template", "base"])
def test_a_twin_that_ollama_does_not_take_stays_unused(project, ollama, fault):
    """An error, another template, other weights: one sentence, nothing new there, and the live twin is as before."""
    first, second = first_and_second()
    ollama.faults.add(fault)
    with pytest.raises(UserError, match=f"Ollama .*the live twin is the one of before.*make use TWIN={first.name}"):
        kept_twins.use(first.name, load_params())
    assert not ollama.models and twins.live_name() == second.name


def test_a_kept_twin_says_what_it_was_made_of_and_nothing_of_this_machine(project, tiny):
    about = json.loads(Path(first_and_second()[0].folder, "about.json").read_text())
    assert about["base"] == tiny.name and about["base_digest"] == tiny.digest and about["license"] == tiny.license
    assert about["files"]["twin.gguf"] == first_and_second()[0].digest
    for private in ("private-folder", "/tmp", "/home", str(project)):
        assert private not in json.dumps(about)
