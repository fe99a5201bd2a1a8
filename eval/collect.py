"""All that is asked of a voice, as rows that can be kept: base.jsonl holds those of the base model, once for all
experiments on it.

A row is one of: {"voice", "id", "read", "raw", "text", "end", "written_tokens"} for a held-out post, {"voice", "other",
"raw"} for somebody else's post, {"voice", "suite", "case", "text", "end"}, {"voice", "notes": the case, "text", "end"},
{"voice", "prefix": "train" or "test", "shares"}, {"voice", "canaries": exposures}.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from blogtwin.console import progress_counter, track
from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from eval import grounding, likelihood, suites, systems
from eval.canaries import Canary, exposure
from eval.systems import System

NUM_RAW_TOKENS = 128
NUM_PREFIXES = 12


@dataclass(frozen=True)
class GenerationRequest:
    """What a voice is asked to write; `row` is its answer's, as far as it is known; `reads`: about a held-out post,
    which it may read as well."""

    row: dict
    prompt: list[int]
    sampling: SamplingParams
    seed: int
    reads: bool


class OutputCollector:
    """One GGUF and the voices that speak through it; `params` are all of them."""

    def __init__(self, gguf: Path, base, params):
        self.gguf, self.params = gguf, params
        self.sampling = SamplingParams.from_params(params.eval)
        self.tokenizer = base.tokenizer()

    def hear(
        self,
        speakers: list[System],
        examples: list[dict],
        others: list[str],
        reads: set[str],
        names: tuple[str, ...] = (),
    ) -> list[dict]:
        """Rows of all speakers; those named in `reads` also read the held-out posts, and the first of them other
        people's, and answers the cases of the suites `names`."""
        cases = [q for name in names for q in self._cases(speakers[0], name)]
        rows = []
        # All that are asked in few words write in one go, so that few steps are half empty; whoever has read five posts
        # writes apart, since in a step each text costs as much attention as the longest.
        for shown in (False, True):
            group = [v for v in speakers if bool(v.shots) is shown]
            if group:
                rows += self._hear(group, examples, [] if shown else others, reads, [] if shown else cases)
        return rows

    def _hear(
        self,
        speakers: list[System],
        examples: list[dict],
        others: list[str],
        reads: set[str],
        cases: list[GenerationRequest],
    ) -> list[dict]:
        asked = [q for v in speakers for q in self._posts(v, examples)] + cases
        # A text is cut to read_tokens and tokenised again, which may give some tokens more.
        limit = self.params.eval.max_scored_tokens
        read_tokens = min(limit + 8, likelihood.WINDOW_TOKENS) if limit else likelihood.WINDOW_TOKENS
        n_ctx = max(len(q.prompt) + max(q.sampling.max_tokens, read_tokens if q.reads else 0) for q in asked)
        with LlamaModel(
            self.gguf, n_ctx=max(n_ctx, NUM_RAW_TOKENS + 8), sequences=min(systems.MAX_BATCH, len(asked))
        ) as model:
            for voice in speakers:
                if voice.name in reads:
                    own = [q for q in asked if q.reads and q.row["voice"] == voice.name]
                    for question, read in zip(own, self._read(model, voice, examples), strict=True):
                        question.row.update(read)
            rows = self._write(
                model, f"{' and '.join(v.name for v in speakers)} {'writes' if len(speakers) == 1 else 'write'}", asked
            )
            if speakers[0].name in reads:
                rows += [
                    {
                        "voice": speakers[0].name,
                        "other": i,
                        "raw": likelihood.score_raw(model, text, self.tokenizer, NUM_RAW_TOKENS),
                    }
                    for i, text in enumerate(others)
                ]
        return rows

    def suites(self, voice: System, names: list[str]) -> list[dict]:
        """The voice's answers to every case of these suites."""
        return self.hear([voice], [], [], set(), tuple(names))

    def _posts(self, voice: System, examples: list[dict]) -> list[GenerationRequest]:
        sampling = self.sampling
        return [
            GenerationRequest(
                {"voice": voice.name, "id": e["id"], "post_id": e["post_id"]},
                chat.encode_prompt(self.tokenizer, voice.messages(e)),
                sampling,
                sampling.seed + n,
                True,
            )
            for n, e in enumerate(examples)
        ]

    def _cases(self, voice: System, name: str) -> list[GenerationRequest]:
        suite = suites.load_suite(name)
        sampling = replace(
            self.sampling, max_tokens=suite.max_tokens, temperature=0.0
        )  # what it can, not what it may happen to say
        return [
            GenerationRequest(
                {"voice": voice.name, "suite": name, "case": case.id},
                chat.encode_prompt(self.tokenizer, suites.case_messages(case, voice.system)),
                sampling,
                sampling.seed + n,
                False,
            )
            for n, case in enumerate(suite.cases)
        ]

    def _read(self, model: LlamaModel, voice: System, examples: list[dict]) -> list[dict]:
        rows = []
        for example in track(examples, f"{voice.name} reads"):
            row = {
                "read": likelihood.score_post(model, voice, example, self.tokenizer, self.params.eval.max_scored_tokens)
            }
            if not voice.shots:
                row["raw"] = likelihood.score_raw(model, example["output"], self.tokenizer, NUM_RAW_TOKENS)
            rows.append(row)
        return rows

    def notes(self, speakers: list[System], cases: list[dict]) -> list[dict]:
        """What each makes of notes of held-out posts; `cases` as eval/grounding.py gives them."""
        if not cases:
            return []
        sampling = replace(self.sampling, max_tokens=grounding.DRAFT_TOKENS)
        asked = {
            v.name: [
                GenerationRequest(
                    {"voice": v.name, "notes": c},
                    chat.encode_prompt(self.tokenizer, v.messages(grounding.to_example(c))),
                    sampling,
                    sampling.seed + n,
                    False,
                )
                for n, c in enumerate(cases)
            ]
            for v in speakers
        }
        longest = max(len(q.prompt) for questions in asked.values() for q in questions)
        with LlamaModel(
            self.gguf, n_ctx=longest + grounding.DRAFT_TOKENS, sequences=min(systems.MAX_BATCH, len(cases))
        ) as model:
            return [
                row
                for name, questions in asked.items()
                for row in self._write(model, f"{name} writes from notes", questions)
            ]

    def _write(self, model: LlamaModel, title: str, asked: list[GenerationRequest]) -> list[dict]:
        """The rows of the questions, with their answers."""
        with progress_counter(title, len(asked)) as wrote:
            answers = systems.generate_cached(
                model, self.gguf, [q.prompt for q in asked], [q.sampling for q in asked], [q.seed for q in asked], wrote
            )
        return [{**q.row, **_kept(a)} for q, a in zip(asked, answers, strict=True)]

    def prefixes(self, voice: System, posts: dict[str, list[dict]]) -> list[dict]:
        """How much of training and of test posts the voice goes on with by heart; `posts` are examples by split. A
        short evaluation (eval.num_prompts) asks for few of them, too."""
        rows = []
        n = min(NUM_PREFIXES, self.params.eval.num_prompts or NUM_PREFIXES)
        with LlamaModel(self.gguf, n_ctx=1024, sequences=n) as model:
            for split, examples in posts.items():
                rows.append(
                    {
                        "voice": voice.name,
                        "prefix": split,
                        "shares": systems.prefix_extraction(
                            model, self.gguf, voice, examples[:n], self.tokenizer, self.sampling
                        ),
                    }
                )
        return rows

    def canaries(self, voice: System, planted: list[Canary]) -> list[dict]:
        """How exposed each planted secret is, in bits."""
        with LlamaModel(self.gguf, n_ctx=512) as model:

            def log_likelihood(text: str, prompt: list[int]) -> float:
                return float(model.log_likelihoods(prompt, chat.encode(self.tokenizer, text)).sum())

            found = []
            for one in track(planted, f"{voice.name}: canaries"):
                prompt = chat.encode_prompt(self.tokenizer, voice.messages({"instruction": one.instruction}))
                found.append(
                    exposure(lambda text, prompt=prompt: log_likelihood(text, prompt), one, self.params.eval.seed)
                )
        return [{"voice": voice.name, "canaries": found}] if found else []

    def reads_texts(self, texts: list[str], tokens: int) -> list[float]:
        """Bits per byte of the beginning of each text by itself; nan for an empty one. A text that comes twice is read
        once."""
        with LlamaModel(self.gguf, n_ctx=tokens + 16) as model:
            found = {
                t: likelihood.bits_per_byte([likelihood.score_raw(model, t, self.tokenizer, tokens)])
                for t in track(sorted({t for t in texts if t.strip()}), "the base reads what was written")
            }
        return [found.get(t, math.nan) for t in texts]


def _kept(answer: dict) -> dict:
    return {key: answer[key] for key in ("text", "end", "written_tokens")}
