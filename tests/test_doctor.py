"""make doctor: what it says of a machine is so, and what it recommends fits."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, environment

from train import advice, machine

MODELS = yaml.safe_load((ROOT / "train/models.yaml").read_text())
PRESETS = yaml.safe_load((ROOT / "train/presets.yaml").read_text())
LAPTOP = {"ram_gb": 16.0, "features": ["avx2"], "gpus": []}


def advised(tokens: int = 40_000, gflops: float = 190.0, **facts):
    return advice.advise({**LAPTOP, **facts}, MODELS, PRESETS, tokens, gflops)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """programs(name, output): a program of that name that prints that, on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("FORCE_CPU", "MAX_RAM_GB", "MAX_VRAM_GB"):
        monkeypatch.delenv(name, raising=False)

    def add(name: str, output: str, status: int = 0) -> None:
        path = folder / name
        (folder / f"{name}.out").write_text(output)
        path.write_text(f"#!/bin/sh\nwhile IFS= read -r line; do echo \"$line\"; done < {folder / name}.out\nexit {status}\n")
        path.chmod(0o755)

    return add


# --- the machine ------------------------------------------------------------------------------------------------------


def test_cards_are_read_from_their_makers_tools(programs):
    programs("nvidia-smi", "NVIDIA GeForce RTX 3050 Laptop GPU, 4096\nNVIDIA H200, 143771\n")
    programs("rocm-smi", json.dumps({"card0": {"Card Series": "Radeon RX 7900", "VRAM Total Memory (B)": str(24 * 2**30)}}) + "\n")
    programs("xpu-smi", json.dumps({"device_list": [{"device_name": "Arc A770", "memory_physical_size_byte": str(16 * 2**30)}]}) + "\n")
    assert [(g["kind"], g["name"], g["memory_gb"]) for g in machine.gpus()] == [
        ("cuda", "NVIDIA GeForce RTX 3050 Laptop GPU", 4.0), ("cuda", "NVIDIA H200", 140.4), ("rocm", "Radeon RX 7900", 24.0), ("xpu", "Arc A770", 16.0),
    ]


def test_a_tool_that_finds_no_card_is_no_card(programs):
    programs("nvidia-smi", "NVIDIA-SMI has failed because it could not communicate with the driver.\n", 9)
    programs("rocm-smi", "no JSON\n")
    assert machine.gpus() == []


def test_limits_are_believed(programs, monkeypatch):
    programs("nvidia-smi", "NVIDIA H200, 143771\n")
    monkeypatch.setenv("MAX_VRAM_GB", "6")
    monkeypatch.setenv("MAX_RAM_GB", "0.5")
    facts = machine.facts()
    assert facts["gpus"][0]["memory_gb"] == 6 and facts["ram_gb"] == 0.5 and set(facts["limits"]) == {"MAX_VRAM_GB", "MAX_RAM_GB"}
    monkeypatch.setenv("FORCE_CPU", "1")
    assert machine.facts()["gpus"] == []


def test_versions_are_read(programs):
    programs("node", "v20.20.2\n")
    programs("ollama", "ollama version is 0.12.3\n")
    facts = machine.facts()
    assert (facts["node"], facts["ollama"]) == ("20.20.2", "0.12.3")
    assert facts["cores"] >= 1 and facts["ram_gb"] > 0.1 and facts["disk_free_gb"] >= 0 and facts["cpu"]


def test_the_libraries_own_knob_holds_the_cores_back(monkeypatch):
    """OMP_NUM_THREADS, as torch reads it; more than there are, and nonsense, change nothing."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    there = machine.facts()["cores"]
    for wanted, given in {"1": 1, "1000": there, "0": there, "many": there, "": there}.items():
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
        assert machine.facts()["cores"] == given


# --- the recommendation -----------------------------------------------------------------------------------------------


def test_two_cores_get_the_embedded_base_and_are_told_why():
    got = advised()
    assert (got.base, got.preset, got.max_length) == ("smollm2:135m", "quality", 1024)
    assert "llama3.2:1b would take" in got.reason


@pytest.mark.parametrize("ram, base", [(3, "smollm2:135m"), (16, "llama3.2:3b"), (64, "llama3:8b")])
def test_a_fast_machine_gets_the_largest_model_that_fits_its_memory(ram, base):
    got = advised(ram_gb=float(ram), gflops=1e6)
    assert got.base == base and MODELS[base]["ram_gb"] <= ram
    assert got.max_length == (512 if ram - MODELS[base]["ram_gb"] < 1 else 1024)


def test_a_card_counts_by_its_own_memory():
    small = {"kind": "cuda", "name": "RTX 3050", "memory_gb": 4.0}
    assert advised(gpus=[small]).base == "llama3.2:1b"  # its LoRA fits 4 GB by estimate
    assert advised(gpus=[{**small, "memory_gb": 24.0}], ram_gb=3.0).base == "llama3:8b"


def test_a_slow_machine_with_a_big_blog_gets_the_quick_preset():
    slow = advised(tokens=2_000_000, gflops=20.0)
    assert slow.base == "smollm2:135m" and slow.preset == "highspeed"
    assert advised(tokens=20_000, gflops=190.0).preset in ("quality", "bestaccuracy")


def test_minutes_are_of_all_epochs_up_to_the_presets_tokens():
    assert advice.minutes(100, {"epochs": 2, "max_tokens": 0}, 30_000) == 10
    assert advice.minutes(100, {"epochs": 2, "max_tokens": 6_000}, 30_000) == 1


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/sample").symlink_to(ROOT / "data/sample")
    return tmp_path


def doctor(folder, *arguments, **variables):
    env = {**environment(folder), "FORCE_CPU": "1", **variables}
    return subprocess.run([sys.executable, ROOT / "scripts/doctor.py", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def test_json_has_all_and_apply_writes_it(folder):
    done = doctor(folder, "--json", "--apply", MAX_RAM_GB="2")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[: done.stdout.rindex("}") + 1])
    assert set(found) == {"machine", "trainer", "missing", "cache", "corpus", "recommended"}
    assert found["machine"]["ram_gb"] == 2 and 20_000 < found["corpus"]["tokens"] < 60_000 and found["trainer"]["name"] == "cpu"
    assert not [m for m in found["missing"] if m["needed"] and "Python" in m["what"]]
    train = yaml.safe_load((folder / "params.yaml").read_text())["train"]
    assert (train["base"], train["preset"], train["max_length"]) == ("smollm2:135m", found["recommended"]["preset"], 512)


def test_env_file_is_heard_and_the_environment_wins(folder):
    (folder / ".env").write_text("# limits\nMAX_RAM_GB=7\nexport MAX_VRAM_GB='3'\n")
    shown = doctor(folder).stdout
    assert "MAX_RAM_GB=7" in shown and "MAX_VRAM_GB=3" in shown and "memory     7 GB" in shown
    assert "memory     1 GB" in doctor(folder, MAX_RAM_GB="1").stdout


def test_mistakes_are_one_sentence(folder):
    done = doctor(folder, MAX_RAM_GB="lots")
    assert done.returncode == 1 and done.stderr == "error: MAX_RAM_GB is lots, which is no number of GB: write for example 8.\n"
    os.unlink(folder / "data/sample")
    assert "There are no posts in data/sample" in doctor(folder).stderr
