"""What `make blog` takes, the page's upload takes, and both find the same posts."""

import pytest

from corpus import import_posts, readers
from corpus.ingest import ingest_folder
from tests.corpus.test_archives import MEDIUM_FILES, SUBSTACK
from tests.corpus.test_movable_type import entry
from tests.support.api_client import client
from tests.support.blog_exports import FILES, WORDS, put, wxr, wxr_item, zipped
from tests.support.mailbox import mail, mailbox

LONG = " ".join(f"{WORDS} {n}" for n in range(3))
EXPORTS = {
    **{name: data.replace(WORDS, LONG) for name, data in FILES.items() if isinstance(data, str)},
    "wordpress.zip": zipped({f"{n}.xml": wxr(wxr_item(slug=f"p{n}", body=f"<p>{LONG} {n}</p>")) for n in range(2)}),
    "substack.zip": zipped({name: text.replace(WORDS, LONG) for name, text in SUBSTACK.items()}),
    "medium.zip": zipped({name: text.replace(WORDS, LONG) for name, text in MEDIUM_FILES.items()}),
    "notion.zip": zipped({"Export-Part-1.zip": zipped({"Gulls.md": LONG})}),
    "sent.mbox": mailbox(mail(LONG)),
    "letter.eml": mail(LONG),
    "Sent": mailbox(mail(LONG)),
    "typepad.txt": entry(body=LONG),
}


@pytest.fixture
def http(served, tmp_path, monkeypatch):
    monkeypatch.chdir(served)
    return client(tmp_path)


def upload(http, name: str, *files: tuple[str, bytes]):
    return http.post("/api/corpus", data={"name": name}, files=[("files", f) for f in files])


@pytest.mark.parametrize("name", EXPORTS)
def test_an_upload_finds_what_make_blog_finds(http, tmp_path, name):
    data = EXPORTS[name].encode() if isinstance(EXPORTS[name], str) else EXPORTS[name]
    source = import_posts.resolve_source(str(put(tmp_path, name, data)))
    (tmp_path / "blog").mkdir()
    put(tmp_path / "blog", name, source.read_bytes())
    posts, left = ingest_folder(tmp_path / "blog", 40, 5e7)
    said = upload(http, "anna", (name, data)).json()
    assert posts and said["posts"] == len(posts), said
    assert [(row["source"], row["cause"]) for row in said["discarded"]] == [(d["source"], d["cause"]) for d in left]


def test_the_page_offers_every_ending_that_make_blog_takes(http, tmp_path):
    formats = http.get("/api/corpus").json()["formats"]
    assert {*readers.SINGLE_POST_READERS, *readers.ARCHIVE_FORMATS} < {*formats}
    for ending in set(formats) - {".csv"}:
        import_posts.resolve_source(str(put(tmp_path, f"a{ending}", "x")))


def test_a_bomb_inside_an_archive_is_refused_and_nothing_is_kept(http, tmp_path):
    bomb = zipped({"inner.zip": zipped({f"{n}.xml": b" " * 30_000_000 for n in range(8)})})
    answer = upload(http, "bomb", ("a.zip", bomb)).json()["error"]
    assert answer["code"] == "no_posts" and "inner.zip: the .zip holds 8 files of 240 MB" in answer["message"]
    assert not list((tmp_path / "corpora").glob("*bomb*"))
