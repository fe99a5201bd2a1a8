"""A language model as judge, if one is configured: which of two texts on one subject is by the author?

Each pair is shown twice, with the sides swapped: an answer that names the same side both times is a tie (Zheng et al.
2023, arXiv 2306.05685). The judge has no part in the verdict; its agreement with the style score is reported.
"""

import asyncio
import re

from blogtwin.errors import UserError
from blogtwin.inference.client import Engine, to_pydantic_ai
from blogtwin.text.sentences import truncate_words
from eval import confidence_intervals

NUM_SHOWN_POSTS, MAX_SHOWN_WORDS = 3, 120  # reference posts, words of each
MAX_JUDGED_WORDS = 200  # of each text that is judged
MAX_CONCURRENCY, TIMEOUT_SECONDS = 4, 120
SYSTEM_PROMPT = (
    "You compare writing styles: rhythm, word choice, punctuation and attitude, not the subject and not the quality."
)


def judge_prompt(references: list[str], one: str, other: str) -> list[dict[str, str]]:
    """Chat messages that show posts of the author and ask which text, A (`one`) or B (`other`), is by the author."""
    posts = "\n\n".join(
        f"Post {i + 1} of the author:\n{truncate_words(text, MAX_SHOWN_WORDS)}" for i, text in enumerate(references)
    )
    texts = "\n\n".join(
        f"Text {name}:\n{truncate_words(text, MAX_JUDGED_WORDS)}" for name, text in (("A", one), ("B", other))
    )
    user = f"{posts}\n\n{texts}\n\nWhich text was written by the author of the posts? Answer with one letter, A or B."
    return [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": user}]


def parse_choice(answer: str) -> str | None:
    """The A or B that an answer names; None when it names both or neither."""
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
    """For each prompt, whose text the judge took for the author's: "ours", "theirs" or "tie". `truths` are the author's
    own posts on the prompts, which are never shown.

    Raises UserError when the judge can't be reached.
    """

    async def ask_all() -> list[str | None]:
        gate = asyncio.Semaphore(MAX_CONCURRENCY)
        jobs = []
        for truth, one, other in zip(truths, ours, theirs, strict=True):
            others = [text for text in held_out if text != truth and not text.startswith(truth[:200])]
            shown = others[:NUM_SHOWN_POSTS]
            jobs += [_ask(judge, shown, one, other, gate), _ask(judge, shown, other, one, gate)]
        return await asyncio.gather(*jobs)

    try:
        choices = asyncio.run(ask_all())
    except Exception as e:  # whatever the client raises: no server, no such model, or the key is refused
        reason = " ".join(str(e).split())[:200] or type(e).__name__
        raise UserError(
            f"The judge {judge.model} at {judge.base_url} could not be asked ({reason}): set eval.judge_model to a"
            " model that is available, or leave it empty."
        ) from None
    winners: dict[tuple[str | None, str | None], str] = {("A", "B"): "ours", ("B", "A"): "theirs"}
    return [winners.get(pair, "tie") for pair in zip(choices[::2], choices[1::2], strict=True)]


def judge_metrics(winners: list[str], ours: list[float | None], theirs: list[float | None]) -> dict[str, float | None]:
    """`vote_statistics` of the prompts that we won, with `decided`, the share of the prompts that are no tie, and
    `agrees_with_style`, the share of those in which the higher style score (`ours` or `theirs`) won too."""
    ties = winners.count("tie")
    votes = confidence_intervals.vote_statistics(winners.count("ours"), winners.count("theirs"), ties)
    agreements = []
    for winner, our_score, their_score in zip(winners, ours, theirs, strict=True):
        if winner != "tie" and our_score is not None and their_score is not None:
            agreements.append((winner == "ours") == (our_score > their_score))
    return {
        **votes,
        "decided": 1 - ties / len(winners),
        "agrees_with_style": sum(agreements) / len(agreements) if agreements else None,
    }
