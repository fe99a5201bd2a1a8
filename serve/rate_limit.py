"""How many requests each caller has made in the last minute (SERVE_RATE), in a moving window.

One process counts in memory. Several workers (SERVE_WORKERS) count together, in a SQLite file beside the database.
"""

import sqlite3
import threading
import time
from pathlib import Path

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

LOCK_TIMEOUT_SECONDS = 3


class RateLimiter:
    """Counts in this process."""

    def __init__(self, rate: str):
        self.rate: RateLimitItem = parse(rate)
        self.window = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, who: str) -> float | None:
        """Count a request; None, or the seconds until the next one where it is too many, which is not counted."""
        if self.window.hit(self.rate, who):
            return None
        return self.window.get_window_stats(self.rate, who).reset_time - time.time()


class SharedRateLimiter:
    """Counts in a file for all workers. What a power cut loses of it is a minute's count, so nothing waits for the
    disk."""

    def __init__(self, rate: str, file: Path):
        self.rate: RateLimitItem = parse(rate)
        self.local, self.file = threading.local(), file
        with self._connection() as db:
            db.execute("create table if not exists hit (who text not null, at real not null)")
            db.execute("create index if not exists hit_who on hit (who, at)")

    def hit(self, who: str) -> float | None:
        """As RateLimiter.hit."""
        now, seconds = time.time(), self.rate.get_expiry()
        db = self._connection()
        db.execute("begin immediate")  # counting and adding are one step for all workers
        try:
            db.execute("delete from hit where who = ? and at <= ?", (who, now - seconds))
            count, oldest = db.execute("select count(*), min(at) from hit where who = ?", (who,)).fetchone()
            is_free = count < self.rate.amount
            if is_free:
                db.execute("insert into hit values (?, ?)", (who, now))
        except BaseException:
            db.execute("rollback")
            raise
        db.execute("commit")
        return None if is_free else oldest + seconds - now

    def _connection(self) -> sqlite3.Connection:
        """One for each thread, kept open: opening takes longer than counting."""
        db: sqlite3.Connection | None = getattr(self.local, "db", None)
        if db is None:
            db = self.local.db = sqlite3.connect(self.file, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=off")
        return db
