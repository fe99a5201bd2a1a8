"""FROM as an address: a feed of any kind, told by what it is; a page that names its feeds; else a sentence."""

import http.server
import json
import threading

import pytest

from blogtwin.errors import UserError
from corpus.feed_address import download_feed, find_feeds
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


@pytest.fixture(scope="module")
def site():
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = "/feed" if self.path == "/moved" else PAGES.get(self.path)
            self.send_response(301 if self.path == "/moved" else 200 if found else 404)
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
