"""One streamed answer of one model, through pydantic-ai, whatever the engine."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from blogtwin.inference.client import http_client, to_pydantic_ai
from blogtwin.sampling import SamplingParams
from serve import prometheus_metrics
from serve.errors import ApiError
from serve.model_pool import LoadedModel
from serve.streaming import Event


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
    from httpx2 import HTTPError
    from openai import OpenAIError
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.exceptions import AgentRunError

    asked = time.perf_counter()
    async with prometheus_metrics.track_answer(one.model.name), one.limiter.acquire():
        extra = {
            **style_strength_args(one, sampling.style_strength),
            **one.engine.repeat_penalty_field(sampling.repeat_penalty),
        }
        settings = {
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "extra_body": extra,
        }
        settings |= {"seed": sampling.seed} if sampling.seed is not None else {}
        settings |= {"stop_sequences": list(sampling.stop)} if sampling.stop else {}
        text, first = "", 0.0
        try:
            async with model_request_stream(
                one.engine.chat_model(http_client()), to_pydantic_ai(messages), model_settings=settings
            ) as stream:
                async for event in stream:
                    piece = getattr(getattr(event, "delta", None), "content_delta", None) or getattr(
                        getattr(event, "part", None), "content", None
                    )
                    if piece and event.event_kind in ("part_start", "part_delta"):
                        first = first or time.perf_counter() - asked
                        text += piece
                        yield Event("delta", {"text": piece})
                reply = stream.get()
        except (AgentRunError, OpenAIError, HTTPError) as e:
            raise engine_error(one, e) from e
    seconds = time.perf_counter() - asked
    tokens = reply.usage.output_tokens
    prometheus_metrics.observe_generation(one.model.name, first, seconds, tokens)
    speed = (tokens - 1) / (seconds - first) if tokens > 1 and seconds > first else 0.0
    yield Event(
        "written",
        Completion(
            text=text,
            model=one.model.name,
            finish_reason="length" if reply.finish_reason == "length" else "stop",
            prompt_tokens=reply.usage.input_tokens,
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


def engine_error(one: LoadedModel, error: Exception) -> ApiError:
    """An exception of the engine's client as the error that the caller is shown."""
    if isinstance(error, ApiError):
        return error
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    if status:
        return error_from_status(one, status, message or str(body or ""))
    return ApiError(
        502,
        "engine_gone",
        f"{one.engine.name} stopped answering ({type(error).__name__}).",
        "Restart it or wait a moment, then try again.",
    )


def error_from_status(one: LoadedModel, status: int, message: str) -> ApiError:
    """An error response of the engine as the error that the caller is shown."""
    if "context" in message and status == 400:
        return ApiError(
            400,
            "prompt_too_long",
            f"Prompt and answer do not fit into the model's context: {message}",
            "Shorten the prompt, lower max_tokens, or raise SERVE_CONTEXT.",
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
