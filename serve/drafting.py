"""Verified drafting for the API: the search runs in a process of its own, with the model's GGUF in llama.cpp.

In this process a second team of OpenMP threads would slow the embedded engine down. The process is started by the first
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
from serve.errors import ApiError

if TYPE_CHECKING:
    from blogtwin.drafting.drafter import Drafter

LAST_MESSAGES = ("receipt", "sentences")  # that end a job
IDLE_SECONDS = 600.0  # without a draft, after which the process ends and gives its memory back
MAX_COPIED_WORDS = 14  # in a row, of a post that was learnt
PROBE_CANDIDATES, PROBE_TOKENS = 8, 16  # answers by which the machine's speed is measured


@dataclass(frozen=True)
class DraftJob:
    """A draft to be made of `lines`; `notes` is the text they were read from. With a `place`, only other sentences for
    it are. `weights`: the GGUF that writes, with `adapter` on it where it has none inside; `base_folder` holds the
    tokenizer. `candidates` in each round; None: as many as fit `seconds`."""

    title: str
    notes: str
    lines: tuple[NoteLine, ...]
    seed: int
    candidates: int | None
    seconds: float
    weights: Path
    adapter: Path | None
    base_folder: Path
    system: str
    project: Path
    name: str  # of the model
    model: str  # the digest of what writes, for the receipt
    room: Room = "own"
    place: SentencePlace | None = None


class DraftingWorker:
    """The process; one draft at a time."""

    def __init__(self) -> None:
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
            connection = self._connect()
            connection.send(job)
            finished = False
            receiving: asyncio.Future | None = None
            try:
                while True:
                    receiving = asyncio.ensure_future(asyncio.to_thread(self._receive, connection))
                    name, data = await asyncio.shield(receiving)
                    if name in ("failed", "gone"):
                        finished = True
                        raise ApiError(502, "engine_failed", data["reason"], "Look at the log, and ask again.")
                    finished = name in LAST_MESSAGES
                    yield name, data
                    if finished:
                        return
            finally:
                if not finished:
                    self.stopping = asyncio.ensure_future(self._stop(connection, receiving))
                    await asyncio.shield(self.stopping)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
        if self.connection is not None:
            self.connection.close()
        self.process = self.connection = None

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
            return "gone", {"reason": "The process that writes drafts ended."}

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
            self.close()


def run_worker(connection: Connection) -> None:
    """Draft what comes, until nothing has come for some minutes. Runs in the process of its own."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this one
    loaded: dict[tuple, LoadedWriter] = {}
    try:
        while connection.poll(IDLE_SECONDS):
            job = connection.recv()
            if job == "stop":  # of a draft that ended meanwhile
                connection.send(("stopped", {}))
                continue
            try:
                draft(job, connection, loaded)
            except Exception as e:  # the server tells it
                connection.send(("failed", {"reason": f"{type(e).__name__}: {e}"[:300]}))
    except (EOFError, OSError):
        pass  # the server is gone


class LoadedWriter:
    """A model that was loaded, its measured speed in tokens per second, and the posts that it may not copy."""

    def __init__(self, job: DraftJob) -> None:
        import time

        from transformers import AutoTokenizer

        from blogtwin.sampling import SamplingParams
        from eval.drafting import NotesModel

        self.notes_model = NotesModel(
            job.weights, job.adapter, AutoTokenizer.from_pretrained(job.base_folder), job.system
        )
        model = self.notes_model.model
        model.pieces()
        prompt = self.notes_model.encode_prompt(["one line"])
        started = time.perf_counter()
        sampling = SamplingParams(PROBE_TOKENS, 1.0, 1.0, 1.0)
        answers = model.write([prompt] * PROBE_CANDIDATES, [sampling] * PROBE_CANDIDATES, [*range(PROBE_CANDIDATES)])
        self.checks = PostChecks(job.project)
        self.tokens_per_second = sum(a["written_tokens"] for a in answers) / (time.perf_counter() - started)


class PostChecks:
    """Copying from the posts that were learnt."""

    def __init__(self, project: Path) -> None:
        from blogtwin.files import read_jsonl
        from blogtwin.paths import SPLIT_DIR
        from corpus.examples import join_parts
        from eval.memorization import CopyDetector

        file = project / SPLIT_DIR / "train.jsonl"
        self.copies = CopyDetector(list(join_parts(read_jsonl(file)).values()) if file.is_file() else [])

    def is_copied(self, text: str) -> bool:
        """Whether a longer run of a post stands in the text than may."""
        return self.copies.longest_match(text)[0] >= MAX_COPIED_WORDS


def draft(job: DraftJob, connection: Connection, loaded: dict[tuple, LoadedWriter]) -> None:
    """Write one draft, or other sentences for a place of one, and send it as it comes."""
    from blogtwin.drafting.alternatives import find_alternatives
    from blogtwin.drafting.drafter import DraftStopped
    from blogtwin.drafting.receipt import candidates_for

    key = (job.weights, job.adapter, job.model, job.system, job.project)
    if key not in loaded:
        for other in loaded.values():
            other.notes_model.model.close()
        loaded.clear()
        loaded[key] = LoadedWriter(job)
    one = loaded[key]
    count = job.candidates or candidates_for(job.seconds, lines_to_tell(job), one.tokens_per_second)
    drafter = one.notes_model.drafter(
        job.title, job.notes, job.seed, count, one.checks, connection.poll, job.name, job.room, job.lines
    )
    try:
        if job.place is None:
            send_draft(job, connection, drafter, count)
        else:
            sentences, reason = find_alternatives(drafter, job.place)
            connection.send(("sentences", {"sentences": [asdict(one) for one in sentences], "reason": reason}))
    except DraftStopped:
        connection.recv()
        connection.send(("stopped", {}))


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
    receipt = make_receipt(drafter, paragraphs, job.model).to_dict()
    connection.send(("receipt", {"receipt": receipt, "questions": questions}))
