"""What every request passes through: request id, host and origin check, key and role, rate limit, body size; security
headers, metrics, log.

Plain ASGI instead of BaseHTTPMiddleware, which buffers streams and hides that a client has disconnected.
"""

import asyncio
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve import permissions, prometheus_metrics, tracing
from serve.auth import LOCAL, Caller, Keys
from serve.errors import ROLE, ApiError, as_api_error
from serve.logging_setup import REQUEST_ID, log_event
from serve.rate_limit import RateLimiter, SharedRateLimiter
from serve.settings import Settings

LOCAL_ADMIN = Caller(LOCAL, "admin")
ANONYMOUS = Caller("nobody", "open")
LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
# No user, path or query, which urlsplit would accept.
HOST = re.compile(r"(\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(:[0-9]{1,5})?")
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src"
        " 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class AccessMiddleware:
    def __init__(self, app: ASGIApp, settings: Settings, keys: Keys):
        self.app, self.settings, self.keys = app, settings, keys
        shared = settings.workers > 1
        self.limiter = (
            SharedRateLimiter(settings.rate, settings.home / "rate.db") if shared else RateLimiter(settings.rate)
        )
        self.names = LOOPBACK_HOSTS | {settings.host.strip("[]"), *settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        headers, started = Headers(scope=scope), time.perf_counter()
        given = headers.get("x-request-id", "")
        request_id = given if re.fullmatch(r"[\w.-]{8,64}", given) else uuid.uuid4().hex
        method = scope.get("method", "WEBSOCKET")
        route = permissions.match_route(method, scope["path"]) or "page"
        state = scope.setdefault("state", {})
        state["request_id"], state["caller"] = request_id, ANONYMOUS
        REQUEST_ID.set(request_id)
        ROLE.set(ANONYMOUS.role)
        seen = {"status": 0}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    out[name] = value
                if scope["path"].startswith(("/api/", "/v1/")):
                    out["Cache-Control"] = "no-store"
            await send(message)

        failure = None
        try:
            state["caller"] = self.authorise(scope, headers, method)
            ROLE.set(state["caller"].role)
            with tracing.request_span(method, route, headers) as span:
                await self.app(scope, self.limit_body(scope, headers, receive), answer)
                if span is not None and seen["status"]:
                    span.set_attribute("http.response.status_code", seen["status"])
        except Exception as e:
            failure = None if isinstance(e, ApiError) else e
            await self.send_error(
                scope, receive, send if scope["type"] == "websocket" else answer, as_api_error(e), seen["status"]
            )
        finally:
            seconds = time.perf_counter() - started
            prometheus_metrics.REQUESTS.labels(method, route, seen["status"]).inc()
            prometheus_metrics.LATENCY.labels(route).observe(seconds)
            log_event(
                "request",
                40 if failure else 20,
                failure,
                id=request_id,
                method=method,
                route=route,
                status=seen["status"],
                ms=round(1000 * seconds, 1),
                caller=state["caller"].name,
            )

    async def send_error(self, scope: Scope, receive: Receive, send: Send, error: ApiError, status: int) -> None:
        """Answer with an error, unless a response with `status` has already started (0: it has not)."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": error.message[:120]})
        elif not status:
            await error.response()(scope, receive, send)

    def authorise(self, scope: Scope, headers: Headers, method: str) -> Caller:
        """The caller, who may use this route. Raises ApiError 400, 401, 403 or 429."""
        self.check_host(headers)
        self.check_origin(headers, method)
        needed = permissions.required_role(method, scope["path"])
        if method == "OPTIONS":
            return ANONYMOUS
        try:
            caller = self.caller(scope, headers, needed)
        except ApiError:
            self.check_rate(ANONYMOUS, scope)  # wrong keys count too: they could be guesses
            raise
        self.check_rate(caller, scope)
        scope["state"]["count"] = lambda: self.check_rate(caller, scope)  # for messages on an open WebSocket
        if not caller.has_role(needed):
            if caller.role == "open":
                raise ApiError(
                    401,
                    "no_key",
                    "This route needs a key.",
                    "Send Authorization: Bearer KEY; create a key with `python scripts/api_keys.py add NAME`.",
                )
            raise ApiError(
                403,
                "forbidden",
                f"This route needs the role {needed}, and {caller.name} has the role {caller.role}.",
                "Use an admin's key.",
            )
        return caller

    def caller(self, scope: Scope, headers: Headers, needed: str) -> Caller:
        """Who the request's key belongs to. Raises ApiError 401 for a wrong key, unless the route is open."""
        if self.settings.loopback and not self.settings.require_key and not self.keys.named():
            return LOCAL_ADMIN
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            credential = headers.get("x-api-key", "")
        protocols = scope.get("subprotocols") or []
        # a browser can set no header for a WebSocket, so the key comes as a subprotocol
        if not credential and len(protocols) == 2 and protocols[0] == "bearer":
            credential = protocols[1]
        if not credential.strip():
            return ANONYMOUS
        try:
            return self.keys.caller(credential.strip())
        except ApiError:
            if needed == "open":
                return ANONYMOUS
            raise

    def check_host(self, headers: Headers) -> None:
        """Accept only known host names: a web page that points its own name at this machine (DNS rebinding) is refused.

        Raises ApiError 400.
        """
        given = headers.getlist("host")
        found = HOST.fullmatch(given[0]) if len(given) == 1 else None
        if found is None:
            raise ApiError(
                400,
                "bad_request",
                "The Host header is not a host name or an address, with an optional port.",
                "Send one Host header, such as 127.0.0.1:8000.",
            )
        name = (found["address"] or found["name"]).lower()
        if name not in self.names:
            raise ApiError(400, "unknown_host", f"{name!r} is not a name of this server.", "Add it to SERVE_HOSTS.")

    def check_origin(self, headers: Headers, method: str) -> None:
        """Refuse requests from other sites' pages that change something or open a WebSocket. Raises ApiError 403."""
        origin = headers.get("origin")
        if origin is None or method in SAFE_METHODS:
            return
        own = {f"{scheme}://{headers.get('host')}" for scheme in ("http", "https")}
        if origin not in own and origin not in self.settings.origins:
            raise ApiError(
                403,
                "foreign_origin",
                f"Web pages of {origin[:100]} may not use this server.",
                "Add it to SERVE_ORIGINS.",
            )

    def check_rate(self, caller: Caller, scope: Scope) -> None:
        """Count a request of this caller (without a key: of this address). Raises ApiError 429."""
        address = (scope.get("client") or ("",))[0]
        who = caller.name if caller not in (LOCAL_ADMIN, ANONYMOUS) else f"{caller.name} {address}"
        again = self.limiter.hit(who)
        if again is not None:
            raise ApiError(
                429,
                "too_many_requests",
                f"The rate limit is {self.settings.rate}.",
                "Try again after Retry-After seconds.",
                max(again, 1),
            )

    def limit_body(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """`receive` for a body within the limits of size and time; it raises ApiError 413 or 408, this one 400 or
        413."""
        limit, got, complete = self.settings.max_body_mb * 1e6, 0, False
        too_large = ApiError(
            413,
            "too_large",
            f"The body is larger than {self.settings.max_body_mb:g} MB.",
            "Send less, or raise SERVE_MAX_BODY_MB.",
        )
        lengths = set(headers.getlist("content-length"))
        if len(lengths) > 1 or any(re.fullmatch("[0-9]+", one) is None for one in lengths):
            raise ApiError(
                400,
                "bad_request",
                "The Content-Length header is not a number.",
                "Send it once, as the size of the body in bytes.",
            )
        digits = max((one.lstrip("0") for one in lengths), default="")
        if len(digits) > 18 or int(digits or 0) > limit:  # int() refuses thousands of digits
            raise too_large
        if scope["type"] == "websocket":
            return receive

        async def limited_receive() -> Message:
            nonlocal got, complete
            if complete:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self.settings.body_seconds)
            except TimeoutError:
                raise ApiError(408, "too_slow", "The body did not arrive in time.", "Send it again.") from None
            got += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if got > limit:
                raise too_large
            return message

        return limited_receive
