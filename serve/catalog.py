"""The available models: the base, and every twin under artifacts/, of all authors and all saved versions.

A twin is a folder with an adapter.gguf. artifacts/gguf is the newest, called `finetuned`; artifacts/twins/anna/2026-11
is `anna/2026-11`, and authors/anna (scripts/author_project.py) is `anna`. The adapter's metadata name its base.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from blogtwin.config import Params
from blogtwin.errors import UserError
from blogtwin.files import sha256_file
from blogtwin.paths import ARTIFACTS_DIR, AUTHORS_DIR, EVAL_DIR, GGUF_DIR
from eval.renamed_metrics import with_current_names

BASE, TWIN = "base", "finetuned"
PROJECT = Path(".")  # the project that is served; those of other authors are in AUTHORS_DIR
# Folders of artifacts/ that have no twins.
NO_TWIN_DIRS = {
    "base",
    "cache",
    "checkpoints",
    "eval",
    "train",
    "plots",
    "ollama",
    "adapter",
    "bench",
}


@dataclass(frozen=True)
class Model:
    """`adapter` is None for a base, whose `weights` are known once it is loaded. `unusable` is the reason why the model
    can't be served, or empty."""

    name: str
    base: str  # a name of blogtwin/models/registry.yaml
    adapter: Path | None = None
    weights: Path | None = None
    system: str = ""
    base_digest: str = ""
    scorecard: Path | None = None
    unusable: str = ""
    folder: Path = PROJECT  # the project whose posts it was trained on
    elsewhere: bool = False  # whether only a server elsewhere has it

    @property
    def size_mb(self) -> float:
        """In MB of 10⁶ bytes; 0 for a base that is not loaded."""
        file = self.adapter or self.weights
        return round(file.stat().st_size / 1e6, 1) if file else 0.0


def list_models(params: Params) -> dict[str, Model]:
    """{name: Model}, the base first, then the newest twin."""
    found = {BASE: Model(BASE, params.train.base, system=params.prepare.system)}
    for adapter in sorted(ARTIFACTS_DIR.rglob("adapter.gguf"), key=lambda path: (path.parent != GGUF_DIR, str(path))):
        place = adapter.relative_to(ARTIFACTS_DIR).parts[:-1]
        if not any(part.startswith(".") for part in place) and place and place[0] not in NO_TWIN_DIRS:
            model = _twin(adapter, model_name(place), params)
            found.setdefault(model.name, model)
    for folder in sorted(AUTHORS_DIR.glob("[!.]*")):
        if (adapter := folder / GGUF_DIR / "adapter.gguf").is_file():
            found.setdefault(folder.name, _twin(adapter, folder.name, params, folder))
    return found


def model_name(place: tuple[str, ...]) -> str:
    """The name of the model in a folder under artifacts/, which is given as the parts of its path."""
    if place == ("gguf",):
        return TWIN
    parts = place[1:] if place[0] == "twins" and len(place) > 1 else place
    return "/".join(parts[:-1] if parts[-1] == "gguf" and len(parts) > 1 else parts)


def superseded_twins(project: Path, in_use: set[str]) -> list[Path]:
    """Saved versions, artifacts/twins/AUTHOR/VERSION, that are neither the newest of their author nor in use, by
    name."""
    versions: dict[Path, dict[Path, float]] = {}
    for adapter in (project / ARTIFACTS_DIR / "twins").rglob("adapter.gguf"):
        folder = adapter.parent.parent if adapter.parent.name == "gguf" else adapter.parent
        place = folder.relative_to(project / ARTIFACTS_DIR).parts
        if len(place) > 2 and not any(part.startswith(".") for part in place):  # else the only one, or being written
            versions.setdefault(folder.parent, {})[folder] = adapter.stat().st_mtime
    old = [folder for group in versions.values() for folder in sorted(group, key=group.get)[:-1]]
    return sorted(f for f in old if model_name(f.relative_to(project / ARTIFACTS_DIR).parts) not in in_use)


def _twin(adapter: Path, name: str, params: Params, folder: Path = PROJECT) -> Model:
    status = adapter.stat()
    try:
        header = metadata(adapter, status.st_mtime_ns, status.st_size)
    except Exception as e:  # a file may hold anything
        return Model(name, "", adapter, unusable=f"its adapter.gguf can't be read ({type(e).__name__})")
    base = header.get("general.base_model.0.name", "")
    base = params.train.base if base == _export_name(params.train.base) else base
    unusable = "" if base == params.train.base else _unknown(base)
    twin_dir = adapter.parent.parent if adapter.parent.name == "gguf" else adapter.parent
    eval_dir = EVAL_DIR if name == TWIN else twin_dir / "eval"
    card = next((f for f in (eval_dir / "metrics.json", adapter.parent / "metrics.json") if f.is_file()), None)
    system, base_digest = header.get("blogtwin.system", params.prepare.system), header.get("blogtwin.base_digest", "")
    return Model(
        name, base, adapter, system=system, base_digest=base_digest, scorecard=card, unusable=unusable, folder=folder
    )


@functools.cache
def _export_name(base: str) -> str:
    """A base's name in exported files: for the user's own folder or file its last part, never the whole path."""
    from blogtwin.models.registry import load_registry, registry_entry

    try:
        return base if base in load_registry() else registry_entry(base)["repo"]
    except UserError:  # moved away
        return base


def _unknown(base: str) -> str:
    from blogtwin.models.registry import registry_entry

    try:
        registry_entry(base)
    except UserError:
        return f"it was trained on {base or 'an unnamed base'}, which blogtwin/models/registry.yaml does not name"
    return ""


@functools.lru_cache(64)
def metadata(file: Path, modified: int, size: int) -> dict[str, str]:
    """The strings in a GGUF's header. `modified` (ns) and `size` (bytes) are part of the cache key only: a changed file
    is read again."""
    from gguf import GGUFValueType

    from blogtwin.models import gguf_reader

    fields = gguf_reader.open_gguf(file).fields.items()
    return {key: field.contents() for key, field in fields if field.types and field.types[0] == GGUFValueType.STRING}


@functools.lru_cache(64)
def file_digest(file: Path, modified: int, size: int) -> str:
    return sha256_file(file)


def cached_digest(file: Path) -> str:
    """SHA-256 of a file, cached until the file changes."""
    status = file.stat()
    return file_digest(file, status.st_mtime_ns, status.st_size)


def scorecard(model: Model) -> dict | None:
    """The scorecard's figures that help to choose a model; None when there is no readable scorecard."""
    if model.scorecard is None:
        return None
    try:
        card = with_current_names(json.loads(model.scorecard.read_text(encoding="utf-8")))
        twin = card["twin"]
        return {
            "style": twin["style"]["masked"],
            "style_function_words": twin["style"]["function"],
            "copied_run": twin["copying"]["longest_copy_max"],
            "on_topic": twin["topic"]["minilm_auc"],
            "bits_per_byte": twin["likelihood"]["bits_per_byte"],
            "closer_than_prompting": bool(twin["verdict"]["closer_than_prompting"]),
        }
    except (OSError, ValueError, KeyError, TypeError):  # being written, or of an older version
        return None
