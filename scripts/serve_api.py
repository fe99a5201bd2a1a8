"""Start one private API in front of base and twin, and the web page if it is built.

Reads   what `make all` made; settings from .env and SERVE_… (serve/settings.py)
Writes  sessions, votes and logs in your data folder (SERVE_HOME)
Run     make serve
        python scripts/serve_api.py --port 9000
"""

import _path

import argparse
import os

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.paths import ROOT
from serve.server import bind, run_server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", help="address to listen on (default: SERVE_HOST, else 127.0.0.1)")
    parser.add_argument("--port", type=int, help="0 takes a free port (default: SERVE_PORT, else 8000)")
    arguments = parser.parse_args()
    # Engines and drafting have a llama.cpp each, in processes of their own: threads that spin while they are idle would
    # take the others' cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from pydantic import ValidationError

    from blogtwin.validation import main_problem
    from serve.auth import Keys
    from serve.main import create_app
    from serve.settings import Settings

    try:
        settings = Settings(**{k: v for k, v in vars(arguments).items() if v is not None})
    except ValidationError as e:
        problem = main_problem(e)
        raise UserError(f"SERVE_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}.") from None
    if not settings.loopback and not Keys(settings.home).all():
        raise UserError(
            f"SERVE_HOST is {settings.host}, which others can reach, and there are no keys: create one with"
            " `python scripts/api_keys.py add NAME --role admin`, or stay on 127.0.0.1."
        )
    app = create_app(settings)
    listening = bind(settings.host, settings.port)
    url = f"http://{settings.host}:{listening.getsockname()[1]}"
    echo(f"serving on {url}")
    echo(f"  models   {', '.join(app.state.serve.pool.known())}")
    echo(f"  API      {url}/v1 (OpenAI's protocol), {url}/openapi.json")
    echo(f"  page     {url if (ROOT / 'frontend/dist').is_dir() else 'not built (there is no frontend/dist)'}")
    echo(f"  data     {settings.home}")
    echo(f"  keys     {len(app.state.serve.keys.all()) or 'none: anybody on this machine has access'}")
    run_server(app, listening)


if __name__ == "__main__":
    run_cli(main)
