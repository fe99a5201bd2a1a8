"""A language model as judge, by option: which of two texts on one subject is more the author's?

Each pair is shown twice with the sides changed: a judge that names the same side both times has said nothing (Zheng et
al. 2023, arXiv 2306.05685). It never decides the verdict; its agreement with the verifier is reported beside what it
says.
"""

import asyncio
import re

from blogtwin.errors import UserError
from blogtwin.inference.client import Engine, to_pydantic_ai
from blogtwin.text.sentences import truncate_words
from eval import confidence_intervals

NUM_SHOWN_POSTS, MAX_SHOWN_WORDS, MAX_JUDGED_WORDS = (
    3,
    120,
    200,
)  # reference posts, words of each, words of each text that is judged
MAX_CONCURRENCY, TIMEOUT_SECONDS = 4, 120  # questions; seconds
SYSTEM_PROMPT = (
    "You compare writing styles: rhythm, word choice, punctuation and attitude, not the subject and not the quality."
)


def judge_prompt(references: list[str], one: str, other: str) -> list[dict]:
    posts = "\n\n".join(
        f"Post {i + 1} of the author:\n{truncate_words(text, MAX_SHOWN_WORDS)}" for i, text in enumerate(references)
    )
    texts = "\n\n".join(
        f"Text {name}:\n{truncate_words(text, MAX_JUDGED_WORDS)}" for name, text in (("A", one), ("B", other))
    )
    user = f"{posts}\n\n{texts}\n\nWhich text was written by the author of the posts? Answer with one letter, A or B."
    return [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": user}]


def parse_choice(answer: str) -> str | None:
    """The A or B that an answer names alone; None when it names both or none."""
    named = set(re.findall(r"\b[AB]\b", answer))
    return named.pop() if len(named) == 1 else None


async def _ask(judge: Engine, references: list[str], one: str, other: str, gate: asyncio.Semaphore) -> str | None:
    from pydantic_ai.direct import model_request

    async with gate, asyncio.timeout(TIMEOUT_SECONDS):
        reply = await model_request(
            judge.chat_model(),
            to_pydantic_ai(judge_prompt(references, one, other)),
            model_settings={"temperature": 0.0, "max_tokens": 8},
        )
    return parse_choice("".join(getattr(part, "content", "") or "" for part in reply.parts))


def judge_pairs(judge: Engine, held_out: list[str], truths: list[str], ours: list[str], theirs: list[str]) -> list[str]:
    """For each prompt who was found to be the author: "ours", "theirs" or "tie". `truths` are the author's own posts on
    the prompts, never shown.

    Raises UserError when the judge can't be asked.
    """

    async def all_of_them():
        gate = asyncio.Semaphore(MAX_CONCURRENCY)
        jobs = []
        for truth, one, other in zip(truths, ours, theirs, strict=True):
            references = [text for text in held_out if text != truth and not text.startswith(truth[:200])][
                :NUM_SHOWN_POSTS
            ]
            jobs += [_ask(judge, references, one, other, gate), _ask(judge, references, other, one, gate)]
        return await asyncio.gather(*jobs)

    try:
        said = asyncio.run(all_of_them())
    except Exception as e:  # whatever the client raises: the server is gone, has no such model, or refuses the key
        raise UserError(
            f"The judge {judge.model} at {judge.base_url} could not be asked"
            f" ({' '.join(str(e).split())[:200] or type(e).__name__}): set eval.judge_model to a model that is there,"
            " or to nothing."
        ) from None
    pairs = zip(said[::2], said[1::2], strict=True)
    return ["ours" if pair == ("A", "B") else "theirs" if pair == ("B", "A") else "tie" for pair in pairs]


def judge_metrics(found: list[str], ours: list[float], theirs: list[float]) -> dict:
    """Share of the prompts that went to us (ties as halves) with its interval, how many were decided both ways alike,
    and how often the verifier's scores `ours` and `theirs` agree where the judge decided."""
    votes = confidence_intervals.vote_statistics(found.count("ours"), found.count("theirs"), found.count("tie"))
    decided = [
        (who == "ours") == (a > b)
        for who, a, b in zip(found, ours, theirs, strict=True)
        if who != "tie" and a is not None and b is not None
    ]
    return {
        **votes,
        "decided": 1 - found.count("tie") / len(found),
        "agrees_with_style": sum(decided) / len(decided) if decided else None,
    }
