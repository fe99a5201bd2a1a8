"""OpenAI's protocol as the embedded engine speaks it: requests read, and chunks of answers written."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel

from blogtwin.inference.answer_loop import Part
from blogtwin.models.decoding import TokenLogprob
from blogtwin.sampling import SamplingParams

DEFAULTS = SamplingParams(0)  # what a request leaves out is as the scorecard has it


class ContentPart(BaseModel):
    """A part of a message; only text has a meaning here."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    role: str
    content: str | list[ContentPart]

    def as_dict(self) -> dict[str, str]:
        """As chat templates expect it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": text}


class AnswerRequest(BaseModel):
    """A chat (`messages`) or a plain completion (`prompt`). `max_tokens` None: as many as fit the context.
    `style_strength` scales the adapter. Unknown fields are ignored."""

    messages: list[Message] = []
    prompt: str | list[str] = ""
    max_tokens: int | None = None
    temperature: float = DEFAULTS.temperature
    top_p: float = DEFAULTS.top_p
    top_k: int = DEFAULTS.top_k
    min_p: float = DEFAULTS.min_p
    repeat_penalty: float = DEFAULTS.repeat_penalty
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    stop: str | list[str] = []
    logprobs: bool | int | None = None
    top_logprobs: int = 0
    style_strength: float = 1.0
    stream: bool = False
    stream_options: dict[str, Any] = {}

    def sampling(self, room: int) -> SamplingParams:
        """The sampling parameters of an answer for which the context has room for `room` tokens."""
        return SamplingParams(
            max_tokens=min(self.max_tokens or room, room),
            temperature=self.temperature,
            top_p=self.top_p,
            repeat_penalty=self.repeat_penalty,
            seed=self.seed,
            top_k=self.top_k,
            min_p=self.min_p,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
        )

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop

    @property
    def num_logprobs(self) -> int | None:
        """Likeliest tokens to tell at each place; None: no log-probabilities. A chat says it in two fields, a plain
        completion in one."""
        if self.logprobs is None or self.logprobs is False:
            return None
        return self.top_logprobs if self.logprobs is True else self.logprobs


class AnswerFormat:
    """Writes the chunks of one answer, or the whole of it. `piece` gives the bytes of a token."""

    def __init__(self, is_chat: bool, model: str, piece: Callable[[int], bytes]):
        self.is_chat, self.piece = is_chat, piece
        name = "chat.completion" if is_chat else "text_completion"
        self.head = {"id": f"answer-{secrets.token_hex(8)}", "created": int(time.time()), "model": model}
        self.name, self.chunk_name = name, f"{name}.chunk" if is_chat else name

    def chunk(self, part: Part) -> bytes:
        """A part of the answer as an event; the last one has its finish reason."""
        content = {"delta": {"role": "assistant", "content": part.text}} if self.is_chat else {"text": part.text}
        choice = {"index": 0, **content, "logprobs": self._logprobs(part.logprobs), "finish_reason": part.end or None}
        return self._event({**self.head, "object": self.chunk_name, "choices": [choice]})

    def usage(self, prompt_tokens: int, tokens: int) -> bytes:
        """The counts of tokens as an event of their own."""
        counts = _usage(prompt_tokens, tokens)
        return self._event({**self.head, "object": self.chunk_name, "choices": [], "usage": counts})

    def whole(self, parts: list[Part], prompt_tokens: int, tokens: int) -> dict[str, Any]:
        """All parts as one response."""
        text = "".join(part.text for part in parts)
        content = {"message": {"role": "assistant", "content": text}} if self.is_chat else {"text": text}
        logprobs = self._logprobs([entry for part in parts for entry in part.logprobs])
        choice = {"index": 0, **content, "logprobs": logprobs, "finish_reason": parts[-1].end}
        usage = _usage(prompt_tokens, tokens)
        return {**self.head, "object": self.name, "choices": [choice], "usage": usage}

    def _event(self, data: dict[str, Any]) -> bytes:
        return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()

    def _logprobs(self, entries: list[TokenLogprob]) -> dict[str, Any] | None:
        """In the chat's shape, or in that of plain completions."""
        if not entries:
            return None
        if self.is_chat:
            return {
                "content": [
                    {**self._token(e.token, e.logprob), "top_logprobs": [self._token(*other) for other in e.top]}
                    for e in entries
                ]
            }
        return {
            "tokens": [self._text(e.token) for e in entries],
            "token_logprobs": [e.logprob for e in entries],
            "top_logprobs": [{self._text(token): logprob for token, logprob in e.top} for e in entries],
        }

    def _token(self, token: int, logprob: float) -> dict[str, Any]:
        return {"token": self._text(token), "logprob": logprob, "bytes": list(self.piece(token))}

    def _text(self, token: int) -> str:
        return self.piece(token).decode("utf-8", "replace")


def error_event(message: str) -> bytes:
    """An error in the middle of a stream."""
    return f"data: {json.dumps({'error': {'message': message, 'code': 500}})}\n\n".encode()


def _usage(prompt_tokens: int, tokens: int) -> dict[str, int]:
    return {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens}
