"""FROM as an address: a feed of any kind, told by what it is; a page that names its feeds; else a sentence."""

import http.server
import json
import threading

import pytest

from blogtwin.errors import UserError
from corpus import feed_address
from corpus.feed_address import download_feed, find_feeds
from corpus.feed_pages import find_next_page
from corpus.ingest import ingest_folder
from tests.support.blog_exports import ATOM, RSS, WORDS

FEED = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": [{"id": 1, "content_text": WORDS * 3}]})
TEASERS = f"<rss><channel><item><title>T</title><description>{WORDS} [...]</description></item></channel></rss>"
SHORT = "<rss><channel><item><title>T</title><description>We walked down.</description></item></channel></rss>"
PAGES = {
    "/feed": RSS,
    "/atom": ATOM,
    "/json": FEED,
    "/teasers": TEASERS,
    "/short": SHORT,
    "/plain": "<html><head><title>B</title></head><body>No feed here</body></html>",
    "/no.json": '{"name": "x"}',
    "/": (
        "<!doctype html><html><head><base href='/sub/'><link rel=stylesheet href=x.css>"
        '<link rel="alternate" type="application/rss+xml" title="B &raquo; Comments Feed" href="/comments">'
        "<link href='/short' type='application/rss+xml' rel='alternate'>"
        '<link rel="alternate" type="application/feed+json" href="../json"></head></html>'
    ),
    "/only-teasers": '<html><head><link rel="alternate" type="application/rss+xml" href="/teasers"></head></html>',
    "/xhtml": (
        '<?xml version="1.0"?><html><head><link rel="alternate" type="application/atom+xml" href="atom"/></head></html>'
    ),
}


def rss_page(*titles, head=""):
    items = "".join(f"<item><title>{t}</title><description>{t} {WORDS}</description></item>" for t in titles)
    return f'<rss xmlns:a="http://www.w3.org/2005/Atom"><channel><title>B</title>{head}{items}</channel></rss>'


def atom_page(title, head):
    entry = f"<entry><title>{title}</title><link rel='next' href='/none'/><content>{title} {WORDS}</content></entry>"
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{head}{entry}</feed>'


def json_page(title, **more):
    return json.dumps(
        {"version": "https://jsonfeed.org/version/1.1", "items": [{"content_text": title + WORDS}], **more}
    )


WORDPRESS = "<generator>https://wordpress.org/?v=6.4</generator>"
PAGES |= {
    "/rss": rss_page("A", "B", head='<a:link rel="next" href="rss?page=2"/>'),
    "/rss?page=2": rss_page("B", "C", head='<a:link href="/rss?page=3&amp;x=1" rel="next"/>'),
    "/rss?page=3&x=1": rss_page("D", head='<a:link rel="next" href="/rss"/>'),
    "/blogger": atom_page("A", "<link rel='next' type='application/atom+xml' href='/blogger?start-index=2'/>"),
    "/blogger?start-index=2": atom_page("B", "<link rel='previous' href='/blogger'/>"),
    "/archived": atom_page("A", '<link rel="prev-archive" href="/blogger?start-index=2"/>'),
    "/j": json_page("A", next_url="/j2"),
    "/j2": json_page("B", next_url=3),
    "/wp/?feed=rss2": rss_page("A", head=WORDPRESS),
    "/wp/?feed=rss2&paged=2": rss_page("B", head=WORDPRESS),
    "/deaf": rss_page("A", head=WORDPRESS),
    "/deaf?paged=2": rss_page("A", head=WORDPRESS),
    "/lost": rss_page("A", head='<a:link rel="next" href="/broken"/>'),
    "/to-a-page": rss_page("A", head='<a:link rel="next" href="/plain"/>'),
    "/to-a-file": rss_page("A", head='<a:link rel="next" href="file:///etc/passwd"/>'),
}


@pytest.fixture(scope="module")
def site():
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = "/feed" if self.path == "/moved" else PAGES.get(self.path)
            self.send_response({"/moved": 301, "/broken": 500}.get(self.path, 200 if found else 404))
            if self.path == "/moved":
                self.send_header("Location", "/feed")
            self.send_header("Content-Type", "text/plain")  # servers are often wrong
            self.end_headers()
            self.wfile.write((found or "").encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "path, name, content",
    [
        ("/feed", "feed.xml", RSS),
        ("/moved", "feed.xml", RSS),
        ("/atom", "feed.xml", ATOM),
        ("/json", "feed.json", FEED),
        ("/", "feed.json", FEED),  # of the feeds of the page, the one with most words
        ("/xhtml", "feed.xml", ATOM),
    ],
)
def test_a_feed_is_stored_under_what_it_is(site, tmp_path, capsys, path, name, content):
    download_feed(site + path, tmp_path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, content)]
    said = capsys.readouterr().out
    assert "holds 1 posts" in said and "newest posts only" in said


@pytest.mark.parametrize(
    "path, words",
    [
        ("/none", "can't be fetched"),
        ("/plain", "is no feed, and names none"),
        ("/no.json", "holds no post: JSON, but no blog export"),
        ("/teasers", "only the start of a post"),
        ("/only-teasers", "only the start of a post"),
    ],
)
def test_what_is_no_feed_is_one_sentence_and_leaves_nothing(site, tmp_path, path, words):
    with pytest.raises(UserError, match=words) as e:
        download_feed(site + path, tmp_path)
    assert "\n" not in str(e.value) and not list(tmp_path.iterdir())


def test_the_feeds_of_a_page_without_its_comments():
    assert find_feeds(PAGES["/"], "https://blog.example/") == [
        "https://blog.example/short",
        "https://blog.example/json",
    ]
    assert (
        find_feeds('<a rel="alternate" type="application/rss+xml" href="javascript:x()">', "https://blog.example/")
        == []
    )


# --- feeds in pages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, said",
    [
        ("/rss", "holds 4 posts on 3 pages"),  # "B" is on two of them
        ("/blogger", "holds 2 posts on 2 pages"),
        ("/archived", "holds 2 posts on 2 pages"),
        ("/j", "holds 2 posts on 2 pages"),
        ("/wp/?feed=rss2", "holds 2 posts on 2 pages"),
        ("/deaf", "holds 1 posts ("),
        ("/to-a-page", "holds 1 posts ("),
        ("/to-a-file", "holds 1 posts ("),
    ],
)
def test_a_feed_is_read_page_by_page_until_nothing_new_comes(site, tmp_path, capsys, path, said):
    download_feed(site + path, tmp_path)
    assert said in capsys.readouterr().out
    posts, _ = ingest_folder(tmp_path, 5, 1e7)
    assert f"holds {len(posts)} posts" in said


def test_a_page_that_can_t_be_fetched_leaves_those_before_it_and_is_said(site, tmp_path, capsys):
    download_feed(site + "/lost", tmp_path)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "the feed goes on, but" in said and "/broken answers 500" in said
    assert [file.name for file in tmp_path.iterdir()] == ["feed.xml"]


@pytest.mark.parametrize("limit, value, words", [("MAX_PAGES", 2, "2 pages"), ("MAX_FEED_BYTES", 900, "MB")])
def test_the_pages_of_a_feed_end_at_the_limits(site, tmp_path, capsys, monkeypatch, limit, value, words):
    monkeypatch.setattr(feed_address, limit, value)
    download_feed(site + "/rss", tmp_path)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "the feed goes on, but" in said and words in said and len(list(tmp_path.iterdir())) < 3


@pytest.mark.parametrize(
    "feed, address, expected",
    [
        (rss_page("A"), "https://b.example/feed", ""),
        (atom_page("A", ""), "https://b.example/feed", ""),  # the link of an entry
        (rss_page("A", head=WORDPRESS), "https://b.example/feed/?paged=9&x=", "https://b.example/feed/?paged=10&x="),
        (rss_page("A", head=WORDPRESS), "https://b.example/?paged=x", "https://b.example/?paged=2"),
        ('{"next_url": "//c.example/2"}', "https://b.example/", "https://c.example/2"),
        ('{"next_url"', "https://b.example/", ""),
    ],
)
def test_the_next_page_of_a_feed(feed, address, expected):
    assert find_next_page(feed.encode(), address) == expected
