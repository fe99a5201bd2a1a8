"""Candidates from a model that another server holds: asked for over HTTP, several at a time.

There is no fence here: what a candidate states beyond the notes is seen by the gates, which refuse it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from blogtwin.drafting.candidates import MAX_SENTENCE_TOKENS, TOP_P, Candidate, Request, first_sentence, write_in_turn
from blogtwin.drafting.drafter import DraftStopped
from blogtwin.drafting.questions import Reach
from blogtwin.inference.chat_stream import Answer, Messages, find_continuation, stream_answer
from blogtwin.inference.client import Engine, new_http_client
from blogtwin.sampling import SamplingParams

if TYPE_CHECKING:
    import httpx2

Result = TypeVar("Result")
GO_ON = "Go on with the next sentence only."
BEGIN_WITH = "Begin with “{prefix}”."
UNKNOWN_LIKELIHOOD = 0.0  # no log-probabilities are asked for: to the score all candidates are as likely
POLL_SECONDS = 0.05  # how often it is asked whether the draft is still wanted


class EngineWriter:
    """A `Writer` over an engine. `messages(lines)`: the chat that asks for a passage from these notes. `concurrency`:
    requests at a time. `should_stop`: asked all the while; once it says so, the requests are dropped and DraftStopped
    is raised. `write` raises EngineFailed, too."""

    has_fence = False

    def __init__(
        self,
        engine: Engine,
        messages: Callable[[Sequence[str]], Messages],
        name: str,
        concurrency: int = 1,
        should_stop: Callable[[], bool] = lambda: False,
    ):
        self.engine, self.messages, self.name = engine, messages, name
        self.concurrency, self.should_stop = concurrency, should_stop
        self.candidates = self.written_tokens = 0
        self.reached: list[list[tuple[Reach, ...]]] = []  # nothing holds an answer back before it states a fact
        self.continuation: dict[str, Any] | None = None  # of chat_stream.find_continuation; None: it is said in words

    def find_continuation(self) -> None:
        """Ask the engine whether it continues the beginning of an answer, which makes better sentences."""
        self.continuation = self._run(lambda client: find_continuation(self.engine, client))

    def write(self, request: Request) -> list[Candidate]:
        """Candidates for the next sentence, unchecked; those that came to no end are left out."""
        answers = self._run(lambda client: self._ask_all(request, client))
        self.candidates += len(answers)
        self.written_tokens += sum(answer.tokens for answer in answers)
        found: dict[str, Candidate] = {}
        for answer in answers:
            text = first_sentence(self._whole_sentence(answer.text, request), answer.end == "stop")
            if text and text not in found:
                found[text] = Candidate(text, UNKNOWN_LIKELIHOOD, answer.tokens)
        return list(found.values())

    def write_rounds(
        self, requests: Iterable[Request], take: Callable[[Candidate], object], enough: Callable[[], bool]
    ) -> None:
        """Hand the candidates of one request after the other to `take`, each text once, until there are `enough`."""
        write_in_turn(self.write, requests, take, enough)

    def prose_log_likelihoods(self, before: str, texts: list[str]) -> list[float]:
        """Zeros: servers tell the probabilities of what they write, not of a text that they are given."""
        return [0.0] * len(texts)

    def _run(self, work: Callable[["httpx2.AsyncClient"], Coroutine[Any, Any, Result]]) -> Result:
        """The result of `work(client)`; given up as soon as the draft is no longer wanted."""

        async def run() -> Result:
            async with new_http_client() as client:
                working = asyncio.ensure_future(work(client))
                try:
                    while not working.done():
                        if self.should_stop():
                            raise DraftStopped
                        await asyncio.wait([working], timeout=POLL_SECONDS)
                    return working.result()
                finally:
                    working.cancel()
                    await asyncio.gather(working, return_exceptions=True)

        return asyncio.run(run())

    async def _ask_all(self, request: Request, client: "httpx2.AsyncClient") -> list[Answer]:
        """The answers in the order of their seeds."""
        slots = asyncio.Semaphore(self.concurrency)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._ask(request, request.seed + n, client, slots)) for n in range(request.count)
                ]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _ask(self, request: Request, seed: int, client: "httpx2.AsyncClient", slots: asyncio.Semaphore) -> Answer:
        """One answer, dropped as soon as it holds a sentence and the beginning of the next."""
        sampling = SamplingParams(MAX_SENTENCE_TOKENS, request.temperature, TOP_P, 1.0, seed)
        messages = self._messages(request)
        continues = self.continuation if messages[-1]["role"] == "assistant" else None
        answer = Answer()
        async with slots:
            stream = stream_answer(self.engine, messages, sampling, client, ("\n",), continues)
            async with aclosing(stream) as answers:
                async for answer in answers:
                    if first_sentence(answer.text, whole=False):
                        break
        return answer

    def _messages(self, request: Request) -> Messages:
        """The chat for the next sentence: what is written so far is the beginning of the assistant's answer where the
        engine continues one, else an answer of its own."""
        messages = self.messages(request.lines)
        if self.continuation is not None:
            lead = " ".join(part for part in (request.before, request.prefix) if part)
            return [*messages, {"role": "assistant", "content": lead}] if lead else messages
        wish = BEGIN_WITH.format(prefix=request.prefix) if request.prefix else ""
        if request.before:
            said = {"role": "assistant", "content": request.before}
            return [*messages, said, {"role": "user", "content": f"{GO_ON} {wish}".strip()}]
        if wish:
            asked = messages[-1]
            return [*messages[:-1], {**asked, "content": f"{asked['content']}\n\n{wish}"}]
        return messages

    def _whole_sentence(self, answer: str, request: Request) -> str:
        """The answer with the words before it that belong to its first sentence."""
        if self.continuation is None or not request.prefix:
            return answer
        # Some servers drop the blank that an answer begins with.
        return f"{request.prefix}{' ' if answer[:1].isalnum() else ''}{answer}"
