"""The available models: the base, and every twin under artifacts/, of all authors and all saved versions.

A twin is a folder with an adapter.gguf. The live one (blogtwin/twins/store.py) is called `finetuned`,
artifacts/twins/anna/1 is `anna/1`, and the live one of authors/anna (scripts/author_project.py) is `anna`. The
adapter's metadata name its base.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from blogtwin.config import Params
from blogtwin.errors import UserError
from blogtwin.paths import ARTIFACTS_DIR, AUTHORS_DIR, GGUF_DIR
from blogtwin.twins.store import gguf_strings, live_gguf_dir, model_name
from eval.renamed_metrics import with_current_names
from serve.settings import Settings

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
        """In MB of 10⁶ bytes; 0 for a base that is not loaded, and while the pipeline makes the file anew."""
        file = self.adapter or self.weights
        return round(file.stat().st_size / 1e6, 1) if file and file.is_file() else 0.0


def list_models(params: Params) -> dict[str, Model]:
    """{name: Model}, the base first, then the newest twin."""
    found = {BASE: Model(BASE, params.train.base, system=params.prepare.system)}
    if (adapter := live_gguf_dir() / "adapter.gguf").is_file():
        found[TWIN] = _twin(adapter, TWIN, params)
    for adapter in sorted(ARTIFACTS_DIR.rglob("adapter.gguf")):
        place = adapter.relative_to(ARTIFACTS_DIR).parts[:-1]
        is_twin = place and place[0] not in NO_TWIN_DIRS and adapter.parent != GGUF_DIR
        if is_twin and not any(part.startswith(".") for part in place):
            model = _twin(adapter, model_name(place), params)
            found.setdefault(model.name, model)
    for folder in sorted(AUTHORS_DIR.glob("[!.]*")):
        if (adapter := live_gguf_dir(folder) / "adapter.gguf").is_file():
            found.setdefault(folder.name, _twin(adapter, folder.name, params, folder))
    return found


def list_elsewhere(settings: Settings, params: Params) -> dict[str, Model]:
    """{name: Model} of a server with OpenAI's protocol. A twin whose files are here too has its own system message and
    posts."""
    names = {BASE: settings.openai_base_model, TWIN: settings.openai_twin_model, **settings.openai_models}
    here = list_models(params) if settings.openai_models else {}
    nothing = Model("", "", system=params.prepare.system)
    local = {name: here.get(name, nothing) for name in names}
    return {
        name: Model(name, remote, system=local[name].system, folder=local[name].folder)
        for name, remote in names.items()
        if remote
    }


def _twin(adapter: Path, name: str, params: Params, folder: Path = PROJECT) -> Model:
    try:
        header = gguf_strings(adapter)
    except Exception as e:  # a file may hold anything
        return Model(name, "", adapter, unusable=f"its adapter.gguf can't be read ({type(e).__name__})")
    base = header.get("general.base_model.0.name", "")
    base = params.train.base if base == _export_name(params.train.base) else base
    merged = adapter.with_name("twin.gguf").is_file()  # which needs no base
    unusable = "" if base == params.train.base or merged else _unknown(base)
    twin_dir = adapter.parent.parent if adapter.parent.name == "gguf" else adapter.parent
    card = next((f for f in (twin_dir / "eval/metrics.json", adapter.parent / "metrics.json") if f.is_file()), None)
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
