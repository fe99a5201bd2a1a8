"""How an example becomes chat messages and token ids. Training, evaluation and serving all call this, so that the
prompt bytes can't differ between them."""

import os

# Llama 3's templates put today's date in the system turn; this one is theirs for "no date known". Pinned in the
# template itself, so that transformers, llama.cpp and Ollama all render the same bytes on every day.
PINNED_DATE = "26 Jul 2024"


def prompt_messages(example: dict, system: str) -> list[dict]:
    """The prompt of an example: system and user message. The assistant's turn is `example["output"]`. An example may
    bring a system message of its own, as a persona's do.

    No blanks at the ends: Llama 3's template trims them away, and the template Ollama gets can't.
    """
    user = example["instruction"] + (f"\n\n{example['input']}" if example.get("input") else "")
    return [
        {"role": "system", "content": (example.get("system") or system).strip()},
        {"role": "user", "content": user.strip()},
    ]


def to_trl_row(example: dict, system: str) -> dict:
    """The example as TRL's trainers take it: {"prompt": messages, "completion": [the answer]}."""
    return {
        "prompt": prompt_messages(example, system),
        "completion": [{"role": "assistant", "content": example["output"]}],
    }


def pin_date(template: str) -> str:
    """A chat template that renders the same on every day."""
    if "strftime_now" not in template and "date_string" not in template:
        return template
    return f'{{%- set date_string = "{PINNED_DATE}" %}}' + template


def render_prompt(tokenizer, chat: list[dict]) -> str:
    """The exact text the model is given before it answers."""
    return tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)


def encode(tokenizer, text: str) -> list[int]:
    """Token ids of a text as it stands: no special token is added."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def encode_prompt(tokenizer, chat: list[dict]) -> list[int]:
    """Token ids of `render_prompt`. The template writes its own special tokens, so none are added."""
    return encode(tokenizer, render_prompt(tokenizer, chat))


def encode_example(tokenizer, chat: list[dict], output: str) -> tuple[list[int], list[int]]:
    """(prompt ids, completion ids) of a whole training row; the completion ends with the end-of-turn token.

    The ids of the rendered text are cut where the prompt's end: SentencePiece would put a space of its own before a
    completion that stands alone. Where byte pairs join across that place, the text is cut, as a server sees it, which
    has the prompt before it writes.
    """
    prompt = render_prompt(tokenizer, chat)
    whole = tokenizer.apply_chat_template([*chat, {"role": "assistant", "content": output}], tokenize=False)
    assert whole.startswith(prompt), "the chat template renders the prompt differently once it is answered"
    ids, both = encode(tokenizer, prompt), encode(tokenizer, whole)
    completion = both[len(ids) :] if both[: len(ids)] == ids else encode(tokenizer, whole[len(prompt) :])
    if tokenizer.eos_token_id in completion:  # some templates add a newline after the end of turn: not to be learnt
        last = len(completion) - 1 - completion[::-1].index(tokenizer.eos_token_id)
        completion = completion[: last + 1]
    else:
        completion.append(tokenizer.eos_token_id)
    return ids, completion


class TokenCounter:
    """Tokens of a text. Many texts at once are counted on all cores, and known when they are asked for."""

    def __init__(self, tokenizer):
        self.tokenizer, self.known = tokenizer, {}
        tokenizer("", add_special_tokens=False)  # nothing is cut or padded from here on

    def __call__(self, text: str) -> int:
        from blogtwin.models import chat

        return self.known[text] if text in self.known else len(chat.encode(self.tokenizer, text))

    def together(self, texts: list[str]) -> None:
        """Count these; what was counted so before is forgotten."""
        os.environ["TOKENIZERS_PARALLELISM"] = "true"  # for a single text it costs more than it saves
        found = self.tokenizer.backend_tokenizer.encode_batch_fast(
            texts, add_special_tokens=False
        )  # without places in the text: half the time
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self.known = dict(zip(texts, map(len, found), strict=True))
