"""Chats, votes and training jobs in one SQLite file in the user's data folder (its schema: serve/migrations.py).

WAL with synchronous=FULL: a change is on the disk before the answer leaves, so neither kill -9 nor a power cut loses
what was acknowledged. Each call opens its own connection: an error leaves nothing locked or broken behind. One more
stays open, so that the journal and its index stay too: a full disk could not make them anew, and not even read.
"""

import asyncio
import contextlib
import json
import sqlite3
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from serve.migrations import migrate

LOCK_TIMEOUT_SECONDS = 3
Result = TypeVar("Result")


class Database:
    """The file, created or migrated. Raises UserError for a file of a newer version."""

    def __init__(self, file: Path):
        self.file = file
        with self.open() as db:
            db.execute("pragma journal_mode=wal")
            migrate(db, str(file))
        kept_open = sqlite3.connect(file, check_same_thread=False)
        kept_open.execute("select * from sqlite_master").fetchall()
        weakref.finalize(self, kept_open.close)

    @contextlib.contextmanager
    def open(self, seconds: float = LOCK_TIMEOUT_SECONDS) -> Iterator[sqlite3.Connection]:
        """A connection that waits at most `seconds` for a lock. Commits when the block succeeds, else rolls back."""
        db = sqlite3.connect(self.file, timeout=seconds)
        db.row_factory = sqlite3.Row
        try:
            db.execute("pragma foreign_keys=on")
            db.execute("pragma synchronous=full")
            with db:
                yield db
        finally:
            db.close()

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """`work(db, *arguments)` in a thread, as one transaction."""

        def transaction() -> Result:
            with self.open() as db:
                return work(db, *arguments)

        return await asyncio.to_thread(transaction)


def new_id() -> str:
    return uuid.uuid4().hex[:16]


def add_session(db: sqlite3.Connection, owner: str, title: str, model: str) -> str:
    """Create an empty chat; returns its id."""
    session_id, now = new_id(), time.time()
    db.execute("insert into session values (?, ?, ?, ?, ?, ?)", (session_id, owner, title, model, now, now))
    return session_id


def session(db: sqlite3.Connection, owner: str, session_id: str) -> dict | None:
    """A session of this owner, or None."""
    row = db.execute("select * from session where id = ? and owner = ?", (session_id, owner)).fetchone()
    return dict(row) if row else None


def branch(db: sqlite3.Connection, owner: str, session_id: str, after: int) -> str:
    """A new session with the messages of this one up to and including message `after`."""
    old = session(db, owner, session_id)
    new = add_session(db, owner, old["title"], old["model"])
    db.execute(
        """
        insert into message (session_id, role, content, model, finish_reason, created_at)
        select ?, role, content, model, finish_reason, created_at
        from message where session_id = ? and id <= ? order by id
        """,
        (new, session_id, after),
    )
    return new


def messages(db: sqlite3.Connection, session_id: str) -> list[dict]:
    """All messages of a session, oldest first."""
    rows = db.execute(
        "select id, role, content, model, finish_reason, created_at from message where session_id = ? order by id",
        (session_id,),
    )
    return [dict(row) for row in rows]


def add_message(
    db: sqlite3.Connection, session_id: str, role: str, content: str, model: str = "", finish_reason: str = ""
) -> int | None:
    """Returns the message's id; None when the session has been deleted."""
    now = time.time()
    if not db.execute("update session set updated_at = ? where id = ?", (now, session_id)).rowcount:
        return None
    return db.execute(
        """
        insert into message (session_id, role, content, model, finish_reason, created_at)
        values (?, ?, ?, ?, ?, ?)
        """,
        (session_id, role, content, model, finish_reason, now),
    ).lastrowid


def sessions(db: sqlite3.Connection, owner: str, search: str, limit: int, offset: int) -> list[dict]:
    """Newest first; with `search`, those that have all its words in the title or in a message."""
    where, values = "owner = ?", [owner]
    for word in search.replace("\0", " ").split():  # SQLite's own strings end there
        where += (
            " and (title like ? escape '\\' or id in"
            " (select session_id from message where id in (select rowid from words where words match ?)))"
        )
        like = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        quoted = word.replace('"', '""')
        values += [f"%{like}%", f'"{quoted}"*']
    query = f"""
        select *, (select count(*) from message where session_id = session.id) as messages
        from session where {where} order by updated_at desc, id limit ? offset ?
        """
    return [dict(row) for row in db.execute(query, (*values, limit, offset))]


def rename(db: sqlite3.Connection, owner: str, session_id: str, title: str) -> bool:
    """Returns False when the owner has no such session."""
    changed = db.execute("update session set title = ? where id = ? and owner = ?", (title, session_id, owner))
    return changed.rowcount > 0


def remove_session(db: sqlite3.Connection, owner: str, session_id: str) -> bool:
    """Delete a session with its messages. Returns False when the owner has no such session."""
    return db.execute("delete from session where id = ? and owner = ?", (session_id, owner)).rowcount > 0


def models_in_use(file: Path) -> set[str]:
    """The models of all chats in a server's database, of whatever version: the file is only read."""
    with contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as db:
        return {name for (name,) in db.execute("select model from session union select model from message")}


def add_comparison(
    db: sqlite3.Connection, owner: str, topic: str, prompt: str, left: tuple[str, str], right: tuple[str, str]
) -> str:
    """`left` and `right` are (model, text). Returns the comparison's id."""
    comparison_id = new_id()
    db.execute(
        "insert into comparison values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (comparison_id, owner, topic, prompt, *left, *right, time.time()),
    )
    return comparison_id


def comparison(db: sqlite3.Connection, owner: str, comparison_id: str) -> dict | None:
    """A comparison of this owner, or None."""
    row = db.execute("select * from comparison where id = ? and owner = ?", (comparison_id, owner)).fetchone()
    return dict(row) if row else None


def add_vote(
    db: sqlite3.Connection, comparison_id: str, preferred: str, more_similar: str | None, own_text: str | None
) -> bool:
    """Returns False when this comparison already has a vote, which stays."""
    added = db.execute(
        """
        insert or ignore into vote (comparison_id, preferred, more_similar, own_text, created_at)
        values (?, ?, ?, ?, ?)
        """,
        (comparison_id, preferred, more_similar, own_text, time.time()),
    )
    return added.rowcount > 0


def votes(db: sqlite3.Connection) -> list[dict]:
    """Every vote with the comparison it belongs to, oldest first."""
    rows = db.execute(
        """
        select comparison.*, vote.preferred, vote.more_similar, vote.own_text, vote.created_at as voted_at
        from vote join comparison on comparison.id = vote.comparison_id order by vote.created_at
        """
    )
    return [dict(row) for row in rows]


def add_choice(db: sqlite3.Connection, owner: str, model: str, prompt: str, chosen: str, rejected: str) -> str:
    """Save which of two answers to a prompt the writer took; returns its id."""
    choice_id = new_id()
    row = (choice_id, owner, model, prompt, chosen, rejected, time.time())
    db.execute("insert into choice values (?, ?, ?, ?, ?, ?, ?)", row)
    return choice_id


def remove_choice(db: sqlite3.Connection, owner: str, choice_id: str) -> bool:
    """Returns False when the owner has no such choice."""
    return db.execute("delete from choice where id = ? and owner = ?", (choice_id, owner)).rowcount > 0


def choices(db: sqlite3.Connection) -> list[dict]:
    """Every choice, oldest first."""
    return [dict(row) for row in db.execute("select * from choice order by created_at")]


def add_job(db: sqlite3.Connection, job_id: str, owner: str, corpus: str, params: dict) -> None:
    db.execute(
        "insert into job (id, owner, corpus, params, created_at) values (?, ?, ?, ?, ?)",
        (job_id, owner, corpus, json.dumps(params), time.time()),
    )


def jobs(db: sqlite3.Connection) -> list[dict]:
    """All training jobs, newest first, each as `job` gives it."""
    return [_job(db, row) for row in db.execute("select * from job order by created_at desc").fetchall()]


def job(db: sqlite3.Connection, job_id: str) -> dict | None:
    """The row of a job, or None. `retraining`: its row of that table; None for a job on an uploaded corpus."""
    row = db.execute("select * from job where id = ?", (job_id,)).fetchone()
    return _job(db, row) if row else None


def _job(db: sqlite3.Connection, row: sqlite3.Row) -> dict:
    retraining = db.execute("select * from retraining where job_id = ?", (row["id"],)).fetchone()
    return {
        **dict(row),
        "params": json.loads(row["params"]),
        "retraining": dict(retraining) if retraining else None,
    }


def set_job_result(db: sqlite3.Connection, job_id: str, result: str) -> None:
    """`result`: the folder of the finished twin, or "stopped" or "failed"."""
    db.execute("update job set result = ? where id = ?", (result, job_id))


def add_retraining(db: sqlite3.Connection, job_id: str, project: str) -> None:
    """Note that a job trains on the posts of the project itself, which is in the folder `project`."""
    db.execute("insert into retraining (job_id, project) values (?, ?)", (job_id, project))


def save_decision(
    db: sqlite3.Connection, job_id: str, version: str, replaced: str, promoted: bool, outcome: str
) -> None:
    """Note whether a job's twin, the version of that name, takes the place of the version `replaced`, and why."""
    db.execute(
        "update retraining set version = ?, replaced = ?, promoted = ?, outcome = ? where job_id = ?",
        (version, replaced, promoted, outcome, job_id),
    )


def save_problem(db: sqlite3.Connection, job_id: str, problem: str) -> None:
    """Note why a job's twin can't be compared or made the live one yet."""
    db.execute("update retraining set outcome = ? where job_id = ?", (problem, job_id))


def watch(db: sqlite3.Connection, project: str) -> tuple[dict, dict]:
    """(settings, what was found) of the watch over a project's posts; both empty where there was none yet."""
    row = db.execute("select settings, found from watch where project = ?", (project,)).fetchone()
    return (json.loads(row["settings"]), json.loads(row["found"])) if row else ({}, {})


def save_watch(db: sqlite3.Connection, project: str, **columns: dict) -> None:
    """Write `settings` or `found` of the watch over a project's posts, and leave the other one as it is."""
    db.execute("insert or ignore into watch (project) values (?)", (project,))
    for name, value in columns.items():
        column = {"settings": "settings", "found": "found"}[name]
        db.execute(f"update watch set {column} = ? where project = ?", (json.dumps(value), project))
