"""Which engine serves the models: Ollama, the embedded llama.cpp, or an OpenAI-compatible server (SERVE_ENGINE).

`ModelPool` (serve/model_pool.py) loads models with it; what an engine understands is blogtwin/inference/client.py.
"""

from typing import TYPE_CHECKING

from blogtwin.errors import UserError
from blogtwin.files import read_json_object
from blogtwin.hints import make_command
from blogtwin.paths import OLLAMA_DIR
from blogtwin.twins.store import live_choice
from serve.catalog import BASE, TWIN
from serve.settings import Settings

if TYPE_CHECKING:
    from blogtwin.models.ollama_client import Ollama


def select_engine(settings: Settings) -> tuple[str, str, dict[str, str]]:
    """(kind of engine, reason, {name here: name in Ollama}). Raises UserError when the engine of SERVE_ENGINE can't
    serve."""
    if settings.engine == "openai":
        names = settings.openai_base_model, settings.openai_twin_model, settings.openai_models
        if not settings.openai_url or not any(names):
            raise UserError(
                "SERVE_ENGINE is openai: set SERVE_OPENAI_URL (it ends in /v1), and SERVE_OPENAI_BASE_MODEL or"
                " SERVE_OPENAI_TWIN_MODEL."
            )
        return "openai", f"SERVE_ENGINE is openai, at {settings.openai_url}", {}
    if settings.engine == "llamacpp":
        return "llamacpp", "SERVE_ENGINE is llamacpp", {}
    tags, why = find_in_ollama()
    if tags:
        return "ollama", why, tags
    if settings.engine == "ollama":
        raise UserError(
            f"SERVE_ENGINE is ollama, and {why}: start Ollama and run `{make_command('ollama')}`, or set"
            " SERVE_ENGINE=auto."
        )
    return "llamacpp", why, {}


def registered_twin() -> str:
    """The live twin's name in Ollama, as it was registered; empty where it was not."""
    if choice := live_choice():
        return choice.get("ollama", "")
    return str((read_json_object(OLLAMA_DIR / "receipt.json") or {}).get("model", ""))


def find_in_ollama() -> tuple[dict[str, str], str]:
    """({name here: name in Ollama}, reason). Empty unless Ollama runs and has the registered model."""
    from blogtwin.models.ollama_client import Ollama, OllamaError
    from blogtwin.models.ollama_store import PREFIX, parse_reference

    ollama = Ollama()
    version = ollama.version()
    if version is None:
        return {}, f"no Ollama answers at {ollama.url}"
    try:
        names = ollama.names()
    except OllamaError as e:
        return {}, f"Ollama {e}"
    twin = registered_twin()
    if not twin:
        return {}, "Ollama is running, and the twin was not registered there or its registration failed"
    if twin not in names:
        return {}, "Ollama is running but does not have the twin"
    tags = {TWIN: twin}
    from blogtwin.config import load_params

    base = load_params().train.base
    base = str(parse_reference(base)) if base.startswith(PREFIX) else base
    if base in names:
        tags[BASE] = base
    own = twin.partition(":")[0]
    others = (name for name in sorted(names - set(tags.values())) if name.partition(":")[0] != own)
    tags |= {name: name for name in others if _can_chat(ollama, name)}
    return tags, f"Ollama {version} is running and has {twin}"


def _can_chat(ollama: "Ollama", name: str) -> bool:
    """Whether a model of Ollama's answers chats on this machine: one for embeddings does not, and one in the cloud
    would be sent what the user writes."""
    from blogtwin.models.ollama_client import OllamaError

    try:
        shown = ollama.show(name)
        is_remote = bool(shown.get("remote_model") or shown.get("remote_host"))
        return "completion" in shown.get("capabilities", ["completion"]) and not is_remote
    except OllamaError:
        return False
