"""The systems that answer the held-out prompts, all through the GGUF in llama.cpp that is deployed.

base: the base model, with the same prompt as the twin. styled: the base model with a description of the author's style.
five_shot: the base model with five of the author's posts in its prompt, the alternative to fine-tuning. twin: the
fine-tuned model. swap: the twin of another author, to tell “this person” from “a blog”.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blogtwin.cache import cache_key, code_fingerprint
from blogtwin.files import sha256_file, write_json
from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.paths import ARTIFACTS_DIR
from blogtwin.sampling import SamplingParams
from corpus.examples import first_parts
from eval.style import profile

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ANSWERS_DIR = ARTIFACTS_DIR / "cache/answers"  # by prompts, sampling parameters and model: a second run costs nothing
WRITING_CODE = ("blogtwin/models/decoding.py", "blogtwin/models/llama_cpp.py")  # another loop writes other answers
MODEL_DIGITS = 16  # of the SHA-256 of the model's GGUF, with which the name of a file of answers begins
NUM_SHOTS, SHOT_TOKENS = 5, 160  # posts in the prompt, and tokens of each at most, cut at a paragraph's end
MAX_BATCH = 12
PREFIX_TOKENS = 50


@dataclass(frozen=True)
class System:
    """A model with a way of prompting it."""

    name: str
    system_prompt: str
    shots: list[dict[str, str]] = field(default_factory=list)  # chat messages before the question

    def messages(self, example: dict[str, Any]) -> list[dict[str, str]]:
        """The chat messages that ask for an example."""
        system, user = chat.prompt_messages(example, self.system_prompt)
        return [system, *self.shots, user]


def base_systems(
    system_prompt: str, training: list[dict[str, Any]], tokenizer: "PreTrainedTokenizerBase"
) -> list[System]:
    """base, styled and five_shot; `training`: the examples that the twin is trained on."""
    posts = first_parts(training)
    shots = []
    for example in posts[:NUM_SHOTS]:
        _, question = chat.prompt_messages(example, system_prompt)
        answer = truncate_paragraphs(example["output"], tokenizer, SHOT_TOKENS)
        shots += [question, {"role": "assistant", "content": answer}]
    description = f"{system_prompt} {profile.style_prompt([example['output'] for example in posts])}"
    return [
        System("base", system_prompt),
        System("styled", description),
        System("five_shot", system_prompt, shots),
    ]


def truncate_paragraphs(text: str, tokenizer: "PreTrainedTokenizerBase", max_tokens: int) -> str:
    """The first paragraphs that fit; of a first paragraph that is too long, its first `max_tokens` tokens."""
    kept = ""
    for block in text.split("\n\n"):
        longer = f"{kept}\n\n{block}" if kept else block
        if len(chat.encode(tokenizer, longer)) > max_tokens:
            break
        kept = longer
    return kept or truncate_tokens(text, tokenizer, max_tokens)


def truncate_tokens(text: str, tokenizer: "PreTrainedTokenizerBase", max_tokens: int) -> str:
    """The beginning of `text` that is its first `max_tokens` tokens; 0: all of it."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if not max_tokens or len(offsets) <= max_tokens:
        return text
    _, end = offsets[max_tokens - 1]
    return text[:end]


def generate_cached(
    model: LlamaModel,
    gguf: Path,
    prompts: list[list[int]],
    sampling: list[SamplingParams],
    seeds: list[int],
    advance: Callable[[int], object] = lambda n: None,
) -> list[dict[str, Any]]:
    """The answers of LlamaModel.write, cached by prompts, sampling parameters, seeds, model and the code that writes;
    `advance(n)` is called when `n` more answers are finished."""
    digest = sha256_file(gguf)
    key = [
        prompts,
        seeds,
        [(d.max_tokens, d.temperature, d.top_p, d.repeat_penalty) for d in sampling],
        model.sequences,
        digest,
        code_fingerprint(WRITING_CODE),
    ]
    cached = ANSWERS_DIR / f"{digest[:MODEL_DIGITS]}-{cache_key(key)}.json"
    if cached.is_file():
        advance(len(prompts))
        return json.loads(cached.read_text(encoding="utf-8"))
    answers = model.write(prompts, sampling, seeds, advance)
    write_json(cached, answers)
    return answers


def answers_of_other_models(project: Path, digests: set[str]) -> list[Path]:
    """The cached answers in a project's folder whose model has none of these SHA-256 (of its GGUF)."""
    own = {digest[:MODEL_DIGITS] for digest in digests}
    return [file for file in sorted((project / ANSWERS_DIR).glob("*.json")) if file.name.partition("-")[0] not in own]


def prompt_seed(sampling: SamplingParams, n: int) -> int:
    """The seed of the n-th prompt: each has one of its own."""
    return (sampling.seed or 0) + n


def generate_posts(
    model: LlamaModel,
    gguf: Path,
    system: System,
    examples: list[dict[str, Any]],
    tokenizer: "PreTrainedTokenizerBase",
    sampling: SamplingParams,
    advance: Callable[[int], object] = lambda n: None,
) -> list[dict[str, Any]]:
    """The system's answer to each example's prompt."""
    prompts = [chat.encode_prompt(tokenizer, system.messages(example)) for example in examples]
    seeds = [prompt_seed(sampling, n) for n in range(len(prompts))]
    return generate_cached(model, gguf, prompts, [sampling] * len(prompts), seeds, advance)


def prefix_extraction(
    model: LlamaModel,
    gguf: Path,
    system: System,
    examples: list[dict[str, Any]],
    tokenizer: "PreTrainedTokenizerBase",
    sampling: SamplingParams,
) -> list[float]:
    """Given the first 50 tokens of a post, the share (0 to 1) of its next 50 that greedy decoding continues verbatim,
    up to the first wrong one (Carlini et al. 2023). Posts of fewer than 100 tokens are skipped."""
    prompts, truths = [], []
    for example in examples:
        ids = chat.encode(tokenizer, example["output"])
        if len(ids) >= 2 * PREFIX_TOKENS:
            prompts.append(chat.encode_prompt(tokenizer, system.messages(example)) + ids[:PREFIX_TOKENS])
            truths.append(ids[PREFIX_TOKENS : 2 * PREFIX_TOKENS])
    greedy = replace(sampling, max_tokens=PREFIX_TOKENS, temperature=0.0, repeat_penalty=1.0)
    answers = generate_cached(model, gguf, prompts, [greedy] * len(prompts), [0] * len(prompts))
    return [common_prefix_length(a["ids"], truth) / PREFIX_TOKENS for a, truth in zip(answers, truths, strict=True)]


def common_prefix_length(tokens: list[int], truth: list[int]) -> int:
    """How many tokens are equal before the first that is not."""
    length = 0
    for token, true in zip(tokens, truth):
        if token != true:
            break
        length += 1
    return length
