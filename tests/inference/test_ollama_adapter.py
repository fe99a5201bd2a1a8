"""A twin in Ollama as its adapter on the base that Ollama has: where that is so, and else whole, with the reason."""

import shutil

import pytest

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.files import sha256_file
from blogtwin.inference import ollama_register
from blogtwin.models import ollama_store, registry
from blogtwin.models.gguf_export import write_lora_gguf, write_merged_gguf
from blogtwin.models.ollama_client import Ollama
from tests.support.adapters import EXAMPLES, make_adapter, place_export
from tests.support.ollama_server import OllamaServer
from tests.support.ollama_store import write_model
from tests.support.tiny_model import write_tiny_gguf
from tests.support.workspace import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.model]
BASE = "keeper:1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(base in Ollama's store, folder with twin.gguf and adapter.gguf)."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(root))
        patch.setenv("OLLAMA_HOST", "127.0.0.1:1")
        patch.delenv("OLLAMA_MODELS", raising=False)
        patch.setattr(ollama_store, "SERVICE_STORE", root / "service")
        patch.setattr(registry, "ROOT", root)
        write_model(root / ".ollama/models", BASE, write_tiny_gguf(root / "keeper.gguf").read_bytes())
        base = registry.resolve_base(f"ollama/{BASE}")
    adapter = make_adapter(base, root / "adapter")
    write_merged_gguf(base.gguf, adapter, root / "twin.gguf", "q8_0", base.tokenizer().chat_template, {})
    write_lora_gguf(base.gguf, adapter, root / "adapter.gguf", {})
    nothing = make_adapter(base, root / "nothing", zero=True)
    write_lora_gguf(base.gguf, nothing, root / "nothing.gguf", {})
    return base, root


@pytest.fixture
def server(trained, tmp_path, monkeypatch):
    """A server that has the base, in the folder of a twin that is exported."""
    base, root = trained
    server = OllamaServer(tmp_path / "blobs", base=base.gguf)
    server.folder.mkdir()
    server.blob(f"sha256:{base.digest}").hardlink_to(base.gguf)
    template = {"template": "{{ .Prompt }}", "system": "You are a keeper.", "parameters": {"stop": ["x"], "top_k": 9}}
    server.models[BASE] = {"blob": f"sha256:{base.digest}", **template}
    place_export(root, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield server
    server.close()


@pytest.fixture
def register(trained, server):
    """register(how): the receipt of a registration with that ollama.register."""
    params = load_params(ROOT / "params.yaml")

    def register(how: str = "auto") -> dict:
        chosen = params.model_copy(update={"ollama": params.ollama.model_copy(update={"form": how})})
        sha = sha256_file("artifacts/gguf/twin.gguf")
        return ollama_register.register_and_record(Ollama(server.host), chosen, trained[0], EXAMPLES, sha)

    return register


def test_the_adapter_goes_on_the_base_that_ollama_has(register, server, trained):
    before = dict(server.models[BASE])
    receipt = register()
    assert (receipt["form"], receipt["why"]) == ("adapter", f"Ollama has {BASE}")
    assert receipt["parity"]["delta_to_twin"] < 0.1 < receipt["parity"]["delta_to_base"]
    pushed = sha256_file("artifacts/gguf/adapter.gguf")
    assert [r for r in server.requests if r.startswith("POST /api/blobs")] == [f"POST /api/blobs/sha256:{pushed}"]
    shown = Ollama(server.host).show("blogtwin")
    assert (
        shown["details"]["parent_model"] == BASE and f"ADAPTER {server.blob(f'sha256:{pushed}')}" in shown["modelfile"]
    )
    assert shown["system"] == load_params(ROOT / "params.yaml").prepare.system and "<|im_start|>" in shown["parameters"]
    assert server.models[BASE] == before and set(server.models) == {BASE, receipt["model"], receipt["tag"]}


def test_a_later_version_shares_the_base_and_keeps_the_one_before(register, server):
    first = register()
    shutil.copy("artifacts/gguf/twin.gguf", "twin.bak")
    with open("artifacts/gguf/twin.gguf", "ab") as file:  # the next training: another digest
        file.write(b"\0")
    second = register()
    assert second["model"] != first["model"] and {first["model"], second["model"], BASE} < set(server.models)
    assert len({m["blob"] for m in server.models.values()}) == 1


def test_an_old_version_that_goes_takes_its_adapter_along_and_leaves_the_base(register, server):
    """As the versions do that `export.keep` is too small for: they would stay in Ollama for ever."""
    first = register()["model"]
    old = server.models[first]["adapters"]
    for name in ("adapter", "twin"):
        with open(f"artifacts/gguf/{name}.gguf", "ab") as file:  # the next training
            file.write(b"\0")
    second = register()["model"]
    Ollama(server.host).delete(first)
    assert set(server.models) == {BASE, second, "blogtwin:latest"}
    assert not server.blob(old[0]).exists() and server.blob(server.models[BASE]["blob"]).is_file()
    assert server.blob(server.models[second]["adapters"][0]).is_file() and server.models[second]["adapters"] != old


@pytest.mark.parametrize(
    "change, why",
    [
        ("gone", f"Ollama does not have {BASE}"),
        ("pulled anew", f"Ollama has another version of {BASE} than the one that was trained on"),
        ("forgets", "left the adapter of blogtwin:"),
        ("adapter", "no space left on device"),
        ("nothing", "nearer to the base model than to the twin"),
    ],
)
def test_the_twin_is_registered_whole_where_the_adapter_does_not_do(change, why, register, server, trained, capsys):
    if change == "gone":
        server.delete(BASE)
    elif change == "pulled anew":
        newer = server.blob(f"sha256:{'1' * 64}")
        newer.hardlink_to(trained[0].gguf)
        server.models[BASE]["blob"] = f"sha256:{'1' * 64}"
    elif change == "nothing":
        shutil.copy(trained[1] / "nothing.gguf", "artifacts/gguf/adapter.gguf")
    else:
        server.faults = {change}
    receipt = register()
    assert receipt["form"] == "merged" and why in receipt["why"]
    assert "adapters" not in server.models["blogtwin:latest"]
    assert not [name for name in server.models if "unverified" in name]
    assert ("note: " in capsys.readouterr().out) == (change not in ("gone", "pulled anew"))


def test_the_whole_twin_is_registered_where_that_is_asked_for(register):
    receipt = register("merged")
    assert (receipt["form"], receipt["why"]) == ("merged", "ollama.register is merged")


def test_an_adapter_that_is_asked_for_and_cannot_be_is_a_sentence(register, server):
    server.delete(BASE)
    with pytest.raises(
        UserError, match=f"^ollama.register is adapter, and Ollama does not have {BASE}: run `ollama pull"
    ):
        register("adapter")
    assert server.models == {} and not (ollama_register.RECEIPT_FILE).exists()


def test_an_adapter_that_is_asked_for_is_not_replaced_by_the_whole(register, server):
    server.faults = {"adapter"}
    with pytest.raises(UserError, match="no space left on device"):
        register("adapter")
    assert set(server.models) == {BASE}
