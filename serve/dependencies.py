"""The dependencies of routes, as annotated types."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from serve.app_state import AppState
from serve.auth import Caller


def _state(connection: HTTPConnection) -> AppState:
    return connection.app.state.serve


def _caller(connection: HTTPConnection) -> Caller:
    return connection.scope["state"]["caller"]


def _request_id(connection: HTTPConnection) -> str:
    return connection.scope["state"]["request_id"]


StateDep = Annotated[AppState, Depends(_state)]
CallerDep = Annotated[Caller, Depends(_caller)]
RequestIdDep = Annotated[str, Depends(_request_id)]
