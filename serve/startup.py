"""What `make serve` checks before it starts, and what it says then."""

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.paths import ROOT
from blogtwin.validation import main_problem
from serve.auth import Keys
from serve.settings import Settings

if TYPE_CHECKING:
    from serve.app_state import AppState


def load_settings(given: dict[str, Any]) -> Settings:
    """The settings of the environment, with those of the command line. Raises UserError for what can't be served."""
    try:
        settings = Settings(**given)
    except ValidationError as e:
        problem = main_problem(e)
        raise UserError(f"SERVE_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}.") from None
    if not settings.loopback and not Keys(settings.home).named():
        raise UserError(
            f"SERVE_HOST is {settings.host}, which others can reach, and there are no keys: create one with"
            " `python scripts/api_keys.py add NAME --role admin`, or stay on 127.0.0.1."
        )
    if settings.workers > 1 and settings.engine not in ("openai", "ollama"):
        raise UserError(
            f"SERVE_WORKERS is {settings.workers}, and each worker of the embedded engine would hold the models: set"
            " SERVE_ENGINE to openai or ollama, or SERVE_WORKERS to 1."
        )
    return settings


def announce(state: "AppState", url: str) -> None:
    """Say where everything is, and on loopback the key that opens it, unless others were added or none is wanted."""
    wanted = state.settings.loopback and state.settings.require_key
    key = state.keys.local() if wanted else None
    named = len(state.keys.named())
    page = f"{url}/#key={key}" if key else url
    echo(f"serving on {url}")
    echo(f"  models   {', '.join(state.pool.known())}")
    echo(f"  API      {url}/v1 (OpenAI's protocol), {url}/openapi.json")
    echo(f"  page     {page if (ROOT / 'frontend/dist').is_dir() else 'not built (there is no frontend/dist)'}")
    echo(f"  data     {state.settings.home}")
    if key:
        echo(f"  key      {key} (the same at every start; SERVE_REQUIRE_KEY=0 asks for none)")
    else:
        echo(f"  keys     {named or 'none: anybody on this machine has access'}")
    if state.settings.workers > 1:
        echo(f"  workers  {state.settings.workers}")
