"""An engine is data: where a model answers over the OpenAI protocol, and under which names. pydantic-ai is the one client."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Engine:
    name: str
    base_url: str  # ends in /v1
    api_key: str
    model: str
    extra_body: dict = field(default_factory=dict)  # what only this engine understands

    def chat_model(self):
        """The pydantic-ai model of this engine."""
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.profiles.openai import OpenAIModelProfile
        from pydantic_ai.providers.openai import OpenAIProvider

        # Ollama ignores max_completion_tokens; every engine takes max_tokens
        profile = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False)
        return OpenAIChatModel(self.model, provider=OpenAIProvider(base_url=self.base_url, api_key=self.api_key), profile=profile)

    def settings(self, decoding, max_tokens: int, seed: int | None = None) -> dict:
        """Model settings from params (`decoding` has temperature, top_p, repeat_penalty)."""
        extra = {"repeat_penalty": decoding.repeat_penalty, **self.extra_body}
        settings = {"temperature": decoding.temperature, "top_p": decoding.top_p, "max_tokens": max_tokens, "extra_body": extra}
        return settings if seed is None else {**settings, "seed": seed}


def prompt(chat: list[dict]) -> list:
    """Chat messages (system, user) as pydantic-ai's request."""
    from pydantic_ai.messages import ModelRequest, SystemPromptPart, UserPromptPart

    kinds = {"system": SystemPromptPart, "user": UserPromptPart}
    return [ModelRequest(parts=[kinds[m["role"]](content=m["content"]) for m in chat])]
