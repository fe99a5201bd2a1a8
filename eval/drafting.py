"""A model that drafts from notes, asked as the twin was trained to be asked; and unsearched drafts to compare with."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from blogtwin.drafting.candidates import SentenceWriter
from blogtwin.drafting.claims import check_claim, content_stems, foreign_share, parse_claim
from blogtwin.drafting.drafter import Drafter
from blogtwin.drafting.gates import NoChecks, rejection_reason
from blogtwin.drafting.notes import parse_notes
from blogtwin.drafting.scoring import FOREIGN, RECALL, TOLD
from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from blogtwin.text.sentences import split_sentences
from corpus.augmentation import TEMPLATES
from corpus.examples import WRITE_TEMPLATES, truncate

CONTEXT_TOKENS = 1024  # of a prompt and the paragraph so far
MAX_SEQUENCES = 16
PROBE_ANSWERS, PROBE_TOKENS = 12, 24  # by which the machine's speed is measured
TOKENS_PER_LINE, EXTRA_TOKENS = 40, 40  # maximum of a whole draft


def notes_example(lines: Sequence[str]) -> dict[str, str]:
    """The instruction and the input with which a passage is asked for from these lines."""
    return {"instruction": TEMPLATES["notes"][0], "input": "\n".join(f"- {line}" for line in lines)}


def trained_messages(system: str, lines: Sequence[str]) -> list[dict[str, str]]:
    """The chat that asks for a passage from these lines of notes, as the twin was trained to be asked."""
    return chat.prompt_messages(notes_example(lines), system)


class NotesModel:
    """A model that is asked for passages from notes: `messages(lines)` is the chat that asks. `system`: the message
    with which a twin was trained. A context manager."""

    def __init__(
        self,
        weights: Path,
        adapter: Path | None,
        tokenizer: Any,
        messages: Callable[[Sequence[str]], list[dict[str, str]]],
        system: str = "",
    ) -> None:
        self.tokenizer, self.messages, self.system = tokenizer, messages, system
        self.model = LlamaModel(weights, adapter, CONTEXT_TOKENS, MAX_SEQUENCES)

    def __enter__(self) -> "NotesModel":
        return self

    def __exit__(self, *_: object) -> None:
        self.model.close()

    def encode_prompt(self, lines: Sequence[str]) -> list[int]:
        """Token ids of the prompt that asks for a passage from these lines."""
        return chat.encode_prompt(self.tokenizer, self.messages(lines))

    def writer(self, source: str, name: str) -> SentenceWriter:
        """What writes candidates for notes after their title, the `source`. `name`: the model's."""
        encode = functools.partial(chat.encode, self.tokenizer)
        title = truncate(source.partition("\n")[0], lambda text: len(encode(text)))
        asked = {"instruction": WRITE_TEMPLATES[0].replace("{title}", title), "input": ""}
        messages = [one for one in chat.prompt_messages(asked, self.system) if one["content"]]
        post_prompt = chat.encode_prompt(self.tokenizer, messages)
        return SentenceWriter(self.model, self.encode_prompt, encode, source, name, post_prompt)

    def drafter(self, title: str, notes: str, seed: int, per_round: int) -> Drafter:
        """The search for one set of notes; see blogtwin.drafting.drafter.Drafter."""
        return Drafter(self.writer(f"{title}\n{notes}", "twin"), title, notes, seed, per_round)

    def measure_speed(self) -> float:
        """Tokens per second of answers written in step, once their prompt is read; a second's work, or some on a slow
        machine."""
        prompts, seeds = [self.encode_prompt(["one line"])] * PROBE_ANSWERS, [*range(PROBE_ANSWERS)]
        self.model.write(prompts, [SamplingParams(1, 1.0, 1.0, 1.0)] * PROBE_ANSWERS, seeds)
        started = time.perf_counter()
        sampling = [SamplingParams(PROBE_TOKENS, 1.0, 1.0, 1.0)] * PROBE_ANSWERS
        answers = self.model.write(prompts, sampling, seeds, fresh=False)
        return sum(answer["written_tokens"] for answer in answers) / (time.perf_counter() - started)

    def write_whole(self, lines: Sequence[str], sampling: SamplingParams, seed: int, count: int) -> list[str]:
        """`count` whole drafts of the prompt with all lines, each as it comes: no fence, no checks."""
        sampling = replace(sampling, max_tokens=EXTRA_TOKENS + TOKENS_PER_LINE * len(lines))
        prompts = [self.encode_prompt(lines)] * count
        answers = self.model.write(prompts, [sampling] * count, [seed + n for n in range(count)])
        return [self.model.text(answer["ids"]).strip() for answer in answers]


def best_of(texts: Sequence[str], title: str, notes: str) -> str:
    """The text that the search's own checks like best: what it tells of each line by its best sentence, less the
    sentences that a gate refuses, and less the share of foreign words."""
    source = f"{title}\n{notes}"
    claims = [parse_claim(line.number, line.text) for line in parse_notes(notes) if line.kind == "claim"]
    known = frozenset(content_stems(source))

    def merit(text: str) -> float:
        sentences = split_sentences(text)
        checks = [[check_claim(claim, sentence) for sentence in sentences] for claim in claims]
        told = sum(max((RECALL * c.recall + TOLD * c.is_told for c in found), default=0) for found in checks)
        refused = sum(rejection_reason(s, "", source, source, NoChecks()) is not None for s in sentences)
        return told - refused - FOREIGN * foreign_share(text, known)

    return max(texts, key=merit)
