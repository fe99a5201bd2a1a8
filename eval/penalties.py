"""What a repeat penalty costs that also counts the prompt's words: unsearched drafts from people's notes.

Our own loop writes them, and llama.cpp's own server with the settings that Ollama has for a request. That server is the
code that Ollama runs; a whole Ollama is not measured.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blogtwin.inference.upstream_server import UpstreamServer, run_upstream_server
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from eval import note_keys
from eval.confidence_intervals import mean_interval
from eval.note_sets import NoteSet

CONTEXT_TOKENS = 1024
PARALLEL = 8  # drafts that are written at a time
OWN_LOOP = "the embedded engine: the answer alone is penalised"
# {name: how many of the last tokens, those of the prompt among them, llama.cpp's server penalises}
UPSTREAM = {"Ollama as it is: the prompt's last 64 tokens, too": 64, "Ollama with repeat_last_n 0: no penalty": 0}


def write_drafts(
    gguf: Path, prompts: list[list[int]], sampling: SamplingParams, seed: int, report: Callable[[str], object]
) -> dict[str, list[str]]:
    """{name of the penalty: a draft for each prompt (token ids)}, all with the same seed."""
    drafts: dict[str, list[str]] = {}
    with LlamaModel(gguf, None, CONTEXT_TOKENS, PARALLEL) as model:
        answers = model.write(prompts, [sampling] * len(prompts), [seed] * len(prompts))
        drafts[OWN_LOOP] = [answer["text"] for answer in answers]
    report(OWN_LOOP)
    with run_upstream_server(gguf, CONTEXT_TOKENS, PARALLEL) as server, ThreadPoolExecutor(PARALLEL) as threads:
        for name, last_n in UPSTREAM.items():
            ask = functools.partial(_ask, server, sampling, seed, last_n)
            drafts[name] = list(threads.map(ask, prompts))
            report(name)
    return drafts


def _ask(server: UpstreamServer, sampling: SamplingParams, seed: int, last_n: int, prompt: list[int]) -> str:
    body = {
        "prompt": prompt,
        "n_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repeat_penalty,
        "repeat_last_n": last_n,
        "seed": seed,
        "cache_prompt": False,
    }
    return server.request("POST", "/completion", json=body)["content"].strip()


def fact_recall(sets: list[NoteSet], drafts: list[str]) -> dict[str, float]:
    """{recall, lo, hi, words}: facts of the notes that are told, pooled, with the 95 % interval of the mean over
    drafts; mean words of a draft."""
    counts = []
    for note_set, draft in zip(sets, drafts, strict=True):
        facts = [fact for line in note_set.notes for fact in line.facts]
        counts.append((sum(note_keys.is_told(fact, draft) for fact in facts), len(facts)))
    interval = mean_interval([told / total for told, total in counts])
    return {
        "recall": sum(told for told, _ in counts) / sum(total for _, total in counts),
        "lo": interval["lo"],
        "hi": interval["hi"],
        "words": sum(len(draft.split()) for draft in drafts) / len(drafts),
    }
