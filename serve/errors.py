"""Every error has one shape: {"error": {"code", "message", "hint"}}.

Routes raise ApiError; every other exception is converted to one.
"""

import contextvars
import math
import re
import sqlite3

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from blogtwin.errors import UserError, is_disk_full
from blogtwin.validation import dotted
from serve.logging_setup import log_event

# The caller's role, in the request that is being answered.
ROLE: contextvars.ContextVar[str] = contextvars.ContextVar("role", default="open")
# The folders of an absolute path of two parts or more; not this server's own routes.
PATH = re.compile(r"(?<![\w.:/…])/(?!(?:api|v1|ws)/)(?:[^\s/'\"`,;()]+/)+")


class ErrorBody(BaseModel):
    code: str
    message: str
    hint: str


class ErrorAnswer(BaseModel):
    """The body of every response with a status of 400 or more."""

    error: ErrorBody


class ApiError(HTTPException):
    """`code` is for programs and never changes; `message` says what is wrong, `hint` what to do. `retry_after`:
    seconds."""

    def __init__(self, status: int, code: str, message: str, hint: str = "", retry_after: float | None = None):
        super().__init__(status, message)
        self.code, self.message, self.hint, self.retry_after = code, message, hint, retry_after

    def content(self) -> dict:
        """The body of the response."""
        message, hint = (hide_paths(text) for text in (self.message, self.hint))
        return {"error": {"code": self.code, "message": message, "hint": hint}}

    def response(self) -> JSONResponse:
        headers = dict(self.headers or {})
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        if self.status_code == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.content(), self.status_code, headers)


def hide_paths(text: str) -> str:
    """The text with the last part of each path only, unless an administrator asked: where the owner keeps files is
    nobody else's business."""
    return text if ROLE.get() == "admin" else PATH.sub("…/", text)


STATUS_CODES = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}
# What Starlette says of a request that no route takes, as sentences: (message, hint).
UNROUTED = {
    404: ("There is nothing at this address.", "GET /openapi.json lists every route."),
    405: ("This address does not take this method.", "GET /openapi.json lists the methods of every route."),
}
# SQLite reports a quota as the second, and as the last that its index of the journal could not be made.
DISK_FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_TRUNCATE", "SQLITE_IOERR_SHMSIZE"}
# Declared once for all routes, so that OpenAPI lists them. 422 replaces FastAPI's own shape.
RESPONSES = {
    400: "Unreadable request, or one that the model can't serve",
    401: "No key, a wrong key, or an expired token",
    403: "Insufficient role, or cross-origin request",
    404: "Not found",
    405: "Method not allowed on this path",
    408: "The body did not arrive in time",
    409: "Not possible in the current state",
    413: "The body is too large",
    422: "A field is invalid",
    429: "Too many requests",
    502: "The engine failed",
    503: "Busy, or not ready yet",
    507: "The disk is full",
}
RESPONSES = {status: {"model": ErrorAnswer, "description": text} for status, text in RESPONSES.items()}


def as_api_error(error: BaseException) -> ApiError:
    """Any exception as the error that the client is shown. An unexpected one shows nothing private."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        message, hint = UNROUTED.get(error.status_code, (as_sentence(str(error.detail)), ""))
        converted = ApiError(error.status_code, STATUS_CODES.get(error.status_code, "error"), message, hint)
        converted.headers = error.headers
        return converted
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = dotted(first["loc"], without=("body",))
        return ApiError(
            422,
            "invalid_request",
            as_sentence(f"{where or 'the body'}: {first['msg']}"),
            "GET /openapi.json lists the fields of every request.",
        )
    if isinstance(error, UserError):
        return ApiError(409, "not_possible", str(error))
    if is_disk_full(error) or getattr(error, "sqlite_errorname", "") in DISK_FULL:
        return ApiError(507, "disk_full", "The disk is full, and this was not saved.", "Free some space and try again.")
    if isinstance(error, sqlite3.OperationalError):
        busy = "locked" in str(error) or "busy" in str(error)
        return ApiError(
            503,
            "database_locked" if busy else "database_failed",
            "The database did not respond in time, and this was not saved.",
            "Try again.",
            1,
        )
    return ApiError(
        500, "internal", "Internal server error.", "The server's log has the reason under this request's id."
    )


def as_sentence(text: str) -> str:
    """The text with a full stop, where it ends without a mark: libraries leave it out."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def register_handlers(app: FastAPI) -> None:
    """Answer every exception with its ApiError; unexpected ones are logged."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        api_error = as_api_error(error)
        if api_error.code in ("internal", "database_failed", "disk_full"):
            log_event("request failed", 40, error)
        return api_error.response()

    for kind in (HTTPException, RequestValidationError, UserError, sqlite3.OperationalError, OSError):
        app.add_exception_handler(kind, answer)
