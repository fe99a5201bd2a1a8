"""GGUFs that other programs keep on this machine, and that `BASE=FILE.gguf` can take for a base: those of LM Studio, of
llama.cpp, and of the hub's cache, in which newer versions of llama.cpp keep theirs."""

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

# What is no model of its own: the eye of a model that reads pictures, a part of several, and our own twins.
NO_MODEL = re.compile(r"mmproj|-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
OWN_FOLDER = "blogtwin"  # in LM Studio, of the twins that `make unpack` put there


class StoredGguf(NamedTuple):
    """A file, and where it is, in words."""

    path: Path
    where: str


def lm_studio_models() -> Path | None:
    """LM Studio's folder of models; None where it is not installed."""
    pointer = Path.home() / ".lmstudio-home-pointer"
    told = [Path(pointer.read_text(encoding="utf-8").strip())] if pointer.is_file() else []
    homes = [*told, Path.home() / ".lmstudio", Path.home() / ".cache/lm-studio"]
    return next((home / "models" for home in homes if (home / "models").is_dir()), None)


def llama_cpp_cache() -> Path:
    """llama.cpp's own cache, which may not exist: fs_get_cache_directory in common/common.cpp there."""
    if stated := os.environ.get("LLAMA_CACHE"):
        return Path(stated).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/llama.cpp"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llama.cpp"


def hub_cache() -> Path:
    """The cache of the Hugging Face hub, which may not exist."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def list_ggufs() -> list[StoredGguf]:
    """The GGUFs of models in these folders, each once, whatever it is linked from; folders that can't be read are
    passed over."""
    studio, patterns = lm_studio_models(), {"in the hub's cache": "models--*/snapshots/*/**/*.gguf"}
    folders = {"in LM Studio": studio} if studio else {}
    folders |= {"in llama.cpp's cache": llama_cpp_cache(), "in the hub's cache": hub_cache()}
    found: dict[Path, StoredGguf] = {}
    for where, folder in folders.items():
        for path in sorted(folder.glob(patterns.get(where, "**/*.gguf"))):
            is_own = folder == studio and path.relative_to(folder).parts[0] == OWN_FOLDER
            if path.is_file() and not NO_MODEL.search(path.name) and not is_own:
                found.setdefault(path.resolve(), StoredGguf(path, where))
    return list(found.values())


def short_path(path: Path) -> str:
    """A path with `~` for the home folder, as BASE= takes it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
