"""An engine describes a server with the OpenAI protocol: its address and what its requests look like.

pydantic-ai is the only client that calls it.
"""

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blogtwin.errors import UserError
from blogtwin.sampling import SamplingParams

if TYPE_CHECKING:
    import httpx2

MAX_STYLE_STRENGTH = 1.5  # style strength: 0 is the base, 1 the twin as it was trained


@dataclass(frozen=True)
class Engine:
    """Where a model answers, and which fields a request to it has."""

    name: str
    base_url: str  # ends in /v1
    api_key: str
    model: str
    scales: bool = False  # whether a request can scale the adapter
    penalty: str = ""  # name of its field for the repeat penalty; a server without one may refuse such a request
    counts_words: bool = False  # whether it keeps an answer to the words that a message asks for
    pid: int = 0  # of the process that this one started for it; 0: it is somebody else's

    def chat_model(self, http_client: "httpx2.AsyncClient | None" = None) -> Any:
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
        settings = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "extra_body": self.repeat_penalty_field(sampling.repeat_penalty),
        }
        return settings if sampling.seed is None else {**settings, "seed": sampling.seed}

    def repeat_penalty_field(self, penalty: float) -> dict:
        """The request's field for the repeat penalty; empty where the engine has none."""
        return {self.penalty: penalty} if self.penalty else {}

    def strength(self, style: float | None) -> dict:
        """The request's field for the strength of the style. Raises ValueError where the engine can't change it."""
        if style is not None and self.scales:
            return {"style_strength": style}
        if style not in (None, 1.0):
            raise ValueError(
                f"{self.name} serves this model without a separate adapter, so its style strength can't be changed"
            )
        return {}


def parse_endpoint(parameter: str, description: str, key: str) -> Engine:
    """The engine for `MODEL@URL`, the value of a parameter in params.yaml. Raises UserError for another form."""
    model, _, url = description.rpartition("@")
    if not model or not re.match(r"https?://", url):
        raise UserError(
            f"{parameter} is {description!r}: write it as MODEL@URL, as in llama3.1:8b@http://127.0.0.1:11434/v1."
        )
    return Engine(parameter.rpartition(".")[2], url.rstrip("/"), key or "none", model)


def to_pydantic_ai(chat: list[dict]) -> list:
    """Chat messages (system, user, assistant) as pydantic-ai's history, ending in a request."""
    from pydantic_ai.messages import ModelRequest, ModelResponse, SystemPromptPart, TextPart, UserPromptPart

    part_types: dict[str, Any] = {"system": SystemPromptPart, "user": UserPromptPart}
    history: list[Any] = []
    for message in chat:
        if message["role"] == "assistant":
            history.append(ModelResponse(parts=[TextPart(content=message["content"])]))
            continue
        if not history or isinstance(history[-1], ModelResponse):
            history.append(ModelRequest(parts=[]))
        history[-1].parts.append(part_types[message["role"]](content=message["content"]))
    return history


@functools.cache
def http_client() -> "httpx2.AsyncClient":
    """The HTTP client for all engines of an event loop that lasts as long as the process."""
    return new_http_client()


def new_http_client() -> "httpx2.AsyncClient":
    """An HTTP client for engines. It ignores proxies, which can't reach this machine's own ports."""
    import httpx2

    # A new connection for each request, which takes 0.1 ms: engines close idle connections after some seconds, and a
    # request that is sent at that moment is lost.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx2.AsyncClient(trust_env=False, timeout=httpx2.Timeout(None, connect=5), limits=limits)
