"""Verified drafting for the API: the search runs in a process of its own, with the model's GGUF in llama.cpp.

A second team of OpenMP threads in the engine's process would slow both down. The process is started by the first
draft, keeps its model, and ends after some minutes without one.
"""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blogtwin.drafting.alternatives import SentencePlace
from blogtwin.drafting.notes import NoteLine
from blogtwin.drafting.room import Room
from serve.draft_writers import LoadedModels, WritingModel
from serve.errors import ApiError

if TYPE_CHECKING:
    from blogtwin.drafting.drafter import Drafter

LAST_MESSAGES = ("receipt", "sentences")  # that end a job
GONE = "The process that writes drafts ended."
IDLE_SECONDS = 600.0  # without a draft, after which the process ends and gives its memory back


@dataclass(frozen=True)
class DraftJob:
    """A draft to be made of `lines`; `notes` is the text they were read from. With a `place`, only other sentences for
    it are. `content`: a model that writes plain sentences first. `candidates` in each round; None: as many as fit
    `seconds`. `project`: whose posts may not be copied."""

    title: str
    notes: str
    lines: tuple[NoteLine, ...]
    seed: int
    candidates: int | None
    seconds: float
    project: Path
    model: WritingModel
    content: WritingModel | None = None
    room: Room = "own"
    place: SentencePlace | None = None


class DraftingWorker:
    """The process; one draft at a time. One that died, because memory was short or somebody ended it, is replaced at
    the next draft."""

    def __init__(self) -> None:
        self.died = False  # in the midst of a draft, and no draft has begun since
        self.lock = asyncio.Lock()
        self.process: multiprocessing.process.BaseProcess | None = None
        self.connection: Connection | None = None
        self.stopping: asyncio.Future | None = None

    async def write(self, job: DraftJob) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """("start", {candidates, lines}), ("paragraph", …) for each, ("receipt", …) at the end; for a place only
        ("sentences", …). Raises ApiError. Closing the iterator stops the draft."""
        async with self.lock:
            if self.stopping is not None:  # of a draft whose caller was cancelled twice, and did not wait
                await asyncio.shield(self.stopping)
            self.stopping = None
            connection = self._send(job)
            finished = False
            receiving: asyncio.Future | None = None
            try:
                while True:
                    receiving = asyncio.ensure_future(asyncio.to_thread(self._receive, connection))
                    name, data = await asyncio.shield(receiving)
                    self.died = name == "gone"
                    if name in ("failed", "gone"):
                        finished = True
                        if self.died:
                            self.close()  # it may take a moment to end, and the next draft must not ask it
                        raise ApiError(502, "engine_failed", data["reason"], "Look at the log, and ask again.")
                    finished = name in LAST_MESSAGES
                    yield name, data
                    if finished:
                        return
            finally:
                if not finished:
                    self.stopping = asyncio.ensure_future(self._stop(connection, receiving))
                    await asyncio.shield(self.stopping)

    @property
    def failure(self) -> str | None:
        """What is said of a process that died; None where none did, or another one has begun a draft since."""
        process = self.process
        if self.died or (process is not None and not process.is_alive() and process.exitcode):
            return f"{GONE} The next draft starts it again."
        return None

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
        if self.connection is not None:
            self.connection.close()
        self.process = self.connection = None

    def _send(self, job: DraftJob) -> Connection:
        """Hand the job to the process: to a new one, if it ends just now."""
        try:
            connection = self._connect()
            connection.send(job)
        except OSError:
            self.close()
            connection = self._connect()
            connection.send(job)
        return connection

    def _connect(self) -> Connection:
        if self.process is None or self.connection is None or not self.process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")
            self.connection, theirs = context.Pipe()
            self.process = context.Process(target=run_worker, args=(theirs,), daemon=True)
            self.process.start()
            theirs.close()
        return self.connection

    def _receive(self, connection: Connection) -> tuple[str, dict[str, Any]]:
        try:
            return connection.recv()
        except (EOFError, OSError):
            return "gone", {"reason": GONE}

    async def _stop(self, connection: Connection, receiving: asyncio.Future | None) -> None:
        """Ask the process to stop, and wait until it has: at most a round of candidates. The thread that still reads is
        waited for first: of two that read at once, each would get a part of the message."""
        try:
            connection.send("stop")
            name = (await receiving)[0] if receiving is not None else ""
            while name not in ("stopped", "gone"):
                name = (await asyncio.to_thread(self._receive, connection))[0]
        except OSError:
            name = "gone"
        if name == "gone":
            self.died = True
            self.close()


def run_worker(connection: Connection) -> None:
    """Draft what comes, until nothing has come for some minutes. Runs in the process of its own."""
    import signal

    from blogtwin.drafting.drafter import DraftStopped
    from blogtwin.inference.chat_stream import EngineFailed

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this one
    models = LoadedModels(connection.poll)
    try:
        while connection.poll(IDLE_SECONDS):
            job = connection.recv()
            if job == "stop":  # of a draft that ended meanwhile
                connection.send(("stopped", {}))
                continue
            try:
                draft(job, connection, models)
            except DraftStopped:
                connection.recv()
                connection.send(("stopped", {}))
            except EngineFailed as e:
                connection.send(("failed", {"reason": str(e)}))
            except Exception as e:  # the server tells it
                connection.send(("failed", {"reason": f"{type(e).__name__}: {e}"[:300]}))
    except (EOFError, OSError):
        pass  # the server is gone


def draft(job: DraftJob, connection: Connection, models: LoadedModels) -> None:
    """Write one draft, or other sentences for a place of one, and send it as it comes. Raises DraftStopped,
    EngineFailed."""
    from blogtwin.drafting.alternatives import find_alternatives
    from blogtwin.drafting.receipt import candidates_for

    needed = [job.model] if job.content is None else [job.model, job.content]
    models.keep_only(needed)
    loaded = [models.load(model) for model in needed]
    speed = 1 / sum(1 / one.tokens_per_second for one in loaded)  # where two write, one after the other
    count = job.candidates or candidates_for(job.seconds, lines_to_tell(job), speed)
    drafter = make_drafter(job, models, count)
    if job.place is None:
        send_draft(job, connection, drafter, count)
    else:
        sentences, reason = find_alternatives(drafter, job.place)
        connection.send(("sentences", {"sentences": [asdict(one) for one in sentences], "reason": reason}))


def make_drafter(job: DraftJob, models: LoadedModels, count: int) -> "Drafter":
    """The search of a job, with one model or two; `count` candidates in a round."""
    from blogtwin.drafting.drafter import Drafter
    from blogtwin.drafting.two_models import TwoModelDrafter

    source = f"{job.title}\n{job.notes}"
    checks = models.checks(job.project)
    rest = (job.title, job.notes, job.seed, count, checks, models.should_stop, job.room, job.lines)
    voice = models.load(job.model).writer(job.model, source)
    if job.content is None:
        return Drafter(voice, *rest)
    return TwoModelDrafter(models.load(job.content).writer(job.content, source), voice, *rest)


def lines_to_tell(job: DraftJob) -> int:
    """How many lines of the notes a job searches sentences for."""
    return 1 if job.place else sum(line.kind == "claim" for line in job.lines)


def send_draft(job: DraftJob, connection: Connection, drafter: "Drafter", count: int) -> None:
    """Send a draft's paragraphs as they come, and the receipt. Raises DraftStopped."""
    from blogtwin.drafting.receipt import make_receipt

    connection.send(("start", {"candidates": count, "lines": [asdict(line) for line in drafter.lines]}))
    paragraphs = []
    for paragraph in drafter.paragraphs():
        paragraphs.append(paragraph)
        sentences = [asdict(sentence) for sentence in paragraph.sentences]
        connection.send(("paragraph", {"number": len(paragraphs), "text": paragraph.text, "sentences": sentences}))
    questions = [asdict(question) for question in drafter.wishes.questions()]
    receipt = make_receipt(drafter, paragraphs, job.model.digest, job.content.digest if job.content else "").to_dict()
    connection.send(("receipt", {"receipt": receipt, "questions": questions}))
