"""The schema of the server's database, and the steps from older ones to it.

The file's `PRAGMA user_version` says how many of MIGRATIONS it has been through. A new file starts at the newest
version, an older one is migrated in one transaction, and a newer one is refused.
"""

import sqlite3
from collections.abc import Callable

from blogtwin.errors import UserError

CHOICE_TABLE = """
    create table choice (
        id text primary key, owner text not null, model text not null, prompt text not null,
        chosen text not null, rejected text not null, created_at real not null)
    """
# A training job on the project's own posts. `promoted`: null until the twin was compared with the live one.
RETRAINING_TABLE = """
    create table retraining (
        job_id text primary key references job on delete cascade, project text not null,
        version text not null default '', replaced text not null default '', promoted integer,
        outcome text not null default '')
    """
# How a project looks for new posts, and what it found: two JSON objects.
WATCH_TABLE = """
    create table watch (
        project text primary key, settings text not null default '{}', found text not null default '{}')
    """
SCHEMA = (
    """
    create table session (
        id text primary key, owner text not null, title text not null, model text not null,
        created_at real not null, updated_at real not null)
    """,
    """
    create table message (
        id integer primary key, session_id text not null references session on delete cascade,
        role text not null, content text not null, model text not null, finish_reason text not null,
        created_at real not null)
    """,
    "create index message_session on message (session_id)",
    "create virtual table words using fts5 (content, content=message, content_rowid=id)",
    """
    create trigger message_in after insert on message begin
        insert into words (rowid, content) values (new.id, new.content);
    end
    """,
    """
    create trigger message_out after delete on message begin
        insert into words (words, rowid, content) values ('delete', old.id, old.content);
    end
    """,
    """
    create table comparison (
        id text primary key, owner text not null, topic text not null, prompt text not null,
        left_model text not null, left_text text not null, right_model text not null, right_text text not null,
        created_at real not null)
    """,
    """
    create table vote (
        comparison_id text primary key references comparison on delete cascade,
        preferred text not null, own_text text, created_at real not null, more_similar text)
    """,
    """
    create table job (
        id text primary key, owner text not null, corpus text not null, params text not null,
        created_at real not null, result text not null default '')
    """,
    CHOICE_TABLE,
    RETRAINING_TABLE,
    WATCH_TABLE,
)
# The schema of files from before versions were recorded, as it was then.
UNVERSIONED_SCHEMA = (
    """
    create table if not exists session (
        id text primary key, owner text not null, title text not null, model text not null,
        made real not null, changed real not null)
    """,
    """
    create table if not exists message (
        id integer primary key, session text not null references session on delete cascade,
        role text not null, content text not null, model text not null, finish text not null, made real not null)
    """,
    "create index if not exists message_session on message (session)",
    "create virtual table if not exists words using fts5 (content, content=message, content_rowid=id)",
    """
    create trigger if not exists message_in after insert on message begin
        insert into words (rowid, content) values (new.id, new.content);
    end
    """,
    """
    create trigger if not exists message_out after delete on message begin
        insert into words (words, rowid, content) values ('delete', old.id, old.content);
    end
    """,
    """
    create table if not exists blind (
        id text primary key, owner text not null, topic text not null, prompt text not null,
        left_model text not null, left_text text not null, right_model text not null, right_text text not null,
        made real not null)
    """,
    """
    create table if not exists vote (
        blind text primary key references blind on delete cascade, better text not null, mine text,
        made real not null)
    """,
    """
    create table if not exists job (
        id text primary key, owner text not null, corpus text not null, asked text not null, made real not null,
        kept text not null default '')
    """,
)
RENAMED_COLUMNS = {
    "session": {"made": "created_at", "changed": "updated_at"},
    "message": {"session": "session_id", "finish": "finish_reason", "made": "created_at"},
    "comparison": {"made": "created_at"},
    "vote": {
        "blind": "comparison_id",
        "better": "preferred",
        "closer": "more_similar",
        "mine": "own_text",
        "made": "created_at",
    },
    "job": {"asked": "params", "made": "created_at", "kept": "result"},
}


def complete_unversioned(db: sqlite3.Connection) -> None:
    """0 → 1: add the tables and the column that the oldest files lack."""
    for statement in UNVERSIONED_SCHEMA:
        db.execute(statement)
    if "closer" not in {column["name"] for column in db.execute("pragma table_info(vote)")}:
        db.execute("alter table vote add column closer text")


def rename_columns(db: sqlite3.Connection) -> None:
    """1 → 2: standard names. Rows, index, triggers and the search index stay."""
    db.execute("alter table blind rename to comparison")
    for table, names in RENAMED_COLUMNS.items():
        for old, new in names.items():
            db.execute(f"alter table {table} rename column {old} to {new}")


def add_choices(db: sqlite3.Connection) -> None:
    """2 → 3: sentences that a writer took instead of others."""
    db.execute(CHOICE_TABLE)


def add_watching(db: sqlite3.Connection) -> None:
    """3 → 4: new posts that are looked for, and trainings on them."""
    db.execute(RETRAINING_TABLE)
    db.execute(WATCH_TABLE)


# Step n turns version n into version n + 1. Released steps never change: a new schema is a new step.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    complete_unversioned,
    rename_columns,
    add_choices,
    add_watching,
)


def migrate(db: sqlite3.Connection, name: str) -> None:
    """Bring the schema of the database `name` to the newest version. Raises UserError for a newer one."""
    newest = len(MIGRATIONS)
    if _version(db) == newest:
        return
    db.execute("begin immediate")  # of two servers that start at once, the second waits and finds nothing to do
    version = _version(db)
    if version > newest:
        raise UserError(
            f"{name} has database version {version}, written by a newer blogtwin, and this one knows versions up to"
            f" {newest}: update blogtwin, or set SERVE_HOME to another folder."
        )
    if version == 0 and db.execute("select count(*) from sqlite_master").fetchone()[0] == 0:
        for statement in SCHEMA:
            db.execute(statement)
    else:
        for step in MIGRATIONS[version:]:
            step(db)
    db.execute(f"pragma user_version = {newest}")


def _version(db: sqlite3.Connection) -> int:
    return db.execute("pragma user_version").fetchone()[0]
