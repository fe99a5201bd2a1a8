"""One chat answer of a server elsewhere as its text comes: over the OpenAI protocol, or over Ollama's own, whose /v1
drops the settings that keep a prompt's words from being penalised.

EngineFailed says in one sentence what went wrong, whatever the client library raised.
"""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blogtwin.inference.client import Engine, to_pydantic_ai
from blogtwin.models.length import sentence_end_near
from blogtwin.sampling import SamplingParams

if TYPE_CHECKING:
    import httpx2

Messages = list[dict[str, str]]
# What makes vLLM continue the assistant's last message; llama.cpp's own server does so without being told.
CONTINUATION_FIELDS: tuple[dict[str, Any], ...] = ({"continue_final_message": True, "add_generation_prompt": False}, {})
OLLAMA_LAST_N = 64  # tokens that Ollama's repeat penalty looks back on, those of the prompt among them
# llama.cpp's refusal of a long prompt: tools/server/server-context.cpp there.
TOO_LONG = re.compile(
    r"request \((\d+) tokens\) exceeds the available context size \((\d+) tokens\)"
    r"|n_prompt_tokens\D{1,6}(\d+)\D+n_ctx\D{1,6}(\d+)"
)
NOTES = re.compile(r"(?m)^[ \t]*(?:[-*•+–]|\d+[.)])[ \t]+\S")


class EngineFailed(Exception):
    """The engine did not answer, or refused. The text is a sentence that a user can read; `status` and `message` are
    those of an error response, 0 and empty where there was none."""

    def __init__(self, sentence: str, status: int = 0, message: str = "") -> None:
        super().__init__(sentence)
        self.status, self.message = status, message


def hold_notes(messages: Messages) -> bool:
    """Whether the last message lists things, two or more: what stands there is what the answer should say again."""
    return len(NOTES.findall(messages[-1]["content"])) > 1


@dataclass
class Answer:
    """What is known of an answer so far. `end`: stop or length, once it is over; `prompt_tokens`: 0 where the engine
    does not tell."""

    text: str = ""
    tokens: int = 0
    end: str = ""
    prompt_tokens: int = 0


def stream_answer(
    engine: Engine,
    messages: Messages,
    sampling: SamplingParams,
    client: "httpx2.AsyncClient",
    stop: tuple[str, ...] = (),
    fields: dict[str, Any] | None = None,
    repeats_prompt: bool = True,
) -> AsyncGenerator[Answer]:
    """The answer after each piece that came. `fields`: more of the request's body. `repeats_prompt`: whether the
    prompt's words are what the answer should say again; Ollama then has no repeat penalty. Raises EngineFailed. Closing
    the iterator drops the request, which the engine notices."""
    if engine.name == "ollama":
        return _stream_from_ollama(engine, messages, sampling, client, stop, 0 if repeats_prompt else OLLAMA_LAST_N)
    return _stream_by_openai_protocol(engine, messages, sampling, client, stop, fields or {})


async def end_near(answers: AsyncGenerator[Answer], words: int) -> AsyncGenerator[Answer]:
    """An answer of an engine that can't count, ended with the sentence that is nearest to `words` words. One that ends
    earlier by itself stays as it is."""
    async with aclosing(answers):
        async for answer in answers:
            end = None if answer.end else sentence_end_near(answer.text, words)
            if end is not None:
                answer.text, answer.end = answer.text[:end], "stop"
            yield answer
            if end is not None:
                return


async def _stream_by_openai_protocol(
    engine: Engine,
    messages: Messages,
    sampling: SamplingParams,
    client: "httpx2.AsyncClient",
    stop: tuple[str, ...],
    fields: dict[str, Any],
) -> AsyncGenerator[Answer]:
    from httpx2 import HTTPError
    from openai import OpenAIError
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.exceptions import AgentRunError

    settings = engine.settings(sampling)
    settings["extra_body"] = {**settings["extra_body"], **fields}
    if stop:
        settings["stop_sequences"] = list(stop)
    answer = Answer()
    try:
        async with model_request_stream(
            engine.chat_model(client), to_pydantic_ai(messages), model_settings=settings
        ) as stream:
            async for event in stream:
                piece = getattr(getattr(event, "delta", None), "content_delta", None) or getattr(
                    getattr(event, "part", None), "content", None
                )
                if piece and event.event_kind in ("part_start", "part_delta"):
                    answer.text += piece
                    answer.tokens += 1
                    yield answer
            reply = stream.get()
    except (AgentRunError, OpenAIError, HTTPError) as e:
        raise to_failure(engine, e) from e
    answer.end = "length" if reply.finish_reason == "length" else "stop"
    answer.prompt_tokens = reply.usage.input_tokens
    answer.tokens = reply.usage.output_tokens or answer.tokens
    yield answer


async def _stream_from_ollama(
    engine: Engine,
    messages: Messages,
    sampling: SamplingParams,
    client: "httpx2.AsyncClient",
    stop: tuple[str, ...],
    repeat_last_n: int,
) -> AsyncGenerator[Answer]:
    """Over /api/chat: with a penalty that looks back on `repeat_last_n` tokens, the prompt's too, and an error where
    the prompt is too long, which Ollama would otherwise cut in half."""
    import httpx2

    options = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "num_predict": sampling.max_tokens,
        "repeat_penalty": sampling.repeat_penalty,
        "repeat_last_n": repeat_last_n,
        **({"seed": sampling.seed} if sampling.seed is not None else {}),
        **({"stop": list(stop)} if stop else {}),
    }
    body = {
        "model": engine.model,
        "messages": messages,
        "options": options,
        "stream": True,
        "truncate": False,
        "shift": False,
        "think": False,
    }
    answer = Answer()
    try:
        async with client.stream("POST", f"{engine.base_url.removesuffix('/v1')}/api/chat", json=body) as response:
            if response.status_code >= 400:
                data = await response.aread()
                status, message = response.status_code, ollama_message(data)
                raise EngineFailed(_refusal(engine, status, message), status, message)
            async for line in response.aiter_lines():
                event = json.loads(line) if line.strip() else {}
                if "error" in event:
                    raise EngineFailed(f"{engine.name} failed: {str(event['error'])[:200]}")
                if piece := event.get("message", {}).get("content"):
                    answer.text += piece
                    answer.tokens += 1
                    yield answer
                if event.get("done"):
                    answer.end = "length" if event.get("done_reason") == "length" else "stop"
                    answer.tokens = event.get("eval_count") or answer.tokens
                    answer.prompt_tokens = event.get("prompt_eval_count") or 0
                    yield answer
                    return
    except (httpx2.HTTPError, ValueError) as e:
        raise to_failure(engine, e) from e
    raise EngineFailed(f"{engine.name} ended its answer in the middle.")


def ollama_message(data: bytes) -> str:
    """The message of an error response: Ollama's own, or that of its runner, which is an object. A prompt that does not
    fit is told with both numbers, in the words of the embedded engine."""
    text = data.decode("utf-8", "replace")
    if too_long := TOO_LONG.search(text):
        prompt, context = filter(None, too_long.groups())
        return f"the prompt has {prompt} tokens, and the context holds {context}"
    try:
        error = json.loads(text)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return text


def _refusal(engine: Engine, status: int, message: str) -> str:
    return f"{engine.name} answered {status}: {message[:200]}"


def to_failure(engine: Engine, error: Exception) -> EngineFailed:
    """An exception of a client library as ours."""
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    if status:
        message = str((body.get("message") if isinstance(body, dict) else None) or body or "")
        return EngineFailed(_refusal(engine, status, message), status, message)
    return EngineFailed(f"{engine.name} stopped answering ({type(error).__name__}).")


async def find_continuation(engine: Engine, client: "httpx2.AsyncClient") -> dict[str, Any] | None:
    """The fields of a request whose answer continues the assistant's last message; None where the engine would begin a
    new turn after it.

    Ollama always continues. Elsewhere two prompts are counted: with one word of the assistant's at its end, a prompt
    that is continued is one token longer, one that is closed and followed by a new turn several.
    """
    if engine.name == "ollama":
        return {}
    question, begun = {"role": "user", "content": "Count."}, {"role": "assistant", "content": "One"}
    usual = await _prompt_tokens(engine, [question], client, {})
    for fields in CONTINUATION_FIELDS:
        try:
            if usual and await _prompt_tokens(engine, [question, begun], client, fields) == usual + 1:
                return fields
        except EngineFailed:  # it refuses such fields, or such a message
            continue
    return None


async def _prompt_tokens(
    engine: Engine, messages: Messages, client: "httpx2.AsyncClient", fields: dict[str, Any]
) -> int:
    """How many tokens the engine makes of a chat; 0 where it does not tell."""
    answer = Answer()
    sampling = SamplingParams(max_tokens=1, temperature=1.0, top_p=1.0, repeat_penalty=1.0)
    async with aclosing(stream_answer(engine, messages, sampling, client, fields=fields)) as answers:
        async for whole in answers:
            answer = whole
    return answer.prompt_tokens
