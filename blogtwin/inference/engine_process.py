"""The process of an embedded engine: a model in llama.cpp, and an HTTP server in front of it that speaks OpenAI's
protocol.

A process of its own, because a second team of OpenMP threads in the caller's would slow both down, and because its
memory is free at once when it ends.
"""

import asyncio
import functools
import os
import secrets
import socket
import threading
import traceback
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from blogtwin.inference.answer_loop import AnswerLoop, Part, Reply
    from blogtwin.inference.engine_protocol import AnswerFormat, AnswerRequest
    from blogtwin.models.llama_cpp import LlamaModel

Result = TypeVar("Result")


@dataclass(frozen=True)
class EngineOptions:
    """What serve_model (llama_server.py) was asked for, and the key that requests must have."""

    model: Path
    name: str
    adapter: Path | None
    chat_template: str
    n_ctx: int
    parallel: int
    threads: int
    key: str


class RequestRefused(Exception):
    """A request that can't be answered; the text says why."""


def run_engine(connection: Connection, options: EngineOptions) -> None:
    """Load the model, send ("ready", port) or ("failed", reason), and serve until the process at the other end of
    `connection` is gone. It must have blocked SIGINT: Ctrl-C is for that process, which ends this one."""
    try:
        _load_and_serve(connection, options)
    except (EOFError, ConnectionError):
        pass  # that process is gone
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(0)  # whatever happened: the thread that writes answers would keep this process for ever


def _load_and_serve(connection: Connection, options: EngineOptions) -> None:
    # What libgomp and OpenBLAS read when they are loaded: idle threads that spin would take other models' cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from blogtwin.inference.answer_loop import AnswerLoop
    from blogtwin.models.llama_cpp import LlamaModel

    try:
        model = LlamaModel(options.model, options.adapter, options.n_ctx, options.parallel, options.threads)
    except OSError as e:
        connection.send(("failed", str(e)))
        return
    loop = AnswerLoop(model)
    loop.start()
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    app = EngineApp(model, loop, options).build()
    threading.Thread(target=_serve, args=(app, listening), daemon=True).start()
    connection.send(("ready", listening.getsockname()[1]))
    connection.recv()  # nothing comes, but the end of the other process


def _serve(app: "Starlette", listening: socket.socket) -> None:
    import uvicorn

    try:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        os._exit(1)  # without it, the process would be of no use


class EngineApp:
    """The routes of the engine: /v1/chat/completions, /v1/completions, /v1/models, and /render, the prompt that it
    makes of chat messages, and /busy, whether it writes or reads."""

    def __init__(self, model: "LlamaModel", loop: "AnswerLoop", options: EngineOptions):
        self.model, self.loop, self.options = model, loop, options
        self.template = options.chat_template or model.chat_template()
        self.special_tokens = model.special_tokens()

    def build(self) -> "Starlette":
        """The application; every route wants the key."""
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Route

        async def models(request: "Request") -> "Response":
            return JSONResponse({"object": "list", "data": [{"id": self.options.name, "object": "model"}]})

        async def busy(request: "Request") -> "Response":
            return JSONResponse({"busy": bool(self.loop.replies)})

        async def render(request: "Request") -> "Response":
            return JSONResponse({"prompt": self.render((await request.json())["messages"])})

        routes = {
            ("/v1/chat/completions", "POST"): functools.partial(self.answer, is_chat=True),
            ("/v1/completions", "POST"): functools.partial(self.answer, is_chat=False),
            ("/v1/models", "GET"): models,
            ("/busy", "GET"): busy,
            ("/render", "POST"): render,
        }
        return Starlette(routes=[Route(path, self._checked(do), methods=[m]) for (path, m), do in routes.items()])

    def _checked(self, do: Any) -> Any:
        """`do` for requests that have the key; what it refuses is answered with 400."""
        from pydantic import ValidationError
        from starlette.responses import JSONResponse

        expected = f"Bearer {self.options.key}".encode()

        async def route(request: "Request") -> "Response":
            if not secrets.compare_digest(request.headers.get("Authorization", "").encode(), expected):
                return JSONResponse({"error": {"message": "the key is missing or wrong", "code": 401}}, 401)
            try:
                return await do(request)
            except (RequestRefused, ValidationError) as e:
                return JSONResponse({"error": {"message": str(e), "code": 400}}, 400)

        return route

    def render(self, messages: list[dict]) -> str:
        """The prompt of a chat. Raises RequestRefused where the template refuses the messages."""
        from jinja2 import TemplateError

        from blogtwin.models import chat

        try:
            return chat.render_template(self.template, messages, self.special_tokens)
        except TemplateError as e:
            raise RequestRefused(f"the chat template refuses these messages: {e}") from None

    def prompt_ids(self, asked: "AnswerRequest", is_chat: bool, words: int) -> list[int]:
        """Token ids of the prompt, without the wish for `words` words, if there is one. Raises RequestRefused where it
        leaves no room in the context."""
        if is_chat:
            from blogtwin.models.length import hide_length_request

            messages = [message.as_dict() for message in asked.messages]
            if words:
                messages[-1]["content"] = hide_length_request(messages[-1]["content"])
            ids = self.model.tokenize(self.render(messages))
        else:
            plain = asked.prompt if isinstance(asked.prompt, str) else "".join(asked.prompt)
            ids = self.model.tokenize(plain, add_special=True)
        if not ids:
            raise RequestRefused("the prompt is empty")
        if len(ids) >= self.options.n_ctx:
            raise RequestRefused(f"the prompt has {len(ids)} tokens, and the context holds {self.options.n_ctx}")
        return ids

    async def answer(self, request: "Request", is_chat: bool) -> "Response | StreamedAnswer":
        """Both kinds of completion, streamed or whole. The answer is cancelled when the client is gone."""
        from starlette.responses import JSONResponse, Response

        from blogtwin.inference.answer_loop import Reply
        from blogtwin.inference.answer_text import AnswerText
        from blogtwin.inference.engine_protocol import AnswerFormat, AnswerRequest
        from blogtwin.models.decoding import Generation
        from blogtwin.models.length import WordTarget, requested_words

        asked = AnswerRequest.model_validate_json(await request.body())
        words = requested_words(asked.messages[-1].as_dict()["content"]) if is_chat and asked.messages else 0
        prompt = self.prompt_ids(asked, is_chat, words)
        if asked.style_strength != 1.0 and not self.model.lora:
            raise RequestRefused("this model has no adapter whose strength could be changed")
        generation = Generation(
            prompt,
            asked.sampling(self.options.n_ctx - len(prompt)),
            secrets.randbits(32) if asked.seed is None else asked.seed,
            strength=asked.style_strength,
            reuse=asked.seed is None,
            num_logprobs=asked.num_logprobs,
            constraint=WordTarget(self.model, words) if words else None,
        )
        loop, parts = asyncio.get_running_loop(), asyncio.Queue[Any]()
        reply = Reply(
            generation, AnswerText(asked.stops), lambda part: loop.call_soon_threadsafe(parts.put_nowait, part)
        )
        form = AnswerFormat(is_chat, self.options.name, self.model.piece)
        if asked.stream:
            include_usage = bool(asked.stream_options.get("include_usage"))
            return StreamedAnswer(self._stream(reply, parts, form, include_usage))
        found = await until_disconnect(request.receive, self._collect(reply, parts))
        if found is None:
            return Response(status_code=499)
        if found[-1].error:
            return JSONResponse({"error": {"message": found[-1].error, "code": 500}}, 500)
        return JSONResponse(form.whole(found, len(prompt), len(generation.ids)))

    async def _parts(self, reply: "Reply", parts: asyncio.Queue) -> "AsyncIterator[Part]":
        """The parts of a reply from now on; it is cancelled when they are wanted no more."""
        self.loop.submit(reply)
        try:
            while True:
                part = await parts.get()
                yield part
                if part.end or part.error:
                    return
        finally:
            self.loop.cancel(reply)

    async def _collect(self, reply: "Reply", parts: asyncio.Queue) -> "list[Part]":
        return [part async for part in self._parts(reply, parts)]

    async def _stream(
        self, reply: "Reply", parts: asyncio.Queue, form: "AnswerFormat", include_usage: bool
    ) -> AsyncIterator[bytes]:
        from blogtwin.inference.engine_protocol import error_event

        async for part in self._parts(reply, parts):
            yield error_event(part.error) if part.error else form.chunk(part)
        if include_usage:
            yield form.usage(len(reply.generation.prompt), len(reply.generation.ids))
        yield b"data: [DONE]\n\n"


class StreamedAnswer:
    """A response of server-sent events (ASGI), which stops when the client is gone: Starlette's own notices that only
    when it has something to send."""

    def __init__(self, events: AsyncIterator[bytes]):
        self.events = events

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def write() -> bool:
            async for event in self.events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return True

        await until_disconnect(receive, write())


async def until_disconnect(receive: Any, work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result of `work`; None when the client left first, and the work was cancelled."""

    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(disconnected())
    await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if not working.done():
        working.cancel()
    await asyncio.gather(working, leaving, return_exceptions=True)
    return None if working.cancelled() else working.result()
