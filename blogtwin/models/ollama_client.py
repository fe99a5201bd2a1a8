"""Client of Ollama's own API: push a GGUF as a blob, create a model from it, inspect it. Errors are OllamaError.

The official package `ollama` can't send `truncate`, `shift`, `_debug_render_only` and `modelfile`: decision 7 of
docs/architecture.md.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2

from blogtwin.errors import UserError


class OllamaError(Exception):
    """Ollama answered with an error or not at all. The text is a clause that follows “Ollama”."""


class GreedyAnswer(NamedTuple):
    """A text, and its tokens as [(text, natural log-probability)]: none from an Ollama before 0.12.11."""

    text: str
    tokens: list[tuple[str, float]]


class Ollama:
    """A connection to the Ollama at `url` or OLLAMA_HOST. Raises UserError for an invalid address."""

    def __init__(self, url: str = ""):
        host = url or os.environ.get("OLLAMA_HOST", "")
        try:
            self.url = server_address(host)
            # A connection for each request: none stays open where nobody closes the client.
            self.http = httpx2.Client(
                base_url=self.url,
                timeout=httpx2.Timeout(600, connect=2),
                trust_env=False,
                limits=httpx2.Limits(max_keepalive_connections=0),
            )
        except (ValueError, httpx2.InvalidURL):
            raise UserError(
                f"OLLAMA_HOST is {host}, which is no valid address: write it as 127.0.0.1:11434, or unset it."
            ) from None

    def version(self) -> str | None:
        """Ollama's version, or None when none answers."""
        try:
            return self.http.get("/api/version", timeout=2).raise_for_status().json()["version"]
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            return None

    def _request(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        try:
            answer = self.http.request(method, path, **kwargs)
        except httpx2.HTTPError as e:
            raise OllamaError(f"stopped answering at {path} ({type(e).__name__})") from None
        if answer.status_code >= 400:
            raise OllamaError(f"answered {answer.status_code} to {path}: {_error_text(answer)}")
        return answer

    def _json(self, method: str, path: str, **kwargs: Any) -> dict:
        answer = self._request(method, path, **kwargs)
        try:
            return dict(answer.json())
        except (ValueError, TypeError):
            raise OllamaError(
                f"answered {path} with something other than a JSON object: {answer.text[:80]!r}"
            ) from None

    def has_blob(self, digest: str) -> bool:
        try:
            return self.http.head(f"/api/blobs/sha256:{digest}").status_code == 200
        except httpx2.HTTPError as e:
            raise OllamaError(f"stopped answering at /api/blobs ({type(e).__name__})") from None

    def push_blob(self, file: Path, digest: str) -> None:
        with open(file, "rb") as data:
            self._request("POST", f"/api/blobs/sha256:{digest}", content=iter(lambda: data.read(1 << 20), b""))

    def create(self, name: str, source: dict, settings: dict, modelfile: str = "") -> None:
        """Create a model from blobs: `source` is {"files": {name: digest}}, or {"from": a model, "adapters": {…}}, and
        `settings` {"template", "system", "parameters"}. `modelfile`: the same, for an Ollama before 0.5.5, which reads
        nothing else (server/routes.go there).
        """
        try:
            self._create(name, {**source, **settings})
        except OllamaError as e:
            if not modelfile or "path or modelfile are required" not in str(e).lower():
                raise
            self._create(name, {"name": name, "modelfile": modelfile})

    def _create(self, name: str, body: dict) -> None:
        """Ollama reports errors inside a stream of JSON lines with status 200."""
        last = ""
        try:
            with self.http.stream("POST", "/api/create", json={"model": name, "stream": True, **body}) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise OllamaError(f"answered {answer.status_code} to /api/create: {_error_text(answer)}")
                for line in answer.iter_lines():
                    event = dict(json.loads(line)) if line.strip() else {}
                    if "error" in event:
                        raise OllamaError(f"could not create {name}: {event['error']}")
                    last = event.get("status", last)
        except (httpx2.HTTPError, ValueError, TypeError) as e:
            raise OllamaError(f"stopped answering while it created {name} ({type(e).__name__})") from None
        if last != "success":
            raise OllamaError(f"ended its answer to /api/create without success (last: {last or 'nothing'})")

    def show(self, name: str) -> dict:
        return self._json("POST", "/api/show", json={"model": name})

    def copy(self, source: str, destination: str) -> None:
        self._request("POST", "/api/copy", json={"source": source, "destination": destination})

    def delete(self, name: str) -> None:
        self._request("DELETE", "/api/delete", json={"model": name})

    def names(self) -> set[str]:
        return {m["name"] for m in self._json("GET", "/api/tags").get("models") or []}

    def answer(self, name: str, messages: list[dict], max_tokens: int) -> GreedyAnswer:
        """The greedy answer to a chat, without a repeat penalty."""
        options = {"temperature": 0, "repeat_penalty": 1.0, "num_predict": max_tokens}
        said = self._chat(name, messages, options, logprobs=True)
        try:
            tokens = [(one["token"], float(one["logprob"])) for one in said.get("logprobs") or []]
            return GreedyAnswer(str(said["message"]["content"]), tokens)
        except (KeyError, TypeError, ValueError):
            raise OllamaError(f"answered /api/chat in a form that is not known: {str(said)[:80]!r}") from None

    def render(self, name: str, messages: list[dict]) -> str | None:
        """The prompt that it makes of a chat, without a token that the vocabulary adds; None where it doesn't know the
        switch for that, and answers with a token."""
        shown = self._chat(name, messages, {"num_predict": 1}, _debug_render_only=True).get("_debug_info")
        return shown.get("rendered_template") if isinstance(shown, dict) else None

    def _chat(self, name: str, messages: list[dict], options: dict, **more: Any) -> dict:
        """An answer of /api/chat at once. A prompt that doesn't fit is an error, not cut in half."""
        switches = {"stream": False, "truncate": False, "shift": False, "think": False}
        body = {"model": name, "messages": messages, "options": options, **switches, **more}
        return self._json("POST", "/api/chat", json=body)


def server_address(host: str) -> str:
    """The server's URL from OLLAMA_HOST, read as by Ollama's own client (its envconfig.Host). Raises ValueError."""
    scheme, _, rest = host.strip().strip("\"'").rpartition("://")
    if rest.count(":") > 1 and "[" not in rest:
        rest = f"[{rest}]"  # a bare IPv6 address
    parts = urlsplit(f"{scheme or 'http'}://{rest}")
    port = parts.port or {"http": 80, "https": 443}.get(scheme, 11434)
    name = parts.hostname or "127.0.0.1"
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(
        name, name
    )  # addresses to listen on are not addresses to connect to
    name = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{name}:{port}{parts.path.rstrip('/')}"


def _error_text(answer: httpx2.Response) -> str:
    """The message of an error response: Ollama's own form, or llama.cpp's, which it hands on."""
    try:
        error = answer.json()["error"]
        return str(error["message"] if isinstance(error, dict) else error)[:300]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
