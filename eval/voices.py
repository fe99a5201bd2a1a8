"""Who answers the held-out prompts, what each finds likely, and what each writes. All through the GGUF in llama.cpp that is deployed.

base: the base model, asked as the twin is. styled: the base with the author's habits described to it. five_shot: the base with
five of the author's posts before its eyes, which is what a person does who doesn't fine-tune. twin, and swap: a twin of
somebody else, to tell «this person» from «a blog».
"""

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from _shared import ARTIFACTS, digest, write_json
from corpus.examples import openings
from eval import habits
from eval.llama import Scorer
from train import chat

ANSWERS = ARTIFACTS / "cache/answers"  # by prompts, decoding and model: a second run costs nothing
SHOTS, SHOT_TOKENS = 5, 160  # posts shown, and of each at most so much, cut at a paragraph's end
AT_ONCE = 12
PREFIX_TOKENS = 50
WINDOW, STRIDE = 1024, 512  # tokens: a longer post is read in windows that overlap by half


@dataclass(frozen=True)
class Voice:
    name: str
    system: str
    shots: list[dict] = field(default_factory=list)  # chat messages before the question

    def messages(self, example: dict) -> list[dict]:
        system, user = chat.messages(example, self.system)
        return [system, *self.shots, user]


def of_base(system: str, training: list[dict], tokenizer) -> list[Voice]:
    """base, styled and five_shot; `training` are the author's examples that the twin learns from."""
    posts = openings(training)
    shots = []
    for example in posts[:SHOTS]:
        shots += [chat.messages(example, system)[1], {"role": "assistant", "content": beginning(example["output"], tokenizer, SHOT_TOKENS)}]
    description = f"{system} {habits.describe([e['output'] for e in posts])}"
    return [Voice("base", system), Voice("styled", description), Voice("five_shot", system, shots)]


def beginning(text: str, tokenizer, tokens: int) -> str:
    """The first paragraphs that fit; of a first one that is too long, its first words."""
    kept = ""
    for block in text.split("\n\n"):
        longer = f"{kept}\n\n{block}" if kept else block
        if len(chat.text_ids(tokenizer, longer)) > tokens:
            break
        kept = longer
    return kept or cut(text, tokenizer, tokens)


def cut(text: str, tokenizer, tokens: int) -> str:
    """The first `tokens` tokens of `text` (0: all), as the text that they are."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return text if not tokens or len(offsets) <= tokens else text[: offsets[tokens - 1][1]]


# --- reading ----------------------------------------------------------------------------------------------------------


def read(model: Scorer, prompt: list[int], text: str, tokenizer) -> dict:
    """{nats, bytes, tokens} of `text` after the prompt, which is masked: −ln p summed over its tokens, and its UTF-8 bytes."""
    ids = chat.text_ids(tokenizer, text)
    first = max(STRIDE, WINDOW - len(prompt))
    nats = -float(model.log_likelihoods(prompt, ids[:first]).sum())
    for start in range(first, len(ids), STRIDE):  # each token is read with half a window before it, and counted once
        nats -= float(model.log_likelihoods(ids[start - STRIDE : start], ids[start : start + STRIDE]).sum())
    return {"nats": nats, "bytes": len(text.encode()), "tokens": len(ids)}


def read_post(model: Scorer, voice: Voice, example: dict, tokenizer, limit: int) -> dict:
    """A held-out post as the voice would be asked for it."""
    prompt = chat.prompt_ids(tokenizer, voice.messages(example))
    return read(model, prompt, cut(example["output"], tokenizer, limit), tokenizer)


def read_raw(model: Scorer, text: str, tokenizer, limit: int) -> dict:
    """A text by itself, after a line break and without a template: what no template can help or hinder."""
    return read(model, chat.text_ids(tokenizer, "\n"), cut(text, tokenizer, limit), tokenizer)


def bits_per_byte(rows: list[dict]) -> float:
    """Σ nats / (ln 2 · Σ bytes), over all rows."""
    return sum(r["nats"] for r in rows) / (math.log(2) * sum(r["bytes"] for r in rows))


def perplexity(rows: list[dict]) -> float:
    """exp(Σ nats / Σ tokens): depends on the tokenizer, so only comparable on one base model."""
    return math.exp(sum(r["nats"] for r in rows) / sum(r["tokens"] for r in rows))


# --- writing ----------------------------------------------------------------------------------------------------------


def write(model: Scorer, gguf: Path, prompts: list[list[int]], decodings: list, seeds: list[int], wrote=lambda n: None) -> list[dict]:
    """Scorer.write, remembered by prompts, decodings and model."""
    asked = [prompts, seeds, [(d.max_tokens, d.temperature, d.top_p, d.repeat_penalty) for d in decodings], model.sequences, digest(gguf)]
    kept = ANSWERS / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]}.json"
    if kept.is_file():
        wrote(len(prompts))
        return json.loads(kept.read_text(encoding="utf-8"))
    answers = model.write(prompts, decodings, seeds, wrote)
    write_json(kept, answers)
    return answers


def write_posts(model: Scorer, gguf: Path, voice: Voice, examples: list[dict], tokenizer, decoding, wrote=lambda n: None) -> list[dict]:
    """An answer to each example's prompt."""
    prompts = [chat.prompt_ids(tokenizer, voice.messages(e)) for e in examples]
    return write(model, gguf, prompts, [decoding] * len(prompts), [decoding.seed + n for n in range(len(prompts))], wrote)


def continue_posts(model: Scorer, gguf: Path, voice: Voice, examples: list[dict], tokenizer, decoding) -> list[float]:
    """Prefix extraction: share of the next 50 tokens of each post that are the post's own, greedily, given its first 50 (Carlini et al. 2023)."""
    prompts, truths = [], []
    for example in examples:
        ids = chat.text_ids(tokenizer, example["output"])
        if len(ids) >= 2 * PREFIX_TOKENS:
            prompts.append(chat.prompt_ids(tokenizer, voice.messages(example)) + ids[:PREFIX_TOKENS])
            truths.append(ids[PREFIX_TOKENS : 2 * PREFIX_TOKENS])
    greedy = decoding.model_copy(update={"max_tokens": PREFIX_TOKENS, "temperature": 0.0, "repeat_penalty": 1.0})
    answers = write(model, gguf, prompts, [greedy] * len(prompts), [0] * len(prompts))
    return [matching_start(a["ids"], truth) / PREFIX_TOKENS for a, truth in zip(answers, truths, strict=True)]


def matching_start(tokens: list[int], truth: list[int]) -> int:
    """How many tokens are right before the first that is not."""
    return next((i for i, (a, b) in enumerate(zip(tokens, truth)) if a != b), min(len(tokens), len(truth)))
