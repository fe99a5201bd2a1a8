"""One prompt asked of base and twin, printed as it is written."""

import asyncio
import shutil
import textwrap
import time
from dataclasses import replace

from blogtwin.sampling import SamplingParams


async def stream_answer(engine, messages, params, max_tokens: int, show) -> dict:
    """Stream one answer into `show(text so far)`; its text, seconds to the first token and in all, and tokens."""
    from pydantic_ai.direct import model_request_stream

    from blogtwin.inference.client import to_pydantic_ai

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


async def ask_both(engines: dict, messages, params, max_tokens: int) -> dict:
    """Base and twin at once; on a terminal in two columns that grow, elsewhere printed when done."""
    from rich.columns import Columns
    from rich.console import Console
    from rich.live import Live
    from rich.panel import Panel
    from rich.text import Text

    console = Console()
    texts = dict.fromkeys(engines, "")
    width = max(30, shutil.get_terminal_size().columns // 2 - 1)

    def page():
        rows = max(8, shutil.get_terminal_size().lines - 4)
        wrapped = {
            n: [line for p in t.split("\n") for line in (textwrap.wrap(p, width - 4) or [""])] for n, t in texts.items()
        }
        return Columns(
            [Panel(Text("\n".join(lines[-rows:])), title=name, width=width) for name, lines in wrapped.items()]
        )

    with Live(page(), console=console, refresh_per_second=8, transient=True) as live:

        def show(name):
            def update(text):
                texts[name] = text
                if console.is_terminal:
                    live.update(page())

            return update

        answers = await asyncio.gather(
            *(stream_answer(e, messages, params, max_tokens, show(n)) for n, e in engines.items())
        )
    return dict(zip(engines, answers))
