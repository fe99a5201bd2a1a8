"""The loop in which answers are written: one step of the model chooses the next token of each.

Every answer that is scored comes from here, and every answer that the embedded engine serves. Repetition is penalised
over the answer alone: what stands in the prompt, such as a writer's notes, is what the answer should repeat. No run of
words is forbidden to come twice: one of five tokens does so in half of the sample author's own passages of 400 tokens.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from blogtwin.sampling import SamplingParams

if TYPE_CHECKING:
    from blogtwin.models.llama_cpp import LlamaModel

PENALTY_LAST_N = 64  # tokens of the answer that the penalties look back on
CHECKED_TOKENS = (40, 400)  # likeliest tokens that a constraint is asked about; more where it forbids all of them
# Tokens of a prompt that are read at a time; between two pieces, other answers go on and one can be cancelled. Measured
# on two cores: 32 are slower by half, 2048 not faster. Another size rounds otherwise, so it is the same for all.
PIECE_TOKENS = 64
NEAR_NATS = 9.0  # below the likeliest token: hundreds of tokens are nearer, as a rule


class Constraint(Protocol):
    """What an answer may say: asked before each token, so that none is chosen that breaks it."""

    def adjust(self, ids: list[int], candidates: np.ndarray) -> np.ndarray:
        """(n,) nats to add to the logits of `candidates` (n token ids, the likeliest first) after the answer so far;
        -inf forbids one."""

    def is_complete(self, ids: list[int]) -> bool:
        """Whether the answer ends here, though the model would go on."""


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """(vocabulary,) natural log-probabilities of the next token; the logits stay as they are."""
    scores = logits.astype(np.float32)
    scores -= scores.max()
    return scores - np.log(np.exp(scores).sum())


def likeliest(scores: np.ndarray, count: int) -> np.ndarray:
    """(count,) indices of the highest scores, in descending order. Few of a vocabulary's tokens are near the likeliest,
    and only those are sorted: np.argpartition over all 49,152 takes five times as long."""
    near = np.flatnonzero(scores > scores.max() - NEAR_NATS)
    if len(near) < count:
        near = np.argpartition(-scores, count)[:count]
    return near[np.argsort(-scores[near])][:count]


class TokenLogprob(NamedTuple):
    """A token that was chosen, and the likeliest ones at its place: natural log-probabilities by the model itself."""

    token: int
    logprob: float
    top: list[tuple[int, float]]


@dataclass(eq=False)
class Generation:
    """An answer as far as it is written; `end` says why it ended: "stop" or "length"."""

    prompt: list[int]
    sampling: SamplingParams
    seed: int
    constraint: Constraint | None = None
    strength: float = 1.0  # scale of the adapter
    reuse: bool = True  # whether the beginning of the prompt may come from a cache, which rounds otherwise
    num_logprobs: int | None = None  # likeliest tokens to tell at each place; None: no log-probabilities
    read: int = 0  # tokens of the prompt that the model has read
    ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    log_likelihood: float = 0.0  # nats, by the model itself, before sampling parameters; of constrained answers only
    end: str = ""

    def result(self, to_text: Callable[[list[int]], str]) -> dict:
        """The finished answer as `LlamaModel.write` returns it."""
        return {
            "text": to_text(self.ids).strip(),
            "ids": self.ids,
            "end": self.end,
            "written_tokens": len(self.ids),
            "log_likelihood": self.log_likelihood,
        }


class Decoder:
    """Writes the answers that are added to it, up to `model.sequences` in step. It must run in the model's own thread.

    llama.cpp cuts a step into one graph for each run of neighbouring sequences, so the active ones are kept side by
    side: 8 active of 16 took 61 ms side by side and 147 ms as every second one (smollm2:135m, two cores with AVX2).
    """

    def __init__(self, model: "LlamaModel"):
        self.model, self.lib = model, model.lib
        self.waiting: deque[Generation] = deque()
        self.active: list[Generation] = []  # the place in this list is the number of the sequence
        self.cached: list[list[int]] = [[] for _ in range(model.sequences)]  # tokens that each sequence's cache holds
        self.strengths = [1.0] * model.sequences  # of the adapter with which they were read
        self.samplers: dict[Generation, int] = {}

    def add(self, answer: Generation) -> None:
        """Queue an answer. Raises AssertionError where prompt and answer do not fit the context."""
        length = len(answer.prompt) + answer.sampling.max_tokens
        assert length <= self.model.n_ctx, f"{length} tokens do not fit the context of {self.model.n_ctx}"
        self.waiting.append(answer)

    def cancel(self, answer: Generation) -> None:
        """Write no more of an answer. One that has ended stays as it is."""
        if answer in self.waiting:
            self.waiting.remove(answer)
        elif answer in self.active:
            self._release(self.active.index(answer))

    def is_busy(self) -> bool:
        """Whether an answer is being written or waits."""
        return bool(self.waiting or self.active)

    def step(self, pieces: int | None = None) -> list[Generation]:
        """Write one token of each answer: of those whose prompt is read the next one, and their first one of those
        that wait, find room, and whose prompt is read now. At most `pieces` pieces of prompts are read (None: all).
        Returns the answers that ended."""
        by_strength: dict[float, list[Generation]] = {}
        for answer in self.active:
            if answer.ids:
                by_strength.setdefault(answer.strength, []).append(answer)
        ended = self._read_prompts(pieces)
        for strength, answers in by_strength.items():
            ended += self._write_tokens(strength, answers)
        return ended

    def log_likelihoods(self, prompt: list[int], continuations: Sequence[list[int]]) -> list[np.ndarray]:
        """For each continuation of a prompt (token ids) the natural log-probability of each of its tokens, by the model
        with its adapter at full strength. The continuations are read in one step: at most `model.sequences` of them,
        together as long as the context. Nothing may be written at the time."""
        assert not self.is_busy()
        assert len(continuations) <= self.model.sequences
        known, memory = prompt[:-1], self.lib.llama_get_memory(self.model.context)
        source, shared = self._most_shared(known, [strength == 1.0 for strength in self.strengths])
        self.model.set_strength(1.0)
        self.lib.llama_memory_seq_rm(memory, source, shared, -1)
        for start in range(shared, len(known), PIECE_TOKENS):
            piece = known[start : start + PIECE_TOKENS]
            self.model.decode([(token, at, source, False) for at, token in enumerate(piece, start)])
        self.cached[source], self.strengths[source] = list(known), 1.0
        batch: list[tuple[int, int, int, bool]] = []
        for place, continuation in enumerate(continuations):
            if place != source:
                self._copy_sequence(source, place)
            read = [prompt[-1], *continuation[:-1]]
            batch += [(token, at, place, True) for at, token in enumerate(read, len(known))]
            self.cached[place] = known + read
        self.model.decode(batch)
        rows = iter(range(len(batch)))
        return [
            np.array([log_softmax(self.model.logits(next(rows)))[token] for token in continuation], np.float32)
            for continuation in continuations
        ]

    def close(self) -> None:
        """Free llama.cpp's samplers."""
        for sampler in self.samplers.values():
            self.lib.llama_sampler_free(sampler)
        self.samplers.clear()

    def _write_tokens(self, strength: float, answers: list[Generation]) -> list[Generation]:
        """One token of each of these answers, which have the same strength; returns those that ended."""
        places = [self.active.index(answer) for answer in answers]
        self.model.set_strength(strength)
        self.model.decode([(self.active[p].ids[-1], len(self.cached[p]), p, True) for p in places])
        finished = []
        for at, place in enumerate(places):
            self.cached[place].append(self.active[place].ids[-1])
            if self._choose_token(self.active[place], at):
                finished.append(place)
        ended = []
        for place in reversed(finished):
            ended.append(self.active[place])
            self._release(place)
        return ended

    def _read_prompts(self, pieces: int | None) -> list[Generation]:
        """Read prompts, one after the other, in order of arrival; returns answers that ended with their first token."""
        ended = []
        while pieces is None or pieces > 0:
            answer = next((one for one in self.active if not one.ids), None) or self._begin_next()
            if answer is None:
                break
            last = self._read_piece(answer)
            if answer.read == len(answer.prompt) and self._choose_token(answer, last):
                ended.append(answer)
                self._release(self.active.index(answer))
            pieces = None if pieces is None else pieces - 1
        return ended

    def _begin_next(self) -> Generation | None:
        """Give the answer that has waited longest the next sequence, if there is one. The beginning of its prompt that
        this or another sequence holds is not read again: the posts shown to the five-shot base are read once for
        all."""
        if not self.waiting or len(self.active) == self.model.sequences:
            return None
        answer, place = self.waiting.popleft(), len(self.active)
        usable = [answer.reuse and strength == answer.strength for strength in self.strengths]
        best, shared = self._most_shared(answer.prompt[:-1], usable, place)
        if best != place:
            self._copy_sequence(best, place)
        self.lib.llama_memory_seq_rm(self.lib.llama_get_memory(self.model.context), place, shared, -1)
        answer.read, self.strengths[place] = shared, answer.strength
        self.cached[place] = answer.prompt[: answer.read]
        self.samplers[answer] = self._create_sampler(answer.sampling, answer.seed)
        self.active.append(answer)
        return answer

    def _most_shared(self, tokens: list[int], usable: Sequence[bool], place: int = -1) -> tuple[int, int]:
        """(the sequence whose cache holds the longest beginning of `tokens`, how many tokens that is); of equal ones
        `place`, else the last: the first ones are those that are written over next."""
        shared = [
            len(os.path.commonprefix([cached, tokens])) if valid else 0
            for cached, valid in zip(self.cached, usable, strict=True)
        ]
        best = max(range(self.model.sequences), key=lambda s: (shared[s], s == place, place < 0 and s))
        return best, shared[best]

    def _read_piece(self, answer: Generation) -> int:
        """Let the model read the next piece of a prompt; returns where in the batch its last token stands."""
        place, start = self.active.index(answer), answer.read
        piece = answer.prompt[start : start + PIECE_TOKENS]
        last = len(answer.prompt) - 1
        self.model.set_strength(answer.strength)
        self.model.decode([(token, at, place, at == last) for at, token in enumerate(piece, start)])
        answer.read += len(piece)
        self.cached[place] = answer.prompt[: answer.read]
        return len(piece) - 1

    def _copy_sequence(self, source: int, target: int) -> None:
        """The whole cache of a sequence for another one: llama.cpp copies no part between sequences."""
        memory = self.lib.llama_get_memory(self.model.context)
        self.lib.llama_memory_seq_rm(memory, target, -1, -1)
        self.lib.llama_memory_seq_cp(memory, source, target, -1, -1)
        self.cached[target], self.strengths[target] = list(self.cached[source]), self.strengths[source]

    def _release(self, place: int) -> None:
        """Take an answer out; the last active one moves into the gap."""
        self.lib.llama_sampler_free(self.samplers.pop(self.active[place]))
        last = len(self.active) - 1
        if place != last:
            self._copy_sequence(last, place)
            self.active[place] = self.active[last]
        self.active.pop()

    def _choose_token(self, answer: Generation, at: int) -> bool:
        """Choose the next token of an answer from the logits of the batch's token `at`; True when it has ended."""
        scores = None
        if answer.constraint or answer.num_logprobs is not None:
            scores = log_softmax(self.model.logits(at))
        if answer.constraint and scores is not None:
            self._constrain(answer.constraint, answer.ids, at, scores)
        token = self.lib.llama_sampler_sample(self.samplers[answer], self.model.context, at)
        if answer.num_logprobs is not None and scores is not None:
            top = np.argsort(-scores)[: answer.num_logprobs].tolist()
            answer.logprobs.append(TokenLogprob(token, float(scores[token]), [(t, float(scores[t])) for t in top]))
        if answer.constraint and scores is not None:
            answer.log_likelihood += float(scores[token])
        answer.ids.append(token)
        if self.model.ends(token) or (answer.constraint and answer.constraint.is_complete(answer.ids)):
            answer.end = "stop"
        elif len(answer.ids) >= answer.sampling.max_tokens:
            answer.end = "length"
        return bool(answer.end)

    def _constrain(self, constraint: Constraint, ids: list[int], at: int, scores: np.ndarray) -> None:
        """Leave the samplers only tokens that the constraint allows after `ids`. Where none of the likeliest is
        allowed, the answer ends."""
        logits = self.model.logits(at)
        for checked in CHECKED_TOKENS:
            candidates = likeliest(scores, checked)
            adjusted = scores[candidates] + constraint.adjust(ids, candidates)
            if np.isfinite(adjusted).any():
                break
        else:
            candidates, adjusted = np.array([self.model.end_token]), np.zeros(1, np.float32)
        logits[:] = -np.inf
        logits[candidates] = adjusted

    def _create_sampler(self, sampling: SamplingParams, seed: int) -> int:
        """llama.cpp's own chain, in its server's order."""
        lib = self.lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
        for sampler in (
            lib.llama_sampler_init_penalties(self.model.n_vocab, PENALTY_LAST_N, *penalties),
            lib.llama_sampler_init_top_k(sampling.top_k),
            lib.llama_sampler_init_top_p(sampling.top_p, 1),
            lib.llama_sampler_init_min_p(sampling.min_p, 1),
            lib.llama_sampler_init_temp(sampling.temperature),
            lib.llama_sampler_init_dist(seed),
        ):
            lib.llama_sampler_chain_add(chain, sampler)
        return chain
