"""An engine is data: where a model answers over the OpenAI protocol, and under which names. pydantic-ai is the one
client."""

import functools
import re
from dataclasses import dataclass, field

from blogtwin.errors import UserError
from blogtwin.sampling import SamplingParams

MAX_STYLE_STRENGTH = 1.5  # style strength: 0 is the base, 1 the twin as it was trained


@dataclass(frozen=True)
class Engine:
    name: str
    base_url: str  # ends in /v1
    api_key: str
    model: str
    extra_body: dict = field(default_factory=dict)  # what only this engine understands
    seeded: dict = field(default_factory=dict)  # what a request with a seed says besides, to be the same again
    scales: bool = False  # whether a request can choose how strongly the adapter works
    penalty: str = ""  # what it calls a repeat penalty; servers that know none may refuse a request with one

    def chat_model(self, http_client=None):
        """The pydantic-ai model of this engine."""
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.profiles.openai import OpenAIModelProfile
        from pydantic_ai.providers.openai import OpenAIProvider

        # Ollama ignores max_completion_tokens; every engine takes max_tokens
        profile = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False)
        provider = OpenAIProvider(base_url=self.base_url, api_key=self.api_key, http_client=http_client)
        return OpenAIChatModel(self.model, provider=provider, profile=profile)

    def settings(self, sampling: SamplingParams) -> dict:
        """pydantic-ai's model settings for these sampling parameters."""
        extra = {**self.repeat(sampling.repeat_penalty), **self.extra_body}
        settings = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "extra_body": extra,
        }
        return settings if sampling.seed is None else {**settings, "seed": sampling.seed}

    def repeat(self, penalty: float) -> dict:
        """What a request says of a repeat penalty."""
        return {self.penalty: penalty} if self.penalty else {}

    def strength(self, style: float | None) -> dict:
        """What a request says so that the adapter works with this strength. Raises ValueError where the engine can't.

        An engine that scales is told every time: llama.cpp keeps what one strength computed, and would use it for
        another.
        """
        if self.scales:
            return {"lora": [{"id": 0, "scale": 1.0 if style is None else style}]}
        if style not in (None, 1.0):
            raise ValueError(
                f"{self.name} serves it without an adapter of its own, so the strength of its style can't be changed"
            )
        return {}


def parse_endpoint(knob: str, description: str, key: str) -> Engine:
    """`MODEL@URL` of an OpenAI-compatible server, as params has it under `knob` → Engine."""
    model, _, url = description.rpartition("@")
    if not model or not re.match(r"https?://", url):
        raise UserError(
            f"{knob} is {description!r}: write it as MODEL@URL, as in llama3.1:8b@http://127.0.0.1:11434/v1."
        )
    return Engine(knob.rpartition(".")[2], url.rstrip("/"), key or "none", model)


def to_pydantic_ai(chat: list[dict]) -> list:
    """Chat messages (system, user, assistant) as pydantic-ai's history, ending in a request."""
    from pydantic_ai.messages import ModelRequest, ModelResponse, SystemPromptPart, TextPart, UserPromptPart

    asked = {"system": SystemPromptPart, "user": UserPromptPart}
    history: list = []
    for message in chat:
        if message["role"] == "assistant":
            history.append(ModelResponse(parts=[TextPart(content=message["content"])]))
            continue
        if not history or isinstance(history[-1], ModelResponse):
            history.append(ModelRequest(parts=[]))
        history[-1].parts.append(asked[message["role"]](content=message["content"]))
    return history


@functools.cache
def http_client():
    """One pool of connections to all engines. Proxies of the environment are not for this machine's own ports."""
    import httpx2

    # A new connection each time, 0.1 ms on this machine: llama.cpp hangs up after 5 idle seconds, and a request sent at
    # that moment is lost
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx2.AsyncClient(trust_env=False, timeout=httpx2.Timeout(None, connect=5), limits=limits)
