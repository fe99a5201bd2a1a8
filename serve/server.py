"""Serves the API with uvicorn, on a socket that is bound before the models load."""

import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

from blogtwin.errors import UserError
from serve.settings import Settings

# Idle connections are kept far longer than clients keep theirs (openai and httpx: 5 s), so it is always the client that
# closes them and no request is lost.
OPTIONS: dict[str, Any] = {
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "timeout_keep_alive": 75,
    "timeout_graceful_shutdown": 5,
}


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises UserError."""
    try:
        return socket.create_server(
            (host.strip("[]"), port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512
        )
    except (OSError, OverflowError) as e:
        raise UserError(
            f"The server can't listen on {host}:{port} ({e.strerror or e}): stop the program that uses the port, or"
            " choose another one with --port."
        ) from None


def trusted(proxies: list[str]) -> dict[str, Any]:
    """uvicorn's options that believe these proxies, and nobody else, what the client's address is."""
    return {"proxy_headers": bool(proxies), "forwarded_allow_ips": proxies}


def run_workers(settings: Settings, listening: socket.socket) -> None:
    """Serve with several processes on `listening` until this one is told to end; one that dies is replaced.

    Each makes its own application of the environment, into which what was given otherwise is written.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    os.environ |= {
        "SERVE_HOST": settings.host,
        "SERVE_HOME": str(settings.home),
        "SERVE_WORKERS": str(settings.workers),
    }
    config = uvicorn.Config(
        "serve.main:create_app", factory=True, workers=settings.workers, **OPTIONS, **trusted(settings.proxies)
    )
    with tempfile.TemporaryDirectory() as counters:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters  # read when a worker imports prometheus_client
        Multiprocess(config, sockets=[listening]).run()


def run_server(app: Callable[..., Awaitable[None]], listening: socket.socket, proxies: list[str]) -> None:
    """Serve the ASGI application on `listening` until the process is told to end."""
    import uvicorn

    uvicorn.Server(uvicorn.Config(app, **OPTIONS, **trusted(proxies))).run(sockets=[listening])
