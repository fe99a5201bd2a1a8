"""What a voice (base or twin) does with the held-out posts: how likely it finds them, and what it writes from their prompts.

Both go through the GGUF in llama.cpp, the file that is deployed, never through the trainer.
"""

import asyncio
import math

from _shared import Eval
from eval.llama import Scorer
from serve.engines import llamacpp
from serve.engines.engine import Engine, prompt
from train import chat


def likelihood(scorer: Scorer, tokenizer, examples: list[dict], system: str, track) -> list[dict]:
    """Per example the summed negative log-likelihood (nats) of the author's text given its prompt, its UTF-8 bytes and tokens.

    The prompt is masked, and the end token is a figure of its own: it has no bytes.
    """
    rows = []
    for example in track(examples):
        messages = chat.messages(example, system)
        prompt_ids, completion = chat.row_ids(tokenizer, messages, example["output"])
        scores = scorer.log_likelihoods(prompt_ids, completion)
        text, end = scores[:-1], scores[-1]
        rows.append(
            {
                "id": example["id"],
                "post_id": example["post_id"],
                "nats": -float(text.sum()),
                "bytes": len(example["output"].encode()),
                "tokens": len(text),
                "end_nats": -float(end),
            }
        )
    return rows


def bits_per_byte(rows: list[dict]) -> float:
    """Σ nats / (ln 2 · Σ bytes), over all rows."""
    return sum(r["nats"] for r in rows) / (math.log(2) * sum(r["bytes"] for r in rows))


def perplexity(rows: list[dict]) -> float:
    """exp(Σ nats / Σ tokens): depends on the tokenizer, so only comparable on one base model."""
    return math.exp(sum(r["nats"] for r in rows) / sum(r["tokens"] for r in rows))


def by_post(rows: list[dict]) -> dict[str, float]:
    """Bits per byte of each post, its parts together."""
    posts: dict[str, list[dict]] = {}
    for row in rows:
        posts.setdefault(row["post_id"], []).append(row)
    return {post: bits_per_byte(parts) for post, parts in posts.items()}


async def write(engine: Engine, messages: list[dict], decoding: Eval, seed: int) -> dict:
    """One answer: its text, why it ended ("stop" or "length"), and how many tokens it wrote."""
    from pydantic_ai.direct import model_request

    answer = await model_request(engine.chat_model(), prompt(messages), model_settings=engine.settings(decoding, decoding.max_tokens, seed))
    text = "".join(part.content for part in answer.parts if part.part_kind == "text")
    return {"text": text.strip(), "end": str(answer.finish_reason), "written_tokens": answer.usage.output_tokens}


def generations(gguf, template: str, examples: list[dict], system: str, decoding: Eval, n_ctx: int, track) -> list[dict]:
    """Answers to the prompts of `examples`, one at a time: what runs beside a request changes its rounding, and so its text."""
    rows = []
    with llamacpp.serving(gguf, "voice", chat_template=template, n_ctx=n_ctx) as engine, asyncio.Runner() as runner:
        for number, example in enumerate(track(examples)):
            answer = runner.run(write(engine, chat.messages(example, system), decoding, decoding.seed + number))
            rows.append({"id": example["id"], "post_id": example["post_id"], **answer})
    return rows
