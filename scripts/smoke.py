"""Ask base and twin the same thing, and watch both answer: streamed, with time and length.

Reads   artifacts/gguf/adapter.gguf and the base model: two llama.cpp servers in this process
Run     python scripts/smoke.py "a prompt"
        python scripts/smoke.py "Write a blog post titled “The ladder”." --max-tokens 300
"""

import argparse
import asyncio
import shutil
import textwrap
import time

from _shared import GGUF, UserError, load_params, run, say


async def answer(engine, messages, params, max_tokens: int, show) -> dict:
    """Stream one answer into `show(text so far)`; its text, seconds to the first token and in all, and tokens."""
    from pydantic_ai.direct import model_request_stream

    from serve.engines.engine import prompt

    started, first, text = time.perf_counter(), None, ""
    settings = engine.settings(params.eval, max_tokens, params.eval.seed)
    async with model_request_stream(engine.chat_model(), prompt(messages), model_settings=settings) as stream:
        async for event in stream:
            piece = getattr(getattr(event, "delta", None), "content_delta", None) or getattr(getattr(event, "part", None), "content", None)
            if piece and event.event_kind in ("part_start", "part_delta"):
                first = first or time.perf_counter() - started
                text += piece
                show(text)
        reply = stream.get()
    return {"text": text.strip(), "first": first or 0.0, "seconds": time.perf_counter() - started, "tokens": reply.usage.output_tokens, "end": str(reply.finish_reason)}


async def both(engines: dict, messages, params, max_tokens: int) -> dict:
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
        wrapped = {n: [line for p in t.split("\n") for line in (textwrap.wrap(p, width - 4) or [""])] for n, t in texts.items()}
        return Columns([Panel(Text("\n".join(lines[-rows:])), title=name, width=width) for name, lines in wrapped.items()])

    with Live(page(), console=console, refresh_per_second=8, transient=True) as live:

        def show(name):
            def update(text):
                texts[name] = text
                if console.is_terminal:
                    live.update(page())

            return update

        answers = await asyncio.gather(*(answer(e, messages, params, max_tokens, show(n)) for n, e in engines.items()))
    return dict(zip(engines, answers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompt", help="what to ask")
    parser.add_argument("--max-tokens", type=int, default=200, help="length limit of each answer (default %(default)s)")
    arguments = parser.parse_args()
    params = load_params()
    adapter = GGUF / "adapter.gguf"
    if not adapter.is_file():
        raise UserError(f"There is no {adapter} yet: run `make all`.")
    if not arguments.prompt.strip() or arguments.max_tokens < 1:
        raise UserError('The prompt is empty or --max-tokens under 1: ask something, as in python scripts/smoke.py "Write about the sea."')
    from serve.engines import llamacpp
    from train import chat
    from train.base import resolve

    base = resolve(params.train.base)
    template = base.tokenizer().chat_template
    messages = chat.messages({"instruction": arguments.prompt, "input": ""}, params.prepare.system)
    n_ctx = len(arguments.prompt) + arguments.max_tokens + 256  # a token is at least a character
    with llamacpp.serving(base.gguf, "base", chat_template=template, n_ctx=n_ctx) as plain, llamacpp.serving(base.gguf, "twin", adapter, template, n_ctx) as twin:
        answers = asyncio.run(both({"base": plain, "twin": twin}, messages, params, arguments.max_tokens))
    for name, a in answers.items():
        say(f"── {name} " + "─" * 40)
        say(a["text"])
        say(f"   {len(a['text'].split())} words, {a['tokens']} tokens in {a['seconds']:.1f} s, first after {a['first']:.2f} s, {'stopped by itself' if a['end'] == 'stop' else 'cut at the limit'}\n")


if __name__ == "__main__":
    run(main)
