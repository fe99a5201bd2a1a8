"""Chats, votes and blind comparisons: kept once acknowledged, found again, never counted twice."""

import asyncio
import io
import json
import random
import resource
import sqlite3
import threading
import time

import httpx
import pytest
from docx import Document

from corpus import readers
from serve import database, post_export, vote_statistics
from serve.cached import Cached
from serve.preference_pairs import votes_to_pairs
from serve.routers import dashboard
from serve.routers.chats import drop_retried_answers
from serve.routers.drafts import parse_headings
from serve.routers.rewriting import compare_facts
from tests.support.api_client import client
from tests.support.server_process import Server, events


@pytest.fixture
def http(served, tmp_path, monkeypatch):
    """The application on the workspace with a scorecard, without its models."""
    monkeypatch.chdir(served)
    return client(tmp_path)


# --- chats ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_chat_is_kept_searched_renamed_and_deleted(server):
    http = server.http
    asked = {"message": "Write about the Zennor ferry.", "model": "base", "max_tokens": 6, "seed": 1}
    first = http.post("/api/v1/chat/completions", json=asked).json()
    with http.stream(
        "POST",
        "/api/v1/chat/completions",
        json={**asked, "session_id": first["session_id"], "message": "Go on.", "stream": True},
    ) as answer:
        found = events(answer.iter_lines())
    assert [n for n, _ in found][0] == "session" and [n for n, _ in found][-1] == "answered"
    chat = http.get(f"/api/v1/chat/sessions/{first['session_id']}").json()
    assert [m["role"] for m in chat["messages"]] == ["user", "assistant"] * 2 and chat["messages"][1] == first[
        "message"
    ]
    assert chat["messages"][-1]["content"] == "".join(d["text"] for n, d in found if n == "delta") != ""
    listed = {
        q: [s["id"] for s in http.get("/api/v1/chat/sessions", params={"search": q}).json()["sessions"]]
        for q in ("zennor", "zenn ferry", "nowhere", '"', "%")
    }
    assert listed["zennor"] == listed["zenn ferry"] == [first["session_id"]] and listed["nowhere"] == listed["%"] == []
    assert (
        http.patch(f"/api/v1/chat/sessions/{first['session_id']}", json={"title": "Crossing"}).json()["title"]
        == "Crossing"
    )
    assert http.delete(f"/api/v1/chat/sessions/{first['session_id']}").json() == {"removed": True}
    assert http.get(f"/api/v1/chat/sessions/{first['session_id']}").status_code == 404


@pytest.mark.slow
def test_a_branch_goes_on_from_a_message_and_leaves_the_chat_as_it_was(server):
    def ask(**asked) -> dict:
        return server.http.post("/api/v1/chat/completions", json={"model": "base", "max_tokens": 4, **asked}).json()

    def said(session: str) -> list[str]:
        return [m["content"] for m in server.http.get(f"/api/v1/chat/sessions/{session}").json()["messages"]]

    first = ask(message="One heron.")
    ask(message="Two herons.", session_id=first["session_id"])
    whole = said(first["session_id"])
    branch = ask(message="A zeppelin.", session_id=first["session_id"], after=first["message"]["id"])
    assert branch["session_id"] != first["session_id"] and said(first["session_id"]) == whole
    assert said(branch["session_id"])[:3] == [*whole[:2], "A zeppelin."] and len(said(branch["session_id"])) == 4
    found = [
        s["id"] for s in server.http.get("/api/v1/chat/sessions", params={"search": "zeppelin"}).json()["sessions"]
    ]
    assert found == [branch["session_id"]]


def test_an_answer_that_is_asked_for_again_is_not_shown_to_the_model():
    def chat(*contents: str) -> list[dict]:
        return [{"role": "user" if c.endswith("?") else "assistant", "content": c} for c in contents]

    def seen(*contents: str) -> list[str]:
        return [m["content"] for m in drop_retried_answers(chat(*contents))]

    assert seen("a?", "A", "b?", "B", "b?", "B2", "b?") == ["a?", "A", "b?"]
    assert seen("a?", "a?") == ["a?"]  # stopped before a first word
    assert seen("a?", "A", "b?", "B", "a?") == ["a?", "A", "b?", "B", "a?"]  # asked again later: a question of its own


def test_the_authors_topics_are_offered(http, served):
    found = http.get("/api/topics").json()
    assert "The kettle has stopped" in found["titles"] and len(set(found["tags"])) == len(found["tags"]) > 10
    (served / "data/raw/posts.jsonl").rename(served / "data/raw/away")
    try:
        assert http.get("/api/topics").json()["tags"] == []
    finally:
        (served / "data/raw/away").rename(served / "data/raw/posts.jsonl")


def test_the_scorecard_is_told_without_waiting_for_the_past(http, monkeypatch):
    monkeypatch.setattr("serve.cached.Cached.get", lambda *_: pytest.fail("asks Git or DVC, which takes seconds"))
    found = http.get("/api/dashboard", params={"past": False}).json()
    assert found["scorecard"]["twin"] and found["history"] == found["experiments"] == []
    assert found["verdict"] == "" and found["advice"] == [], "nothing was said of this scorecard"


def test_the_verdict_its_advice_and_the_report_are_served(http, served):
    assert http.get("/api/dashboard/report").json()["error"]["code"] == "no_report"
    (served / "artifacts/eval/verdict.txt").write_text("Not yet: x.\nTry y.\nTry z.\n")
    (served / "artifacts/eval/report.html").write_text("<p>all of it</p>")
    try:
        found = http.get("/api/dashboard", params={"past": False}).json()
        assert (found["verdict"], found["advice"]) == ("Not yet: x.", ["Try y.", "Try z."])
        page = http.get("/api/dashboard/report")
        assert page.text == "<p>all of it</p>" and page.headers["content-type"].startswith("text/html")
    finally:
        for name in ("verdict.txt", "report.html"):
            (served / "artifacts/eval" / name).unlink()


def test_a_chat_is_its_owners_alone(tmp_path):
    kept = database.Database(tmp_path / "a.db")
    with kept.open() as db:
        mine = database.add_session(db, "ann", "t", "base")
        assert (
            database.session(db, "bob", mine) is None
            and not database.rename(db, "bob", mine, "x")
            and not database.remove_session(db, "bob", mine)
        )
        assert database.sessions(db, "bob", "", 9, 0) == [] and len(database.sessions(db, "ann", "", 9, 0)) == 1


def test_a_deleted_chat_leaves_nothing_to_search(tmp_path):
    kept = database.Database(tmp_path / "a.db")
    with kept.open() as db:
        one = database.add_session(db, "ann", "t", "base")
        database.add_message(db, one, "user", "marzipan")
        database.remove_session(db, "ann", one)
        assert db.execute("select count(*) from message").fetchone()[0] == 0
        assert db.execute("select count(*) from words where words match 'marzipan'").fetchone()[0] == 0


@pytest.mark.parametrize("search", ["\0", "a\0b", '"', "'", "*", "AND", "NEAR(", "%_\\", "-a", "a:b", "^a", "ö" * 200])
def test_any_search_is_words_and_never_syntax(tmp_path, search):
    kept = database.Database(tmp_path / "a.db")
    with kept.open() as db:
        database.add_message(db, database.add_session(db, "ann", "Rain", "base"), "user", "about rain")
        assert len(database.sessions(db, "ann", search, 9, 0)) <= 1  # whatever it finds, SQLite does not complain
        assert len(database.sessions(db, "ann", "rai", 9, 0)) == 1


@pytest.mark.slow
def test_a_locked_database_is_a_clear_error_and_over_when_it_is_free(http, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "LOCK_TIMEOUT_SECONDS", 0.1)
    blind = http.post("/api/blind", json={}).json()["id"]
    other = sqlite3.connect(tmp_path / "serve.db")
    other.execute("begin exclusive")
    refused = http.post(f"/api/blind/{blind}/vote", json={"preferred": "left"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_locked") and refused.headers[
        "retry-after"
    ]
    other.rollback()
    other.close()
    assert http.post(f"/api/blind/{blind}/vote", json={"preferred": "left"}).status_code == 200


@pytest.mark.slow
def test_a_full_disk_is_said_loses_nothing_acknowledged_and_is_over_when_there_is_room(http):
    """The disk is one that lets no file grow over 150 kB: what SQLite is told of a quota."""
    acknowledged, limit = [], resource.getrlimit(resource.RLIMIT_FSIZE)

    def vote() -> httpx.Response:
        answer = http.post("/api/blind", json={"one": "base", "other": "author"})
        if answer.status_code == 200:
            blind = answer.json()["id"]
            answer = http.post(f"/api/blind/{blind}/vote", json={"preferred": "left"})
            acknowledged.extend([blind] if answer.status_code == 200 else [])
        return answer

    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limit[1]))
    try:
        refused = next(answer for _ in range(2000) if (answer := vote()).status_code != 200)
        again = vote()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (
        (refused.status_code, refused.json()["error"]["code"])
        == (again.status_code, again.json()["error"]["code"])
        == (507, "disk_full")
    )
    assert vote().status_code == 200 and len(acknowledged) > 3
    with http.app.state.serve.database.open() as db:
        assert {v["id"] for v in database.votes(db)} == set(acknowledged)


@pytest.mark.slow
def test_kill_9_under_load_loses_no_acknowledged_vote_and_no_message(served, tmp_path):
    running, votes, answers, stop = Server(served, tmp_path / "home").ready(), [], [], threading.Event()

    def vote(http) -> None:
        blind = http.post("/api/blind", json={"one": "base", "other": "author"}).json()["id"]
        if http.post(f"/api/blind/{blind}/vote", json={"preferred": "left", "own_text": "left"}).status_code == 200:
            votes.append(blind)

    def chat(http) -> None:
        answer = http.post(
            "/api/v1/chat/completions", json={"message": f"Rain {len(answers)}.", "model": "base", "max_tokens": 2}
        )
        if answer.status_code == 200:
            answers.append((answer.json()["session_id"], answer.json()["message"]))

    def repeat(work) -> None:
        with httpx.Client(base_url=running.url, trust_env=False, timeout=60) as http:
            while not stop.is_set():
                try:
                    work(http)
                except httpx.HTTPError:
                    return

    threads = [threading.Thread(target=repeat, args=(work,)) for work in (vote, vote, chat, chat)]
    for thread in threads:
        thread.start()
    while (len(votes) < 40 or len(answers) < 10) and any(t.is_alive() for t in threads):
        stop.wait(0.05)
    running.kill()
    stop.set()
    for thread in threads:
        thread.join(60)
    assert len(votes) >= 40 and len(answers) >= 10
    with database.Database(tmp_path / "home/serve.db").open() as db:
        kept = {v["id"] for v in database.votes(db)}
        for session, message in answers:
            question, answer = database.messages(db, session)
            assert question["role"] == "user" and answer == message
    assert set(votes) <= kept and len(kept) <= len(votes) + 2  # a vote on its way may be kept without our knowing
    again = Server(served, tmp_path / "home")
    try:
        assert again.http.get("/api/blind/results").json()["votes"] == len(kept)
        listed = {s["id"] for s in again.http.get("/api/v1/chat/sessions", params={"limit": 200}).json()["sessions"]}
        assert {session for session, _ in answers} <= listed
    finally:
        again.stop()


# --- the dashboard ----------------------------------------------------------------------------------------------------


def test_ten_tabs_at_once_ask_git_and_dvc_once(http, monkeypatch):
    asked = []
    monkeypatch.setattr(dashboard, "commits", lambda: asked.append("git") or time.sleep(0.2) or [])
    monkeypatch.setattr(dashboard, "experiments", lambda workspace: asked.append("dvc") or time.sleep(0.2) or [])

    async def tabs() -> list:
        state = http.app.state.serve
        return await asyncio.gather(*(dashboard.dashboard(state) for _ in range(10)))

    assert len(asyncio.run(tabs())) == 10 and sorted(asked) == ["dvc", "git"]


def test_an_answer_is_asked_for_again_when_it_is_old_or_was_none():
    cached, asked = Cached(0.05), []

    def ask() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise OSError("no git")
        return len(asked)

    async def work():
        with pytest.raises(OSError):
            await cached.get("a", ask)
        first = [await cached.get("a", ask) for _ in range(2)]
        await asyncio.sleep(0.06)
        return first, await cached.get("a", ask)

    assert asyncio.run(work()) == ([2, 2], 3)


# --- blind comparisons ------------------------------------------------------------------------------------------------


def test_a_comparison_hides_who_wrote_is_voted_once_and_then_tells(http):
    blind = http.post("/api/blind", json={"one": "base", "other": "author"}).json()
    assert set(blind) == {"id", "topic", "left", "right", "has_own_text"} and blind["has_own_text"]
    lengths = [len(blind[side].split()) for side in ("left", "right")]
    assert max(lengths) - min(lengths) <= 1
    told = http.post(f"/api/blind/{blind['id']}/vote", json={"preferred": "left", "own_text": "right"}).json()
    assert set(told.values()) == {"base", "author"} and (told["left"] == "base") == blind["left"].startswith(
        "A base wrote this."
    )
    assert (
        http.post(f"/api/blind/{blind['id']}/vote", json={"preferred": "right"}).json()["error"]["code"]
        == "voted_before"
    )
    assert http.get("/api/blind/results").json()["votes"] == 1


def test_sides_are_shuffled_and_results_count_them_right(http):
    first = []
    for _ in range(24):
        blind = http.post("/api/blind", json={"one": "base", "other": "finetuned"}).json()
        twin = "left" if blind["left"].startswith("A twin") else "right"
        first.append(twin)
        http.post(
            f"/api/blind/{blind['id']}/vote",
            json={
                "preferred": twin,
                "more_similar": "tie" if len(first) > 18 else "left" if twin == "right" else "right",
            },
        )
    assert 3 < first.count("left") < 21  # one in 20,000 shuffles would fail
    found = http.get("/api/blind/results").json()
    pair = found["preferred"][0]
    assert (pair["one"], pair["other"], pair["wins"], pair["losses"]) == ("base", "finetuned", 0, 24)
    assert pair["lo"] == pytest.approx(0, abs=1e-9) and pair["hi"] == pytest.approx(
        0.138, abs=0.001
    )  # Wilson: z² / (n + z²)
    similar = found["more_similar"][0]  # asked apart: there the base won, and the last were ties
    assert (similar["wins"], similar["losses"], similar["ties"]) == (18, 0, 6)
    rows = [json.loads(line) for line in http.get("/api/blind/pairs").text.splitlines()]
    assert len(rows) == 18 and all(
        r["chosen"][0]["content"].startswith("A base") and r["rejected"][0]["content"].startswith("A twin")
        for r in rows
    )


def test_sides_can_not_be_told_from_pythons_own_random_numbers(http):
    """Whoever knows the state of `random` (a seed, or 624 numbers of it) knows all that follow."""

    def sides() -> list[tuple[str, str]]:
        random.seed(7)
        blinds = [http.post("/api/blind", json={"one": "base", "other": "finetuned"}).json() for _ in range(20)]
        return [(blind["topic"], blind["left"]) for blind in blinds]

    assert sides() != sides()


def test_a_vote_without_the_second_question_counts_for_the_first(http):
    blind = http.post("/api/blind", json={"one": "base", "other": "finetuned"}).json()
    http.post(f"/api/blind/{blind['id']}/vote", json={"preferred": "left"})
    found = http.get("/api/blind/results").json()
    assert found["more_similar"] == [] and found["preferred"][0]["n"] == 1
    assert http.get("/api/blind/pairs").json()["chosen"][0]["content"] == blind["left"]


def ballot(left: str, right: str, better: str, mine=None) -> dict:
    return {
        "left_model": left,
        "right_model": right,
        "preferred": better,
        "more_similar": None,
        "own_text": mine,
        "left_text": "l",
        "right_text": "r",
        "prompt": "p",
    }


def test_strengths_follow_the_votes_also_between_models_that_never_met():
    votes = (
        [ballot("a", "b", "left")] * 30
        + [ballot("a", "b", "right")] * 10
        + [ballot("b", "c", "left")] * 30
        + [ballot("b", "c", "right")] * 10
    )
    found = vote_statistics.bradley_terry(votes)
    assert list(found) == ["a", "b", "c"]
    odds = {name: p / (1 - p) for name, p in found.items()}
    assert odds["a"] / odds["b"] == pytest.approx(3, rel=0.1) and odds["b"] / odds["c"] == pytest.approx(3, rel=0.1)
    assert vote_statistics.bradley_terry(votes[:40]) == {}  # two models need no ranking


def test_an_author_who_always_knows_their_text_is_told_so():
    votes = [ballot("author", "base", "tie", "left")] * 9 + [ballot("base", "author", "tie", "left")]
    found = vote_statistics.self_recognition(votes)
    assert (found["right"], found["n"]) == (9, 10) and found["lo"] == pytest.approx(0.596, abs=0.001)
    assert vote_statistics.self_recognition([ballot("a", "b", "left")]) is None


def test_held_out_posts_are_no_lesson():
    """The author's own side of a comparison is a post of the test split, which preference training must not see."""
    rows = votes_to_pairs(
        [ballot("author", "base", "left"), ballot("base", "author", "left"), ballot("base", "finetuned", "right")]
    )
    assert [row.chosen[0].content for row in rows] == ["r"]


def test_texts_that_are_empty_or_equal_are_no_lesson():
    """A model may have written nothing at all, or the same as the other: the file must stay one that
    train.preference_data reads."""
    votes = [
        {**ballot("base", "finetuned", better), "left_text": left, "right_text": "r"}
        for better in ("left", "right")
        for left in ("", "r")
    ]
    assert votes_to_pairs(votes) == []


# --- posts ------------------------------------------------------------------------------------------------------------

TEXT = "It had *13* rungs.\n\n## The lower\n\n- one\n- two\n\n> Leave it."


@pytest.mark.parametrize("kind", ["md", "docx"])
def test_an_exported_post_is_read_back_as_it_was(tmp_path, kind):
    file = tmp_path / f"post.{kind}"
    file.write_bytes(post_export.FORMATS[kind]("The: “ladder”", TEXT, "2024-02-29", ["rungs", "harbour"]))
    post = readers.read_post(file, 1e7)
    assert (post.title, post.date, post.tags, post.text) == ("The: “ladder”", "2024-02-29", ["rungs", "harbour"], TEXT)


@pytest.mark.parametrize(
    ("kind", "begins"), [("md", b"---\ntitle: The ladder\n"), ("html", b"<!doctype html>"), ("docx", b"PK")]
)
def test_an_export_is_a_file_with_a_name(http, kind, begins):
    answer = http.post("/api/export", json={"title": "The ladder", "text": TEXT, "format": kind})
    assert (
        answer.content.startswith(begins)
        and answer.headers["content-disposition"] == f'attachment; filename="the-ladder.{kind}"'
    )
    assert answer.headers["content-type"] == post_export.KINDS[kind]


def test_an_exported_page_runs_nothing():
    page = post_export.render_page(
        "<script>", "<script>alert(1)</script> [x](javascript:alert(1))", None, ["<b>"]
    ).decode()
    assert "<script" not in page and 'javascript:alert(1)"' not in page and "&lt;b&gt;" in page


def test_a_docx_holds_emphasis_and_survives_control_characters():
    document = Document(io.BytesIO(post_export.render_docx("a\x00b", "so *slanted*\x0c and **fat**", None, [])))
    runs = document.paragraphs[1].runs
    assert [(r.text, bool(r.bold), bool(r.italic)) for r in runs if r.text.strip() in ("slanted", "fat")] == [
        ("slanted", False, True),
        ("fat", True, False),
    ]


TABLE = "| Rung | Wood |\n|---|---|\n| *first* | ash |\n\nIt was ~~new~~ old:\n- one"


def test_an_exported_page_has_tables_struck_text_and_a_list_without_an_empty_line_before_it():
    page = post_export.render_page("t", TABLE, None, []).decode()
    assert "<th>Rung</th>" in page and "<td><em>first</em></td>" in page
    assert "<s>new</s>" in page and "<li>one</li>" in page


def test_a_docx_has_tables_and_struck_text():
    document = Document(io.BytesIO(post_export.render_docx("t", TABLE, None, [])))
    (table,) = document.tables
    assert [[cell.text for cell in row.cells] for row in table.rows] == [["Rung", "Wood"], ["first", "ash"]]
    assert table.rows[1].cells[0].paragraphs[0].runs[0].italic
    assert [r.text for p in document.paragraphs for r in p.runs if r.font.strike] == ["new"]


def test_a_rewrite_is_told_what_it_kept_lost_and_made_up():
    found = compare_facts(
        "The ferry left at 9:30 with 40 people, says Mr Tonkin.", "Mr Tonkin says 41 people left at 9:30."
    )
    values = {name: {f.value for f in some} for name, some in found.items()}
    assert {"9:30", "mr tonkin"} <= values["kept"] and values["missing"] == {"40"} and values["invented"] == {"41"}


def test_headings_are_read_from_any_kind_of_list():
    assert parse_headings(
        "1. One\n2) **Two**\n- Three:\n\nThree\nHere is a long sentence of prose that goes on for more than twelve"
        " words.",
        9,
    ) == ["One", "Two", "Three"]
