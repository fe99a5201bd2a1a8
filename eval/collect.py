"""Everything that the systems write and score, as rows that can be stored: base.jsonl has those of the base model, once
for all experiments on it.

A row is one of: {"system", "id", "post_id", "read", "raw", "text", "end", "written_tokens"} for a held-out post,
{"system", "other", "raw"} for a control text by somebody else, {"system", "suite", "case", "text", "end"}, {"system",
"notes": the case, "text", "end"}, {"system", "prefix": "train" or "test", "shares"}, {"system", "canaries": exposures}.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from blogtwin.config import Params
from blogtwin.console import progress_counter, track
from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.models.registry import BaseModelFiles
from blogtwin.sampling import SamplingParams
from eval import grounding, likelihood, suites, systems
from eval.canaries import Canary, exposure
from eval.systems import System

NUM_RAW_TOKENS = 128
NUM_PREFIXES = 12
PREFIX_CONTEXT, CANARY_CONTEXT = 1024, 512  # tokens
# A text is cut to so many tokens and tokenised again, which may give some more.
SPARE_TOKENS = 8
SEEDS_PER_ROUND = 1000  # more than there are prompts: each round of texts has seeds of its own
Row = dict[str, Any]


@dataclass(frozen=True)
class GenerationRequest:
    """A prompt for a system. `row`: what is known of the answer's row; `is_post`: it asks for a held-out post, which
    the system may score as well."""

    row: Row
    prompt: list[int]
    sampling: SamplingParams
    seed: int
    is_post: bool


class OutputCollector:
    """One GGUF and the systems that run on it."""

    def __init__(self, gguf: Path, base: BaseModelFiles, params: Params) -> None:
        self.gguf, self.params = gguf, params
        self.sampling = SamplingParams.from_params(params.eval)
        self.tokenizer = base.tokenizer()

    def collect(
        self,
        group: list[System],
        examples: list[Row],
        controls: list[str],
        scoring: set[str],
        suite_names: tuple[str, ...] | list[str] = (),
    ) -> list[Row]:
        """Rows of all systems of `group`, for the held-out posts `examples`.

        The systems named in `scoring` also score these posts. The first system scores the `controls` too, if it is one
        of those, and answers the cases of the suites.
        """
        cases = [request for name in suite_names for request in self._case_requests(group[0], name)]
        rows = []
        # All that have short prompts generate in one batch, so that few steps are half empty. Those with five posts in
        # their prompts generate apart, because in a step every text costs as much attention as the longest one.
        for has_shots in (False, True):
            some = [system for system in group if bool(system.shots) is has_shots]
            if some:
                extra = ([], []) if has_shots else (controls, cases)
                rows += self._collect_batch(some, examples, scoring, *extra)
        return rows

    def _collect_batch(
        self,
        group: list[System],
        examples: list[Row],
        scoring: set[str],
        controls: list[str],
        cases: list[GenerationRequest],
    ) -> list[Row]:
        requests = [request for system in group for request in self._post_requests(system, examples)] + cases
        n_ctx = max(self._context_tokens(request) for request in requests)
        sequences = min(systems.MAX_BATCH, len(requests))
        with LlamaModel(self.gguf, n_ctx=max(n_ctx, NUM_RAW_TOKENS + SPARE_TOKENS), sequences=sequences) as model:
            for system in group:
                if system.name in scoring:
                    own = [r for r in requests if r.is_post and r.row["system"] == system.name]
                    for request, scores in zip(own, self._score_posts(model, system, examples), strict=True):
                        request.row.update(scores)
            names = " and ".join(system.name for system in group)
            rows = self._generate(model, f"{names} {'writes' if len(group) == 1 else 'write'}", requests)
            first = group[0].name
            if first in scoring:
                for i, text in enumerate(controls):
                    raw = likelihood.score_raw(model, text, self.tokenizer, NUM_RAW_TOKENS)
                    rows.append({"system": first, "other": i, "raw": raw})
        return rows

    def _context_tokens(self, request: GenerationRequest) -> int:
        """How many tokens a request needs for its prompt and the text that is generated or scored."""
        limit = self.params.eval.max_scored_tokens
        scored = min(limit + SPARE_TOKENS, likelihood.WINDOW_TOKENS) if limit else likelihood.WINDOW_TOKENS
        return len(request.prompt) + max(request.sampling.max_tokens, scored if request.is_post else 0)

    def write_again(self, system: System, examples: list[Row], number: int) -> list[str]:
        """The system's texts for the held-out posts once more, with the seeds of round `number`, from 1."""
        asked = self._post_requests(system, examples)
        requests = [replace(request, seed=request.seed + number * SEEDS_PER_ROUND) for request in asked]
        n_ctx = max(len(request.prompt) + request.sampling.max_tokens for request in requests)
        sequences = min(systems.MAX_BATCH, len(requests))
        with LlamaModel(self.gguf, n_ctx=n_ctx, sequences=sequences) as model:
            return [row["text"] for row in self._generate(model, f"{system.name} writes again", requests)]

    def collect_suites(self, system: System, names: list[str]) -> list[Row]:
        """The system's answers to every case of these suites."""
        return self.collect([system], [], [], set(), names)

    def _post_requests(self, system: System, examples: list[Row]) -> list[GenerationRequest]:
        requests = []
        for n, example in enumerate(examples):
            row = {"system": system.name, "id": example["id"], "post_id": example["post_id"]}
            prompt = chat.encode_prompt(self.tokenizer, system.messages(example))
            requests.append(GenerationRequest(row, prompt, self.sampling, systems.prompt_seed(self.sampling, n), True))
        return requests

    def _case_requests(self, system: System, name: str) -> list[GenerationRequest]:
        suite = suites.load_suite(name)
        # Greedy: what the model can do, not what it may happen to write.
        sampling = replace(self.sampling, max_tokens=suite.max_tokens, temperature=0.0)
        requests = []
        for n, case in enumerate(suite.cases):
            row = {"system": system.name, "suite": name, "case": case.id}
            prompt = chat.encode_prompt(self.tokenizer, suites.case_messages(case, system.system_prompt))
            requests.append(GenerationRequest(row, prompt, sampling, systems.prompt_seed(sampling, n), False))
        return requests

    def _score_posts(self, model: LlamaModel, system: System, examples: list[Row]) -> list[Row]:
        rows = []
        max_tokens = self.params.eval.max_scored_tokens
        for example in track(examples, f"{system.name} scores the posts"):
            row = {"read": likelihood.score_post(model, system, example, self.tokenizer, max_tokens)}
            if not system.shots:
                row["raw"] = likelihood.score_raw(model, example["output"], self.tokenizer, NUM_RAW_TOKENS)
            rows.append(row)
        return rows

    def collect_notes(self, group: list[System], cases: list[Row]) -> list[Row]:
        """What each system writes from notes of held-out posts; `cases` are those of eval.grounding.build_cases."""
        if not cases:
            return []
        sampling = replace(self.sampling, max_tokens=grounding.DRAFT_TOKENS)
        by_system: dict[str, list[GenerationRequest]] = {}
        for system in group:
            for n, case in enumerate(cases):
                prompt = chat.encode_prompt(self.tokenizer, system.messages(grounding.to_example(case)))
                request = GenerationRequest(
                    {"system": system.name, "notes": case}, prompt, sampling, systems.prompt_seed(sampling, n), False
                )
                by_system.setdefault(system.name, []).append(request)
        longest = max(len(request.prompt) for requests in by_system.values() for request in requests)
        rows = []
        sequences = min(systems.MAX_BATCH, len(cases))
        with LlamaModel(self.gguf, n_ctx=longest + grounding.DRAFT_TOKENS, sequences=sequences) as model:
            for name, requests in by_system.items():
                rows += self._generate(model, f"{name} writes from notes", requests)
        return rows

    def _generate(self, model: LlamaModel, title: str, requests: list[GenerationRequest]) -> list[Row]:
        """The rows of the requests, with the answers."""
        with progress_counter(title, len(requests)) as advance:
            answers = systems.generate_cached(
                model,
                self.gguf,
                [request.prompt for request in requests],
                [request.sampling for request in requests],
                [request.seed for request in requests],
                advance,
            )
        rows = []
        for request, answer in zip(requests, answers, strict=True):
            rows.append({**request.row, **{key: answer[key] for key in ("text", "end", "written_tokens")}})
        return rows

    def prefix_extraction(self, system: System, posts: dict[str, list[Row]]) -> list[Row]:
        """How much of training and of test posts the system continues verbatim; `posts` are examples by split. A short
        evaluation (eval.num_prompts) uses fewer of them, too."""
        rows = []
        n = min(NUM_PREFIXES, self.params.eval.num_prompts or NUM_PREFIXES)
        with LlamaModel(self.gguf, n_ctx=PREFIX_CONTEXT, sequences=n) as model:
            for split, examples in posts.items():
                shares = systems.prefix_extraction(
                    model, self.gguf, system, examples[:n], self.tokenizer, self.sampling
                )
                rows.append({"system": system.name, "prefix": split, "shares": shares})
        return rows

    def canary_exposure(self, system: System, planted: list[Canary]) -> list[Row]:
        """The exposure of each planted canary, in bits."""
        exposures = []
        with LlamaModel(self.gguf, n_ctx=CANARY_CONTEXT) as model:

            def log_likelihood(prompt: list[int], text: str) -> float:
                return float(model.log_likelihoods(prompt, chat.encode(self.tokenizer, text)).sum())

            for canary in track(planted, f"{system.name}: canaries"):
                prompt = chat.encode_prompt(self.tokenizer, system.messages({"instruction": canary.instruction}))
                exposures.append(exposure(partial(log_likelihood, prompt), canary, self.params.eval.seed))
        return [{"system": system.name, "canaries": exposures}] if exposures else []

    def base_bits_per_byte(self, texts: list[str], max_tokens: int) -> list[float]:
        """Bits per byte of the beginning of each text by itself; nan for an empty one. Equal texts are scored once."""
        found: dict[str, float] = {}
        with LlamaModel(self.gguf, n_ctx=max_tokens + 2 * SPARE_TOKENS) as model:
            for text in track(sorted({t for t in texts if t.strip()}), "the base scores the texts"):
                found[text] = likelihood.bits_per_byte([likelihood.score_raw(model, text, self.tokenizer, max_tokens)])
        return [found.get(text, math.nan) for text in texts]
