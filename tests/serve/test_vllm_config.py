"""`make serve-config`: what it writes for vLLM, each option of which vLLM has, and for our server in front of it."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from blogtwin.errors import UserError
from blogtwin.models.gguf_export import write_lora_gguf
from blogtwin.models.registry import BaseModelFiles
from blogtwin.twins import store
from serve import catalog, vllm_config
from serve.settings import Settings
from tests.support import vllm_flags
from tests.support.kept_twins import ABOUT, keep, write_twin
from tests.support.workspace import ROOT

KNOWN = json.loads(vllm_flags.FILE.read_text(encoding="utf-8"))


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A base, in a project of two authors, one of them on another base."""
    monkeypatch.chdir(tmp_path)
    for folder, digest, rank in ((".", "d1", 16), ("authors/anna", "d1", 20), ("authors/ben", "d2", 8)):
        adapter = Path(folder) / "artifacts/adapter"
        adapter.mkdir(parents=True)
        (adapter / "adapter_model.safetensors").touch()
        (adapter / "adapter_config.json").write_text(json.dumps({"r": rank}))
        (adapter / "backend.json").write_text(json.dumps({"base": {"name": f"base-{digest}", "digest": digest}}))
    Path("authors/carl").mkdir()
    return BaseModelFiles("base-d1", tmp_path / "base's/hf", tmp_path / "base.gguf", "d1", "repo", "mit", "chatml")


def words(base) -> list[str]:
    adapters, _ = vllm_config.write_config(base, 2048)
    text = (vllm_config.FOLDER / "serve.sh").read_text()
    return shlex.split(re.sub(r"\\\n", " ", text), comments=True)


def test_every_adapter_on_the_base_is_served_and_the_others_are_told(base):
    adapters, left_out = vllm_config.write_config(base, 2048)
    assert [(one.name, one.rank) for one in adapters] == [("finetuned", 16), ("anna", 20)]
    assert left_out == ["ben was trained on base-d2, not on base-d1", "carl has no trained adapter"]


def test_vllm_has_every_option_of_the_command(base):
    found = words(base)
    assert found[:4] == ["exec", "vllm", "serve", str(base.hf)]
    options = [word for word in found if word.startswith("--")]
    assert len(options) > 8 and set(options) <= set(KNOWN["flags"])
    assert found[found.index("--max-lora-rank") + 1] == "32" and list(vllm_config.RANKS) == KNOWN["ranks"]
    modules = [json.loads(word) for word in found[found.index("--lora-modules") + 1 :]]
    assert [one["name"] for one in modules] == ["finetuned", "anna"]
    assert all((Path(one["path"]) / "adapter_config.json").is_file() for one in modules)


def test_the_shell_takes_the_command_as_it_is_written(base):
    words(base)
    script = (vllm_config.FOLDER / "serve.sh").read_text().replace("exec vllm", "printf '%s\\n'")
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert str(base.hf) in shown and shown[-1].startswith('{"name": "anna"')


def test_our_server_lists_the_authors_with_the_settings_that_are_written(base, monkeypatch):
    from blogtwin.config import load_params

    words(base)
    for name, value in dotenv_values(vllm_config.FOLDER / "serve.env").items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert (settings.engine, settings.workers, settings.openai_penalty) == ("openai", 2, "repetition_penalty")
    known = catalog.list_elsewhere(settings, load_params(ROOT / "params.yaml"))
    assert {name: model.base for name, model in known.items()} == {
        "base": "base",
        "finetuned": "finetuned",
        "anna": "anna",
    }


@pytest.mark.slow
@pytest.mark.model
def test_kept_twins_are_served_as_they_were_trained(tiny, tmp_path, monkeypatch):
    """Each as a PEFT adapter with the numbers of its training; the live one by the name of the live one."""
    from tests.support.adapters import check_same_adapter, make_adapter  # which import torch

    monkeypatch.chdir(tmp_path)
    versions = {}
    for seed in (1, 2):
        trained = make_adapter(tiny, tmp_path / f"trained-{seed}", seed=seed)
        write_twin(Path(), str(seed))
        metadata = {"general.base_model.0.name": tiny.name, "blogtwin.base_digest": tiny.digest}
        write_lora_gguf(tiny.gguf, trained, Path("artifacts/gguf/adapter.gguf"), metadata)
        versions[store.keep_twin(ABOUT).name] = trained
    keep("other", "2026-01-01")  # on another base
    first, second = versions
    store.choose_live(store.find_version(first))
    adapters, left_out = vllm_config.write_config(tiny, 2048)
    assert {one.name: one.rank for one in adapters} == {"finetuned": 4, second: 4}
    assert [reason.partition(" was ")[2] for reason in left_out] == [f"trained on keeper:1, not on {tiny.name}"]
    for one in adapters:
        check_same_adapter(versions[first if one.name == "finetuned" else one.name], one.folder)


def test_without_an_adapter_nothing_is_written(base):
    for file in Path().rglob("adapter_model.safetensors"):
        file.unlink()
    with pytest.raises(UserError, match="make all"):
        vllm_config.write_config(base, 2048)
    assert not vllm_config.FOLDER.exists()


@pytest.mark.slow
@pytest.mark.model
def test_the_script_says_what_it_wrote(served, run_in):
    from blogtwin.models import registry

    real = registry.resolve_base("smollm2:135m")
    adapter = served / "artifacts/adapter"
    adapter.mkdir()
    try:
        (adapter / "adapter_model.safetensors").touch()
        (adapter / "adapter_config.json").write_text(json.dumps({"r": 16}))
        (adapter / "backend.json").write_text(json.dumps({"base": {"name": real.name, "digest": real.digest}}))
        said = run_in(served, f"{sys.executable} {ROOT / 'scripts/serve_config.py'}").stdout
        assert "serve.sh: smollm2:135m with finetuned" in said and "serve.env" in said
    finally:
        for file in adapter.iterdir():
            file.unlink()
        adapter.rmdir()


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.network
def test_the_newest_vllm_has_every_option_too(base, tmp_path):
    """Its wheel has 300 MB; no part of it is run."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path), "vllm"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    wheels = list(tmp_path.glob("vllm-*.whl"))
    if done.returncode or not wheels:
        pytest.skip(f"vLLM's wheel can't be had: {done.stderr[-200:]}")
    newest = vllm_flags.read_wheel(wheels[0])
    options = {word for word in words(base) if word.startswith("--")}
    assert len(newest["flags"]) > 100 and options <= set(newest["flags"])
    assert set(vllm_config.RANKS) <= set(newest["ranks"])
