"""The twin registered in Ollama: pushed, created, verified, and only then tagged."""

import contextlib
import json

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import write_json
from blogtwin.hints import make_command
from blogtwin.paths import GGUF_DIR, OLLAMA_DIR

RECEIPT_FILE = OLLAMA_DIR / "receipt.json"


def drop_stale_receipt(ollama) -> None:
    """Remove a receipt that is no longer true, so that `dvc repro` registers the twin without training again."""
    from blogtwin.inference.ollama import OllamaError

    if not RECEIPT_FILE.is_file() or ollama.version() is None:
        return
    receipt = json.loads(RECEIPT_FILE.read_text())
    try:
        true = receipt["status"] == "registered" and {receipt["model"], receipt["tag"]} <= ollama.names()
    except OllamaError as e:
        echo(f"note: Ollama {e}; its models could not be looked up.")
        return
    if not true:
        RECEIPT_FILE.unlink()


def publish(ollama, params, base, references, sha: str) -> dict:
    """Push, create, check, and only then move the tag. A version that fails its check is deleted again."""
    from blogtwin.inference.ollama import OllamaError, model_settings
    from blogtwin.inference.parity import verify_served_model

    name, tag = f"{params.ollama.name}:{sha[:12]}", f"{params.ollama.name}:latest"
    wanted = model_settings(base.template, params.prepare.system, params)
    if not ollama.has_blob(sha):
        ollama.push_blob(GGUF_DIR / "twin.gguf", sha)
    try:
        ollama.create(name, "twin.gguf", sha, wanted)
        shown = ollama.show(name)
        if shown.get("template") != wanted["template"] or shown.get("system") != wanted["system"]:
            raise OllamaError(f"replaced the template or the system message of {name} by its own")
        parity = verify_served_model(ollama, name, base, references)
        ollama.copy(name, tag)
    except BaseException:  # Ctrl-C too: a version that nobody checked must not stay
        with contextlib.suppress(OllamaError):  # it is gone, or so is Ollama: nothing more can be done
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


def register_and_record(ollama, params, base, examples: list[dict], sha: str) -> dict:
    """Register the twin, verified on the prompts of `examples`, and write the receipt, which is returned. Raises
    UserError, and then no tag was moved."""
    from blogtwin.inference.ollama import OllamaError
    from blogtwin.models import chat

    tokenizer = base.tokenizer()
    chats = [chat.prompt_messages(e, params.prepare.system) for e in examples[: params.export.parity_prompts]]
    references = [{"messages": m, "text": chat.render_prompt(tokenizer, m)} for m in chats]
    RECEIPT_FILE.unlink(
        missing_ok=True
    )  # it may name a version that `publish` takes back; without one the next run registers again
    try:
        receipt = publish(ollama, params, base, references, sha)
    except OllamaError as e:
        raise UserError(
            f"Ollama {e}; no tag was moved, the twin of before is untouched: look at Ollama's log, then run"
            f" `{make_command('ollama')}`."
        ) from None
    write_json(RECEIPT_FILE, receipt)
    return receipt
