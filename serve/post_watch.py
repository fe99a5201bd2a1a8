"""The server looks for new posts by itself, as `make watch` does: how often and where, and what it found, are in its
database, for each project.

A look runs in a process of its own (serve/apart.py): a feed or an export may be malicious, and takes its time.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blogtwin.errors import UserError
from serve import database
from serve.apart import Unreadable, run_apart
from serve.database import Database
from serve.logging_setup import log_event
from serve.retraining import Watch, run_dvc_quietly

LOOK_SECONDS = 3600.0  # the longest look
OFF = {"on": False, "source": "", "minutes": 60}


@dataclass
class PostWatch:
    """The watch over the posts of the project in the working folder."""

    database: Database
    project: str = field(default_factory=lambda: str(Path.cwd()))
    looking: bool = False
    asked: bool = False  # for a look now
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(settings: on, source, minutes; what was found: see `look`, empty before the first look)."""
        settings, found = await self.database.run(database.watch, self.project)
        return {**OFF, **settings}, found

    async def configure(self, on: bool, source: str, minutes: int) -> None:
        """Save the settings. Where it is on, the next look comes `minutes` after the last one, which may be now."""

        def save(db: Any) -> None:
            database.save_watch(db, self.project, settings={"on": on, "source": source, "minutes": minutes})

        await self.database.run(save)
        self.wake.set()

    def look_now(self) -> None:
        """Look as soon as the look that may be under way is over."""
        self.looking = self.asked = True
        self.wake.set()

    async def watch(self) -> None:
        """Look when it is time, as long as the server lives."""
        while True:
            try:
                settings, found = await self.state()
                seconds = seconds_to_next(settings, found, time.time())
                if self.asked or seconds == 0:
                    await self.look(settings, found)
                    continue
            except Exception as e:  # the disk: try again in a minute
                log_event("watching posts failed", 40, e)
                seconds = 60
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), seconds)
            self.wake.clear()

    async def look(self, settings: dict[str, Any], before: dict[str, Any]) -> None:
        """Look once, and save what was found: {looked_at, source, posts, new, behind, problem}, and what the next look
        compares with. After a problem the figures of before stay."""
        self.looking, self.asked = True, False
        source = settings["source"]
        files = before.get("files") if before.get("source") == source else None
        try:
            found = await asyncio.to_thread(
                run_apart, look_once, source, before.get("seen"), files, timeout=LOOK_SECONDS
            )
        except (Unreadable, OSError) as e:
            found = {"problem": f"The look failed: {str(e).rstrip('.')}."}
        finally:
            self.looking = self.asked
        found = {**before, "problem": "", **found, "source": source, "looked_at": time.time()}
        await self.database.run(lambda db: database.save_watch(db, self.project, found=found))


def seconds_to_next(settings: dict[str, Any], found: dict[str, Any], now: float) -> float | None:
    """How long to wait for the next look; None where there is none. A clock that was set back does not put it off."""
    if not settings["on"]:
        return None
    pause = 60.0 * settings["minutes"]
    return min(pause, max(0.0, found.get("looked_at", 0.0) + pause - now))


def look_once(source: str, seen: list[str] | None, files: list | None) -> dict[str, Any]:
    """What a look finds: {posts, new, behind, sentence, seen, files}, or {problem}. `seen`, `files`: as the look before
    returned them."""
    watch = Watch(source, run_dvc_quietly)
    watch.seen = None if seen is None else set(seen)
    watch.files = None if files is None else tuple((name, size, modified) for name, size, modified in files)
    try:
        found = watch.bring_and_count()
    except UserError as e:
        return {"problem": str(e)}
    return {
        "posts": found.posts,
        "new": found.new,
        "behind": found.behind,
        "sentence": str(found),
        "seen": sorted(watch.seen or ()),
        "files": watch.files,
    }
