"""make doctor: what it says of a machine is so, and what it recommends fits."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time

import pytest
import yaml

from blogtwin import hardware, installation
from blogtwin.config import load_params
from blogtwin.files import write_jsonl
from blogtwin.models import gguf_folders, ollama_store, registry
from blogtwin.paths import RAW_DIR
from tests.support.ollama_store import write_model
from tests.support.workspace import ROOT, environment
from train import backend, base_table, diagnosis, recommend

MODELS = yaml.safe_load((ROOT / "blogtwin/models/registry.yaml").read_text())
PRESETS = yaml.safe_load((ROOT / "blogtwin/presets.yaml").read_text())
LAPTOP = {"ram_gb": 16.0, "features": ["avx2"], "gpus": []}


CARD = {"kind": "cuda", "name": "RTX 3050", "memory_gb": 4.0}


def advised(tokens: int = 40_000, gflops: float = 190.0, trainer: str = "cpu", **facts):
    return recommend.recommend({**LAPTOP, **facts}, MODELS, PRESETS, tokens, gflops, trainer)


def mac(ram_gb: float):
    """What is advised on Apple silicon with so much memory, of which mlx has seven tenths."""
    return advised(
        trainer="mlx", ram_gb=ram_gb, gpus=[{"kind": "apple", "name": "Apple M3", "memory_gb": round(ram_gb * 0.7, 1)}]
    )


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
        path.write_text(
            f'#!/bin/sh\nwhile IFS= read -r line; do echo "$line"; done < {folder / name}.out\nexit {status}\n'
        )
        path.chmod(0o755)

    return add


# --- the machine ------------------------------------------------------------------------------------------------------


def test_cards_are_read_from_their_makers_tools(programs):
    programs("nvidia-smi", "NVIDIA GeForce RTX 3050 Laptop GPU, 4096\nNVIDIA H200, 143771\n")
    programs(
        "rocm-smi",
        json.dumps({"card0": {"Card Series": "Radeon RX 7900", "VRAM Total Memory (B)": str(24 * 2**30)}}) + "\n",
    )
    programs(
        "xpu-smi",
        json.dumps({"device_list": [{"device_name": "Arc A770", "memory_physical_size_byte": str(16 * 2**30)}]}) + "\n",
    )
    assert [(g["kind"], g["name"], g["memory_gb"]) for g in hardware.list_gpus()] == [
        ("cuda", "NVIDIA GeForce RTX 3050 Laptop GPU", 4.0),
        ("cuda", "NVIDIA H200", 140.4),
        ("rocm", "Radeon RX 7900", 24.0),
        ("xpu", "Arc A770", 16.0),
    ]


def test_a_tool_that_finds_no_card_is_no_card(programs):
    programs("nvidia-smi", "NVIDIA-SMI has failed because it could not communicate with the driver.\n", 9)
    programs("rocm-smi", "no JSON\n")
    assert hardware.list_gpus() == []


def test_limits_are_believed(programs, monkeypatch):
    programs("nvidia-smi", "NVIDIA H200, 143771\n")
    monkeypatch.setenv("MAX_VRAM_GB", "6")
    monkeypatch.setenv("MAX_RAM_GB", "0.5")
    facts = hardware.hardware_info()
    assert (
        facts["gpus"][0]["memory_gb"] == 6
        and facts["ram_gb"] == 0.5
        and set(facts["limits"]) == {"MAX_VRAM_GB", "MAX_RAM_GB"}
    )
    monkeypatch.setenv("FORCE_CPU", "1")
    assert hardware.hardware_info()["gpus"] == []


def test_apple_silicon_shares_its_memory(programs, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(hardware, "memory_gb", lambda: 16.0)
    assert [(g["kind"], g["memory_gb"]) for g in hardware.list_gpus()] == [("apple", 11.2)]
    monkeypatch.setenv("MAX_RAM_GB", "8")
    assert hardware.list_gpus()[0]["memory_gb"] == 5.6


def test_memory_is_known_without_sysconf(monkeypatch):
    """Windows has none."""
    there = hardware.memory_gb()
    monkeypatch.delattr(os, "sysconf")
    assert hardware.memory_gb() >= there - 0.1  # of the machine, whatever a container allows


@pytest.mark.parametrize(
    "system, words", [("Linux 6.1 x86_64", "apt"), ("Darwin 24.1 arm64", "brew"), ("Windows 11 AMD64", "wsl")]
)
def test_what_is_missing_is_mended_by_what_the_system_has(programs, system, words):
    mends = {
        m["what"].split(",")[0]: m["fix"]
        for m in diagnosis.find_missing({"system": system, "disk_free_gb": 50, "gpus": [], "ollama": "", "node": ""})
    }
    assert any(words in mend for mend in mends.values())
    if system.startswith("Darwin"):
        assert set(mends) == {"Git", "Ollama", "Node.js 20"} and all(
            mend.startswith("brew install ") for mend in mends.values()
        )
    if system.startswith("Windows"):
        assert list(mends.values()) == ["wsl --install"]  # all else would need a POSIX shell


def test_versions_are_read(programs):
    programs("node", "v20.20.2\n")
    programs("ollama", "ollama version is 0.12.3\n")
    facts = hardware.hardware_info()
    assert (facts["node"], facts["ollama"]) == ("20.20.2", "0.12.3")
    assert facts["cores"] >= 1 and facts["ram_gb"] > 0.1 and facts["disk_free_gb"] >= 0 and facts["cpu"]


def test_the_libraries_own_knob_holds_the_cores_back(monkeypatch):
    """OMP_NUM_THREADS, as torch reads it; more than there are, and nonsense, change nothing."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    there = hardware.hardware_info()["cores"]
    for wanted, given in {"1": 1, "1000": there, "0": there, "many": there, "": there}.items():
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
        assert hardware.hardware_info()["cores"] == given


# --- the recommendation -----------------------------------------------------------------------------------------------


def test_two_cores_get_the_embedded_base_and_are_told_why():
    got = advised()
    assert (got.base, got.preset, got.max_length) == ("smollm2:135m", "quality", 1024)
    assert "qwen3:0.6b would take" in got.reason


@pytest.mark.parametrize("ram, base", [(3, "smollm2:135m"), (16, "llama3.2:3b"), (64, "llama3:8b")])
def test_a_fast_machine_gets_the_largest_model_that_fits_its_memory(ram, base):
    got = advised(ram_gb=float(ram), gflops=1e6)
    assert got.base == base and MODELS[base]["ram_gb"] <= ram
    assert got.max_length == (512 if ram - MODELS[base]["ram_gb"] < 1 else 1024)


def test_a_card_counts_by_its_own_memory():
    assert advised(trainer="cuda", gpus=[CARD]).base == "llama3.2:1b"  # its LoRA fits 4 GB by estimate
    assert advised(trainer="cuda", gpus=[{**CARD, "memory_gb": 24.0}], ram_gb=3.0).base == "llama3:8b"


def test_an_8b_is_advised_where_its_4_bit_weights_and_all_that_lora_needs_fit():
    weights = 0.7 * MODELS["llama3:8b"]["billions"]  # 4 bits each, and 16 for the embeddings
    lora = 84e6 * 16 / 1e9  # rank 32, by the bytes of weight, gradient and Adam's two
    layer = (
        1024 * (3 * 14336 + 8 * 4096) * 2 * 2 / 1e9
    )  # one is read again at a time on the way back: 16-bit, with gradients
    logits = 1024 * 128256 * (2 + 4) / 1e9
    assert weights + lora + layer + logits + 0.5 <= MODELS["llama3:8b"]["vram_gb"] <= 12
    assert advised(trainer="cuda", gpus=[{**CARD, "memory_gb": 12.0}]).base == "llama3:8b"
    assert advised(trainer="cuda", gpus=[{**CARD, "memory_gb": 8.0}]).base == "llama3.2:3b"


@pytest.mark.parametrize(
    "ram, base", [(8, "smollm2:135m"), (13, "llama3.2:1b"), (16, "qwen3:1.7b"), (36, "llama3.2:3b"), (64, "llama3:8b")]
)
def test_a_mac_has_to_hold_16_bit_weights(ram, base):
    got = mac(ram)
    assert got.base == base and 2 * MODELS[base]["billions"] < MODELS[base]["unified_gb"] <= 0.7 * ram
    assert ram > 36 or "needs" in got.reason


def test_a_card_that_the_trainer_does_not_use_does_not_count():
    big = {**CARD, "memory_gb": 80.0}
    assert advised(gpus=[big]) == advised()
    assert advised(trainer="cuda", gpus=[big, {"kind": "apple", "name": "M3", "memory_gb": 90.0}]).reason.startswith(
        "RTX 3050 with 80 GB"
    )


def test_a_step_keeps_its_tokens_when_rows_are_short():
    roomy, tight = advised(), advised(ram_gb=3.0)
    assert (roomy.max_length, roomy.batch_size) == (
        1024,
        PRESETS["quality"]["batch_size"],
    ) and "batch 1, as in preset quality" in roomy.reason
    assert (tight.max_length, tight.batch_size) == (
        512,
        2,
    ) and "batch 2, so that a step still sees 1,024 tokens" in tight.reason
    assert (mac(13).max_length, mac(13).batch_size) == (512, 2)
    # a card reads the rows of a step at once: two of them would take the memory that shorter ones save
    card = advised(trainer="cuda", gpus=[CARD])
    assert (card.max_length, card.batch_size) == (512, 1)


def test_a_slow_machine_with_a_big_blog_gets_the_quick_preset():
    slow = advised(tokens=2_000_000, gflops=20.0)
    assert slow.base == "smollm2:135m" and slow.preset == "highspeed"
    assert advised(tokens=20_000, gflops=190.0).preset in ("quality", "bestaccuracy")


def test_minutes_are_of_all_epochs_up_to_the_presets_tokens_and_of_the_passages_with_notes():
    assert recommend.estimate_minutes(100, {"epochs": 2, "max_tokens": 0}, 30_000) == pytest.approx(14)
    assert recommend.estimate_minutes(100, {"epochs": 2, "max_tokens": 6_000}, 30_000) == pytest.approx(1.4)


# --- the table of bases -----------------------------------------------------------------------------------------------


def rows_of(in_ollama=(), cache=None, ladder=None, measured=None, ram_gb=64.0, gflops=1e6):
    machine = {**LAPTOP, "ram_gb": ram_gb}
    quality = PRESETS["quality"]
    return base_table.base_rows(
        machine, MODELS, quality, 40_000, gflops, "cpu", cache or {}, in_ollama, ladder, measured
    )


def named(rows, name):
    return next(row for row in rows if row.name == name)


def test_each_base_says_where_it_is_and_what_it_costs_here():
    assert base_table.PREFIX == ollama_store.PREFIX
    rows = rows_of(["llama3.2:1b", "mine:7b"], {"Qwen/Qwen2.5-0.5B-Instruct": 1.0})
    assert [row.name for row in rows if row.is_here] == [
        "smollm2:135m",
        "qwen2.5:0.5b",
        "ollama/llama3.2:1b",
        "ollama/mine:7b",
    ]
    assert named(rows, "llama3.2:3b").where == "6.4 GB to download" and not named(rows, "llama3.2:3b").is_here
    assert named(rows, "qwen2.5:0.5b").where == "in the hub's cache"
    assert named(rows, "qwen2.5-coder:0.5b").where == "0.5 GB to download"  # its GGUF has four bits a weight
    prepared = rows_of([], {"artifacts/base/qwen2.5-coder-0.5b": 2.4, "artifacts/base/qwen3-0.6b": 0.4})
    coder = named(prepared, "qwen2.5-coder:0.5b")
    assert coder.where == "prepared here" and coder.is_here
    assert named(prepared, "qwen3:0.6b").where == "1.2 GB to download"
    assert named(rows, "ollama/llama3.2:1b").memory_gb == 8 and named(rows, "ollama/mine:7b").minutes is None
    assert (
        rows[0].name == "smollm2:135m" and rows[-1].name == "ollama/mine:7b"
    )  # from small to large, then Ollama's own


def test_minutes_follow_a_training_that_was_measured_here():
    """Twice as slow as estimated is twice as slow for every base."""
    guessed = rows_of(gflops=190.0)
    speed = recommend.estimate_speed(LAPTOP, MODELS["smollm2:135m"], 190.0, None)
    slow = rows_of(gflops=190.0, measured=("smollm2:135m", speed / 2))
    for before, after in zip(guessed, slow, strict=True):
        assert after.minutes == pytest.approx(2 * before.minutes, abs=0.2)
    assert rows_of(gflops=190.0, measured=("another", 5.0)) == guessed


def test_auto_takes_the_largest_base_that_is_here_and_fits_and_nothing_that_must_be_fetched():
    assert base_table.advise(rows_of())[0].name == "smollm2:135m"
    assert base_table.advise(rows_of(["llama3.2:1b"]))[0].name == "ollama/llama3.2:1b"
    assert base_table.advise(rows_of(["llama3.2:1b"], ram_gb=4.0))[0].name == "smollm2:135m"
    assert base_table.advise(rows_of(["llama3.2:1b"], gflops=190.0))[0].name == "smollm2:135m"
    cached = {MODELS["dialogpt:medium"]["repo"]: 1.0}
    assert base_table.advise(rows_of(cache=cached))[0].name == "smollm2:135m"  # larger, and no candidate
    measured = {"dialogpt:medium": ("0.9", "0.9")}
    assert base_table.advise(rows_of(cache=cached, ladder=measured))[0].name == "dialogpt:medium"
    assert "no base fits" in base_table.advise(rows_of(ram_gb=1.0))[1]


def test_auto_says_that_size_is_its_only_reason_where_nobody_measured_and_which_licence_has_terms():
    chosen, why = base_table.advise(rows_of(["qwen3:0.6b"]))
    assert chosen.name == "ollama/qwen3:0.6b" and "that alone is the reason" in why and "not measured" in why
    assert "; " not in why  # Apache's asks for nothing
    measured = {"ollama/qwen3:0.6b": ("0.9", "0.9")}
    assert "that alone" not in base_table.advise(rows_of(["qwen3:0.6b"], ladder=measured))[1]
    cached = {MODELS["gemma3:1b"]["repo"]: 2.0}
    chosen, why = base_table.advise(rows_of(cache=cached))
    assert chosen.name == "gemma3:1b" and "Gemma Terms of Use" in why


def test_auto_takes_no_base_whose_file_in_ollama_cannot_be_read():
    row = named(rows_of(["gemma3:1b"]), "ollama/gemma3:1b")
    assert row.is_here and row.fits and not row.trusted


def test_ggufs_of_other_programs_are_listed_with_the_command_that_trains_them(tmp_path, monkeypatch):
    """The parts that are no model are not, nor is a file twice that two folders link to."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("LLAMA_CACHE", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    assert gguf_folders.list_ggufs() == []
    studio, llama, hub = ".lmstudio/models/anna", ".cache/llama.cpp", ".cache/huggingface/hub/models--a--b"
    for name in (
        f"{studio}/my model/Q8.gguf",
        f"{studio}/my model/mmproj-F16.gguf",
        f"{studio}/big/big-00001-of-00003.gguf",
        f"{studio}/../blogtwin/blogtwin/blogtwin.gguf",
        f"{llama}/a_b_Q4.gguf",
        f"{hub}/blobs/0a1b",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"GGUF")
    linked = tmp_path / f"{hub}/snapshots/rev/b-Q4.gguf"
    linked.parent.mkdir(parents=True)
    linked.symlink_to("../../blobs/0a1b")
    (tmp_path / ".lmstudio/models/link.gguf").symlink_to(linked)
    if sys.platform == "darwin":
        monkeypatch.setenv("LLAMA_CACHE", str(tmp_path / llama))
    rows = base_table.file_rows(gguf_folders.list_ggufs())
    assert [(row.name, row.where) for row in rows] == [
        (f"~/{studio}/my model/Q8.gguf", "in LM Studio"),
        ("~/.lmstudio/models/link.gguf", "in LM Studio"),
        (f"~/{llama}/a_b_Q4.gguf", "in llama.cpp's cache"),
    ]
    assert rows[2].license == f"`make all BASE=~/{llama}/a_b_Q4.gguf`" and "'~/" in rows[0].license
    assert registry.registry_entry(rows[0].name)["gguf"] == tmp_path / f"{studio}/my model/Q8.gguf"
    table = base_table.table_lines([*rows_of(), *rows], rows_of()[0])
    assert table[1].index("embedded") < 40 and "in LM Studio" in table[-3]
    monkeypatch.setenv("LLAMA_CACHE", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    assert len(gguf_folders.list_ggufs()) == 2


def test_auto_takes_the_smaller_base_where_the_ladder_found_that_it_tells_more():
    told = {"smollm2:135m": ("0.80", "0.70"), "llama3.2:1b": ("0.60", "0.90")}
    chosen, why = base_table.advise(rows_of(["llama3.2:1b"], ladder=told))
    assert chosen.name == "smollm2:135m" and "0.80" in why and "ollama/llama3.2:1b" in why
    told["llama3.2:1b"] = ("0.90", "0.90")
    assert base_table.advise(rows_of(["llama3.2:1b"], ladder=told))[0].name == "ollama/llama3.2:1b"


def test_the_ladders_figures_are_read_from_the_table_that_the_ladder_writes():
    """Its own columns and labels: eval/ladder_tables.py makes them."""
    from eval import ladder_tables

    assert ladder_tables.WRITERS["drafter"] == base_table.LADDER_SYSTEM
    columns = ["from notes as people jot them", "sets, blogs", *ladder_tables.HEADS, "style", "less one draft"]
    rows = [
        [f"{base}: {label}", "20, 1", "0.85 [0.8, 0.9]", "0.75", *[""] * 6]
        for base in ("smollm2:135m", "ollama/x:1")
        for label in ladder_tables.WRITERS.values()
    ]
    figures = base_table.ladder_figures({"ladder": {"columns": columns, "rows": rows}})
    assert figures == {"smollm2:135m": ("0.85", "0.75"), "ollama/x:1": ("0.85", "0.75")}
    assert base_table.ladder_figures({}) == {} == base_table.ladder_figures({"ladder": {"columns": ["x"], "rows": []}})


def test_what_nobody_measured_reads_so():
    rows = rows_of(["mine:7b"], ladder={"smollm2:135m": ("0.85", "0.75")})
    lines = base_table.table_lines(rows, rows[0])
    assert lines[1].startswith("→") and lines[1].split("  ")[-1].strip() == "apache-2.0" and "0.85, 0.75" in lines[1]
    mine = next(line for line in lines if "ollama/mine:7b" in line)
    assert mine.count("not measured") == 3 and all("not measured" in line for line in lines[2:])


def test_base_auto_writes_the_base_that_is_advised_and_says_so(folder):
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text().replace("smollm2:135m", "llama3.2:1b"))
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/set_param.py", "train.base=auto"],
        cwd=folder,
        env={**environment(folder), "FORCE_CPU": "1", "MAX_RAM_GB": ROOMY},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "BASE=auto is smollm2:135m: a CPU with 5 GB" in done.stdout, done
    assert load_params(folder / "params.yaml").train.base == "smollm2:135m"


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/sample").symlink_to(ROOT / "data/sample")
    return tmp_path


# Ample for the smallest base and too little for the next, however fast the machine is: from 8 GB on, the advice depends
# on its speed.
ROOMY = "5"


def doctor(folder, *arguments, **variables):
    env = {**environment(folder), "FORCE_CPU": "1", **variables}
    return subprocess.run(
        [sys.executable, ROOT / "scripts/doctor.py", *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_json_has_all_and_apply_writes_it(folder):
    done = doctor(folder, "--json", "--apply", MAX_RAM_GB="2")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "params.yaml: train.max_length is 512" in done.stderr
    assert set(found) == {"machine", "trainer", "missing", "cache", "in_ollama", "corpus", "bases", "recommended"}
    assert (
        found["machine"]["ram_gb"] == 2
        and 20_000 < found["corpus"]["tokens"] < 60_000
        and found["trainer"]["name"] == "cpu"
    )
    assert not [m for m in found["missing"] if m["needed"] and "Python" in m["what"]]
    train = yaml.safe_load((folder / "params.yaml").read_text())["train"]
    assert (train["base"], train["preset"], train["max_length"], train["batch_size"]) == (
        "smollm2:135m",
        found["recommended"]["preset"],
        512,
        2,
    )
    assert doctor(folder, "--apply", MAX_RAM_GB=ROOMY).returncode == 0
    train = yaml.safe_load((folder / "params.yaml").read_text())["train"]
    assert (train["max_length"], train["batch_size"]) == (1024, "preset")  # the preset's own stays the preset's


def test_batch_and_weights_are_shown(folder):
    shown = doctor(folder, MAX_RAM_GB=ROOMY).stdout
    assert "rows of 1024 tokens, batch 1, about" in shown and "; batch 1, as in preset" in shown
    assert (
        "smollm2:135m: HuggingFaceTB/SmolLM2-135M-Instruct, already here; licence apache-2.0; smollm2:135m in Ollama"
        in shown
    )


def test_weights_say_what_is_fetched_and_whose_they_are():
    known = (
        "unsloth/Llama-3.2-1B-Instruct, an open copy of meta-llama/Llama-3.2-1B-Instruct, {}; licence llama3.2;"
        " llama3.2:1b in Ollama"
    )
    for cached, size in {
        0: "2.5 GB to download",
        0.4: "2.5 GB to download",
        2.48: "already here",
    }.items():  # a part is not all
        assert diagnosis.describe_weights(
            "llama3.2:1b", MODELS["llama3.2:1b"], {"unsloth/Llama-3.2-1B-Instruct": cached}
        ) == known.format(size)
    assert all(" in Ollama" in diagnosis.describe_weights(name, MODELS[name], {}) for name in recommend.CANDIDATES)


def test_models_that_ollama_has_are_told_and_need_no_download(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.setattr(ollama_store, "SERVICE_STORE", tmp_path / "service")
    for name in ("llama3.2:1b", "blogtwin:latest"):
        write_model(tmp_path / ".ollama/models", name, b"GGUF")
    found = diagnosis.models_in_ollama(load_params(ROOT / "params.yaml"))
    assert found == ["llama3.2:1b"]  # without the twin
    model = MODELS["llama3.2:1b"]
    assert "to download" in diagnosis.describe_weights("llama3.2:1b", model, {})
    said = diagnosis.describe_weights("llama3.2:1b", model, {}, found)
    assert "without a download `make all BASE=ollama/llama3.2:1b`" in said and "to download" not in said


def test_advice_is_for_the_trainer_that_trains(folder, programs, monkeypatch):
    """There is a card of 80 GB, but train.backend is cpu, or unsloth is missing, also where it is asked for: that hides
    nothing."""
    programs("nvidia-smi", "NVIDIA H100, 81920\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(backend, "probe_trainer", lambda name: "unsloth is not installed (`pip install …`)")
    for wanted, why in {
        "cpu": "train.backend is cpu",
        "auto": "unsloth is not installed",
        "cuda": "train.backend is cuda, but",
    }.items():
        (folder / "params.yaml").write_text(
            (ROOT / "params.yaml").read_text().replace("  backend: auto", f"  backend: {wanted}")
        )
        found = diagnosis.collect()
        assert (
            found["machine"]["gpus"][0]["memory_gb"] == 80
            and found["trainer"]["name"] == "cpu"
            and why in found["trainer"]["reason"]
        )
        assert found["recommended"]["reason"].startswith("a CPU with")


BROKEN = {
    "unsloth is not installed (`pip install -r train/requirements-cuda.txt`)": diagnosis.INSTALL_UNSLOTH,
    "unsloth can't be loaded (ImportError: no name)": diagnosis.INSTALL_UNSLOTH,
    "PyTorch finds no GPU that it can use": diagnosis.DRIVER_HINT,
    "": None,
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_card_that_can_not_be_trained_on_is_told_with_what_mends_it(programs, monkeypatch, why):
    """Before unsloth is offered, PyTorch has to find the card."""
    programs("nvidia-smi", "NVIDIA H100, 81920\n")
    monkeypatch.setattr(backend, "probe_trainer", lambda name: why)
    told = [
        m
        for m in diagnosis.find_missing(
            {"system": "Linux 6.1 x86_64", "disk_free_gb": 50, "gpus": [CARD], "ollama": "1", "node": "1"}
        )
        if "GPU" in m["what"]
    ]
    assert [(m["what"], m["fix"], m["needed"]) for m in told] == (
        [(f"training on the GPU: {why}, though nvidia-smi is here", BROKEN[why], False)] if why else []
    )


@pytest.mark.parametrize(
    "why, mends",
    [
        ("Metal is not available (in a virtual machine, for example)", []),
        ("mlx-lm can't be loaded (ImportError: no name)", ["make setup"]),
        ("", []),
    ],
)
def test_apple_silicon_without_metal_lacks_nothing_that_can_be_installed(programs, monkeypatch, why, mends):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(backend, "probe_trainer", lambda name: why)
    find = diagnosis.importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: object() if name == "mlx_lm" else find(name, *rest)
    )
    apple = {"kind": "apple", "name": "Apple M3", "memory_gb": 11.2}
    assert [
        m["fix"]
        for m in diagnosis.find_missing(
            {"system": "Darwin 24.1 arm64", "disk_free_gb": 50, "gpus": [apple], "ollama": "1", "node": "1"}
        )
        if "Apple" in m["what"]
    ] == mends


@pytest.mark.parametrize(
    "output, status, installs",
    [
        ("GPU 0: NVIDIA H100 (UUID: GPU-1)\n", 0, True),
        ("No devices were found\n", 0, False),
        ("NVIDIA-SMI has failed.\n", 9, False),
        (None, 0, False),
    ],
)
def test_setup_fetches_the_packages_for_a_card_where_its_driver_finds_one(
    programs, monkeypatch, output, status, installs
):
    if output is not None:
        programs("nvidia-smi", output, status)
    monkeypatch.setattr(installation, "has_gpu", installation.has_gpu.__wrapped__)  # not what it found before
    assert any("train/requirements-cuda.txt" in install for install in installation.pip_arguments()) == installs
    monkeypatch.setenv("FORCE_CPU", "1")
    assert not any("train/requirements-cuda.txt" in install for install in installation.pip_arguments())


# --- the posts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def blog(folder, monkeypatch):
    """blog(name=text, …): the folder data/blog with these files, which ingest.source names."""
    monkeypatch.chdir(folder)
    path = folder / "params.yaml"
    path.write_text(path.read_text().replace("source: data/sample", "source: data/blog"))

    def add(**files: str):
        for name, text in files.items():
            file = folder / "data/blog" / name.replace("_", ".")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        return diagnosis.estimate_tokens(load_params())

    return add


def ingested(*sources: str, words: int = 1000) -> None:
    """What 01_ingest writes, of posts that it read from these files."""
    write_jsonl(RAW_DIR / "posts.jsonl", [{"source": source, "word_count": words} for source in sources])
    time.sleep(0.05)  # the times of files go in steps of up to 10 ms


@pytest.mark.parametrize(
    "name", ["wordpress_xml", "substack_zip", "medium_html", "notes_jsonl", "letters_mbox", "feed_atom"]
)
def test_what_only_reading_tells_is_called_unknown_until_it_is_read(blog, name):
    ending = "." + name.split("_")[1]
    tokens, known_from = blog(**{name: "x" * 9000})
    assert (
        tokens is None and known_from == f"unknown until `python scripts/01_ingest.py` has read 1 {ending} in data/blog"
    )
    ingested(f"{name.replace('_', '.')}#12", f"{name.replace('_', '.')}#a/b#c.html")
    assert diagnosis.estimate_tokens(load_params()) == (round(2000 * 1.35 * 0.72), "2 posts, 2,000 words")


@pytest.mark.parametrize("name", ["a_md", "a_rst", "a_org", "a_markdown", "a_text", "a_MDX"])
def test_posts_that_are_files_are_counted_by_their_size(blog, name):
    assert blog(**{name: "word " * 440}) == (360, "1 files in data/blog")
    assert blog(export_zip="x" * 9000) == (360, "1 files in data/blog, and 1 .zip not counted")


def test_what_make_blog_keeps_of_the_days_is_no_post(blog):
    assert blog(a_md="word " * 440, _dates_json="{}") == (360, "1 files in data/blog")


def test_posts_that_were_read_from_another_blog_do_not_count(blog, folder):
    """Neither those of other files, nor those of files that have since been replaced by others of the same name, or
    been joined by more."""
    assert blog(a_md="word " * 440)[1] == "1 files in data/blog"
    ingested("a.md", "old.md")
    assert diagnosis.estimate_tokens(load_params())[1] == "1 files in data/blog"
    ingested("a.md")
    assert diagnosis.estimate_tokens(load_params())[1] == "1 posts, 1,000 words"
    kept = folder / "a.md"
    kept.write_text("word " * 880)
    os.utime(kept, (1e9, 1e9))
    shutil.copy2(kept, folder / "data/blog/a.md")  # as `make blog` copies: its time of modification stays
    assert diagnosis.estimate_tokens(load_params())[1] == "1 files in data/blog"
    (folder / "older").mkdir()
    (folder / "older/b.md").write_text("word")
    ingested("a.md")
    (folder / "older").rename(folder / "data/blog/older")
    assert diagnosis.estimate_tokens(load_params())[1] == "2 files in data/blog"


def test_a_blog_that_is_not_known_hides_nothing(folder, blog):
    blog(wordpress_xml="<rss/>")
    shown = doctor(folder, MAX_RAM_GB="8").stdout
    assert "memory     8 GB" in shown
    unknown = "posts      unknown until `python scripts/01_ingest.py` has read 1 .xml in data/blog"
    assert f"{unknown}; 60,000 tokens are assumed" in shown
    shutil.rmtree(folder / "data/blog")
    done = doctor(folder, "--json", MAX_RAM_GB="8")
    found = json.loads(done.stdout)
    assert (
        done.returncode == 0
        and found["corpus"]["tokens"] is None
        and found["machine"]["ram_gb"] == 8
        and found["recommended"]["minutes"] > 0
    )
    assert (
        found["corpus"]["from"]
        == "there are none in data/blog: give your own with `make blog FROM=~/posts`; 60,000 tokens are assumed"
    )


def test_env_file_is_heard_and_the_environment_wins(folder):
    (folder / ".env").write_text("# limits\nMAX_RAM_GB=7\nexport MAX_VRAM_GB='3'\n")
    shown = doctor(folder).stdout
    assert "MAX_RAM_GB=7" in shown and "MAX_VRAM_GB=3" in shown and "memory     7 GB" in shown
    assert "memory     1 GB" in doctor(folder, MAX_RAM_GB="1").stdout


def test_mistakes_are_one_sentence(folder):
    done = doctor(folder, MAX_RAM_GB="lots")
    assert (
        done.returncode == 1
        and done.stderr == "error: MAX_RAM_GB is lots, which is not a number of GB: write for example 8.\n"
    )
