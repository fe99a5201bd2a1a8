"""Start one private API in front of base and twin, and the web page if it is built.

Reads   what `make all` made; settings from .env and SERVE_… (serve/settings.py)
Writes  sessions, votes and logs in your data folder (SERVE_HOME)
Run     make serve
        python scripts/serve_api.py --port 9000
"""

import _path

import argparse
import os

from blogtwin.console import run_cli


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", help="address to listen on (default: SERVE_HOST, else 127.0.0.1)")
    parser.add_argument("--port", type=int, help="0 takes a free port (default: SERVE_PORT, else 8000)")
    arguments = parser.parse_args()
    # Engines and drafting have a llama.cpp each, in processes of their own: threads that spin while they are idle would
    # take the others' cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from serve import startup
    from serve.main import create_app
    from serve.server import bind, run_server, run_workers

    settings = startup.load_settings({k: v for k, v in vars(arguments).items() if v is not None})
    app = create_app(settings)
    listening = bind(settings.host, settings.port)
    startup.announce(app.state.serve, f"http://{settings.host}:{listening.getsockname()[1]}")
    if settings.workers > 1:
        run_workers(settings, listening)
    else:
        run_server(app, listening, settings.proxies)


if __name__ == "__main__":
    run_cli(main)
