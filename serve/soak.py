"""An hour in the life of a server, in which everything goes wrong: writers at once, a training job in the middle,
engines that are killed, a full disk, a clock that moves; at the end kill -9. What was acknowledged must be there.

scripts/soak.py prints what `Soak.run` returns.
"""

import asyncio
import contextlib
import email.utils
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.hints import make_command
from blogtwin.paths import ARTIFACTS_DIR
from serve.auth import Keys
from serve.benchmark import resident_mb
from serve.soak_faults import Clock, Disk, choose_disk, engines_of, find_clock, kill
from serve.soak_server import START_SECONDS, ServerProcess
from serve.soak_writers import HttpClient, Tally, Writer

WRITERS, TOKENS = 4, 24  # tokens of an answer
SAMPLES = 10  # of memory; the first is taken before anything goes wrong
KILLS = (0.12, 0.26, 0.39, 0.64, 0.84)  # when, as shares of the time
CLOCK_MOVES = {0.52: 86_400, 0.57: -3600, 0.61: 0}  # {when: seconds that the clock is fast from then on}
DISK_FULL_AT, TRAINING_AT = 0.17, 0.36
FAULTS = {
    "no sentence": "refusals that were no sentence",
    "server error": "server errors without a sentence",
    "broken": "answers that broke off",
}
RECOVERY_SECONDS = 120
JOB_SECONDS = 1800  # for the training job, beyond the hour if need be
CLOCK_SECONDS = 60  # until the server has seen its clock move
JOB_TRIES = 3  # a busy machine may refuse the first
REQUEST_SECONDS = 300
JOB = {
    "corpus": "sample",
    "preset": "highspeed",
    "scorecard": False,
    "params": {
        "train.max_steps": 4,
        "train.max_tokens": 4000,
        "train.max_length": 512,
        "export.parity_prompts": 1,
        "export.parity_tokens": 16,
    },
}


@dataclass
class Soak:
    """One run, in a folder of its own. `minutes`: without start, read-back and what a training job takes longer."""

    folder: Path
    minutes: float
    tally: Tally = field(default_factory=Tally)
    memory: list[float] = field(default_factory=list)
    recovered: list[float] = field(default_factory=list)  # seconds from each kill of an engine until it is ready again
    clock_seen: list[int] = field(default_factory=list)  # seconds that the server's clock was fast, as it said
    job: dict[str, Any] = field(default_factory=dict)
    full_seconds: float = 0.0  # that the disk was full
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.home.mkdir()
        self.seconds = 60 * self.minutes
        self.disk: Disk | None
        self.clock: Clock | None
        self.disk, self.no_disk = choose_disk(self.home)
        self.clock, self.no_clock = find_clock(self.folder / "clock")
        keys = Keys(self.home)
        names = [f"writer{chr(ord('a') + number)}" for number in range(WRITERS)]
        self.writers = [
            Writer(name, keys.add(name, "user"), self.tally, seed, TOKENS) for seed, name in enumerate(names)
        ]
        self.admin = Writer("admin", keys.add("admin", "admin"), self.tally, 0, TOKENS)

    def start(self) -> ServerProcess:
        return ServerProcess(self.home, self.folder / "said.txt", self.clock)

    def close(self) -> None:
        """End what works in the folder, and unmount and forget what was made."""
        for process in psutil.process_iter(["cwd"]):
            if (process.info["cwd"] or "").startswith(str(self.folder)):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        if self.disk:
            self.disk.close()
        if twin := self.job.get("twin"):
            shutil.rmtree(ARTIFACTS_DIR / "twins" / twin, ignore_errors=True)

    async def run(self) -> dict[str, Any]:
        """All of it; {asked, measured, ok} of each target, and the figures. Raises UserError if nothing is served."""
        self.server = self.start()
        try:
            async with self.client() as http:
                await self.until_ready(http)
                self.began = time.monotonic()
                working = [asyncio.create_task(writer.work(http)) for writer in self.writers]
                saying = asyncio.create_task(self.tell_progress())
                try:
                    await self.all_that_happens(http)
                    for writer in self.writers:
                        writer.over.set()
                    self.server.kill()  # in the midst of what they ask
                finally:
                    saying.cancel()
                    for task in working:
                        task.cancel()
                    await asyncio.gather(saying, *working, return_exceptions=True)
            for task in working:
                if not task.cancelled() and task.exception():
                    raise task.exception()
            echo("the server was killed; what was acknowledged is read back")
            self.server = self.start()
            async with self.client() as http:
                await self.until_ready(http)
                await self.read_back(http)
        finally:
            self.server.kill()
        return self.results()

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[HttpClient]:
        import httpx2

        limits = httpx2.Limits(max_keepalive_connections=0)
        url = self.server.url
        async with httpx2.AsyncClient(base_url=url, timeout=REQUEST_SECONDS, trust_env=False, limits=limits) as http:
            yield http

    async def until_ready(self, http: HttpClient, seconds: float = START_SECONDS) -> None:
        """Raises UserError where the models are not there, or do not come in time."""
        until = time.monotonic() + seconds
        while not (health := (await http.get("/api/v1/health", headers=self.admin.headers)).json())["ready"]:
            reasons = {one["code"]: one["reason"] for one in health["failed"].values()}
            if reasons.keys() - {"engine_gone"}:
                why = "; ".join(map(str, reasons.values()))
                raise UserError(f"The server has no model: {why}. Run `{make_command('all')}`.")
            if time.monotonic() > until:
                raise UserError(f"The server was not ready after {seconds:g} seconds: {health}.")
            await asyncio.sleep(0.1)

    async def all_that_happens(self, http: HttpClient) -> None:
        """Every fault at its time, one after the other, and memory between them."""
        Act = Callable[[HttpClient], Awaitable[None]]
        acts: list[tuple[float, Act]] = [(at, self.kill_engine) for at in KILLS]
        acts += [(number / SAMPLES, self.measure_memory) for number in range(1, SAMPLES)]
        acts += [(TRAINING_AT, self.start_training)]
        acts += [(DISK_FULL_AT, self.fill_disk)] if self.disk else []
        acts += [(at, self.mover(seconds)) for at, seconds in CLOCK_MOVES.items()] if self.clock else []
        for share, act in sorted(acts, key=lambda one: one[0]):
            await asyncio.sleep(self.began + share * self.seconds - time.monotonic())
            await act(http)
        await asyncio.sleep(self.began + self.seconds - time.monotonic())
        await self.finish_training(http)
        await self.measure_memory(http)

    async def kill_engine(self, http: HttpClient) -> None:
        """One engine after the other, in turn."""
        engines = engines_of(self.server.process)
        one, before = engines[len(self.recovered) % len(engines)], len(engines)
        kill(one)
        started = time.monotonic()
        await asyncio.sleep(0.1)
        while len(engines_of(self.server.process)) < before and time.monotonic() - started < RECOVERY_SECONDS:
            await asyncio.sleep(0.1)
        with contextlib.suppress(UserError):
            await self.until_ready(http, RECOVERY_SECONDS)
            self.recovered.append(round(time.monotonic() - started, 1))
            echo(f"an engine was killed; it was ready again after {self.recovered[-1]} s")

    async def fill_disk(self, http: HttpClient) -> None:
        """Until every writer can have met it."""
        started = time.monotonic()
        self.disk.fill(self.server.process)
        try:
            await asyncio.sleep(max(6.0, min(60.0, self.seconds / 100)))
        finally:
            self.disk.free(self.server.process)
        self.full_seconds = round(time.monotonic() - started, 1)
        echo(f"the disk was full for {self.full_seconds} s")

    def mover(self, seconds: int) -> Callable[[HttpClient], Awaitable[None]]:
        async def move(http: HttpClient) -> None:
            self.clock.move(seconds)
            until = time.monotonic() + CLOCK_SECONDS
            while True:
                await asyncio.sleep(1)  # the header is made once a second, later on a busy machine
                answer = await http.get("/api/v1/health")
                said = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
                fast = round(said - time.time())
                if abs(fast - seconds) < 60 or time.monotonic() > until:
                    break
            self.clock_seen.append(fast)
            echo(f"the clock was moved: it is {self.clock_seen[-1]:+,} s fast")

        return move

    async def measure_memory(self, http: HttpClient) -> None:
        """While the writers wait."""
        for writer in self.writers:
            writer.gate.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REQUEST_SECONDS):
                await asyncio.gather(*(writer.idle.wait() for writer in self.writers))
        await asyncio.sleep(1)
        self.memory.append(resident_mb(self.server.process.pid))
        for writer in self.writers:
            writer.gate.set()

    async def start_training(self, http: HttpClient) -> None:
        self.job = {"state": "refused"}
        for _ in range(JOB_TRIES):
            if found := await self.admin.ask(http, "POST", "/api/v1/training/jobs", JOB):
                self.job = found
                break
        echo(f"a training job: {self.job['state']}")

    async def finish_training(self, http: HttpClient) -> None:
        """Wait for the job; its twin is loaded, answers, and is unloaded."""
        until = time.monotonic() + JOB_SECONDS
        while self.job["state"] in ("waiting", "running") and time.monotonic() < until:
            path = f"/api/v1/training/jobs/{self.job['id']}"
            self.job = await self.admin.ask(http, "GET", path) or self.job
            await asyncio.sleep(2)
        echo(f"the training job: {self.job['state']}")
        if twin := self.job.get("twin"):
            asked = {"prompt": "Rain.", "model": twin, "max_tokens": 4}
            await self.admin.ask(http, "POST", "/api/v1/models/load", {"model": twin})
            self.job["answered"] = bool(await self.admin.ask(http, "POST", "/api/generate", asked))
            await self.admin.ask(http, "POST", "/api/v1/models/unload", {"model": twin})

    async def tell_progress(self) -> None:
        """A line now and then."""
        every = max(5.0, self.seconds / 60)
        while True:
            await asyncio.sleep(every)
            past = time.monotonic() - self.began
            left = max(0, round((self.seconds - past) / 60))
            echo(
                f"{past / 60:.1f} of {self.minutes:g} minutes: {self.tally.acknowledged.total():,} acknowledged,"
                f" {self.tally.refusals.total()} refused, {resident_mb(self.server.process.pid):.0f} MB;"
                f" about {left} {'minute' if left == 1 else 'minutes'} left"
            )

    async def read_back(self, http: HttpClient) -> None:
        """Fill `lost`."""
        for writer in self.writers:
            self.lost += await writer.read_back(http)
        status, _ = await self.admin.read(http, "GET", "/api/blind/results")
        pairs = (await http.get("/api/blind/pairs", headers=self.admin.headers)).text
        for writer in self.writers:
            self.lost += [f"the choice after {before!r}" for before in writer.choices if before not in pairs]
        if "id" in self.job:
            status, job = await self.admin.read(http, "GET", f"/api/v1/training/jobs/{self.job['id']}")
            self.lost += [] if status == 200 and job["state"] == self.job["state"] else [f"job {self.job['id']}"]

    def results(self) -> dict[str, Any]:
        """`targets`: {asked, measured, ok} of each; `ok` is None where the part was left out."""
        grown = round(100 * (self.memory[-1] / self.memory[0] - 1), 2)
        tally, full = self.tally, self.tally.refusals["disk_full"]
        faults = {kind: [one for one in found if one] for kind, found in tally.faults.items()}
        moved = sum(abs(seen - asked) < 60 for seen, asked in zip(self.clock_seen, CLOCK_MOVES.values()))
        log = self.home / "logs/serve.jsonl"
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        targets = [
            ("acknowledged things that were lost", "0", str(len(self.lost)), not self.lost),
            ("more memory at the end than after the warm-up", "at most 3 %", f"{grown:+.2f} %", grown <= 3),
            ("refusals that were no sentence", "0", str(tally.count("no sentence")), not tally.count("no sentence")),
            (
                "server errors without a sentence",
                "0",
                str(tally.count("server error")),
                not tally.count("server error"),
            ),
            ("answers that broke off", "0", str(tally.count("broken")), not tally.count("broken")),
            (
                "engines killed, and ready again",
                str(len(KILLS)),
                f"{len(self.recovered)}, the slowest after {max(self.recovered, default=0)} s",
                len(self.recovered) == len(KILLS),
            ),
            (
                "a full disk: writes refused as such",
                "1 or more",
                f"{full} in {self.full_seconds} s, on {self.disk.how}" if self.disk else f"left out: {self.no_disk}",
                full > 0 if self.disk else None,
            ),
            (
                "moves of the clock that the server saw",
                str(len(CLOCK_MOVES)),
                str(moved) if self.clock else f"left out: {self.no_clock}",
                moved == len(CLOCK_MOVES) if self.clock else None,
            ),
            (
                "a training job, and its twin answers",
                "done",
                self.job["state"] + ("" if self.job.get("answered") else ", no answer"),
                self.job["state"] == "done" and self.job["answered"],
            ),
        ]
        return {
            "minutes": self.minutes,
            "writers": WRITERS,
            "requests": tally.requests,
            "acknowledged": dict(tally.acknowledged),
            "refusals": dict(tally.refusals),
            "faults": faults,
            "logged": [row for row in rows if "error" in row][-20:],
            "lost": self.lost[:20],
            "memory_mb": self.memory,
            "engine_ready_again_s": self.recovered,
            "targets": [dict(zip(("what", "asked", "measured", "ok"), one)) for one in targets],
        }
