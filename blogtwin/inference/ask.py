"""Send one prompt to base and twin, and print the answers while they are generated."""

import asyncio
import shutil
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict

from blogtwin.config import Params
from blogtwin.console import echo
from blogtwin.inference.client import Engine, to_pydantic_ai
from blogtwin.sampling import SamplingParams


class Answer(TypedDict):
    """An answer and its measurements."""

    text: str
    first: float  # seconds to the first token
    seconds: float  # in total
    tokens: int
    end: str  # finish reason


async def stream_answer(
    engine: Engine, messages: list[dict], params: Params, max_tokens: int, show: Callable[[str], object]
) -> Answer:
    """Stream one answer; `show` is called with the text so far."""
    from pydantic_ai.direct import model_request_stream

    started, first, text = time.perf_counter(), None, ""
    settings = engine.settings(replace(SamplingParams.from_params(params.eval), max_tokens=max_tokens))
    async with model_request_stream(engine.chat_model(), to_pydantic_ai(messages), model_settings=settings) as stream:
        async for event in stream:
            piece = getattr(getattr(event, "delta", None), "content_delta", None) or getattr(
                getattr(event, "part", None), "content", None
            )
            if piece and event.event_kind in ("part_start", "part_delta"):
                first = first or time.perf_counter() - started
                text += piece
                show(text)
        reply = stream.get()
    return {
        "text": text.strip(),
        "first": first or 0.0,
        "seconds": time.perf_counter() - started,
        "tokens": reply.usage.output_tokens,
        "end": str(reply.finish_reason),
    }


async def ask_both(
    engines: dict[str, Engine], messages: list[dict], params: Params, max_tokens: int
) -> dict[str, Answer]:
    """Ask all engines concurrently. On a terminal, the answers are shown in columns while they grow."""
    from rich.columns import Columns
    from rich.console import Console
    from rich.live import Live
    from rich.panel import Panel
    from rich.text import Text

    console = Console()
    texts = dict.fromkeys(engines, "")
    width = max(30, shutil.get_terminal_size().columns // 2 - 1)

    def page() -> Columns:
        rows = max(8, shutil.get_terminal_size().lines - 4)
        panels = []
        for name, text in texts.items():
            lines = [line for paragraph in text.split("\n") for line in textwrap.wrap(paragraph, width - 4) or [""]]
            panels.append(Panel(Text("\n".join(lines[-rows:])), title=name, width=width))
        return Columns(panels)

    with Live(page(), console=console, refresh_per_second=8, transient=True) as live:

        def show(name: str) -> Callable[[str], None]:
            def update(text: str) -> None:
                texts[name] = text
                if console.is_terminal:
                    live.update(page())

            return update

        answers = await asyncio.gather(
            *(stream_answer(e, messages, params, max_tokens, show(n)) for n, e in engines.items())
        )
    return dict(zip(engines, answers))


def print_answers(answers: dict[str, Answer]) -> None:
    """Print each answer, with its length and time."""
    for name, answer in answers.items():
        words, end = len(answer["text"].split()), "finished" if answer["end"] == "stop" else "cut at --max-tokens"
        echo(f"── {name} {'─' * 40}\n{answer['text']}")
        echo(
            f"   {words} words, {answer['tokens']} tokens in {answer['seconds']:.1f} s, the first after"
            f" {answer['first']:.2f} s, {end}\n"
        )
