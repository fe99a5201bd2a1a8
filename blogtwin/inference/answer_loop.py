"""The thread in which an engine writes all its answers, in step: requests come and are cancelled between two steps."""

import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from blogtwin.inference.answer_text import AnswerText
from blogtwin.models.decoding import Decoder, Generation, TokenLogprob
from blogtwin.models.llama_cpp import LlamaModel


class Part(NamedTuple):
    """A part of an answer: its text, and the log-probabilities of its tokens where they were asked for. `end` is "stop"
    or "length" in the last one, and empty before; `error` says why there is no more of the answer."""

    text: str
    logprobs: list[TokenLogprob]
    end: str = ""
    error: str = ""


@dataclass(eq=False)
class Reply:
    """An answer that somebody waits for. `tell` is called with each part, in the thread of the loop."""

    generation: Generation
    text: AnswerText
    tell: Callable[[Part], object]
    taken: int = 0  # tokens whose text was taken
    untold: list[tuple[int, TokenLogprob]] = field(default_factory=list)  # (character at which a token begins, …)


class AnswerLoop:
    """Writes replies with the loop of the scorecard. `submit` and `cancel` may be called from any thread."""

    def __init__(self, model: LlamaModel):
        self.model = model
        self.inbox: queue.SimpleQueue[tuple[str, Reply]] = queue.SimpleQueue()
        self.replies: list[Reply] = []

    def start(self) -> None:
        """Begin in the model's own thread; the loop ends with the process."""
        self.model.worker.submit(self._run)

    def submit(self, reply: Reply) -> None:
        self.inbox.put(("begin", reply))

    def cancel(self, reply: Reply) -> None:
        """Write no more of a reply. Does nothing for one that has ended."""
        self.inbox.put(("cancel", reply))

    def _run(self) -> None:
        while True:
            self.model.renew_context()
            decoder = Decoder(self.model)
            try:
                while True:
                    self._receive(decoder)
                    decoder.step(pieces=1)
                    for reply in list(self.replies):
                        self._tell_news(decoder, reply)
            except Exception as e:  # llama.cpp failed: who waits is told, and the next request finds a new context
                decoder.close()
                for reply in self.replies:
                    reply.tell(Part("", [], error=f"{type(e).__name__}: {e}"))
                self.replies.clear()

    def _receive(self, decoder: Decoder) -> None:
        """Take what has come; with nothing to write, wait for it."""
        while not decoder.is_busy() or not self.inbox.empty():
            message, reply = self.inbox.get()
            if message == "begin":
                self.replies.append(reply)
                decoder.add(reply.generation)
            elif reply in self.replies:
                self.replies.remove(reply)
                decoder.cancel(reply.generation)

    def _tell_news(self, decoder: Decoder, reply: Reply) -> None:
        """Tell the text of new tokens, if it can be shown; an answer ends where a stop string was found."""
        generation, text, shown = reply.generation, reply.text, ""
        for at in range(reply.taken, len(generation.ids)):
            if generation.num_logprobs is not None:
                reply.untold.append((text.decoded, generation.logprobs[at]))
            shown += text.add(self.model.piece(generation.ids[at]))
        reply.taken = len(generation.ids)
        if text.stopped:
            decoder.cancel(generation)
            generation.end = "stop"
        if generation.end:
            shown += text.finish()
            self.replies.remove(reply)
        if shown or generation.end:
            told = [entry for start, entry in reply.untold if start < text.shown]
            reply.untold = reply.untold[len(told) :]
            reply.tell(Part(shown, told, generation.end))
