"""Ask base and twin the same thing, and watch both answer: streamed, with time and length.

Reads   artifacts/gguf/adapter.gguf and the base model: two llama.cpp servers in this process
Run     python scripts/ask.py "a prompt"
        python scripts/ask.py "Write a blog post titled “The ladder”." --max-tokens 300
"""

import _path

import argparse
import asyncio

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.hints import make_command, shell_command
from blogtwin.inference.ask import ask_both
from blogtwin.paths import GGUF_DIR


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompt", help="what to ask")
    parser.add_argument("--max-tokens", type=int, default=200, help="length limit of each answer (default %(default)s)")
    arguments = parser.parse_args()
    params = load_params()
    adapter = GGUF_DIR / "adapter.gguf"
    if not adapter.is_file():
        raise UserError(f"There is no {adapter} yet: run `{make_command('all')}`.")
    if not arguments.prompt.strip() or arguments.max_tokens < 1:
        raise UserError(
            "The prompt is empty or --max-tokens under 1: ask something, as in"
            f' {shell_command("python scripts/ask.py")} "Write about the sea."'
        )
    from blogtwin.inference import llama_server
    from blogtwin.models import chat
    from blogtwin.models.registry import resolve_base

    base = resolve_base(params.train.base)
    template = base.tokenizer().chat_template
    messages = chat.prompt_messages({"instruction": arguments.prompt, "input": ""}, params.prepare.system)
    n_ctx = len(arguments.prompt) + arguments.max_tokens + 256  # a token is at least a character
    with (
        llama_server.serve_model(base.gguf, "base", chat_template=template, n_ctx=n_ctx) as plain,
        llama_server.serve_model(base.gguf, "twin", adapter, template, n_ctx) as twin,
    ):
        answers = asyncio.run(ask_both({"base": plain, "twin": twin}, messages, params, arguments.max_tokens))
    for name, a in answers.items():
        echo(f"── {name} " + "─" * 40)
        echo(a["text"])
        echo(
            f"   {len(a['text'].split())} words, {a['tokens']} tokens in {a['seconds']:.1f} s, first after"
            f" {a['first']:.2f} s, {'stopped by itself' if a['end'] == 'stop' else 'cut at the limit'}\n"
        )


if __name__ == "__main__":
    run_cli(main)
