"""Every switch of the server, from the environment (SERVE_PORT=9000) or .env. Lists are written as JSON:
SERVE_ORIGINS='["https://a.example"]'."""

from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SERVE_", env_file=".env", extra="ignore", frozen=True)

    # Where it listens. Off loopback it only starts when there are keys (scripts/api_keys.py).
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    # More names it may be called by, and web pages of other origins that may call it.
    hosts: list[str] = []
    origins: list[str] = []
    # The user's data: sessions, votes, keys, logs, training jobs.
    home: Path = user_data_path("blogtwin", appauthor=False)

    # Who answers: the embedded llama.cpp, Ollama, or anything that speaks OpenAI's protocol.
    engine: Literal["auto", "llamacpp", "ollama", "openai"] = "auto"
    openai_url: str = ""
    openai_key: SecretStr = SecretStr("none")
    openai_base_model: str = ""
    openai_twin_model: str = ""
    # What it calls a repeat penalty: repeat_penalty (llama.cpp), repetition_penalty (vLLM). Empty: none is sent, as
    # OpenAI's own refuses it.
    openai_penalty: str = ""
    # Requests that one model answers at once, tokens of context for each, and threads (0: all cores).
    slots: int = Field(4, ge=1, le=64)
    context: int = Field(2048, ge=256)
    threads: int = Field(0, ge=0)
    # Memory that models may take together, in MB (0: four fifths of what is free at the start).
    memory_mb: int = Field(0, ge=0)

    # Requests that may wait for one model, and for how many seconds; then 503.
    queue: int = Field(64, ge=0)
    queue_seconds: float = Field(120, gt=0)
    # Seconds that one answer may take.
    answer_seconds: float = Field(600, gt=0)
    # Seconds in which a request's body must have come.
    body_seconds: float = Field(30, gt=0)
    max_body_mb: float = Field(50, gt=0)
    max_prompt_characters: int = Field(24_000, ge=100)
    max_tokens: int = Field(2048, ge=1)
    # Requests of one key (or, without keys, of one address).
    rate: str = "1200/minute"

    # How long an admin's token is good, in minutes.
    token_minutes: int = Field(60, ge=1)
    log_prompts: bool = False

    @property
    def loopback(self) -> bool:
        try:
            return self.host == "localhost" or ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False
