"""The loaded models. Loading and unloading are explicit, one at a time, and limited by memory."""

import asyncio
import contextlib
import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from blogtwin.config import Params
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.inference.client import Engine, http_client
from blogtwin.twins.store import cached_digest
from serve import catalog
from serve.catalog import BASE, TWIN, Model
from serve.concurrency import ConcurrencyLimiter
from serve.engines import select_engine
from serve.errors import ApiError
from serve.settings import Settings

ALIASES = {"twin": TWIN, "blogtwin": TWIN}
TTL_SECONDS = 2  # whether an engine answers is cached that long
MODEL_OVERHEAD_MB = 150  # the engine's process and llama.cpp's own buffers; weights and cache come on top


@dataclass
class LoadedModel:
    model: Model
    engine: Engine
    limiter: ConcurrencyLimiter
    exit_stack: contextlib.ExitStack
    memory_mb: float
    digest: str = ""  # SHA-256 of a twin's adapter, as it was loaded

    @property
    def source(self) -> str:
        """What tells a twin from another one of the same name: its name in Ollama, or its digest."""
        return self.engine.model if self.engine.name == "ollama" else self.digest


@dataclass(frozen=True)
class Failure:
    """Why a model is not served. `code` is public (an ApiError's, or no_engine or engine_gone); `reason` may contain
    paths and addresses."""

    code: str
    reason: str


class ModelPool:
    """`get` returns loaded models; `kind` and `reason` say which engine was chosen, and why."""

    def __init__(self, settings: Settings, params: Params):
        self.settings, self.params = settings, params
        self.loaded: dict[str, LoadedModel] = {}
        self.loading: set[str] = set()
        self.failed: dict[str, Failure] = {}
        self.lock = asyncio.Lock()
        self.kind, self.reason, self.tags = "llamacpp", "", {}
        self.chosen = False
        self.last_check: tuple[float, dict[str, Failure | None]] = (-math.inf, {})
        self.allowed_mb = settings.memory_mb or 0.8 * psutil.virtual_memory().available / 1e6

    def known(self) -> dict[str, Model]:
        """{name: Model} of everything that can be loaded."""
        if self.kind == "openai":
            return catalog.list_elsewhere(self.settings, self.params)
        known = catalog.list_models(self.params)
        others = {n: Model(n, n, elsewhere=True) for n in self.tags if n not in known and n not in (BASE, TWIN)}
        return known | others

    @property
    def ready(self) -> bool:
        return bool(self.loaded) and not self.loading

    @property
    def memory_mb(self) -> float:
        """Estimated memory of the loaded models, in MB of 10⁶ bytes."""
        return sum(one.memory_mb for one in self.loaded.values())

    async def unreachable(self) -> dict[str, Failure]:
        """{model: why} for the loaded models whose engine does not answer now."""
        outside = {one.engine.base_url: one.engine for one in self.loaded.values()}
        if time.monotonic() - self.last_check[0] > TTL_SECONDS:
            whys = await asyncio.gather(*map(_unreachable, outside.values()))
            self.last_check = (time.monotonic(), dict(zip(outside, whys, strict=True)))
        return {name: why for name, one in self.loaded.items() if (why := self.last_check[1].get(one.engine.base_url))}

    async def start(self) -> None:
        """Choose the engine, load the base and the newest twin."""
        try:
            await self.choose()
            echo(f"  engine   {self.kind}: {self.reason}")
            known = self.known()
        except UserError as e:
            self.failed[BASE] = Failure("no_engine", str(e))
            echo(f"note: no model is served: {e}")
            return
        names = list(known) if self.kind == "openai" else [name for name in (BASE, TWIN) if name in known]
        self.loading |= set(names)
        for name in names:
            try:
                await self.load(name)
            except ApiError as e:  # the other one may load
                self.failed[name] = Failure(e.code, e.message)
                echo(f"note: {name} is not served: {e.message}")

    async def choose(self) -> None:
        """Select the engine, once. Raises UserError when there is none; the next call tries again."""
        if not self.chosen:
            self.kind, self.reason, self.tags = await asyncio.to_thread(select_engine, self.settings)
            self.chosen = True

    async def load(self, name: str) -> LoadedModel:
        """Load a model, if it is not loaded. Raises ApiError 404, 409, 502 or 507, and UserError without an engine."""
        self.loading.add(name)
        try:
            async with self.lock:
                await self.choose()
                if name not in self.loaded:
                    self.loaded[name] = await asyncio.to_thread(self.load_here, self.model(name))
                    self.failed.pop(name, None)
                return self.loaded[name]
        finally:
            self.loading.discard(name)

    def model(self, name: str) -> Model:
        """The model of this name or alias, loaded or not. Raises ApiError 404."""
        known = self.known()
        name = name if name in known else ALIASES.get(name, name)
        if name not in known:
            raise ApiError(404, "unknown_model", f"There is no model {name!r}.", f"Available: {', '.join(known)}.")
        return known[name]

    def get(self, name: str) -> LoadedModel:
        """A loaded model. Raises ApiError 404, 409 (not loaded) or 503 (being loaded, or started again)."""
        if name in self.loaded:  # on the path of every request: nothing is read from the disk
            return self.loaded[name]
        model = self.model(name)
        if model.name in self.loaded:
            return self.loaded[model.name]
        if model.name in self.loading:
            raise ApiError(503, "not_ready", f"{model.name} is being loaded.", "Try again in a moment.", 1)
        gone = self.failed.get(model.name)
        if gone is not None and gone.code == "engine_gone":  # serve/engine_watch.py starts it again
            raise ApiError(503, "engine_gone", f"{model.name} can't answer now: {gone.reason}", "Try again later.", 2)
        why = self.failed[model.name].reason if model.name in self.failed else model.unusable
        raise ApiError(
            409,
            "not_loaded",
            f"{model.name} is not loaded{f': {why}' if why else ''}.",
            "Load it with POST /api/v1/models/load.",
        )

    async def unload(self, name: str) -> None:
        """Free a model's memory. Raises ApiError 409 while it answers a request."""
        name = self.model(name).name
        async with self.lock:
            if name not in self.loaded:
                raise ApiError(409, "not_loaded", f"{name} is not loaded.")
            # a request that got the model before, and asks for its slot only now, must find no freed engine
            if not self.loaded[name].limiter.close():
                raise ApiError(
                    409,
                    "in_use",
                    f"{name} is answering a request.",
                    "Wait for the answer or cancel it, then try again.",
                )
            await asyncio.to_thread(self.loaded.pop(name).exit_stack.close)

    async def close(self) -> None:
        for one in list(self.loaded.values()):
            await asyncio.to_thread(one.exit_stack.close)
        self.loaded.clear()

    def source_of(self, model: Model) -> str:
        """The `source` that a model would have if it was loaded now."""
        return self.tags.get(model.name) or adapter_digest(model)

    def load_here(self, model: Model) -> LoadedModel:
        """The model, loaded; the pool does not know of it yet. Raises ApiError."""
        digest = adapter_digest(model)  # before the file is read: where it changes meanwhile, that is seen later
        return dataclasses.replace(self._load(model), digest=digest)

    def _load(self, model: Model) -> LoadedModel:
        limiter = ConcurrencyLimiter(self.settings.slots, self.settings.queue, self.settings.queue_seconds)
        exit_stack = contextlib.ExitStack()
        engine = self.engine_elsewhere(model)
        if engine is not None:
            return LoadedModel(model, engine, limiter, exit_stack, 0.0)
        return self._embed(model, limiter, exit_stack)

    def engine_elsewhere(self, model: Model) -> Engine | None:
        """The engine outside this process that answers for a model; None where it is loaded here."""
        if self.kind == "openai":
            url, key = self.settings.openai_url.rstrip("/"), self.settings.openai_key.get_secret_value()
            return Engine("openai", url, key, model.base, penalty=self.settings.openai_penalty)
        if model.name in self.tags:
            from blogtwin.models.ollama_client import Ollama

            url = f"{Ollama().url}/v1"
            return Engine("ollama", url, "ollama", self.tags[model.name], penalty="repeat_penalty")
        return None

    def _embed(self, model: Model, limiter: ConcurrencyLimiter, exit_stack: contextlib.ExitStack) -> LoadedModel:
        from blogtwin.models.registry import is_here, resolve_base

        if model.unusable:
            raise ApiError(409, "unusable", f"{model.name} can't be served: {model.unusable}.")
        merged = model.adapter.with_name("twin.gguf") if model.adapter else None
        if merged and merged.is_file() and not is_here(model.base):  # a twin from another machine
            return self._start(model, merged, None, "", limiter, exit_stack)
        try:
            base = resolve_base(model.base)
        except UserError as e:
            raise ApiError(409, "unusable", str(e)) from None
        if model.base_digest and model.base_digest != base.digest:
            if merged and merged.is_file():
                return self._start(model, merged, None, "", limiter, exit_stack)
            raise ApiError(
                409,
                "unusable",
                f"{model.name} was trained on another version of {model.base} than the installed one.",
                "Train it again, or install the base that it was trained on.",
            )
        template = (base.hf / "chat_template.jinja").read_text(encoding="utf-8")
        if model.adapter is None:
            model = dataclasses.replace(model, weights=base.gguf, base_digest=base.digest)
        return self._start(model, base.gguf, model.adapter, template, limiter, exit_stack)

    def _start(
        self,
        model: Model,
        weights: Path,
        adapter: Path | None,
        template: str,
        limiter: ConcurrencyLimiter,
        exit_stack: contextlib.ExitStack,
    ) -> LoadedModel:
        """Load weights, with an adapter on them, in a process of their own. `template` "": the GGUF's own."""
        from blogtwin.inference import llama_server

        files = weights.stat().st_size + (adapter.stat().st_size if adapter else 0)
        wanted = MODEL_OVERHEAD_MB + files / 1e6 + cache_mb(weights, self.settings.context * self.settings.slots)
        if self.memory_mb + wanted > self.allowed_mb:
            others = ", ".join(self.loaded) or "none"
            message = (
                f"{model.name} needs about {wanted:.0f} MB, and {self.allowed_mb - self.memory_mb:.0f} MB are free."
            )
            raise ApiError(507, "memory_full", message, f"Unload a model first ({others}), or raise SERVE_MEMORY_MB.")
        arguments = {"n_ctx": self.settings.context, "parallel": self.settings.slots, "threads": self.settings.threads}
        try:
            engine = exit_stack.enter_context(
                llama_server.serve_model(weights, model.name, adapter, template, **arguments)
            )
        except OSError as e:
            raise ApiError(502, "engine_failed", str(e)) from None
        return LoadedModel(model, engine, limiter, exit_stack, wanted)


def adapter_digest(model: Model) -> str:
    """SHA-256 of a twin's adapter; empty for a base, and where the file is gone."""
    return cached_digest(model.adapter) if model.adapter and model.adapter.is_file() else ""


async def _unreachable(engine: Engine) -> Failure | None:
    """Why an engine does not answer; None when it answers, with whatever status."""
    try:
        await http_client().get(
            f"{engine.base_url}/models", headers={"Authorization": f"Bearer {engine.api_key}"}, timeout=TTL_SECONDS
        )
    except httpx2.HTTPError as e:
        return Failure("engine_gone", f"{engine.name} does not answer at {engine.base_url} ({type(e).__name__})")
    return None


def cache_mb(weights: Path, tokens: int) -> float:
    """Size of llama.cpp's KV cache for `tokens` tokens, in MB: a 16-bit key and value for each head of each layer."""
    from blogtwin.models import gguf_reader

    fields = gguf_reader.open_gguf(weights).fields
    architecture = fields["general.architecture"].contents()

    def value(name: str, default: int) -> int:
        field = fields.get(f"{architecture}.{name}")
        found = default if field is None else field.contents()
        return max(found) if isinstance(found, list) else int(found)  # a list: one for each layer

    heads = value("attention.head_count", 1)
    size = value("attention.key_length", value("embedding_length", 0) // heads)
    return tokens * 4 * value("block_count", 0) * value("attention.head_count_kv", heads) * size / 1e6
