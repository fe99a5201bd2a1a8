"""What routes ask for, as types."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from serve.app_state import State
from serve.auth import Caller


def _state(connection: HTTPConnection) -> State:
    return connection.app.state.serve


def _caller(connection: HTTPConnection) -> Caller:
    return connection.scope["state"]["caller"]


def _request_id(connection: HTTPConnection) -> str:
    return connection.scope["state"]["request_id"]


Serving = Annotated[State, Depends(_state)]
Asking = Annotated[Caller, Depends(_caller)]
RequestId = Annotated[str, Depends(_request_id)]
