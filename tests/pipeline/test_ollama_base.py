"""`make all BASE=ollama/TAG`, whole: the weights that Ollama has are the base, with no server and no network; when the
server is up, the twin is registered as an adapter on them."""

import json
import os
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from gguf import GGMLQuantizationType as Type

from blogtwin.files import sha256_file
from tests.support.ollama_server import OllamaServer
from tests.support.ollama_store import write_model
from tests.support.tiny_model import write_tiny_gguf
from tests.support.workspace import make_small_workspace, sh

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.dvc, pytest.mark.model]
TAG = "our-tiny:3m"
TEMPLATE = (
    "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
    "{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n{{ .Response }}<|im_end|>\n"
)


@pytest.fixture(scope="module")
def internet():
    """A proxy for everything outside this machine; `asked` are the first lines of what it was sent."""
    listening = socket.create_server(("127.0.0.1", 0))
    asked: list[str] = []

    def refuse() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # closed
                return
            with connection:
                asked.append(connection.recv(1000).partition(b"\r\n")[0].decode("utf-8", "replace"))

    threading.Thread(target=refuse, daemon=True).start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    proxies = {name: address for kind in ("http_proxy", "https_proxy", "all_proxy") for name in (kind, kind.upper())}
    yield SimpleNamespace(asked=asked, environment={**proxies, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": address})
    listening.close()


@pytest.fixture(scope="module")
def machine(tmp_path_factory, internet):
    """(workspace, store) after `make all BASE=ollama/TAG` where Ollama's store has the model and no server runs, with
    what it said."""
    folder = make_small_workspace(tmp_path_factory.mktemp("project"))
    store = folder / ".ollama/models"  # the workspace is the home folder
    weights = write_tiny_gguf(folder / "downloads/tiny.gguf", kinds=(Type.Q8_0,))  # as Ollama has most
    write_model(store, TAG, weights.read_bytes(), template=TEMPLATE, license="Apache License\nVersion 2.0")
    weights.unlink()
    sh(folder, "python scripts/set_param.py train.learning_rate=2e-2 export.quantization=f16")
    done = sh(folder, f"make all BASE=ollama/{TAG}", 1500, **internet.environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return SimpleNamespace(folder=folder, store=store, said=done.stdout + done.stderr)


def read(machine, path: str) -> dict:
    return json.loads((machine.folder / path).read_text())


def test_a_twin_is_trained_on_the_stores_weights_without_a_server(machine):
    backend = read(machine, "artifacts/adapter/backend.json")
    blob = machine.store / "blobs" / f"sha256-{backend['base']['digest']}"
    assert backend["base"]["name"] == f"ollama/{TAG}" and sha256_file(blob) == backend["base"]["digest"]
    parity = read(machine, "artifacts/gguf/parity.json")["twin"]
    assert parity["delta_to_twin"] < parity["delta_to_base"] and parity["prompt_ids_equal"]
    assert read(machine, "artifacts/ollama/receipt.json")["status"] == "absent"
    # The weights are read where they lie: what is prepared beside the folder for training is no copy of them.
    (prepared,) = (machine.folder / "artifacts/base").glob("ollama-our-tiny*")
    assert (prepared / "hf").is_dir() and not (prepared / "base.gguf").exists()


def test_nothing_is_asked_of_the_network(machine, internet):
    assert internet.asked == []
    for line in machine.said.splitlines():
        assert "download" not in line and "fetch" not in line and "hub" not in line, line


def test_with_the_server_up_the_twin_is_an_adapter_on_that_base_without_another_training(machine, internet):
    server = OllamaServer(machine.store / "blobs")
    digest = f"sha256:{read(machine, 'artifacts/adapter/backend.json')['base']['digest']}"
    server.models[TAG] = {"blob": digest, "template": TEMPLATE, "system": "", "parameters": {"temperature": 0.2}}
    trained = os.stat(machine.folder / "artifacts/adapter/adapter_model.safetensors").st_mtime_ns
    try:
        done = sh(machine.folder, f"make all BASE=ollama/{TAG}", 900, **internet.environment, OLLAMA_HOST=server.host)
        receipt = read(machine, "artifacts/ollama/receipt.json")
        assert (receipt["form"], receipt["why"]) == ("adapter", f"Ollama has {TAG}")
        pushed = [request for request in server.requests if request.startswith("POST /api/blobs/")]
        adapter = machine.folder / "artifacts/gguf/adapter.gguf"
        assert pushed == [f"POST /api/blobs/sha256:{sha256_file(adapter)}"]
        assert set(server.models) == {TAG, receipt["model"], "blogtwin:latest"}
        assert f"as an adapter, because Ollama has {TAG}" in done.stdout and "ollama run blogtwin:latest" in done.stdout
        # Without that base, the twin is registered whole, and the line says why.
        for name in (receipt["model"], "blogtwin:latest", TAG):
            server.models.pop(name)
        again = sh(machine.folder, f"make all BASE=ollama/{TAG}", 900, **internet.environment, OLLAMA_HOST=server.host)
        receipt = read(machine, "artifacts/ollama/receipt.json")
        assert (receipt["form"], receipt["why"]) == ("merged", f"Ollama does not have {TAG}")
        assert f"whole, because Ollama does not have {TAG}" in again.stdout
    finally:
        server.close()
    assert done.returncode == again.returncode == 0, done.stderr + again.stderr
    assert os.stat(machine.folder / "artifacts/adapter/adapter_model.safetensors").st_mtime_ns == trained
    assert "Running stage 'train'" not in done.stdout + again.stdout and internet.asked == []


def test_a_tag_that_ollama_does_not_have_changes_nothing(machine, internet):
    before = (machine.folder / "params.yaml").read_text()
    done = sh(machine.folder, "make all BASE=ollama/other:1b", **internet.environment)
    assert done.returncode != 0 and f"which Ollama does not have (it has {TAG})" in done.stderr
    assert "Running stage" not in done.stdout and Path(machine.folder, "params.yaml").read_text() == before
