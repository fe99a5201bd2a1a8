"""Records that one package of the project writes and another reads, each defined once."""

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator


class Message(BaseModel):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class PreferencePair(BaseModel):
    """Two answers to one prompt, one preferred over the other: a row for DPO in TRL's conversational format.

    GET /api/blind/pairs writes such rows, `train.preference_data` reads them. A plain string instead of a message list
    is read as one message by the user (prompt) or the assistant (chosen, rejected), as in TRL's standard format.
    """

    prompt: list[Message] = Field(min_length=1)
    chosen: list[Message] = Field(min_length=1, max_length=1)
    rejected: list[Message] = Field(min_length=1, max_length=1)

    @classmethod
    def of(cls, prompt: str, chosen: str, rejected: str) -> "PreferencePair":
        """A pair from plain strings: a question and two answers."""
        return cls.model_validate({"prompt": prompt, "chosen": chosen, "rejected": rejected})

    @field_validator("prompt", mode="before")
    @classmethod
    def _string_prompt(cls, value: Any) -> Any:
        return [{"role": "user", "content": value}] if isinstance(value, str) else value

    @field_validator("chosen", "rejected", mode="before")
    @classmethod
    def _string_answer(cls, value: Any) -> Any:
        return [{"role": "assistant", "content": value}] if isinstance(value, str) else value

    @field_validator("prompt")
    @classmethod
    def _ends_with_the_user(cls, value: list[Message]) -> list[Message]:
        if value[-1].role != "user":
            raise ValueError("the last message of the prompt must be the user's")
        return value

    @field_validator("chosen", "rejected")
    @classmethod
    def _is_an_answer(cls, value: list[Message]) -> list[Message]:
        if value[0].role != "assistant":
            raise ValueError("the message must be the assistant's")
        return value
