"""A model in Ollama's store is found by its name, on the server's word or in the store, and read where it lies."""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from blogtwin.errors import UserError
from blogtwin.models import ollama_store, registry
from tests.support.ollama_server import OllamaServer
from tests.support.ollama_store import write_model
from tests.support.workspace import ROOT, environment

WEIGHTS = b"GGUF of a model"
SHA = hashlib.sha256(WEIGHTS).hexdigest()
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The user's own store, empty; no server answers, and the service has none."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OLLAMA_HOST", NOWHERE)
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.setattr(ollama_store, "SERVICE_STORE", tmp_path / "service")
    folder = tmp_path / ".ollama/models"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def server(store, tmp_path, monkeypatch):
    """A server whose blobs lie in another store than the user's."""
    (tmp_path / "served/blobs").mkdir(parents=True)
    server = OllamaServer(tmp_path / "served/blobs")
    monkeypatch.setenv("OLLAMA_HOST", server.host)
    yield server
    server.close()


def served(server, name: str, **more) -> SimpleNamespace:
    """A model of the server, whose blob is there."""
    path = server.folder / f"sha256-{SHA}"
    path.write_bytes(WEIGHTS)
    server.models[name] = {"blob": f"sha256:{SHA}", "template": "T", "system": "", "parameters": {}, **more}
    return SimpleNamespace(path=path)


def sentence(name: str) -> str:
    with pytest.raises(UserError) as error:
        ollama_store.find_model(name)
    text = str(error.value)
    assert "\n" not in text and text.startswith(f"train.base is {name}, ") and text.endswith("."), text
    return text


@pytest.mark.parametrize(
    "name, shown",
    [
        ("ollama/llama3.2:1b", "llama3.2:1b"),
        ("ollama/llama3.2", "llama3.2:latest"),
        ("ollama/anna/blog:q8", "anna/blog:q8"),
        ("ollama/hf.co/anna/blog-GGUF:Q4_K_M", "hf.co/anna/blog-GGUF:Q4_K_M"),
        ("ollama/localhost:5000/anna/blog", "localhost:5000/anna/blog:latest"),
        ("ollama/ollama.com/library/llama3.2:1b", "llama3.2:1b"),
    ],
)
def test_a_name_is_read_as_ollama_reads_it(name, shown):
    assert str(ollama_store.parse_reference(name)) == shown


@pytest.mark.parametrize("name", ["ollama/", "ollama/../x", "ollama/a/b/c/d", "ollama/x:", "ollama/-x"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(UserError, match="no name of a model in Ollama"):
        ollama_store.parse_reference(name)


def test_a_model_is_found_in_the_store_with_its_template_and_licence(store):
    layers = {"template": "{{ .Prompt }}", "license": "\n  LLAMA 3.2  COMMUNITY LICENSE\nmore", "params": "{}"}
    write_model(store, "llama3.2:1b", WEIGHTS, **layers, system="You are.")
    found = ollama_store.find_model("ollama/llama3.2:1b")
    assert found == ollama_store.StoredModel(
        store / f"blobs/sha256-{SHA}", SHA, "{{ .Prompt }}", "LLAMA 3.2 COMMUNITY LICENSE"
    )


@pytest.mark.parametrize("where", ["OLLAMA_MODELS", "service"])
def test_other_stores_are_looked_into(where, store, tmp_path, monkeypatch):
    if where == "OLLAMA_MODELS":
        monkeypatch.setenv(where, str(tmp_path / "elsewhere"))
    folder = tmp_path / ("elsewhere" if where == "OLLAMA_MODELS" else "service")
    write_model(folder, "tiny:1", WEIGHTS)
    assert ollama_store.find_model("ollama/tiny:1").gguf == folder / f"blobs/sha256-{SHA}"


def test_a_name_in_other_case_is_the_same_model(store):
    write_model(store, "anna/Blog:Q8", WEIGHTS)
    assert ollama_store.find_model("ollama/Anna/blog:q8").digest == SHA


def test_links_are_followed_and_other_folders_are_left_alone(store, tmp_path):
    """As is proposed for a later Ollama: tags are links to manifests, under another host."""
    manifest = write_model(store, "tiny:1", WEIGHTS)
    moved = manifest.rename(store / "blobs/sha256-of-the-manifest")
    tag = store / "manifest-v2/ollama.com/library/tiny/1"
    tag.parent.mkdir(parents=True)
    tag.symlink_to(moved)
    blobs = (store / "blobs").rename(tmp_path / "disk")
    (store / "blobs").symlink_to(blobs)
    tag.unlink()
    tag.symlink_to(blobs / moved.name)
    for odd in ("cache/x/y/z/1", "manifests/.DS_Store", "manifests/registry.ollama.ai/library/tiny/.tmp"):
        (store / odd).parent.mkdir(parents=True, exist_ok=True)
        (store / odd).write_text("{")
    assert ollama_store.find_model("ollama/tiny:1").digest == SHA
    assert ollama_store.list_models() == ["tiny:1"]


def test_a_tag_that_is_missing_is_told_with_those_that_are_there(store):
    write_model(store, "tiny:1", WEIGHTS)
    write_model(store, "anna/blog:q8", WEIGHTS)
    text = sentence("ollama/tiny:2")
    assert "(it has anna/blog:q8, tiny:1): run `ollama pull tiny:2`" in text


def test_where_there_is_no_ollama_the_places_are_told_that_were_looked_at(store):
    text = sentence("ollama/tiny:2")
    assert f"http://{NOWHERE}" in text and str(store) in text and "`ollama pull tiny:2`" in text


@pytest.mark.parametrize(
    "models, layers, reason",
    [
        ((WEIGHTS,), {"adapter": "GGUF lora"}, "is an adapter on a base model"),
        ((WEIGHTS,), {"projector": "GGUF clip"}, "reads pictures"),
        ((WEIGHTS, b"GGUF part 2"), {}, "lies in 2 files"),
        ((), {"license": "MIT"}, "has no GGUF on this machine (a cloud model"),
        ((), {"tensor": "safetensors"}, "other formats can't be read"),
    ],
)
def test_what_a_twin_cannot_be_trained_on_is_refused(models, layers, reason, store):
    write_model(store, "odd:1", *models, **layers)
    assert reason in sentence("ollama/odd:1")


def test_a_damaged_manifest_and_a_blob_that_is_gone_are_told_apart(store):
    manifest = write_model(store, "tiny:1", WEIGHTS)
    (store / f"blobs/sha256-{SHA}").unlink()
    assert f"sha256-{SHA} is missing from Ollama's store: run `ollama pull tiny:1`" in sentence("ollama/tiny:1")
    manifest.write_text('{"layers": [{"mediaType": "x", "digest": "sha256:../../x"}]}')
    assert "its manifest" in sentence("ollama/tiny:1")


def test_the_server_says_where_the_file_is(server, store):
    write_model(store, "tiny:1", b"GGUF of another version")
    path = served(server, "tiny:1").path
    found = ollama_store.find_model("ollama/tiny:1")
    assert (found.gguf, found.digest, found.template) == (path, SHA, "T")


def test_a_model_whose_file_is_on_the_servers_own_machine_is_looked_for_here(server, store):
    served(server, "tiny:1").path.unlink()
    text = sentence("ollama/tiny:1")
    assert f"http://{server.host} has" in text and "BASE=FILE.gguf" in text
    write_model(store, "tiny:1", WEIGHTS)
    assert ollama_store.find_model("ollama/tiny:1").gguf == store / f"blobs/sha256-{SHA}"


def test_the_servers_models_are_told_too(server, store):
    served(server, "served:1")
    write_model(store, "stored:1", WEIGHTS)
    assert "(it has served:1, stored:1)" in sentence("ollama/tiny:2")


def test_a_cloud_model_and_an_adapter_of_the_server_are_refused(server):
    served(server, "big:cloud", remote_model="big", remote_host="https://ollama.com")
    assert "a cloud model has no weights here" in sentence("ollama/big:cloud")
    served(server, "twin:1", adapters=[f"sha256:{'0' * 64}"])
    assert "is an adapter on a base model" in sentence("ollama/twin:1")


def test_a_store_of_another_user_is_told_with_the_command_that_opens_it():
    """Ollama's installer makes a user whose home others may not enter: asked by one who is not root."""
    code = (
        "import os, pathlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from blogtwin.models import ollama_store\n"
        "ollama_store.list_models()\n"  # everything is imported, which the other user might not be able to
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "ollama_store.SERVICE_STORE = pathlib.Path(sys.argv[2])\n"
        "try: print(ollama_store.find_model('ollama/tiny:1').digest)\n"
        "except Exception as e: print(e)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        home = Path(folder, "service home")
        store = home / ".ollama/models"
        write_model(store, "tiny:1", WEIGHTS)
        home.chmod(0o700 if os.getuid() == 0 else 0)
        surroundings = os.environ | {"OLLAMA_HOST": NOWHERE, "HOME": "/nonexistent", "OLLAMA_MODELS": ""}

        def ask() -> str:
            command = [sys.executable, "-c", code, str(ROOT), str(store)]
            done = subprocess.run(command, capture_output=True, text=True, env=surroundings)
            return done.stdout.strip() or done.stderr

        told = ask().split("`")
        opening = f"sudo chmod o+x '{home}' '{home}/.ollama' && sudo chmod -R o+rX '{store}'"
        assert "may not read" in told[0] and told[1] == opening
        home.chmod(0o700)
        subprocess.run(opening.replace("sudo ", ""), shell=True, check=True)
        assert ask() == SHA


def test_what_the_registry_knows_of_a_model_holds_for_ollamas_copy(store):
    entry = registry.registry_entry("ollama/gemma2:2b")
    assert (entry["chat"], entry["license"], entry["repo"]) == ("gemma", "gemma", "ollama/gemma2:2b")
    assert not {"cuda", "mlx", "original"} & entry.keys()
    assert registry.registry_entry("ollama/unheard-of:1")["license"] == ""


def test_a_base_is_checked_before_it_is_written_into_params(store, tmp_path):
    """As `make all BASE=ollama/…` does first."""
    write_model(store, "tiny:1", WEIGHTS)
    file = tmp_path / "params.yaml"
    file.write_text((ROOT / "params.yaml").read_text())

    def set_base(name: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(ROOT / "scripts/set_param.py"), f"train.base={name}"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment(tmp_path))

    refused = set_base("ollama/tiny:2")
    assert refused.returncode == 1 and "which Ollama does not have (it has tiny:1)" in refused.stderr
    assert file.read_text() == (ROOT / "params.yaml").read_text()
    assert set_base("ollama/tiny:1").returncode == 0 and "base: ollama/tiny:1\n" in file.read_text()


def test_a_blob_that_is_not_what_its_name_says_is_not_prepared(store, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    write_model(store, "tiny:1", WEIGHTS)
    (store / f"blobs/sha256-{SHA}").write_bytes(b"GGUF of a modem")
    with pytest.raises(UserError, match="is damaged .* `ollama rm tiny:1` and `ollama pull tiny:1`"):
        registry.resolve_base("ollama/tiny:1")


def test_a_model_that_is_no_gguf_is_told_in_a_sentence(store, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    write_model(store, "tiny:1", WEIGHTS)
    with pytest.raises(UserError, match=r"^train.base is ollama/tiny:1, and .* can't be read as a GGUF"):
        registry.resolve_base("ollama/tiny:1")
