"""Sessions, votes and jobs in one SQLite file of the user's data folder.

WAL with synchronous=FULL: what was acknowledged is on the disk before the answer leaves, so that neither kill -9 nor a
power cut loses it. Each call opens its own connection: nothing stays locked or broken after an error, and the next call
starts afresh.
"""

import asyncio
import contextlib
import json
import sqlite3
import time
import uuid
from pathlib import Path

LOCK_TIMEOUT_SECONDS = 3
SCHEMA = """
create table if not exists session (id text primary key, owner text not null, title text not null, model text not null, made real not null, changed real not null);
create table if not exists message (
    id integer primary key, session text not null references session on delete cascade,
    role text not null, content text not null, model text not null, finish text not null, made real not null);
create index if not exists message_session on message (session);
create virtual table if not exists words using fts5 (content, content=message, content_rowid=id);
create trigger if not exists message_in after insert on message begin insert into words (rowid, content) values (new.id, new.content); end;
create trigger if not exists message_out after delete on message begin insert into words (words, rowid, content) values ('delete', old.id, old.content); end;
create table if not exists blind (
    id text primary key, owner text not null, topic text not null, prompt text not null, left_model text not null, left_text text not null,
    right_model text not null, right_text text not null, made real not null);
create table if not exists vote (blind text primary key references blind on delete cascade, better text not null, mine text, made real not null, closer text);
create table if not exists job (id text primary key, owner text not null, corpus text not null, asked text not null, made real not null, kept text not null default '');
"""


class Database:
    def __init__(self, file: Path):
        self.file = file
        with self.open() as db:
            db.execute("pragma journal_mode=wal")
            db.executescript(SCHEMA)
            if "closer" not in {
                column["name"] for column in db.execute("pragma table_info(vote)")
            }:  # a file of before that was asked
                db.execute("alter table vote add column closer text")

    @contextlib.contextmanager
    def open(self, seconds: float = LOCK_TIMEOUT_SECONDS):
        """A connection, which waits so long for a lock; what was done is kept when the block ends well, and undone when
        it does not."""
        db = sqlite3.connect(self.file, timeout=seconds)
        db.row_factory = sqlite3.Row
        try:
            db.execute("pragma foreign_keys=on")
            db.execute("pragma synchronous=full")
            with db:
                yield db
        finally:
            db.close()

    async def do(self, work, *arguments):
        """`work(db, *arguments)` in a thread, as one transaction."""

        def run():
            with self.open() as db:
                return work(db, *arguments)

        return await asyncio.to_thread(run)


def new_id() -> str:
    return uuid.uuid4().hex[:16]


def add_session(db, owner: str, title: str, model: str) -> str:
    session, now = new_id(), time.time()
    db.execute("insert into session values (?, ?, ?, ?, ?, ?)", (session, owner, title, model, now, now))
    return session


def session(db, owner: str, session_id: str) -> dict | None:
    """A session of this owner, or None."""
    row = db.execute("select * from session where id = ? and owner = ?", (session_id, owner)).fetchone()
    return dict(row) if row else None


def branch(db, owner: str, session_id: str, after: int) -> str:
    """A new session that holds this one's messages up to and with `after`."""
    old = session(db, owner, session_id)
    new = add_session(db, owner, old["title"], old["model"])
    copied = (
        "insert into message (session, role, content, model, finish, made) select ?, role, content, model, finish, made"
        " from message where session = ? and id <= ? order by id"
    )
    db.execute(copied, (new, session_id, after))
    return new


def messages(db, session_id: str) -> list[dict]:
    return [
        dict(row)
        for row in db.execute(
            "select id, role, content, model, finish, made from message where session = ? order by id", (session_id,)
        )
    ]


def add_message(db, session_id: str, role: str, content: str, model: str = "", finish: str = "") -> int | None:
    """The message's id; None when the session is gone."""
    now = time.time()
    if not db.execute("update session set changed = ? where id = ?", (now, session_id)).rowcount:
        return None
    values = (session_id, role, content, model, finish, now)
    return db.execute(
        "insert into message (session, role, content, model, finish, made) values (?, ?, ?, ?, ?, ?)", values
    ).lastrowid


def sessions(db, owner: str, search: str, limit: int, offset: int) -> list[dict]:
    """Newest first; with `search`, those that hold all its words, in the title or in a message."""
    where, values = "owner = ?", [owner]
    for word in search.replace("\0", " ").split():  # SQLite's own strings end there
        where += (
            " and (title like ? escape '\\' or id in (select session from message where id in (select rowid from words"
            " where words match ?)))"
        )
        like = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        quoted = word.replace('"', '""')
        values += [f"%{like}%", f'"{quoted}"*']
    query = (
        f"select *, (select count(*) from message where session = session.id) as messages from session where {where}"
        " order by changed desc, id limit ? offset ?"
    )
    return [dict(row) for row in db.execute(query, (*values, limit, offset))]


def rename(db, owner: str, session_id: str, title: str) -> bool:
    return (
        db.execute("update session set title = ? where id = ? and owner = ?", (title, session_id, owner)).rowcount > 0
    )


def remove_session(db, owner: str, session_id: str) -> bool:
    return db.execute("delete from session where id = ? and owner = ?", (session_id, owner)).rowcount > 0


def add_blind(db, owner: str, topic: str, prompt: str, left: tuple[str, str], right: tuple[str, str]) -> str:
    """`left` and `right` are (model, text)."""
    blind = new_id()
    db.execute(
        "insert into blind values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (blind, owner, topic, prompt, *left, *right, time.time()),
    )
    return blind


def blind(db, owner: str, blind_id: str) -> dict | None:
    row = db.execute("select * from blind where id = ? and owner = ?", (blind_id, owner)).fetchone()
    return dict(row) if row else None


def add_vote(db, blind_id: str, better: str, closer: str | None, mine: str | None) -> bool:
    """False when this comparison was voted on before: the first vote stays."""
    return (
        db.execute(
            "insert or ignore into vote (blind, better, closer, mine, made) values (?, ?, ?, ?, ?)",
            (blind_id, better, closer, mine, time.time()),
        ).rowcount
        > 0
    )


def votes(db) -> list[dict]:
    """Every vote with what was compared, oldest first."""
    return [
        dict(row)
        for row in db.execute(
            "select blind.*, vote.better, vote.closer, vote.mine, vote.made as voted from vote join blind on blind.id ="
            " vote.blind order by vote.made"
        )
    ]


def add_job(db, job_id: str, owner: str, corpus: str, asked: dict) -> None:
    db.execute(
        "insert into job (id, owner, corpus, asked, made) values (?, ?, ?, ?, ?)",
        (job_id, owner, corpus, json.dumps(asked), time.time()),
    )


def jobs(db) -> list[dict]:
    return [
        {**dict(row), "asked": json.loads(row["asked"])} for row in db.execute("select * from job order by made desc")
    ]


def job(db, job_id: str) -> dict | None:
    return next((one for one in jobs(db) if one["id"] == job_id), None)


def set_job_result(db, job_id: str, kept: str) -> None:
    """`kept`: where the finished twin was put, or why there is none."""
    db.execute("update job set kept = ? where id = ?", (kept, job_id))
