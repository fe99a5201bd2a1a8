"""Ask base and twin the same thing, and watch both answers as they are generated, with time and length.

Reads   artifacts/gguf/adapter.gguf and the base model, in a process of llama.cpp each
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
    parser.add_argument("prompt", help="the prompt for both")
    parser.add_argument("--max-tokens", type=int, default=200, help="length limit of each answer (default %(default)s)")
    arguments = parser.parse_args()
    params = load_params()
    adapter = GGUF_DIR / "adapter.gguf"
    if not adapter.is_file():
        raise UserError(f"There is no {adapter} yet: run `{make_command('all')}`.")
    if not arguments.prompt.strip() or arguments.max_tokens < 1:
        raise UserError(
            "The prompt is empty, or --max-tokens is below 1: give a prompt, as in"
            f' `{shell_command("python scripts/ask.py")} "Write about the sea."`'
        )
    from blogtwin.inference import llama_server
    from blogtwin.models import chat
    from blogtwin.models.registry import resolve_base

    base = resolve_base(params.train.base)
    template = base.tokenizer().chat_template
    messages = chat.prompt_messages({"instruction": arguments.prompt, "input": ""}, params.prepare.system)
    n_ctx = len(arguments.prompt) + arguments.max_tokens + 256  # tokens; each is at least one character of the prompt
    with (
        llama_server.serve_model(base.gguf, "base", chat_template=template, n_ctx=n_ctx) as plain,
        llama_server.serve_model(base.gguf, "twin", adapter, template, n_ctx) as twin,
    ):
        answers = asyncio.run(ask_both({"base": plain, "twin": twin}, messages, params, arguments.max_tokens))
    for name, answer in answers.items():
        words, finished = len(answer["text"].split()), answer["end"] == "stop"
        echo(f"── {name} " + "─" * 40)
        echo(answer["text"])
        echo(
            f"   {words} words, {answer['tokens']} tokens in {answer['seconds']:.1f} s, the first after"
            f" {answer['first']:.2f} s, {'finished' if finished else 'cut at --max-tokens'}\n"
        )


if __name__ == "__main__":
    run_cli(main)
