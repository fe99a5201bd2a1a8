"""Who answers the held-out prompts, what each finds likely, and what each writes. All through the GGUF in llama.cpp
that is deployed.

base: the base model, asked as the twin is. styled: the base with the author's habits described to it. five_shot: the
base with five of the author's posts before its eyes, which is what a person does who doesn't fine-tune. twin, and swap:
a twin of somebody else, to tell «this person» from «a blog».
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from blogtwin.cache import cache_key
from blogtwin.files import sha256_file, write_json
from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.paths import ARTIFACTS_DIR
from blogtwin.sampling import SamplingParams
from corpus.examples import first_parts
from eval.style import profile

ANSWERS_DIR = ARTIFACTS_DIR / "cache/answers"  # by prompts, sampling parameters and model: a second run costs nothing
MODEL_DIGITS = 16  # of the SHA-256 of the model's GGUF, with which the name of a file of answers begins
NUM_SHOTS, SHOT_TOKENS = 5, 160  # posts shown, and of each at most so much, cut at a paragraph's end
MAX_BATCH = 12
PREFIX_TOKENS = 50


@dataclass(frozen=True)
class System:
    name: str
    system: str
    shots: list[dict] = field(default_factory=list)  # chat messages before the question

    def messages(self, example: dict) -> list[dict]:
        system, user = chat.prompt_messages(example, self.system)
        return [system, *self.shots, user]


def base_systems(system: str, training: list[dict], tokenizer) -> list[System]:
    """base, styled and five_shot; `training` are the author's examples that the twin learns from."""
    posts = first_parts(training)
    shots = []
    for example in posts[:NUM_SHOTS]:
        shots += [
            chat.prompt_messages(example, system)[1],
            {"role": "assistant", "content": truncate_paragraphs(example["output"], tokenizer, SHOT_TOKENS)},
        ]
    description = f"{system} {profile.style_prompt([e['output'] for e in posts])}"
    return [System("base", system), System("styled", description), System("five_shot", system, shots)]


def truncate_paragraphs(text: str, tokenizer, tokens: int) -> str:
    """The first paragraphs that fit; of a first one that is too long, its first words."""
    kept = ""
    for block in text.split("\n\n"):
        longer = f"{kept}\n\n{block}" if kept else block
        if len(chat.encode(tokenizer, longer)) > tokens:
            break
        kept = longer
    return kept or truncate_tokens(text, tokenizer, tokens)


def truncate_tokens(text: str, tokenizer, tokens: int) -> str:
    """The first `tokens` tokens of `text` (0: all), as the text that they are."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return text if not tokens or len(offsets) <= tokens else text[: offsets[tokens - 1][1]]


def generate_cached(
    model: LlamaModel,
    gguf: Path,
    prompts: list[list[int]],
    sampling: list[SamplingParams],
    seeds: list[int],
    wrote=lambda n: None,
) -> list[dict]:
    """LlamaModel.write, cached by prompts, sampling parameters and model."""
    digest = sha256_file(gguf)
    asked = [
        prompts,
        seeds,
        [(d.max_tokens, d.temperature, d.top_p, d.repeat_penalty) for d in sampling],
        model.sequences,
        digest,
    ]
    kept = ANSWERS_DIR / f"{digest[:MODEL_DIGITS]}-{cache_key(asked)}.json"
    if kept.is_file():
        wrote(len(prompts))
        return json.loads(kept.read_text(encoding="utf-8"))
    answers = model.write(prompts, sampling, seeds, wrote)
    write_json(kept, answers)
    return answers


def answers_of_other_models(project: Path, digests: set[str]) -> list[Path]:
    """The cached answers in a project's folder whose model has none of these SHA-256 (of its GGUF)."""
    own = {digest[:MODEL_DIGITS] for digest in digests}
    return [file for file in sorted((project / ANSWERS_DIR).glob("*.json")) if file.name.partition("-")[0] not in own]


def generate_posts(
    model: LlamaModel,
    gguf: Path,
    voice: System,
    examples: list[dict],
    tokenizer,
    sampling: SamplingParams,
    wrote=lambda n: None,
) -> list[dict]:
    """An answer to each example's prompt."""
    prompts = [chat.encode_prompt(tokenizer, voice.messages(e)) for e in examples]
    return generate_cached(
        model, gguf, prompts, [sampling] * len(prompts), [sampling.seed + n for n in range(len(prompts))], wrote
    )


def prefix_extraction(
    model: LlamaModel, gguf: Path, voice: System, examples: list[dict], tokenizer, sampling: SamplingParams
) -> list[float]:
    """Prefix extraction: share of the next 50 tokens of each post that are the post's own, greedily, given its first 50
    (Carlini et al. 2023)."""
    prompts, truths = [], []
    for example in examples:
        ids = chat.encode(tokenizer, example["output"])
        if len(ids) >= 2 * PREFIX_TOKENS:
            prompts.append(chat.encode_prompt(tokenizer, voice.messages(example)) + ids[:PREFIX_TOKENS])
            truths.append(ids[PREFIX_TOKENS : 2 * PREFIX_TOKENS])
    greedy = replace(sampling, max_tokens=PREFIX_TOKENS, temperature=0.0, repeat_penalty=1.0)
    answers = generate_cached(model, gguf, prompts, [greedy] * len(prompts), [0] * len(prompts))
    return [common_prefix_length(a["ids"], truth) / PREFIX_TOKENS for a, truth in zip(answers, truths, strict=True)]


def common_prefix_length(tokens: list[int], truth: list[int]) -> int:
    """How many tokens are right before the first that is not."""
    return next((i for i, (a, b) in enumerate(zip(tokens, truth)) if a != b), min(len(tokens), len(truth)))
