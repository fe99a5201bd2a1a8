"""The server's database: what an older version wrote is migrated with every row, or left exactly as it was."""

import sqlite3

import pytest

from blogtwin.errors import UserError
from serve import database, migrations

# As version 1 of the server made it, before `user_version` was recorded: its own words, which must not follow ours.
OLD_SCHEMA = """
create table session (id text primary key, owner text not null, title text not null, model text not null,
    made real not null, changed real not null);
create table message (
    id integer primary key, session text not null references session on delete cascade,
    role text not null, content text not null, model text not null, finish text not null, made real not null);
create index message_session on message (session);
create virtual table words using fts5 (content, content=message, content_rowid=id);
create trigger message_in after insert on message begin
    insert into words (rowid, content) values (new.id, new.content); end;
create trigger message_out after delete on message begin
    insert into words (words, rowid, content) values ('delete', old.id, old.content); end;
create table blind (
    id text primary key, owner text not null, topic text not null, prompt text not null, left_model text not null,
    left_text text not null, right_model text not null, right_text text not null, made real not null);
create table vote (blind text primary key references blind on delete cascade, better text not null, mine text,
    made real not null, closer text);
create table job (id text primary key, owner text not null, corpus text not null, asked text not null,
    made real not null, kept text not null default '');
insert into session values ('s1', 'ann', 'The ladder', 'finetuned', 1, 2);
insert into message values (7, 's1', 'user', 'About marzipan.', '', '', 3);
insert into message values (8, 's1', 'assistant', 'It rained.', 'finetuned', 'stop', 4);
insert into blind values ('b1', 'ann', 'rain', 'Write about rain.', 'base', 'l', 'finetuned', 'r', 5);
insert into vote values ('b1', 'right', null, 6, 'left');
insert into job values ('j1', 'ann', 'sample', '{"train.epochs": 2}', 7, 'stopped');
"""


@pytest.fixture
def old_file(tmp_path):
    file = tmp_path / "serve.db"
    write(file, OLD_SCHEMA)
    return file


def write(file, script: str) -> None:
    db = sqlite3.connect(file)
    db.executescript(script)
    db.close()


def read(file, query: str) -> list[tuple]:
    db = sqlite3.connect(file)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def structure(file) -> dict:
    """Columns, foreign keys and indices of every table; the text of a migrated schema may differ from a new one's."""
    names = [name for (name,) in read(file, "select name from sqlite_master where type = 'table' order by name")]
    kinds = ("table_info", "foreign_key_list", "index_list")
    tables = {name: [read(file, f"pragma {kind}({name})") for kind in kinds] for name in names}
    triggers = read(file, "select name, tbl_name from sqlite_master where type = 'trigger' order by name")
    return {"tables": tables, "triggers": triggers}


def test_every_row_of_an_older_file_is_there_under_the_new_names(old_file):
    with database.Database(old_file).open() as db:
        assert database.sessions(db, "ann", "marzipan", 9, 0) == [
            {
                "id": "s1",
                "owner": "ann",
                "title": "The ladder",
                "model": "finetuned",
                "created_at": 1,
                "updated_at": 2,
                "messages": 2,
            }
        ]
        found = database.messages(db, "s1")
        assert [(m["id"], m["content"], m["finish_reason"], m["created_at"]) for m in found] == [
            (7, "About marzipan.", "", 3),
            (8, "It rained.", "stop", 4),
        ]
        (vote,) = database.votes(db)
        assert (vote["preferred"], vote["more_similar"], vote["own_text"]) == ("right", "left", None)
        assert (vote["prompt"], vote["created_at"], vote["voted_at"]) == ("Write about rain.", 5, 6)
        job = database.job(db, "j1")
        assert (job["params"], job["created_at"], job["result"]) == ({"train.epochs": 2}, 7, "stopped")


def test_a_migrated_file_goes_on_like_a_new_one(old_file, tmp_path):
    """The search index follows new and deleted messages, and what belongs together is deleted together."""
    with database.Database(old_file).open() as db:
        assert database.add_message(db, "s1", "user", "And about quince.")
        assert len(database.sessions(db, "ann", "quince", 9, 0)) == 1
        database.remove_session(db, "ann", "s1")
        assert database.sessions(db, "ann", "marzipan", 9, 0) == [] and database.messages(db, "s1") == []
        db.execute("delete from comparison")
        assert database.votes(db) == []
    database.Database(tmp_path / "new.db")
    assert structure(old_file) == structure(tmp_path / "new.db")
    versions = {read(file, "pragma user_version")[0][0] for file in (old_file, tmp_path / "new.db")}
    assert versions == {len(migrations.MIGRATIONS)}


def test_the_oldest_file_gets_the_tables_and_the_column_that_it_lacks(tmp_path):
    """Before the second question of a comparison was asked, and before there were training jobs."""
    file = tmp_path / "serve.db"
    write(
        file,
        """
        create table vote (blind text primary key, better text not null, mine text, made real not null);
        insert into vote values ('one', 'left', null, 1);
        """,
    )
    with database.Database(file).open() as db:
        assert [tuple(row) for row in db.execute("select preferred, more_similar from vote")] == [("left", None)]
        assert database.jobs(db) == []


def test_a_second_start_changes_nothing(old_file):
    database.Database(old_file)
    before = read(old_file, "select sql from sqlite_master order by name")
    database.Database(old_file)
    assert read(old_file, "select sql from sqlite_master order by name") == before
    assert len(read(old_file, "select * from message")) == 2


def test_a_migration_that_fails_leaves_the_file_as_it_was(old_file, monkeypatch):
    def fail(db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    before = read(old_file, "select sql from sqlite_master order by name")
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, fail))
    with pytest.raises(sqlite3.OperationalError):
        database.Database(old_file)
    assert read(old_file, "select sql from sqlite_master order by name") == before
    assert read(old_file, "pragma user_version") == [(0,)]
    monkeypatch.undo()
    with database.Database(old_file).open() as db:
        assert len(database.messages(db, "s1")) == 2


def test_a_file_of_a_newer_version_is_refused_in_a_sentence_and_left_alone(tmp_path):
    file = tmp_path / "serve.db"
    database.Database(file)
    write(file, "pragma user_version = 99")
    before = file.read_bytes()
    with pytest.raises(UserError, match=r"serve\.db has database version 99, .*: update blogtwin, or set SERVE_HOME"):
        database.Database(file)
    assert file.read_bytes() == before
