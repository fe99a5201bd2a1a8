"""One streamed answer of one model, whatever the engine."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from blogtwin.hints import make_command
from blogtwin.inference.client import http_client
from blogtwin.models.length import requested_words
from blogtwin.sampling import SamplingParams
from serve import prometheus_metrics
from serve.errors import ApiError
from serve.model_pool import LoadedModel
from serve.streaming import Event

if TYPE_CHECKING:
    from blogtwin.inference.chat_stream import EngineFailed


@dataclass(frozen=True)
class RequestSampling(SamplingParams):
    """The sampling parameters of one request, with those that only the server's engines have."""

    stop: tuple[str, ...] = ()
    style_strength: float | None = None


class Completion(BaseModel):
    """A whole answer. Times in seconds."""

    text: str
    model: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    tokens: int
    time_to_first_token: float
    seconds: float
    tokens_per_second: float


async def stream_completion(one: LoadedModel, messages: list[dict], sampling: RequestSampling) -> AsyncIterator[Event]:
    """Events `delta` {text}, and at the end `written`, a Completion. Raises ApiError."""
    from blogtwin.inference.chat_stream import Answer, EngineFailed, end_near, hold_notes, stream_answer

    asked = time.perf_counter()
    async with prometheus_metrics.track_answer(one.model.name), one.limiter.acquire():
        fields = style_strength_args(one, sampling.style_strength)
        shown, first, answer = 0, 0.0, Answer()
        answers = stream_answer(
            one.engine, messages, sampling, http_client(), sampling.stop, fields, repeats_prompt=hold_notes(messages)
        )
        words = requested_words(messages[-1]["content"])
        if words and not one.engine.counts_words:
            answers = end_near(answers, words)
        try:
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    if piece := answer.text[shown:]:
                        first = first or time.perf_counter() - asked
                        shown = len(answer.text)
                        yield Event("delta", {"text": piece})
        except EngineFailed as e:
            raise engine_failure(one, e) from e
    seconds = time.perf_counter() - asked
    tokens = answer.tokens
    prometheus_metrics.observe_generation(one.model.name, first, seconds, tokens)
    speed = (tokens - 1) / (seconds - first) if tokens > 1 and seconds > first else 0.0
    yield Event(
        "written",
        Completion(
            text=answer.text,
            model=one.model.name,
            finish_reason="length" if answer.end == "length" else "stop",
            prompt_tokens=answer.prompt_tokens,
            tokens=tokens,
            time_to_first_token=round(first, 4),
            seconds=round(seconds, 4),
            tokens_per_second=round(speed, 2),
        ),
    )


def style_strength_args(one: LoadedModel, style: float | None) -> dict:
    """The fields of an engine's request that set the style strength. Raises ApiError 400 where the engine can't."""
    try:
        return one.engine.strength(style)
    except ValueError as e:
        raise ApiError(
            400,
            "engine_cannot",
            f"{one.model.name}: {e}.",
            "Leave style_strength out, or use a twin on the embedded engine (SERVE_ENGINE=llamacpp).",
        ) from None


def engine_failure(one: LoadedModel, failed: "EngineFailed") -> ApiError:
    """A failed answer as the error that the caller is shown."""
    if failed.status:
        return error_from_status(one, failed.status, failed.message)
    if one.engine.pid:
        return ApiError(502, "engine_gone", str(failed), "It is started again by itself: try again in a moment.", 2)
    return ApiError(502, "engine_gone", str(failed), "Restart it or wait a moment, then try again.")


def error_from_status(one: LoadedModel, status: int, message: str) -> ApiError:
    """An error response of the engine as the error that the caller is shown."""
    if ("context" in message or "n_ctx" in message) and status == 400:
        return ApiError(
            400,
            "prompt_too_long",
            f"Prompt and answer do not fit into the model's context: {message}",
            f"Shorten the prompt, lower max_tokens, or {larger_context(one.engine.name)}.",
        )
    if status in (400, 404, 422):
        return ApiError(
            400,
            "engine_refused",
            f"{one.engine.name} refused the request: {message[:300]}",
            "Check the field that it names.",
        )
    if status in (429, 503):
        return ApiError(503, "engine_busy", f"{one.engine.name} is busy or not ready: {message[:200]}", "Try again.", 2)
    return ApiError(
        502, "engine_failed", f"{one.engine.name} answered {status}: {message[:200]}", "Its log has the reason."
    )


def larger_context(engine: str) -> str:
    """What gives an engine's models a larger context, a clause in the imperative."""
    if engine == "ollama":
        return f"raise ollama.num_ctx in params.yaml and run `{make_command('ollama')}`"
    return "raise that server's context" if engine == "openai" else "raise SERVE_CONTEXT"
