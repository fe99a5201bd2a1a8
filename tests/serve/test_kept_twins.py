"""Real twins through the whole way: exported, kept, packed, unpacked elsewhere, served; and the tag in Ollama."""

import asyncio
import dataclasses
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.inference.ollama_register import RECEIPT_FILE, drop_stale_receipt
from blogtwin.models import registry
from blogtwin.models.gguf_export import write_lora_gguf, write_merged_gguf
from blogtwin.models.ollama_client import Ollama
from blogtwin.twins import store as twins
from blogtwin.twins.live import register_twin
from serve import kept_twins, verified_draft
from serve.catalog import TWIN, Model
from serve.draft_writers import LocalModel
from serve.engines import find_in_ollama
from serve.errors import ApiError
from serve.live_twin import LiveTwin
from serve.main import create_app
from serve.model_pool import LoadedModel, ModelPool
from serve.settings import Settings
from tests.support.adapters import EXAMPLES, export_stage, make_adapter
from tests.support.kept_twins import write_params
from tests.support.ollama_server import OllamaServer
from tests.support.server_process import Server
from tests.support.workspace import ROOT, embedded_base, environment

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


# --- one live twin for Ollama's `latest`, for stage 06 and for a running server ---------------------------------------


@pytest.fixture
def register(tiny):
    """register(): the pipeline's twin, registered as stage 06 does; the receipt."""
    sha = twins.pipeline_digest
    return lambda: register_twin(Ollama(), load_params(), tiny, EXAMPLES[:1], sha())


def test_registering_the_newest_twin_leaves_latest_with_the_chosen_one(project, ollama, register, capsys):
    first, second = first_and_second()
    own, chosen = (f"blogtwin:{version.digest[:12]}" for version in (second, first))
    assert register()["tag"] == "blogtwin:latest" and ollama.models["blogtwin:latest"] == ollama.models[own]
    kept_twins.use(first.name, load_params())
    receipt = register()
    assert (receipt["model"], receipt["tag"]) == (own, own)
    assert ollama.models["blogtwin:latest"] == ollama.models[chosen] and twins.live_name() == first.name
    assert f"blogtwin:latest is the twin that you chose, {first.name}" in capsys.readouterr().out
    kept_twins.use("newest", load_params())
    assert register()["tag"] == "blogtwin:latest" and ollama.models["blogtwin:latest"] == ollama.models[own]


def test_a_twin_that_was_chosen_without_ollama_gets_latest_when_it_is_there(project, ollama, register, monkeypatch):
    first, _ = first_and_second()
    with monkeypatch.context() as patch:
        patch.setenv("OLLAMA_HOST", "127.0.0.1:1")
        kept_twins.use(first.name, load_params())
    register()
    chosen = f"blogtwin:{first.digest[:12]}"
    assert ollama.models["blogtwin:latest"] == ollama.models[chosen] and find_in_ollama()[0][TWIN] == chosen
    drop_stale_receipt(Ollama(), [twins.live_choice()["ollama"]])
    assert RECEIPT_FILE.is_file()
    del ollama.models[chosen]  # somebody removed it there: the next `make all` registers it again
    drop_stale_receipt(Ollama(), [twins.live_choice()["ollama"]])
    assert not RECEIPT_FILE.is_file()


def ask(one: LoadedModel) -> str:
    """What the engine of a loaded model answers to a greedy request."""
    body = {"model": one.engine.model, "max_tokens": 12, "temperature": 0, "seed": 1}
    body["messages"] = [{"role": "system", "content": "You write."}, {"role": "user", "content": "Write."}]
    key = {"Authorization": f"Bearer {one.engine.api_key}"}
    answer = httpx2.post(f"{one.engine.base_url}/chat/completions", json=body, headers=key, timeout=60, trust_env=False)
    return answer.json()["choices"][0]["message"]["content"]


def use_by_script(project, name: str) -> None:
    """`make use` in another process, as a user does while the server runs."""
    command = [sys.executable, str(ROOT / "scripts/twins.py"), "use", name]
    subprocess.run(command, cwd=project, env=environment(project), check=True, capture_output=True, timeout=120)


def watched(**settings) -> LiveTwin:
    return LiveTwin(ModelPool(Settings(_env_file=None, engine="llamacpp", slots=1, **settings), load_params()))


def test_a_running_server_answers_with_the_twin_that_was_chosen(project, tmp_path):
    """Without a restart, and without a request that fails meanwhile."""
    first, second = first_and_second()
    asked = {"model": "twin", "max_tokens": 12, "temperature": 0, "seed": 1}
    asked["messages"] = [{"role": "user", "content": "Write about the harbour."}]
    with TestClient(
        create_app(Settings(home=tmp_path, _env_file=None, engine="llamacpp")), base_url="http://127.0.0.1:8000"
    ) as client:

        def until(condition, what: str) -> None:
            end = time.monotonic() + 120
            while not condition():
                assert time.monotonic() < end, what
                time.sleep(0.05)

        def answer() -> str:
            said = client.post("/v1/chat/completions", json=asked)
            assert said.status_code == 200, said.text
            return said.json()["choices"][0]["message"]["content"]

        until(lambda: client.get("/api/v1/health").json()["ready"], "the server did not become ready")
        before = answer()
        use_by_script(project, first.name)
        until(lambda: answer() != before, "the server did not take the twin that was chosen")
        listed = {model["name"]: model for model in client.get("/api/models").json()["models"]}
        assert listed["finetuned"]["digest"] == listed[first.name]["digest"] != listed[second.name]["digest"]
        use_by_script(project, "newest")
        until(lambda: answer() == before, "the server did not go back to the newest twin")


def test_an_answer_in_the_making_is_the_twins_that_began_it(project):
    """New requests get the new twin; the old one's engine ends when nobody holds it, and no sooner."""
    first, _ = first_and_second()

    async def change_in_an_answer(watch: LiveTwin) -> str:
        """What a request does that holds the model; the address of the engine that it was answered by."""
        old = watch.pool.get(TWIN)
        before = await asyncio.to_thread(ask, old)
        async with old.limiter.acquire():
            twins.choose_live(first)
            await watch.follow()
            assert watch.pool.get(TWIN) is not old
            after = await asyncio.to_thread(ask, watch.pool.get(TWIN))
            await watch.follow()
            again = await asyncio.to_thread(ask, old)
        assert before == again != after
        return old.engine.base_url

    async def work() -> None:
        watch = watched()
        await watch.pool.start()
        try:
            url = await change_in_an_answer(watch)
            new = watch.pool.get(TWIN)
            while watch.retired:  # what is over in the event loop may be held until its next round
                await watch.follow()
            with pytest.raises(httpx2.ConnectError):
                await asyncio.to_thread(httpx2.get, f"{url}/models", trust_env=False)
            await watch.follow()
            assert watch.pool.get(TWIN) is new  # nothing changed, so nothing is loaded again
        finally:
            await watch.pool.close()

    asyncio.run(work())


def test_where_two_twins_do_not_fit_requests_wait_for_the_new_one(project):
    first, _ = first_and_second()

    async def change_in_an_answer(watch: LiveTwin) -> asyncio.Task:
        old = watch.pool.get(TWIN)
        async with old.limiter.acquire():
            twins.choose_live(first)
            taking = asyncio.create_task(watch.follow())
            while TWIN in watch.pool.loaded:
                await asyncio.sleep(0.01)
            with pytest.raises(ApiError, match="is being loaded"):
                watch.pool.get(TWIN)
            said = await asyncio.to_thread(ask, old)  # it ends what it began
        assert said and not taking.done()
        return taking

    async def work() -> None:
        watch = watched()
        await watch.pool.start()
        watch.pool.allowed_mb = watch.pool.memory_mb + 10
        try:
            await asyncio.wait_for(await change_in_an_answer(watch), 300)
            assert watch.pool.get(TWIN).digest == twins.cached_digest(first.gguf / "adapter.gguf")
        finally:
            await watch.pool.close()

    asyncio.run(work())


def test_a_chosen_twin_that_cannot_be_loaded_is_told_once_and_changes_nothing(project, capsys):
    first, _ = first_and_second()
    broken = project / "artifacts/twins/versions/2020-01-01-000000000000"
    shutil.copytree(first.folder, broken)
    (broken / "gguf/adapter.gguf").unlink()
    (broken / "gguf/adapter.gguf").write_bytes(b"nonsense")

    async def work() -> None:
        watch = watched()
        await watch.pool.start()
        try:
            old = watch.pool.get(TWIN)
            twins.choose_live(twins.find_version("2020-01-01"))
            for _ in range(2):
                await watch.follow()
            assert watch.pool.get(TWIN) is old and await asyncio.to_thread(ask, old)
        finally:
            await watch.pool.close()

    try:
        asyncio.run(work())
    finally:
        shutil.rmtree(broken)
    assert capsys.readouterr().out.count("the one before stays") == 1


def test_a_server_on_ollama_asks_for_the_twin_that_was_chosen(project, ollama, register):
    first, second = first_and_second()
    register()

    async def work() -> None:
        watch = LiveTwin(ModelPool(Settings(_env_file=None, engine="ollama"), load_params()))
        await watch.pool.choose()
        await watch.pool.load(TWIN)
        assert watch.pool.get(TWIN).engine.model == f"blogtwin:{second.digest[:12]}"
        # Ollama serves one request at a time: drafts are searched in llama.cpp here, with the twin's own file
        writer = verified_draft.writing_model(watch.pool, watch.pool.get(TWIN).model)
        assert isinstance(writer, LocalModel) and writer.weights == Path("artifacts/gguf/twin.gguf")
        await asyncio.to_thread(kept_twins.use, first.name, load_params())
        await watch.follow()
        assert watch.pool.get(TWIN).engine.model == f"blogtwin:{first.digest[:12]}"
        RECEIPT_FILE.unlink()  # as while the pipeline makes another twin
        twins.LIVE_FILE.unlink()
        await watch.follow()
        assert watch.pool.get(TWIN).engine.model == f"blogtwin:{first.digest[:12]}"

    asyncio.run(work())
