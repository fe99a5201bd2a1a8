"""Which role each route needs. A test checks that every route of the API is listed; a route that is not is for admins.

open: anybody, also without a key. user: any key. admin: an admin's key or token. With SERVE_REQUIRE_KEY=0 everybody
on loopback is admin while nobody has added a key.
"""

import functools

from starlette.routing import compile_path

ROUTE_ROLES = {
    "GET /api/v1/health": "open",
    "GET /openapi.json": "open",
    "POST /api/v1/auth/token": "admin",
    "GET /api/v1/metrics": "user",
    "GET /v1/models": "user",
    "POST /v1/chat/completions": "user",
    "POST /v1/completions": "user",
    "POST /api/generate": "user",
    "POST /api/evaluate": "user",
    "POST /api/cancel/{request_id}": "user",
    "POST /api/draft": "user",
    "POST /api/draft/sentence": "user",
    "POST /api/draft/check": "user",
    "POST /api/draft/choice": "user",
    "DELETE /api/draft/choice/{choice_id}": "user",
    "POST /api/rewrite": "user",
    "POST /api/export": "user",
    "POST /api/read": "user",
    "GET /api/models": "user",
    "GET /api/v1/models": "user",
    "POST /api/v1/models/load": "admin",
    "POST /api/v1/models/unload": "admin",
    "POST /api/v1/chat/completions": "user",
    "GET /api/v1/chat/sessions": "user",
    "GET /api/v1/chat/sessions/{session_id}": "user",
    "PATCH /api/v1/chat/sessions/{session_id}": "user",
    "DELETE /api/v1/chat/sessions/{session_id}": "user",
    "POST /api/blind": "user",
    "POST /api/blind/{blind_id}/vote": "user",
    "GET /api/blind/results": "user",
    "GET /api/blind/pairs": "admin",
    "GET /api/dashboard": "user",
    "GET /api/dashboard/report": "admin",
    "GET /api/topics": "user",
    "POST /api/corpus": "admin",
    "GET /api/corpus": "admin",
    "POST /api/v1/training/jobs": "admin",
    "GET /api/v1/training/jobs": "admin",
    "GET /api/v1/training/jobs/{job_id}": "admin",
    "DELETE /api/v1/training/jobs/{job_id}": "admin",
    "GET /api/v1/training/jobs/{job_id}/progress": "admin",
    "GET /api/v1/watch": "admin",
    "PUT /api/v1/watch": "admin",
    "POST /api/v1/watch/look": "admin",
    "POST /api/v1/watch/train": "admin",
    "POST /api/finetune/export": "admin",
    "WEBSOCKET /ws/chat": "user",
    "WEBSOCKET /ws/training/{job_id}": "admin",
}


@functools.cache
def _patterns() -> list[tuple[str, object, str]]:
    return [(method, compile_path(path)[0], path) for method, path in (key.split(" ") for key in ROUTE_ROLES)]


def match_route(method: str, path: str) -> str:
    """The path in the table that matches a request's path; empty when none does. An exact path wins over a pattern."""
    found = [route for _, pattern, route in _patterns() if pattern.match(path)]
    exact = [route for route in found if "{" not in route]
    return (exact or found or [""])[0]


def required_role(method: str, path: str) -> str:
    """The role that a request needs. The files of the web app are open: they contain nothing private."""
    route = match_route(method, path)
    method = "GET" if method == "HEAD" else method
    if f"{method} {route}" in ROUTE_ROLES:
        return ROUTE_ROLES[f"{method} {route}"]
    if route:  # a method that this route does not have: answered with 405
        return "user"
    return "open" if method == "GET" and not path.startswith(("/api/", "/v1/", "/ws/")) else "admin"
