"""A client of the server's application in this process, without its models."""

from starlette.testclient import TestClient

from serve.main import create_app
from serve.settings import Settings


def client(home, **settings) -> TestClient:
    """Not as a context manager: the lifespan, which loads models, does not run."""
    app = create_app(Settings(home=home, _env_file=None, **{"engine": "llamacpp", **settings}))
    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
