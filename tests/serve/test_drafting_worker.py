"""The process that drafts, as the server sees it: one draft at a time, stopped without a trace, replaced when it died.
A thread stands in for the process, but where it is killed."""

import asyncio
import os
import signal
import socket
import threading
import time
from multiprocessing import Pipe

import pytest

from blogtwin.drafting.notes import parse_notes
from blogtwin.inference.client import Engine
from serve.draft_writers import EngineModel
from serve.drafting import DraftingWorker, DraftJob
from serve.errors import ApiError


class Played(DraftingWorker):
    """The other end of the connection is a function of a thread: `play(connection)`."""

    def __init__(self, play):
        super().__init__()
        self.play, self.started = play, 0

    def _connect(self):
        if self.connection is None:
            self.started += 1
            self.connection, theirs = Pipe()
            threading.Thread(target=self.play, args=(theirs,), daemon=True).start()
        return self.connection


def play_slowly(connection):
    """A draft is a start, then long nothing; told to stop, it says one more thing first, as a search in its round
    does."""
    while (job := connection.recv()) != "quit":
        if job == "stop":
            connection.send(("stopped", {}))
            continue
        connection.send(("start", {"job": job}))
        if job == "quick":
            connection.send(("receipt", {}))
            continue
        assert connection.recv() == "stop"
        time.sleep(0.2)
        connection.send(("paragraph", {"text": "too late"}))
        connection.send(("stopped", {}))


def play_ends_meanwhile(connection):
    """The draft ends just when it is told to stop, which is then read after it."""
    while (job := connection.recv()) != "quit":
        if job == "stop":
            connection.send(("stopped", {}))
            continue
        connection.send(("start", {"job": job}))
        if job != "quick":
            time.sleep(0.3)
        connection.send(("receipt", {}))


async def all_of(worker, job) -> list[tuple[str, dict]]:
    return [event async for event in worker.write(job)]


async def cut_off(worker, job) -> None:
    """Cancel a draft while its next message is waited for."""
    task = asyncio.create_task(all_of(worker, job))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("play", [play_slowly, play_ends_meanwhile])
def test_after_a_draft_that_was_cancelled_the_next_one_gets_its_own_messages_only(play):
    async def scenario():
        worker = Played(play)
        for _ in range(3):
            await asyncio.wait_for(cut_off(worker, "slow"), 10)
            found = await asyncio.wait_for(all_of(worker, "quick"), 10)
            assert found == [("start", {"job": "quick"}), ("receipt", {})]
        assert worker.started == 1
        worker.connection.send("quit")

    asyncio.run(scenario())


def test_a_draft_that_is_cancelled_twice_is_stopped_before_the_next_one_begins():
    """The second cancellation interrupts the wait for the process; the process is still in its round then."""

    async def scenario():
        worker = Played(play_slowly)
        task = asyncio.create_task(all_of(worker, "slow"))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert worker.stopping is not None and not worker.stopping.done()
        found = await asyncio.wait_for(all_of(worker, "quick"), 10)
        assert found == [("start", {"job": "quick"}), ("receipt", {})]
        worker.connection.send("quit")

    asyncio.run(scenario())


def test_a_draft_whose_reader_leaves_between_two_messages_is_stopped_too():
    async def scenario():
        worker = Played(play_slowly)
        coming = worker.write("slow")
        assert await anext(coming) == ("start", {"job": "slow"})
        await asyncio.wait_for(coming.aclose(), 10)
        assert (await all_of(worker, "quick"))[-1] == ("receipt", {})
        worker.connection.send("quit")

    asyncio.run(scenario())


def test_two_drafts_do_not_mix():
    async def scenario():
        worker = Played(play_ends_meanwhile)
        one, other = await asyncio.gather(all_of(worker, "slow"), all_of(worker, "quick"))
        assert one[0] == ("start", {"job": "slow"}) and other[0] == ("start", {"job": "quick"})
        worker.connection.send("quit")

    asyncio.run(scenario())


def test_a_failure_is_told_and_so_is_a_process_that_dies():
    def play(connection):
        connection.recv()
        connection.send(("failed", {"reason": "OSError: no memory"}))
        connection.recv()
        connection.close()

    async def scenario():
        worker = Played(play)
        for reason in ("no memory", "ended"):
            with pytest.raises(ApiError, match=reason) as error:
                await all_of(worker, "any")
            assert (error.value.status_code, error.value.code) == (502, "engine_failed")

    asyncio.run(scenario())


def job_for(port: int, project) -> DraftJob:
    """A draft by a model that the engine at this port holds."""
    engine = Engine("openai", f"http://127.0.0.1:{port}/v1", "key", "base")
    model = EngineModel("base", "base", "", False, engine)
    return DraftJob("The rope", "rope 22 mm", tuple(parse_notes("rope 22 mm")), 3, 1, 8.0, project, model)


async def kill(worker) -> None:
    os.kill(worker.process.pid, signal.SIGKILL)
    for _ in range(500):
        if worker.process is None or not worker.process.is_alive():
            return
        await asyncio.sleep(0.02)


async def is_answered(worker, job) -> bool:
    """Whether the process lives and tells that the engine is gone."""
    with pytest.raises(ApiError) as error:
        await all_of(worker, job)
    return "stopped answering" in error.value.message


@pytest.mark.slow
def test_a_process_that_is_killed_is_replaced_at_the_next_draft(tmp_path):
    silent = socket.create_server(("127.0.0.1", 0))  # an engine that takes a request and never answers
    job = job_for(silent.getsockname()[1], tmp_path)

    async def scenario():
        worker = DraftingWorker()
        try:
            drafting = asyncio.create_task(all_of(worker, job))
            await asyncio.to_thread(silent.accept)
            assert worker.failure is None
            first = worker.process.pid
            await kill(worker)
            with pytest.raises(ApiError, match="ended"):
                await drafting
            assert "next draft starts it again" in worker.failure
            silent.close()  # from now on the engine refuses
            assert await is_answered(worker, job) and worker.failure is None
            second = worker.process.pid
            await kill(worker)  # while it waits
            assert "next draft starts it again" in worker.failure
            assert await is_answered(worker, job) and worker.failure is None
            assert len({first, second, worker.process.pid}) == 3
        finally:
            worker.close()

    asyncio.run(asyncio.wait_for(scenario(), 300))
