"""Ask base and twin the same thing, and watch both answers as they are generated, with time and length.

Reads   the live twin's adapter.gguf and its base model, in a process of llama.cpp each
Run     python scripts/ask.py "a prompt"
        python scripts/ask.py "Write a blog post titled “The ladder”. About 300 words."
"""

import _path

import argparse
import asyncio

from blogtwin.config import load_params
from blogtwin.console import run_cli
from blogtwin.errors import UserError
from blogtwin.hints import make_command, shell_command
from blogtwin.inference.ask import ask_both, print_answers
from blogtwin.models.length import max_answer_tokens
from blogtwin.paths import GGUF_DIR
from serve.catalog import TWIN, list_models

USUAL_TOKENS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompt", help="the prompt for both")
    parser.add_argument("--max-tokens", type=int, help="length limit of each answer (default: what its words need)")
    arguments = parser.parse_args()
    usual = max_answer_tokens(arguments.prompt, USUAL_TOKENS)
    max_tokens = usual if arguments.max_tokens is None else arguments.max_tokens
    params = load_params()
    twin = list_models(params).get(TWIN)
    if twin is None or twin.unusable:
        problem = f"The twin can't be used: {twin.unusable}" if twin else f"There is no {GGUF_DIR / 'adapter.gguf'} yet"
        raise UserError(f"{problem}: run `{make_command('all')}`.")
    if not arguments.prompt.strip() or max_tokens < 1:
        raise UserError(
            "The prompt is empty, or --max-tokens is below 1: give a prompt, as in"
            f' `{shell_command("python scripts/ask.py")} "Write about the sea."`'
        )
    from blogtwin.inference import llama_server
    from blogtwin.models import chat
    from blogtwin.models.registry import resolve_base

    base = resolve_base(twin.base)
    template = base.tokenizer().chat_template
    messages = chat.prompt_messages({"instruction": arguments.prompt, "input": ""}, twin.system)
    n_ctx = len(arguments.prompt) + max_tokens + 256  # tokens; each is at least one character of the prompt
    with (
        llama_server.serve_model(base.gguf, "base", chat_template=template, n_ctx=n_ctx) as plain,
        llama_server.serve_model(base.gguf, "twin", twin.adapter, template, n_ctx) as tuned,
    ):
        answers = asyncio.run(ask_both({"base": plain, "twin": tuned}, messages, params, max_tokens))
    print_answers(answers)


if __name__ == "__main__":
    run_cli(main)
