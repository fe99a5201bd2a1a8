"""Make a kept version the live twin: for our server, in Ollama, and in LM Studio where a twin was put there before."""

import contextlib
import shutil
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blogtwin.config import Params
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import atomic_path
from blogtwin.hints import make_command
from blogtwin.twins.store import DIGEST_DIGITS, VERSIONS, Version, choose_live, gguf_strings, link_or_copy, superseded

if TYPE_CHECKING:
    from blogtwin.models.ollama_client import Ollama

CHECKED_PROMPT = "Write a blog post about the first cold morning of the year."


def make_live(version: Version, params: Params, to_lm_studio: bool = False) -> None:
    """Make the version the live twin everywhere, and say where. `to_lm_studio`: also where LM Studio has none yet.

    Raises UserError when Ollama, which is asked first, fails: then nothing is changed.
    """
    from blogtwin.models.ollama_client import Ollama, OllamaError

    ollama, in_ollama = Ollama(), ""
    if ollama.version() is None:
        echo(f"note: Ollama does not answer at {ollama.url}: nothing was changed there")
    else:
        try:
            in_ollama = move_latest(ollama, version, params)
        except OllamaError as e:
            again = make_command("use", TWIN=version.name)
            raise UserError(
                f"Ollama {e}. {version.name} is kept, and the live twin is the one of before: check Ollama's log, or"
                f" stop Ollama, then run `{again}`."
            ) from None
        echo(f"in Ollama {params.ollama.name}:latest is {in_ollama} now: `ollama run {params.ollama.name}`")
    choose_live(version, in_ollama)
    if file := put_in_lm_studio(version, params.ollama.name, to_lm_studio):
        echo(f"in LM Studio it is {file}")


def move_latest(ollama: "Ollama", version: Version, params: Params) -> str:
    """Give Ollama's tag `latest` to the version, which is created and verified there where it is missing; its name.
    Raises OllamaError."""
    from blogtwin.inference.ollama import render_modelfile
    from blogtwin.inference.ollama_register import compare_prompts, create_checked, push
    from blogtwin.inference.parity import verify_served_model
    from blogtwin.inference.upstream_server import render_prompts

    name = f"{params.ollama.name}:{version.digest[:DIGEST_DIGITS]}"
    twin = version.gguf / "twin.gguf"
    if name not in ollama.names():
        if not twin.is_file():
            raise UserError(f"{version.name} has no twin.gguf, which Ollama would need: train it again.")
        settings = ollama_settings(version, params)
        chat = [{"role": "system", "content": settings["system"]}, {"role": "user", "content": CHECKED_PROMPT}]
        references = [{"messages": chat, "text": render_prompts(twin, [chat])[0], "begin": ""}]

        blob = push(ollama, twin, version.digest)

        def check(trial: str) -> dict:
            compare_prompts(ollama, trial, references)
            return verify_served_model(ollama, trial, {"twin": twin}, references)

        modelfile = render_modelfile(f"@{blob}", settings)
        create_checked(ollama, name, {"files": {twin.name: blob}}, settings, modelfile, check)
    ollama.copy(name, f"{params.ollama.name}:latest")
    return name


def ollama_settings(version: Version, params: Params) -> dict[str, Any]:
    """{"template", "system", "parameters"} of a version in Ollama: as it was kept with, or from its base and params."""
    from blogtwin.inference.ollama import model_settings
    from blogtwin.models.registry import resolve_base

    if kept := version.about.get("ollama_settings"):
        return dict(kept)
    strings = gguf_strings(version.gguf / "twin.gguf")
    system = strings.get("blogtwin.system", params.prepare.system)
    return model_settings(resolve_base(version.about["base"]).template, system, params)


def remove_superseded(params: Params, in_use: Set[str]) -> None:
    """Remove the versions beyond `export.keep`, here and in Ollama, and say so before. `in_use`: names of versions that
    saved chats are with, which stay."""
    from blogtwin.models.ollama_client import Ollama, OllamaError

    old = [v for v in superseded(Path(), params.export.keep, in_use) if v.name.startswith(f"{VERSIONS}/")]
    ollama = Ollama()
    for version in old:
        echo(f"removing {version.name} ({version.megabytes:.0f} MB): export.keep is {params.export.keep}")
        in_ollama = f"{params.ollama.name}:{version.digest[:DIGEST_DIGITS]}"
        shutil.rmtree(version.folder)
        with contextlib.suppress(OllamaError):  # it is not there
            if ollama.version() is not None and in_ollama in ollama.names():
                ollama.delete(in_ollama)


def lm_studio_models() -> Path | None:
    """LM Studio's folder of models; None where it is not installed."""
    pointer = Path.home() / ".lmstudio-home-pointer"
    told = [Path(pointer.read_text(encoding="utf-8").strip())] if pointer.is_file() else []
    homes = [*told, Path.home() / ".lmstudio", Path.home() / ".cache/lm-studio"]
    return next((home / "models" for home in homes if (home / "models").is_dir()), None)


def put_in_lm_studio(version: Version, own_name: str, first: bool) -> Path | None:
    """Put the version's twin.gguf where LM Studio looks for models, in place of the one of before; its path.

    None where LM Studio is not installed, and, unless `first`, where it has no twin of this name yet.
    """
    models = lm_studio_models()
    twin = version.gguf / "twin.gguf"
    if models is None or not twin.is_file():
        return None
    target = models / "blogtwin" / own_name / f"{own_name}.gguf"
    if not first and not target.is_file():
        return None
    with atomic_path(target) as temporary:
        link_or_copy(twin, temporary)
    return target
