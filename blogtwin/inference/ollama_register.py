"""Register the twin in Ollama, whole or as an adapter on the base that Ollama has: push it, create the model, verify
it, and only then move the tag."""

import contextlib
import json
import math
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from blogtwin.config import Params
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import sha256_file, write_json
from blogtwin.hints import make_command
from blogtwin.models.ollama_store import PREFIX
from blogtwin.paths import GGUF_DIR, OLLAMA_DIR

if TYPE_CHECKING:
    from blogtwin.models.ollama_client import Ollama
    from blogtwin.models.registry import BaseModelFiles

RECEIPT_FILE = OLLAMA_DIR / "receipt.json"
OWN_KEYS = "blogtwin."  # in the metadata of an exported GGUF


def drop_stale_receipt(ollama: "Ollama", needed: Collection[str] = ()) -> None:
    """Delete the receipt if its models, or others that are `needed`, are not in Ollama, so that `dvc repro` registers
    the twin again."""
    from blogtwin.models.ollama_client import OllamaError

    if not RECEIPT_FILE.is_file() or ollama.version() is None:
        return
    receipt = json.loads(RECEIPT_FILE.read_text())
    try:
        needed = {receipt["model"], receipt["tag"], *needed} if receipt["status"] == "registered" else set()
        is_valid = bool(needed) and needed <= ollama.names()
    except OllamaError as e:
        echo(f"note: Ollama {e}; its models could not be looked up.")
        return
    if not is_valid:
        RECEIPT_FILE.unlink()


def publish(ollama: "Ollama", params: Params, base: "BaseModelFiles", references: list[dict], sha: str) -> dict:
    """Register the twin in the form that `ollama.register` asks for, verified; the receipt, which says which form and
    why. `sha`: SHA-256 of twin.gguf.

    `references`: [{"messages", "text", "begin"}], prompts, their rendering, and the token with which it may begin.
    Raises OllamaError, and UserError where the adapter is asked for and Ollama doesn't have the base.
    """
    from blogtwin.inference.parity import LIMITS
    from blogtwin.models.ollama_client import OllamaError

    wanted = params.ollama.form
    why = "ollama.register is merged" if wanted == "merged" else why_no_adapter(ollama, base)
    if wanted == "adapter" and why:
        raise UserError(
            f"ollama.register is adapter, and {why}: run `ollama pull {base.ollama or 'NAME'}`, or set ollama.register"
            " to auto, which registers the whole twin."
        )
    if not why:
        try:
            largest = LIMITS[params.export.quantization][0] if wanted == "auto" else math.inf
            receipt = publish_form(ollama, params, base, references, sha, "adapter", largest)
            return receipt | {"why": f"Ollama has {base.ollama}"}
        except OllamaError as e:
            if wanted == "adapter":
                raise
            why = f"as an adapter on {base.ollama}, Ollama {e}"
        echo(f"note: {why}; the whole twin is registered instead.")
    return publish_form(ollama, params, base, references, sha, "merged") | {"why": why}


def why_no_adapter(ollama: "Ollama", base: "BaseModelFiles") -> str:
    """Why the adapter can't go on a model that Ollama has, a clause; empty where it can."""
    if not base.ollama:
        return f"{base.name} is no model of Ollama's"
    if base.ollama not in ollama.names():
        return f"Ollama does not have {base.ollama}"
    if base.name.startswith(PREFIX) and base.digest not in ollama.show(base.ollama).get("modelfile", ""):
        return f"Ollama has another version of {base.ollama} than the one that was trained on"
    return ""


def publish_form(
    ollama: "Ollama",
    params: Params,
    base: "BaseModelFiles",
    references: list[dict],
    sha: str,
    form: str,
    largest: float = math.inf,
) -> dict:
    """Push, create and verify the twin as `form` ("adapter" or "merged"), and only then name it; the receipt. Its
    log-probabilities may be at most `largest` from the exported twin's, in nats per token. Raises OllamaError.
    """
    from blogtwin.inference.ollama import model_settings, override_inherited, render_modelfile
    from blogtwin.inference.parity import verify_served_model
    from blogtwin.models.ollama_client import OllamaError

    name = f"{params.ollama.name}:{sha[:12]}"
    settings = model_settings(base.template, params.prepare.system, params)
    if form == "adapter":
        blob = push(ollama, GGUF_DIR / "adapter.gguf", sha256_file(GGUF_DIR / "adapter.gguf"))
        settings = override_inherited(settings, ollama.show(base.ollama))
        source = {"from": base.ollama, "adapters": {"adapter.gguf": blob}}
        modelfile = render_modelfile(base.ollama, settings, f"@{blob}")
    elif has_twin(ollama, name):  # its weights are there, with another digest
        source, modelfile = {"from": name}, render_modelfile(name, settings)
    else:
        blob = push(ollama, GGUF_DIR / "twin.gguf", sha)
        source, modelfile = {"files": {"twin.gguf": blob}}, render_modelfile(f"@{blob}", settings)

    def check(trial: str) -> dict:
        if form == "adapter" and blob.removeprefix("sha256:") not in ollama.show(trial).get("modelfile", ""):
            raise OllamaError(f"left the adapter of {name} out")
        prompts = compare_prompts(ollama, trial, references)
        weights = {"twin": GGUF_DIR / "twin.gguf", "base": base.gguf}
        parity = verify_served_model(ollama, trial, weights, references)
        if parity.get("delta_to_twin", 0) > largest:
            raise OllamaError(f"serves a model whose log-probabilities are {parity['delta_to_twin']} from the twin's")
        return {"prompts": prompts, "parity": parity}

    checked = create_checked(ollama, name, source, settings, modelfile, check)
    return {
        "status": "registered",
        "model": name,
        "tag": name,
        "form": form,
        "gguf": sha,
        "ollama": ollama.version(),
        **checked,
    }


def create_checked(
    ollama: "Ollama", name: str, source: dict, settings: dict, modelfile: str, check: Callable[[str], dict]
) -> dict:
    """Create a model, and name it `name` once `check` returns; what that returns. The others are those of
    Ollama.create.

    It is created under a name of its own, so that what an earlier run registered as `name` stays when something fails:
    only what this run made is deleted. Raises OllamaError.
    """
    from blogtwin.inference.ollama import lost_settings
    from blogtwin.models.ollama_client import OllamaError

    own, _, tag = name.partition(":")
    trial = f"{own}:unverified-{tag}"
    try:
        ollama.create(trial, source, settings, modelfile)
        if lost := lost_settings(ollama.show(trial), settings):
            raise OllamaError(f"did not keep the {' and the '.join(lost)} of {name}")
        checked = check(trial)
        ollama.copy(trial, name)
    finally:  # also after Ctrl-C
        with contextlib.suppress(OllamaError):  # it was not created, or Ollama is unreachable
            ollama.delete(trial)
    return checked


def push(ollama: "Ollama", file: Path, sha: str) -> str:
    """Push a file unless it is there; its digest as Ollama writes it."""
    if not ollama.has_blob(sha):
        ollama.push_blob(file, sha)
    return f"sha256:{sha}"


def has_twin(ollama: "Ollama", name: str) -> bool:
    """Whether the model of this twin's name is the exported twin as a whole, by this project's own keys.

    Ollama 0.30 and later write a GGUF anew, in another order: its digest is no longer the one that was pushed. The name
    is that of the export's digest, and was given to what was verified.
    """
    from blogtwin.models import gguf_reader

    if name not in ollama.names():
        return False
    shown = ollama.show(name)
    fields = gguf_reader.open_gguf(GGUF_DIR / "twin.gguf").fields
    own = {key: field.contents() for key, field in fields.items() if key.startswith(OWN_KEYS)}
    info = shown.get("model_info") or {}
    is_adapter = re.search(r"^ADAPTER ", shown.get("modelfile", ""), re.MULTILINE) is not None
    return bool(own) and not is_adapter and all(info.get(key) == value for key, value in own.items())


def compare_prompts(ollama: "Ollama", name: str, references: list[dict]) -> str:
    """Whether Ollama renders the prompts to the bytes of training: "equal", or "not asked" where it can't tell. Raises
    OllamaError where they differ."""
    from blogtwin.models import chat
    from blogtwin.models.ollama_client import OllamaError

    for reference in references:
        rendered = ollama.render(name, reference["messages"])
        if rendered is None:
            return "not asked"
        if not chat.is_same_prompt(rendered, reference["text"], reference["begin"]):
            raise OllamaError(f"renders a prompt of {name} otherwise than training did")
    return "equal"


def register_and_record(
    ollama: "Ollama", params: Params, base: "BaseModelFiles", examples: list[dict], sha: str, is_live: bool = True
) -> dict:
    """Register the twin, verified on the prompts of `examples`, and write the receipt, which is returned. `is_live`:
    whether it is the live twin, which has the tag `latest`.

    Raises UserError; the previous version is then still active.
    """
    from blogtwin.models import chat
    from blogtwin.models.ollama_client import OllamaError

    tokenizer = base.tokenizer()
    chats = [chat.prompt_messages(e, params.prepare.system) for e in examples[: params.export.parity_prompts]]
    begin = tokenizer.bos_token
    references = [{"messages": m, "text": chat.render_prompt(tokenizer, m), "begin": begin} for m in chats]
    # Without a receipt, the next run registers again.
    RECEIPT_FILE.unlink(missing_ok=True)
    try:
        receipt = publish(ollama, params, base, references, sha)
        if is_live:
            receipt["tag"] = f"{params.ollama.name}:latest"
            ollama.copy(receipt["model"], receipt["tag"])
    except OllamaError as e:
        raise UserError(
            f"Ollama {e}. The previous version is still active: check Ollama's log, then run"
            f" `{make_command('ollama')}` again."
        ) from None
    write_json(RECEIPT_FILE, receipt)
    return receipt


def describe_receipt(receipt: dict) -> str:
    """What was registered, in which form and why, and how it was verified, in a line."""
    form = {"adapter": "as an adapter", "merged": "whole"}[receipt["form"]]
    parity = receipt["parity"]
    verified = (
        f"|Δ log p| {parity['delta_to_twin']} to the twin"
        if parity["check"] == "log-probabilities"
        else f"by its text, since it gives no log-probabilities: of {parity['characters']} characters"
        f" {parity['same_as_twin']} as the twin's, {parity['same_as_base']} as the base model's"
    )
    names = " and ".join(dict.fromkeys((receipt["model"], receipt["tag"])))
    return (
        f"registered {names} in Ollama {receipt['ollama']}, {form}, because"
        f" {receipt['why']}; {verified}; try `ollama run {receipt['tag']}`"
    )
