"""Requests → chat messages and sampling parameters, within the limits of the settings."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from blogtwin.inference.client import MAX_STYLE_STRENGTH
from blogtwin.models import chat
from blogtwin.models.length import MAX_WORDS, MIN_WORDS, length_request, max_answer_tokens
from corpus.examples import CONTINUE_TEMPLATES, WRITE_TEMPLATES
from serve.app_state import AppState
from serve.errors import ApiError
from serve.generation import RequestSampling
from serve.model_pool import LoadedModel

Prompt = Annotated[str, Field(min_length=1, max_length=200_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Strength = Annotated[float, Field(ge=0, le=MAX_STYLE_STRENGTH)]


class SamplingOptions(BaseModel):
    """Sampling parameters. Those left out come from params.yaml, section eval, with which the scorecard was made."""

    max_tokens: int | None = Field(None, ge=1, le=100_000)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    repeat_penalty: float | None = Field(None, gt=0, le=2)
    seed: Seed | None = None
    stop: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field([], max_length=8)
    style_strength: Strength | None = Field(
        None, description="0: the base, 1: the twin as it was trained; only on the embedded engine"
    )


class PromptRequest(SamplingOptions):
    """`ask`: the prompt as it is. `write`: the prompt is a post's title. `continue`: continue `input`, the beginning of
    the post with that title."""

    prompt: Prompt
    input: str = Field("", max_length=200_000)
    task: Literal["ask", "write", "continue"] = "ask"
    words: int | None = Field(
        None, ge=MIN_WORDS, le=MAX_WORDS, description="about how many the answer should have; a prompt may also say it"
    )
    system: str | None = Field(
        None, max_length=4000, description="replaces the system message that the twin was trained with"
    )


def usual_max_tokens(state: AppState, prompt: str) -> int:
    """The tokens of an answer for which a request sets no limit: those of params.yaml, or as many as the words need
    that the prompt asks for."""
    return min(max_answer_tokens(prompt, state.params.eval.max_tokens), state.settings.max_tokens)


def resolve_sampling(state: AppState, options: SamplingOptions, prompt: str) -> RequestSampling:
    """The sampling parameters of a request whose last message is `prompt`, completed from params.yaml. Raises ApiError
    422 for too many tokens."""
    usual, allowed = state.params.eval, state.settings.max_tokens
    tokens = usual_max_tokens(state, prompt) if options.max_tokens is None else options.max_tokens
    if tokens > allowed:
        raise ApiError(
            422,
            "too_many_tokens",
            f"max_tokens is {tokens}, and at most {allowed} are allowed.",
            "Lower max_tokens, or raise SERVE_MAX_TOKENS.",
        )

    def value(name: str) -> float:
        given = getattr(options, name)
        return getattr(usual, name) if given is None else given

    return RequestSampling(
        max_tokens=tokens,
        temperature=value("temperature"),
        top_p=value("top_p"),
        repeat_penalty=value("repeat_penalty"),
        seed=options.seed,
        stop=tuple(options.stop),
        style_strength=options.style_strength,
    )


def build_messages(state: AppState, one: LoadedModel, asked: PromptRequest) -> list[dict]:
    """System and user message, rendered as in the training examples. Raises ApiError 413 or 422."""
    phrase = {"ask": "{title}", "write": WRITE_TEMPLATES[0], "continue": CONTINUE_TEMPLATES[0]}[asked.task]
    if asked.task == "continue" and not asked.input.strip():
        raise ApiError(
            422,
            "invalid_request",
            "input: task is `continue`, and there is no text to continue.",
            "Send the text so far as `input`.",
        )
    instruction = phrase.replace("{title}", asked.prompt.strip() or asked.prompt)
    if asked.words:
        wish = length_request(asked.words)
        # What is to be continued stands right below “… from here:”.
        instruction = f"{wish} {instruction}" if asked.task == "continue" else f"{instruction} {wish}"
    example = {"instruction": instruction, "input": asked.input}
    messages = chat.prompt_messages(example, one.model.system if asked.system is None else asked.system)
    check_prompt_length(state, messages)
    return [m for m in messages if m["content"]]


def check_prompt_length(state: AppState, messages: list[dict]) -> None:
    """Raises ApiError 413 for too many characters. This is cheap; the engine counts the tokens itself."""
    size, allowed = sum(len(m["content"]) for m in messages), state.settings.max_prompt_characters
    if size > allowed:
        raise ApiError(
            413,
            "prompt_too_long",
            f"The prompt has {size} characters, and at most {allowed} are allowed.",
            "Shorten the prompt, or raise SERVE_MAX_PROMPT_CHARACTERS.",
        )
