"""Does the twin write as many words as it is asked for, and does its text end?

Each held-out post is asked for by its title in each of LENGTHS words, twice from the same seed: by the prompt alone
(`told`), and without that wish, but with the loop that counts the words (`counted`), which is what is served. See
blogtwin/models/length.py.

ended         share of the texts that come to an end by themselves, within ROOM tokens for each word asked for
length_error  median of |ln(words / words asked for)|: 0.25 is a quarter more, or a fifth less
style_gain    S(counted) − S(told), by each verifier, with its 95 % interval: what the counting costs
"""

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blogtwin.models import chat
from blogtwin.models.length import WordTarget, hide_length_request, length_request
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from eval.rounding import round_metric, with_interval
from eval.style import verification
from eval.style.features import count_features
from eval.style.impostors import Impostors
from eval.style.languages import unmeasurable_language

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LENGTHS = (150, 200, 250)
SYSTEMS = ("told", "counted")
N_CTX, SEQUENCES = 2048, 12
ROOM = 4  # tokens for each word asked for; a text needs about 1.4
Row = dict[str, Any]


def length_prompts(posts: Sequence[dict[str, Any]], system: str) -> list[tuple[int, list[dict]]]:
    """(words asked for, chat messages) for each post of the examples `posts` and each length."""
    return [
        (words, chat.prompt_messages({**post, "instruction": f"{post['instruction']} {length_request(words)}"}, system))
        for post in posts
        for words in LENGTHS
    ]


def write_texts(
    gguf: Path,
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[tuple[int, list[dict]]],
    sampling: SamplingParams,
    advance: Callable[[int], object] = lambda n: None,
) -> list[Row]:
    """{system, asked, words, end, text} of each prompt and system."""
    rows = []
    told = [chat.encode_prompt(tokenizer, messages) for _, messages in prompts]
    counted = [chat.encode_prompt(tokenizer, _hide_wish(messages)) for _, messages in prompts]
    limits = [
        SamplingParams(ROOM * words, sampling.temperature, sampling.top_p, sampling.repeat_penalty)
        for words, _ in prompts
    ]
    seeds = [(sampling.seed or 0) + number for number in range(len(prompts))]
    with LlamaModel(gguf, n_ctx=N_CTX, sequences=SEQUENCES) as model:
        targets = [WordTarget(model, words) for words, _ in prompts]
        for system, ids, constraints in (("told", told, None), ("counted", counted, targets)):
            answers = model.write(ids, limits, seeds, advance, constraints)
            for (words, _), answer in zip(prompts, answers, strict=True):
                text = answer["text"]
                row = {"system": system, "asked": words, "words": len(text.split()), "end": answer["end"], "text": text}
                rows.append(row)
    return rows


def _hide_wish(messages: list[dict]) -> list[dict]:
    """The messages as the engine shows them to the model."""
    return [*messages[:-1], {**messages[-1], "content": hide_length_request(messages[-1]["content"])}]


def length_figures(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """{system: {n, ended, length_error}}."""
    figures = {}
    for system in SYSTEMS:
        own = [row for row in rows if row["system"] == system]
        errors = [abs(math.log(max(1, row["words"]) / row["asked"])) for row in own]
        figures[system] = {
            "n": len(own),
            "ended": round_metric(statistics.mean(row["end"] == "stop" for row in own)),
            "length_error": round_metric(statistics.median(errors)),
        }
    return figures


def style_gain(rows: Sequence[Row], held_out: Sequence[str], impostors: Impostors, seed: int) -> dict[str, float]:
    """{family, family_lo, family_hi} of S(counted) − S(told), and the scores themselves; empty where the language has
    no verifier."""
    if unmeasurable_language(held_out):
        return {}
    author = count_features(list(held_out))
    systems = {name: count_features([row["text"] for row in rows if row["system"] == name]) for name in SYSTEMS}
    figures: dict[str, float] = {}
    for family in verification.VERIFIER_NAMES:
        decisions = verification.cross_fit(family, author, impostors, systems)
        scores = verification.style_scores(decisions, impostors.author, seed)
        figures |= {f"{family}_{name}": round_metric(scores.mean[name]) for name in SYSTEMS}
        figures |= with_interval(family, *scores.difference("counted", "told"))
    return figures
