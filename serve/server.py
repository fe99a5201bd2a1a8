"""Serves the API with uvicorn, on a socket that is bound before the models load."""

import socket
from collections.abc import Awaitable, Callable

from blogtwin.errors import UserError


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


def run_server(app: Callable[..., Awaitable[None]], listening: socket.socket) -> None:
    """Serve the ASGI application on `listening` until the process is told to end.

    Idle connections are kept far longer than clients keep theirs (openai and httpx: 5 s), so it is always the client
    that closes them and no request is lost.
    """
    import uvicorn

    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_keep_alive=75, timeout_graceful_shutdown=5
    )
    uvicorn.Server(config).run(sockets=[listening])
