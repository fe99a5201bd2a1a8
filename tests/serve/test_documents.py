"""A .docx as text for a prompt: by the reader of stage 01, in a process of its own, never in the way of other
requests."""

import asyncio
import io
import os
import threading
import zipfile

import docx
import httpx
import pytest
from starlette.testclient import TestClient

from serve import apart, documents
from serve.main import create_app
from serve.routers import reading
from serve.settings import Settings
from tests.support.workspace import ROOT

URL = "http://127.0.0.1:8000"


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A server on a project without models; its lifespan, which would load them, does not run."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return create_app(Settings(home=tmp_path / "home", _env_file=None, engine="llamacpp"))


@pytest.fixture
def http(app):
    return TestClient(app, base_url=URL, raise_server_exceptions=False)


def document(*paragraphs: str, title: str = "") -> bytes:
    made = docx.Document()
    if title:
        made.add_paragraph(title, style="Title")
    made.add_heading("The pier", 2)
    for text in paragraphs:
        made.add_paragraph(text)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def zipped(name: str, content: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


def send(http, data: bytes, name: str = "diary.docx", **options):
    return http.post("/api/read", files={"file": (name, data)}, **options)


def test_read_returns_the_document_as_markdown(http):
    answer = send(http, document("The ferry left at nine.", "It’s late. 🛶"))
    assert (answer.status_code, answer.json()) == (
        200,
        {"text": "## The pier\n\nThe ferry left at nine.\n\nIt’s late. 🛶"},
    )


def test_read_puts_the_title_first(http):
    assert (
        send(http, document("It left.", title="The ferry")).json()["text"] == "# The ferry\n\n## The pier\n\nIt left."
    )


def test_read_takes_what_stage_01_takes(http):
    """A post of the sample, as the reader of `make ingest` gives it."""
    from corpus.readers import read_post

    file = sorted((ROOT / "data/sample").glob("*.docx"))[0]
    post = read_post(file, 1e9)
    assert send(http, file.read_bytes(), file.name).json()["text"] == f"# {post.title}\n\n{post.text}"


@pytest.mark.parametrize(
    ("name", "data", "code", "words"),
    [
        ("notes.pdf", b"%PDF-1.4", "not_docx", "'notes.pdf' is not a .docx file"),
        ("", b"PK", "invalid_request", "file"),
        ("a.docx", b"", "unreadable", "not a .docx"),
        ("a.docx", b"no such thing", "unreadable", "not a .docx"),
        ("a.docx", b"PK\x03\x04 no zip", "unreadable", "not a .docx"),
        ("a.docx", zipped("post.md", "# A"), "unreadable", "not a document"),
        ("a.docx", zipped("word/document.xml", "<broken"), "unreadable", "can't be read"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "unreadable", "encrypted, or an old .doc"),
    ],
)
def test_read_says_why_a_file_is_no_document(http, name, data, code, words):
    answer = send(http, data, name)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["code"] == code and words in answer.json()["error"]["message"]


def test_read_refuses_a_document_without_text(http):
    made = io.BytesIO()
    docx.Document().save(made)
    assert "no text" in send(http, made.getvalue()).json()["error"]["message"]


def test_read_refuses_what_is_too_large(http):
    answer = send(http, b"PK" + bytes(documents.MAX_BYTES))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert "10 MB" in answer.json()["error"]["message"]


def test_read_needs_a_key_where_there_are_keys(http):
    key = http.app.state.serve.keys.add("ann", "user")
    data = document("The ferry left.")
    assert send(http, data).status_code == 401
    assert send(http, data, headers={"Authorization": "Bearer bt_wrong"}).status_code == 401
    assert send(http, data, headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_read_docx_stops_a_reader_that_takes_too_long():
    with pytest.raises(documents.Unreadable, match="more than 0 seconds"):
        documents.read_docx(document("The ferry left."), timeout=0)


def test_read_docx_survives_a_reader_that_crashes(monkeypatch):
    monkeypatch.setattr(documents, "_text_of", os._exit)  # which ends with an error on these arguments
    with pytest.raises(documents.Unreadable, match="crashed"):
        documents.read_docx(document("The ferry left."))


def test_what_is_read_apart_has_a_limit_of_memory():
    with pytest.raises(documents.Unreadable, match="more than 1000 MB of memory"):
        apart.run_apart(bytearray, 2_000_000_000, timeout=60, memory_mb=1000)
    assert apart.run_apart(len, "abc", timeout=60, memory_mb=1000) == 3


def test_other_requests_are_answered_while_documents_are_read_and_a_third_is_refused(app, monkeypatch):
    begun, release = threading.Semaphore(0), threading.Event()

    def slow(data: bytes) -> str:
        begun.release()
        assert release.wait(60), "the documents are read until the other requests have been answered"
        return "read"

    monkeypatch.setattr(reading, "read_docx", slow)

    async def together():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
            both = [asyncio.create_task(send(http, b"PK")) for _ in range(2)]
            for _ in both:
                await asyncio.to_thread(begun.acquire)
            answer, refused = await http.get("/api/topics"), await send(http, b"PK")
            still_read = not any(one.done() for one in both)
            release.set()
            return answer, refused, still_read, [await one for one in both]

    answer, refused, still_read, both = asyncio.run(together())
    assert answer.status_code == 200 and still_read
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy") and refused.headers[
        "Retry-After"
    ] == "1"
    assert [one.json() for one in both] == [{"text": "read"}] * 2
