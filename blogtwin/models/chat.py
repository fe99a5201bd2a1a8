"""Turn an example into chat messages and token ids.

Training, evaluation and serving all use this module, so that the bytes of a prompt can't differ between them. Which
chat template a base model has is in blogtwin/models/registry.py.
"""

import functools
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import jinja2

# Llama 3's templates put today's date in the system turn; this is their own date for "unknown". It is pinned in the
# template itself, so that transformers, llama.cpp and Ollama render the same bytes on every day.
PINNED_DATE = "26 Jul 2024"

TEMPLATES_DIR = Path(__file__).with_name("chat_templates")  # this project's own, for models that have none of use
# What a template of a family contains, in Jinja's language and in Ollama's. The names are those of
# blogtwin/inference/ollama_templates.yaml, and of the files in TEMPLATES_DIR.
THOUGHT_MARKS = ("<think>", "enable_thinking")
FAMILY_MARKS = {
    "llama3": "<|start_header_id|>",
    "chatml": "<|im_start|>",
    "gemma": "<start_of_turn>",
    "phi3": "<|end|>",  # before zephyr, whose mark it has too
    "mistral": "[INST]",
    "zephyr": "<|user|>",
}
PROBE = "~~ probe ~~"  # a message that no template writes by itself


def prompt_messages(example: dict, system: str) -> list[dict]:
    """The prompt of an example: a system and a user message. The assistant's turn is `example["output"]`.

    `system` is the default system message; examples of the persona have their own. Blanks at the ends are stripped,
    because Llama 3's template strips them and the template for Ollama can't.
    """
    user = example["instruction"] + (f"\n\n{example['input']}" if example.get("input") else "")
    return [
        {"role": "system", "content": (example.get("system") or system).strip()},
        {"role": "user", "content": user.strip()},
    ]


def to_trl_row(example: dict, system: str) -> dict:
    """The example in TRL's conversational format: {"prompt": messages, "completion": [the answer]}."""
    return {
        "prompt": prompt_messages(example, system),
        "completion": [{"role": "assistant", "content": example["output"]}],
    }


def pin_date(template: str) -> str:
    """The chat template with PINNED_DATE instead of today's date, where it uses a date."""
    if "strftime_now" not in template and "date_string" not in template:
        return template
    return f'{{%- set date_string = "{PINNED_DATE}" %}}' + template


def render_prompt(tokenizer: Any, chat: list[dict]) -> str:
    """The exact text that the model reads before it answers. `tokenizer`: of transformers."""
    return render_template(tokenizer.chat_template, chat, tokenizer.special_tokens_map)


def is_same_prompt(rendered: str, text: str, begin: str | None) -> bool:
    """Whether another program's rendering is this text: llama.cpp and Ollama leave out the token with which a text
    begins, `begin`, where the vocabulary adds it by itself."""
    return rendered in (text, text.removeprefix(begin or ""))


def render_template(
    template: str, messages: list[dict], special_tokens: Mapping[str, Any], is_answered: bool = False
) -> str:
    """A chat template filled in; what the model reads before it answers, or with `is_answered` a whole chat.

    This is transformers' apply_chat_template without transformers, which the embedded engine would load for seconds.
    Raises jinja2.TemplateError where the template refuses the messages.
    """
    return _compile(template).render(
        messages=messages, tools=None, documents=None, add_generation_prompt=not is_answered, **special_tokens
    )


def family(template: str) -> str | None:
    """The name of the family to which a chat template belongs, by its mark; None for an unknown one."""
    name = next((name for name, mark in FAMILY_MARKS.items() if mark in template), None)
    return "qwen3" if name == "chatml" and can_think(template) else name


def can_think(template: str) -> bool:
    """Whether a chat template is that of a model that may think before it answers."""
    return any(mark in template for mark in THOUGHT_MARKS)


def without_thoughts(template: str) -> str:
    """The chat template of a model that may think, such that it never does; any other as it is.

    A thought would be no word of the author's, and what a twin reads before its answer must be the same in training,
    in its GGUF, in Ollama and in this server. Qwen3 and SmolLM3 take an empty thought as the sign.
    """
    if not can_think(template):
        return template
    if family(template) == "qwen3":
        return (TEMPLATES_DIR / "qwen3.jinja").read_text(encoding="utf-8")
    return "{%- set enable_thinking = false %}" + template


def says_system(template: str, special_tokens: Mapping[str, Any]) -> bool:
    """Whether a chat template renders a system message, and neither refuses nor drops it."""
    chat = [{"role": "system", "content": PROBE}, {"role": "user", "content": "?"}]
    return PROBE in (_try_render(template, chat, special_tokens) or "")


def answer_end(template: str, special_tokens: Mapping[str, Any], added: Iterable[str]) -> str | None:
    """The token of `added` that a chat template writes right after an answer; None where it writes another thing."""
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": PROBE}]
    after = (_try_render(template, chat, special_tokens, is_answered=True) or "").partition(PROBE)[2]
    return max((token for token in added if after.startswith(token)), key=len, default=None)


def _try_render(template: str, *arguments: Any, **options: Any) -> str | None:
    """`render_template`; None where the template can't render the messages."""
    try:
        return render_template(template, *arguments, **options)
    except Exception:  # a template is a program of its own, and may raise any error
        return None


@functools.lru_cache(8)
def _compile(template: str) -> "jinja2.Template":
    """With the names and settings of transformers' utils/chat_template_utils.py; no code of its own can run in it."""
    from jinja2 import TemplateError, ext, nodes, parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class AnswerMark(ext.Extension):
        """Some templates mark what the assistant says, for training: {% generation %} … {% endgeneration %}."""

        tags = {"generation"}

        def parse(self, parser: parser.Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> NoReturn:
        raise TemplateError(message)

    def to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[AnswerMark, ext.loopcontrols]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text; no special token is added."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def encode_prompt(tokenizer: Any, chat: list[dict]) -> list[int]:
    """Token ids of `render_prompt`. The template writes its own special tokens, so none are added."""
    return encode(tokenizer, render_prompt(tokenizer, chat))


def encode_example(tokenizer: Any, chat: list[dict], output: str) -> tuple[list[int], list[int]]:
    """(prompt ids, completion ids) of a training row; the completion ends with the end-of-turn token.

    The whole text is encoded and its ids are split after the prompt: SentencePiece would add a space before a
    completion that is encoded alone. Where a token spans the boundary, the completion is encoded alone after all, as a
    server does, which encodes the prompt before there is a completion.
    """
    prompt = render_prompt(tokenizer, chat)
    answered = [*chat, {"role": "assistant", "content": output}]
    whole = render_template(tokenizer.chat_template, answered, tokenizer.special_tokens_map, is_answered=True)
    assert whole.startswith(prompt), "the chat template renders the prompt differently once it is answered"
    prompt_ids, all_ids = encode(tokenizer, prompt), encode(tokenizer, whole)
    is_split = all_ids[: len(prompt_ids)] == prompt_ids
    completion = all_ids[len(prompt_ids) :] if is_split else encode(tokenizer, whole[len(prompt) :])
    if tokenizer.eos_token_id in completion:  # some templates add a newline after it, which must not be learnt
        last = len(completion) - 1 - completion[::-1].index(tokenizer.eos_token_id)
        completion = completion[: last + 1]
    else:
        completion.append(tokenizer.eos_token_id)
    return prompt_ids, completion


class TokenCounter:
    """Counts the tokens of a text. `count_batch` counts many texts on all cores, before they are asked for."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        self.counts: dict[str, int] = {}  # {text: tokens} of the last batch
        tokenizer("", add_special_tokens=False)  # switches truncation and padding off

    def __call__(self, text: str) -> int:
        return self.counts[text] if text in self.counts else self._count([text])[0]

    def count_batch(self, texts: list[str]) -> None:
        """Count the tokens of these texts, and forget those of the previous batch."""
        os.environ["TOKENIZERS_PARALLELISM"] = "true"  # for a single text it costs more than it saves
        counts = self._count(texts)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self.counts = dict(zip(texts, counts, strict=True))

    def _count(self, texts: list[str]) -> list[int]:
        # encode_batch_fast computes no offsets, which halves the time
        encodings = self.tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [len(encoding) for encoding in encodings]
