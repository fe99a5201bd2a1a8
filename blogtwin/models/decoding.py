"""The loop in which answers are written: one step of the model chooses the next token of each.

Every answer that is scored comes from here. Repetition is penalised over the answer alone: what stands in the prompt,
such as a writer's notes, is what the answer should repeat.
"""

import math
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from blogtwin.sampling import SamplingParams

if TYPE_CHECKING:
    from blogtwin.models.llama_cpp import LlamaModel

# What llama.cpp's server uses where a request says nothing: the same here, so that a text is one the server could have
# written.
TOP_K, MIN_P, PENALTY_LAST_N = 40, 0.05, 64
CHECKED_TOKENS = (TOP_K, 400)  # likeliest tokens that a constraint is asked about; more where it forbids all of them


class Constraint(Protocol):
    """What an answer may say: asked before each token, so that none is chosen that breaks it."""

    def adjust(self, ids: list[int], candidates: np.ndarray) -> np.ndarray:
        """(n,) nats to add to the logits of `candidates` (n token ids, the likeliest first) after the answer so far;
        -inf forbids one."""

    def is_complete(self, ids: list[int]) -> bool:
        """Whether the answer ends here, though the model would go on."""


@dataclass(eq=False)
class Generation:
    """An answer as far as it is written; `end` says why it ended: "stop" or "length"."""

    prompt: list[int]
    sampling: SamplingParams
    seed: int
    constraint: Constraint | None = None
    ids: list[int] = field(default_factory=list)
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
        self.samplers: dict[Generation, int] = {}

    def add(self, answer: Generation) -> None:
        """Queue an answer. Raises AssertionError where prompt and answer do not fit the context."""
        length = len(answer.prompt) + answer.sampling.max_tokens
        assert length <= self.model.n_ctx, f"{length} tokens do not fit the context of {self.model.n_ctx}"
        self.waiting.append(answer)

    def is_busy(self) -> bool:
        """Whether an answer is being written or waits."""
        return bool(self.waiting or self.active)

    def step(self) -> list[Generation]:
        """Begin what waits and finds room, write one token of each answer; returns those that ended."""
        ended = []
        while self.waiting and len(self.active) < self.model.sequences:
            answer = self.waiting.popleft()
            self.samplers[answer] = self._create_sampler(answer.sampling, answer.seed)
            last = self._read_prompt(answer.prompt, len(self.active))
            self.active.append(answer)
            if self._choose_token(answer, last):
                ended.append(answer)
                self._release(len(self.active) - 1)
        places = list(range(len(self.active)))
        if places:
            self.model.decode([(self.active[p].ids[-1], len(self.cached[p]), p, True) for p in places])
        finished = []
        for place in places:
            self.cached[place].append(self.active[place].ids[-1])
            if self._choose_token(self.active[place], place):
                finished.append(place)
        for place in reversed(finished):
            ended.append(self.active[place])
            self._release(place)
        return ended

    def close(self) -> None:
        """Free llama.cpp's samplers."""
        for sampler in self.samplers.values():
            self.lib.llama_sampler_free(sampler)
        self.samplers.clear()

    def _read_prompt(self, prompt: list[int], place: int) -> int:
        """Let a sequence read a prompt, but for the beginning that this or another one holds: the posts shown to the
        five-shot base are read once for all. Returns where in the batch its last token stands."""
        memory = self.lib.llama_get_memory(self.model.context)
        shared = [len(os.path.commonprefix([tokens, prompt[:-1]])) for tokens in self.cached]
        best = max(range(self.model.sequences), key=lambda s: (shared[s], s == place))
        if best != place:
            self._copy_sequence(best, place)
        self.lib.llama_memory_seq_rm(memory, place, shared[best], -1)
        rest = prompt[shared[best] :]
        self.model.decode([(token, at, place, at == len(prompt) - 1) for at, token in enumerate(rest, shared[best])])
        self.cached[place] = list(prompt)
        return len(rest) - 1

    def _copy_sequence(self, source: int, target: int) -> None:
        """The whole cache of a sequence for another one: llama.cpp copies no part between sequences."""
        memory = self.lib.llama_get_memory(self.model.context)
        self.lib.llama_memory_seq_rm(memory, target, -1, -1)
        self.lib.llama_memory_seq_cp(memory, source, target, -1, -1)
        self.cached[target] = list(self.cached[source])

    def _release(self, place: int) -> None:
        """Take an ended answer out; the last active one moves into the gap."""
        self.lib.llama_sampler_free(self.samplers.pop(self.active[place]))
        last = len(self.active) - 1
        if place != last:
            self._copy_sequence(last, place)
            self.active[place] = self.active[last]
        self.active.pop()

    def _choose_token(self, answer: Generation, at: int) -> bool:
        """Choose the next token of an answer from the logits of the batch's token `at`; True when it has ended."""
        scores = self._constrain(answer.constraint, answer.ids, at) if answer.constraint else None
        token = self.lib.llama_sampler_sample(self.samplers[answer], self.model.context, at)
        if scores is not None:
            answer.log_likelihood += float(scores[token])
        answer.ids.append(token)
        if self.model.ends(token) or (answer.constraint and answer.constraint.is_complete(answer.ids)):
            answer.end = "stop"
        elif len(answer.ids) >= answer.sampling.max_tokens:
            answer.end = "length"
        return bool(answer.end)

    def _constrain(self, constraint: Constraint, ids: list[int], at: int) -> np.ndarray:
        """Leave the samplers only tokens that the constraint allows after `ids`; returns the (vocabulary,)
        log-probabilities as the model has them. Where none of the likeliest is allowed, the answer ends."""
        logits = self.model.logits(at)
        scores = logits.astype(np.float32)
        scores -= scores.max()
        scores -= math.log(float(np.exp(scores).sum()))
        for checked in CHECKED_TOKENS:
            candidates = np.argpartition(-scores, checked)[:checked]
            candidates = candidates[np.argsort(-scores[candidates])]
            adjusted = scores[candidates] + constraint.adjust(ids, candidates)
            if np.isfinite(adjusted).any():
                break
        else:
            candidates, adjusted = np.array([self.model.end_token]), np.zeros(1, np.float32)
        logits[:] = -np.inf
        logits[candidates] = adjusted
        return scores

    def _create_sampler(self, sampling: SamplingParams, seed: int) -> int:
        """llama.cpp's own chain, in its server's order."""
        lib = self.lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for sampler in (
            lib.llama_sampler_init_penalties(self.model.n_vocab, PENALTY_LAST_N, sampling.repeat_penalty, 0.0, 0.0),
            lib.llama_sampler_init_top_k(TOP_K),
            lib.llama_sampler_init_top_p(sampling.top_p, 1),
            lib.llama_sampler_init_min_p(MIN_P, 1),
            lib.llama_sampler_init_temp(sampling.temperature),
            lib.llama_sampler_init_dist(seed),
        ):
            lib.llama_sampler_chain_add(chain, sampler)
        return chain
