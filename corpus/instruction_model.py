"""What asks for a passage, made by a language model: the embedded base, or any OpenAI-compatible server.

Its answers are checked, since what it makes is learnt from: none of the passage's own runs of words, no fact that is
not there, of the right length, and about the passage. One that is refused is asked for once more; after that the rule's
stays. Every answer is kept by what was asked, so that a second run asks nothing, and one that was stopped goes on.
"""

import asyncio
import contextlib
import json
import os
import re
from collections import Counter
from urllib.parse import urlsplit

from blogtwin.cache import cache_file
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import write_json
from blogtwin.inference.client import Engine, parse_endpoint, to_pydantic_ai
from blogtwin.paths import ARTIFACTS_DIR
from blogtwin.text.facts import extract_facts, preserved_facts, unsupported_facts
from blogtwin.text.keyphrases import MAX_VERBATIM_RUN
from blogtwin.text.tokens import tokenise_words
from corpus.augmentation import AugmentationRequest

ANSWERS_DIR = ARTIFACTS_DIR / "cache/instructions"
PARAMETER = "prepare.instruction_model"
MAX_CONCURRENCY, TIMEOUT_SECONDS, CONTEXT_TOKENS = (
    4,
    180,
    1536,
)  # questions; seconds; tokens of a question and its answer
TEMPERATURES = (0.0, 0.7)  # of the first try and of the second
MIN_FACTS_PRESERVED = 0.8  # of the passage's numbers, dates and names
CHECKED_FACT_KINDS = ("number", "date", "name")
# MiniLM cosines that 99 of 100 other passages of a blog stay under, by kind (measured on the sample blog, with the
# rules' own).
MIN_SIMILARITY = {"notes": 0.38, "brief": 0.33, "outline": 0.36, "rewrite": 0.43, "answer": 0.28}
SYSTEM = "You prepare exercises for a writer. Give what is asked for and nothing else: no preface, no comment."
PROMPTS = {
    "notes": (
        "Write rough notes from which somebody could write this passage: 3 to 10 bullets of a few words each, with"
        " every number and every name. Do not use its phrases."
    ),
    "brief": (
        "Write the request to which this passage is the answer: in one or two sentences, what to write about. Do not"
        " quote it."
    ),
    "outline": "Write an outline of this passage: 2 to 6 numbered lines of a few words each. Do not use its phrases.",
    "rewrite": (
        "Retell this passage in plain, flat words, as a dull report would, in the first person where it is so. Keep"
        " every number and every name; do not use its phrases."
    ),
    "answer": "Write one question to which this passage is the answer. One line, with a question mark.",
}
MAX_TOKENS = {"notes": 250, "brief": 100, "outline": 150, "rewrite": 400, "answer": 60}  # tokens of an answer


class InstructionModel:
    """The model `description` names (MODEL@URL), else the embedded base; a server is begun when the first question has
    no answer yet."""

    def __init__(self, description: str, base):
        self.engine = parse_endpoint(PARAMETER, description, api_key_for(description)) if description else None
        self.base, self.who = base, description or base.digest
        self.name = f"{self.engine.model} at {self.engine.base_url}" if self.engine else base.name
        self.embedded = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.embedded.close()

    def answers(self, questions: list[dict], title: str) -> list[str]:
        """An answer to each {"messages", "temperature", "max_tokens"}, from the cache where it was asked before. Raises
        UserError when the model can't be asked."""
        from blogtwin.console import progress_counter

        files = [cache_file(ANSWERS_DIR, [self.who, q]) for q in questions]
        missing = {file: q for file, q in zip(files, questions, strict=True) if not file.is_file()}
        if missing:
            engine = self.engine or self._embedded()
            with progress_counter(title, len(questions)) as done:
                done(len(questions) - len(missing))
                try:
                    asyncio.run(_ask_all(engine, missing, done))
                except (
                    Exception
                ) as e:  # whatever the client raises: the server is gone, has no such model, or refuses the key
                    reason = " ".join(str(e).split())[:200] or type(e).__name__
                    raise UserError(
                        f"The model {engine.model} at {engine.base_url} could not be asked ({reason}): mend"
                        f" {PARAMETER}, or set prepare.instruction_source to heuristic; what it has answered is kept."
                    ) from None
        return [json.loads(file.read_text(encoding="utf-8"))["text"] for file in files]

    def _embedded(self) -> Engine:
        from blogtwin.inference import llama_server

        server = llama_server.serve_model(
            self.base.gguf,
            "base",
            chat_template=self.base.tokenizer().chat_template,
            n_ctx=CONTEXT_TOKENS,
            parallel=MAX_CONCURRENCY,
        )
        self.engine = self.embedded.enter_context(server)
        return self.engine


def api_key_for(description: str) -> str:
    """The key of the server: Groq's by its own name, any other's as INSTRUCTOR_API_KEY."""
    host = urlsplit(description.rpartition("@")[2]).hostname or ""
    if host != "groq.com" and not host.endswith(".groq.com"):
        return os.environ.get("INSTRUCTOR_API_KEY", "")
    if not os.environ.get("GROQ_API_KEY"):
        raise UserError(
            f"{PARAMETER} is a model of Groq, and there is no GROQ_API_KEY: put GROQ_API_KEY=… into .env, or into the"
            " environment."
        )
    return os.environ["GROQ_API_KEY"]


async def _ask_all(engine: Engine, missing: dict, done) -> None:
    import httpx2

    at_home = urlsplit(engine.base_url).hostname in ("127.0.0.1", "localhost", "::1")
    gate = asyncio.Semaphore(MAX_CONCURRENCY)
    async with httpx2.AsyncClient(trust_env=not at_home, timeout=TIMEOUT_SECONDS) as client:
        model = engine.chat_model(client)
        await asyncio.gather(*(_ask(model, gate, file, question, done) for file, question in missing.items()))


async def _ask(model, gate: asyncio.Semaphore, file, question: dict, done) -> None:
    from pydantic_ai.direct import model_request

    async with gate:
        reply = await model_request(
            model,
            to_pydantic_ai(question["messages"]),
            model_settings={k: question[k] for k in ("temperature", "max_tokens")},
        )
    write_json(file, {"text": "".join(part.content for part in reply.parts if part.part_kind == "text")})
    done(1)


def generate_instructions(asked: list[AugmentationRequest], instructor: InstructionModel, count) -> dict[str, str]:
    """{id: what asks for the passage} of all that the model could make; what it was refused twice for is said."""
    found: dict[str, str] = {}
    refused: dict[str, str] = {}
    for attempt, temperature in enumerate(TEMPERATURES, 1):
        left = [one for one in asked if one.id not in found]
        answers = instructor.answers(
            [build_request(one, temperature, refused.get(one.id, "")) for one in left],
            f"{instructor.name} is asked" + (" again" if attempt > 1 else ""),
        )
        texts = [clean_response(one.kind, text) for one, text in zip(left, answers, strict=True)]
        for one, text, near in zip(left, texts, similarity(texts, [one.passage for one in left]), strict=True):
            refused[one.id] = rejection_reason(one, text, near, count)
            if not refused[one.id]:
                found[one.id] = text
    if asked:
        why = Counter(refused[one.id] for one in asked if one.id not in found).most_common()
        by_rule = (
            f", {len(asked) - len(found)} by rule, since what it made was refused twice: "
            + "; ".join(f"{reason} ({n})" for reason, n in why)
            if why
            else ""
        )
        echo(f"instructions: {len(found)} of {len(asked)} made by {instructor.name}{by_rule}")
    return found


def build_request(asked: AugmentationRequest, temperature: float, refused: str) -> dict:
    again = f"\n\nA first try was refused: {refused}." if refused else ""
    user = f"{PROMPTS[asked.kind]}{again}\n\nThe passage:\n\n{asked.passage}"
    return {
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}],
        "temperature": temperature,
        "max_tokens": MAX_TOKENS[asked.kind],
    }


def clean_response(kind: str, answer: str) -> str:
    """An answer without what models put around it: thoughts, fences, «Here are the notes:», quotation marks; one mark
    for each line of a list."""
    text = re.sub(r"(?s)<think>.*?(?:</think>|\Z)", "", answer)
    text = re.sub(r"(?m)^[ \t]*```.*$", "", text).strip()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        lines = lines[1:]
    if kind in ("notes", "outline"):
        bare = [b for line in lines if (b := re.sub(r"^(?:[-*•+–]|\d+[.)])\s+", "", line))]
        return "\n".join(f"- {line}" if kind == "notes" else f"{n}. {line}" for n, line in enumerate(bare, 1))
    if kind == "answer":
        lines = [line for line in lines if line.rstrip('*"”').endswith("?")][:1]
    return " ".join(lines).strip('*"“”')


def rejection_reason(asked: AugmentationRequest, text: str, near: float, count) -> str:
    """Why an answer will not do; empty when it will."""
    own, asking = tokenise_words(asked.passage), tokenise_words(text)
    fewest, most = length_bounds(asked.kind, len(own))
    runs = {tuple(own[i : i + MAX_VERBATIM_RUN]) for i in range(len(own) - MAX_VERBATIM_RUN + 1)}
    if any(tuple(asking[i : i + MAX_VERBATIM_RUN]) in runs for i in range(len(asking) - MAX_VERBATIM_RUN + 1)):
        return f"{MAX_VERBATIM_RUN} words in a row are the passage's"
    if len(asking) < fewest or (asked.kind == "outline" and "\n" not in text):
        return "too short"
    if len(asking) > most or count(text) > asked.room:
        return "too long"
    if any(f.kind in CHECKED_FACT_KINDS for f in unsupported_facts(f"{asked.post['title']}\n\n{asked.passage}", text)):
        return "a number or a name is not the passage's"
    stated = {f for f in extract_facts(asked.passage) if f.kind in CHECKED_FACT_KINDS}
    if asked.kind in ("notes", "rewrite") and len(
        stated & preserved_facts(asked.passage, text)
    ) < MIN_FACTS_PRESERVED * len(stated):
        return "numbers or names of the passage are missing"
    return "" if near >= MIN_SIMILARITY[asked.kind] else "it is not about the passage"


def length_bounds(kind: str, n: int) -> tuple[float, float]:
    """(fewest, most) words of what asks for a passage of `n` words."""
    return {
        "notes": (0.15 * n, n),
        "outline": (0.05 * n, 0.7 * n),
        "rewrite": (0.4 * n, 1.4 * n),
        "brief": (4, 60),
        "answer": (3, 40),
    }[kind]


def similarity(texts: list[str], passages: list[str]) -> list[float]:
    """MiniLM cosine of each text and its passage."""
    from blogtwin.models.embeddings import embed

    return (embed(texts) * embed(passages)).sum(1).tolist()
