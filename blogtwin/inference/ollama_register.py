"""Register the twin in Ollama: push it, create the model, verify it, and only then move the tag."""

import contextlib
import json
from typing import TYPE_CHECKING

from blogtwin.config import Params
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import write_json
from blogtwin.hints import make_command
from blogtwin.paths import GGUF_DIR, OLLAMA_DIR

if TYPE_CHECKING:
    from blogtwin.models.ollama_client import Ollama
    from blogtwin.models.registry import BaseModelFiles

RECEIPT_FILE = OLLAMA_DIR / "receipt.json"


def drop_stale_receipt(ollama: "Ollama") -> None:
    """Delete the receipt if its models are no longer in Ollama, so that `dvc repro` registers the twin again."""
    from blogtwin.models.ollama_client import OllamaError

    if not RECEIPT_FILE.is_file() or ollama.version() is None:
        return
    receipt = json.loads(RECEIPT_FILE.read_text())
    try:
        is_valid = receipt["status"] == "registered" and {receipt["model"], receipt["tag"]} <= ollama.names()
    except OllamaError as e:
        echo(f"note: Ollama {e}; its models could not be looked up.")
        return
    if not is_valid:
        RECEIPT_FILE.unlink()


def publish(ollama: "Ollama", params: Params, base: "BaseModelFiles", references: list[dict], sha: str) -> dict:
    """Push, create and verify the model, then move the tag; the receipt. `sha`: SHA-256 of twin.gguf.

    `references`: [{"messages", "text"}], prompts and their rendering. Raises OllamaError, and deletes a model that
    can't be verified.
    """
    from blogtwin.inference.ollama import model_settings
    from blogtwin.inference.parity import verify_served_model
    from blogtwin.models.ollama_client import OllamaError

    name, tag = f"{params.ollama.name}:{sha[:12]}", f"{params.ollama.name}:latest"
    settings = model_settings(base.template, params.prepare.system, params)
    if not ollama.has_blob(sha):
        ollama.push_blob(GGUF_DIR / "twin.gguf", sha)
    try:
        ollama.create(name, "twin.gguf", sha, settings)
        shown = ollama.show(name)
        if shown.get("template") != settings["template"] or shown.get("system") != settings["system"]:
            raise OllamaError(f"replaced the template or the system message of {name} with its own")
        parity = verify_served_model(ollama, name, base, references)
        ollama.copy(name, tag)
    except BaseException:  # also Ctrl-C: a version that was not verified must not stay
        with contextlib.suppress(OllamaError):  # it was not created, or Ollama is unreachable
            ollama.delete(name)
        raise
    return {
        "status": "registered",
        "model": name,
        "tag": tag,
        "gguf": sha,
        "ollama": ollama.version(),
        "parity": parity,
    }


def register_and_record(
    ollama: "Ollama", params: Params, base: "BaseModelFiles", examples: list[dict], sha: str
) -> dict:
    """Register the twin, verified on the prompts of `examples`, and write the receipt, which is returned.

    Raises UserError; the previous version is then still active.
    """
    from blogtwin.models import chat
    from blogtwin.models.ollama_client import OllamaError

    tokenizer = base.tokenizer()
    chats = [chat.prompt_messages(e, params.prepare.system) for e in examples[: params.export.parity_prompts]]
    references = [{"messages": m, "text": chat.render_prompt(tokenizer, m)} for m in chats]
    # The receipt may name a version that `publish` deletes; without a receipt, the next run registers again.
    RECEIPT_FILE.unlink(missing_ok=True)
    try:
        receipt = publish(ollama, params, base, references, sha)
    except OllamaError as e:
        raise UserError(
            f"Ollama {e}. The previous version is still active: check Ollama's log, then run"
            f" `{make_command('ollama')}` again."
        ) from None
    write_json(RECEIPT_FILE, receipt)
    return receipt
