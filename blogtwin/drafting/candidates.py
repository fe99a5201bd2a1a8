"""Candidates for the next sentence: the model writes several at a time, each under the fence."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from blogtwin.drafting.fence import Fence, Licences
from blogtwin.drafting.questions import Reach
from blogtwin.models.decoding import Generation
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from blogtwin.text.sentences import ABBREVIATION

SENTENCE_STOP = re.compile(r"[.!?…][\"”’)\]]*(?=\s|$)")
MAX_SENTENCE_TOKENS = 56
TOP_P = 0.95
STRAGGLERS = 3  # answers of a round that are not waited for
MAX_LEAD_TOKENS = 300  # of the text before a sentence, by which it is judged as prose
PULL = 1.0  # nats on the beginning of a word that the sentence should still hold


@dataclass(frozen=True)
class Candidate:
    """A sentence the model wrote. `mean_log_likelihood`: nats per token, by the model itself."""

    text: str
    mean_log_likelihood: float
    tokens: int


@dataclass(frozen=True)
class Request:
    """What the next sentence is asked for: `lines` of notes to tell, after the text `before`; with a `prefix` it begins
    with these words. `licensed`: the text whose facts may be stated. `wanted`: words whose beginnings are made
    likelier."""

    lines: tuple[str, ...]
    before: str
    licensed: str
    wanted: frozenset[str]
    count: int
    temperature: float
    seed: int
    prefix: str = ""


class SentenceFence(Fence):
    """A fence that ends the answer with its first sentence."""

    def is_complete(self, ids: list[int]) -> bool:
        """Whether a sentence and the blank after it are written, or a line has ended."""
        self.follow(ids)
        own = self.text[len(self.before) :]
        return "\n" in own.strip(" ") and bool(own.strip()) or bool(first_sentence(own, whole=False))


class SentenceWriter:
    """Writes candidates with one model. `encode_prompt(lines)` gives the token ids of the prompt that asks for a
    passage from these notes, `encode(text)` those of text; `post_prompt` are those of the prompt that asks for a post
    by its title alone."""

    has_fence = True

    def __init__(
        self,
        model: LlamaModel,
        encode_prompt: Callable[[Sequence[str]], list[int]],
        encode: Callable[[str], list[int]],
        source: str,
        name: str = "",
        post_prompt: Sequence[int] = (),
    ):
        self.model, self.encode_prompt, self.encode, self.source = model, encode_prompt, encode, source
        self.post_prompt = list(post_prompt)
        self.name = name
        self.notes = Licences(source, source)
        self.written_tokens = 0
        self.candidates = 0
        self.reached: list[list[tuple[Reach, ...]]] = []  # in each round of the last call, by each of its answers

    def write(self, request: Request) -> list[Candidate]:
        """Candidates for the next sentence, unchecked; those that came to no end are left out."""
        found: list[Candidate] = []
        self.write_rounds([request], found.append, lambda: False)
        return found

    def write_rounds(
        self, requests: Iterable[Request], take: Callable[[Candidate], object], enough: Callable[[], bool]
    ) -> None:
        """Hand the candidates of one request after the other to `take`, each text once, as soon as it is whole, until
        there are `enough`. STRAGGLERS of a round, its longest, are not waited for."""
        prefixes: dict[Generation, str] = {}
        fences: list[list[SentenceFence]] = []  # of each round
        found: set[str] = set()

        def rounds() -> Iterator[list[Generation]]:
            for request in requests:
                answers = self._answers(request)
                prefixes.update({answer: request.prefix for answer, _ in answers})
                fences.append([fence for _, fence in answers])
                yield [answer for answer, _ in answers]

        def take_answer(answer: Generation) -> None:
            text = first_sentence(prefixes[answer] + self.model.text(answer.ids), answer.end == "stop")
            if text and text not in found:
                found.add(text)
                take(Candidate(text, answer.log_likelihood / max(1, len(answer.ids)), len(answer.ids)))

        self.model.write_rounds(rounds(), take_answer, enough, STRAGGLERS, fresh=not self.candidates)
        self.candidates += len(prefixes)
        self.written_tokens += sum(len(answer.ids) for answer in prefixes)
        self.reached = [[tuple(fence.reached.values()) for fence in of_round] for of_round in fences]

    def prose_log_likelihoods(self, before: str, texts: list[str]) -> list[float]:
        """Nats per token of each text after `before` in a post of that title, without the notes. A blank at the end of
        `before` is read with the text: it belongs to the token of its first word."""
        lead = before.rstrip(" ")
        continuations = [self.encode(before[len(lead) :] + text) for text in texts]
        prompt = self.post_prompt + (self.encode(lead)[-MAX_LEAD_TOKENS:] if lead else [])
        found = self.model.continuation_log_likelihoods(prompt, continuations, fresh=not self.candidates)
        return [float(nats.mean()) for nats in found]

    def _answers(self, request: Request) -> list[tuple[Generation, SentenceFence]]:
        """The answers of a request, still to be written, each with its fence."""
        lead = " ".join(part for part in (request.before, request.prefix) if part)
        lead_ids = self.encode(lead) if lead else []
        prompt = self.encode_prompt(request.lines) + lead_ids
        licences = Licences(request.licensed, self.source)
        pull = dict.fromkeys(request.wanted, PULL)
        sampling = SamplingParams(MAX_SENTENCE_TOKENS, request.temperature, TOP_P, 1.0)
        answers = []
        for number in range(request.count):
            fence = SentenceFence(licences, self.model.pieces(), lead, lead_ids, pull, self.notes)
            answers.append((Generation(prompt, sampling, request.seed + number, fence), fence))
        return answers


def write_in_turn(
    write: Callable[[Request], list[Candidate]],
    requests: Iterable[Request],
    take: Callable[[Candidate], object],
    enough: Callable[[], bool],
) -> None:
    """`write_rounds` of a writer that can only `write` whole rounds."""
    found: set[str] = set()
    for request in requests:
        for candidate in write(request):
            if candidate.text not in found:
                found.add(candidate.text)
                take(candidate)
        if enough():
            return


def first_sentence(text: str, whole: bool) -> str:
    """The first sentence of a text, on one line; nothing where it has no end. `whole`: the text's end is one too."""
    text = " ".join(text.split("\n")[0].split()) if text.strip() else ""
    for stop in SENTENCE_STOP.finditer(text):
        at_end = stop.end() == len(text)
        if (at_end and not whole) or ABBREVIATION.search(text[: stop.end()]):
            continue
        return text[: stop.end()]
    return ""
