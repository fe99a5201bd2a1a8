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
from blogtwin.models.gguf_folders import OWN_FOLDER, lm_studio_models
from blogtwin.twins.store import (
    DIGEST_DIGITS,
    VERSIONS,
    Version,
    choose_live,
    chosen_twin,
    gguf_strings,
    link_or_copy,
    list_versions,
    superseded,
)

if TYPE_CHECKING:
    from blogtwin.models.ollama_client import Ollama
    from blogtwin.models.registry import BaseModelFiles

CHECKED_PROMPT = "Write a blog post about the first cold morning of the year."


def register_twin(ollama: "Ollama", params: Params, base: "BaseModelFiles", examples: list[dict], sha: str) -> dict:
    """Register the pipeline's twin in Ollama, and give the tag `latest` to the live one: that is another one where
    somebody chose it. The receipt, as of `register_and_record`. `sha`: SHA-256 of the pipeline's twin.gguf.

    Raises UserError.
    """
    from blogtwin.inference.ollama_register import register_and_record
    from blogtwin.models.ollama_client import OllamaError

    chosen = next((version for version in list_versions() if version.live), None) if chosen_twin() else None
    is_live = chosen is None or chosen.digest == sha
    receipt = register_and_record(ollama, params, base, examples, sha, is_live)
    if chosen is None:
        return receipt
    try:
        in_ollama = receipt["model"] if is_live else move_latest(ollama, chosen, params)
    except OllamaError as e:
        raise UserError(
            f"Ollama has {receipt['model']} now, and for the live twin, {chosen.name}, it {e}: check Ollama's log, then"
            f" run `{make_command('ollama')}` again."
        ) from None
    choose_live(chosen, in_ollama)
    if not is_live:
        newest = make_command("use", TWIN="newest")
        echo(f"{params.ollama.name}:latest is the twin that you chose, {chosen.name} (the newest one: `{newest}`)")
    return receipt


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


def put_in_lm_studio(version: Version, own_name: str, first: bool) -> Path | None:
    """Put the version's twin.gguf where LM Studio looks for models, in place of the one of before; its path.

    None where LM Studio is not installed, and, unless `first`, where it has no twin of this name yet.
    """
    models = lm_studio_models()
    twin = version.gguf / "twin.gguf"
    if models is None or not twin.is_file():
        return None
    target = models / OWN_FOLDER / own_name / f"{own_name}.gguf"
    if not first and not target.is_file():
        return None
    with atomic_path(target) as temporary:
        link_or_copy(twin, temporary)
    return target
