"""The server's settings, from the environment (SERVE_PORT=9000) or .env. Lists are written as JSON:
SERVE_ORIGINS='["https://a.example"]'."""

from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SERVE_", env_file=".env", extra="ignore", frozen=True)

    # Address and port to listen on. Other addresses than loopback need keys (scripts/api_keys.py).
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    # On loopback without keys: ask for the key that is printed at the start. false: anybody on this machine is an
    # administrator.
    require_key: bool = True
    # Additional host names of the server, and origins of other web pages that may use it.
    hosts: list[str] = []
    origins: list[str] = []
    # Addresses or networks of proxies in front, whose X-Forwarded-For is believed: requests are counted by the client
    # that they name.
    proxies: list[str] = []
    # Processes that answer, over one database and one count of requests. More than one only in front of another engine
    # (SERVE_ENGINE=openai or ollama), and without training jobs.
    workers: int = Field(1, ge=1, le=64)
    # Folder of the user's data: chats, votes, keys, logs, training jobs.
    home: Path = user_data_path("blogtwin", appauthor=False)

    # The engine: the embedded llama.cpp, Ollama, or any server with OpenAI's protocol.
    engine: Literal["auto", "llamacpp", "ollama", "openai"] = "auto"
    openai_url: str = ""
    openai_key: SecretStr = SecretStr("none")
    openai_base_model: str = ""
    openai_twin_model: str = ""
    # More twins there, {name here: name there}, such as an author's each: `make serve-config` writes it for vLLM.
    openai_models: dict[str, str] = {}
    # Its name for the repeat penalty: repeat_penalty (llama.cpp), repetition_penalty (vLLM). Empty: none is sent, since
    # OpenAI itself refuses it.
    openai_penalty: str = ""
    # Concurrent requests per model, tokens of context for each, and threads (0: all cores).
    slots: int = Field(4, ge=1, le=64)
    context: int = Field(2048, ge=256)
    threads: int = Field(0, ge=0)
    # Memory limit for all loaded models, in MB (0: 80 % of the memory that is free at the start).
    memory_mb: int = Field(0, ge=0)

    # Requests that may wait for a model, and seconds that each may wait; then 503.
    queue: int = Field(64, ge=0)
    queue_seconds: float = Field(120, gt=0)
    # Time limit for an answer, in seconds.
    answer_seconds: float = Field(600, gt=0)
    # Time limit for receiving a request's body, in seconds.
    body_seconds: float = Field(30, gt=0)
    max_body_mb: float = Field(50, gt=0)
    max_prompt_characters: int = Field(24_000, ge=100)
    max_tokens: int = Field(2048, ge=1)
    # Rate limit per key (without keys: per address).
    rate: str = "1200/minute"

    # Lifetime of an admin's token, in minutes.
    token_minutes: int = Field(60, ge=1)
    log_prompts: bool = False

    @property
    def loopback(self) -> bool:
        """Whether `host` can only be reached from this machine."""
        try:
            return self.host == "localhost" or ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False
