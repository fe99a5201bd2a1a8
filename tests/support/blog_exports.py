"""Small exports of an invented blog, as each tool writes them."""

import io
import json
import zipfile
from pathlib import Path

WORDS = (
    "We walked down to the harbour and looked at the boats for an hour, and then it rained, so we went home and mended"
    " the kettle again."
)
BODY = (
    f"<p>{WORDS}</p><h2>The tea</h2><p>It was <strong>cold</strong> &amp; long, see <a"
    " href='https://x.org'>there</a>.</p><pre class='lang-python'>if a &lt; b:\n    pour()</pre>"
)
EXPECTED = (
    f"{WORDS}\n\n## The tea\n\nIt was **cold** &amp; long, see [there](https://x.org).\n\n```python\nif a < b:\n   "
    " pour()\n```"
)


def wxr_item(
    title="The kettle", body=BODY, kind="post", status="publish", author="wenna", extra="", slug="the-kettle"
) -> str:
    return (
        f"<item><title>{title}</title><link>https://blog.example/{slug}</link>"
        f"<dc:creator><![CDATA[{author}]]></dc:creator>"
        f"<content:encoded><![CDATA[{body}]]></content:encoded>"
        "<excerpt:encoded><![CDATA[An excerpt.]]></excerpt:encoded>"
        f"<wp:post_date>2019-07-14 10:00:00</wp:post_date><wp:post_name>{slug}</wp:post_name>"
        f"<wp:status>{status}</wp:status><wp:post_type>{kind}</wp:post_type>"
        '<category domain="category" nicename="tea"><![CDATA[tea]]></category>'
        f'<category domain="category"><![CDATA[Uncategorized]]></category>{extra}</item>'
    )


def wxr(*items: str) -> str:
    names = ["content", "excerpt", "wp"]
    spaces = " ".join(f'xmlns:{n}="http://example.org/{n}/"' for n in names)
    return (
        f'<?xml version="1.0" encoding="UTF-8" ?><rss version="2.0" {spaces}'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>A blog</title>{"".join(items)}</channel></rss>'
    )


RSS = f"""<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/">\
<channel><title>A blog</title>
<item><title>The kettle</title><link>https://blog.example/k</link>\
<pubDate>Sun, 14 Jul 2019 10:00:00 GMT</pubDate><category>tea</category>
<description>Short.</description><content:encoded><![CDATA[{BODY}]]></content:encoded></item></channel></rss>"""
ATOM = f"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom">\
<title>A blog</title><author><name>Wenna</name></author>
<entry><title>The kettle</title><link href="https://blog.example/k"/>\
<published>2019-07-14T10:00:00Z</published><updated>2020-01-01T00:00:00Z</updated><category term="tea"/>
<content type="html">{BODY.replace("&", "&amp;").replace("<", "&lt;")}</content></entry></feed>"""
GHOST = json.dumps(
    {
        "db": [
            {
                "data": {
                    "posts": [
                        {
                            "id": 1,
                            "title": "The kettle",
                            "slug": "the-kettle",
                            "html": BODY,
                            "status": "published",
                            "type": "post",
                            "published_at": "2019-07-14T10:00:00.000Z",
                        },
                        {
                            "id": 2,
                            "title": "Not yet",
                            "slug": "not-yet",
                            "html": BODY,
                            "status": "draft",
                            "type": "post",
                            "published_at": None,
                        },
                        {
                            "id": 3,
                            "title": "About",
                            "slug": "about",
                            "html": BODY,
                            "status": "published",
                            "type": "page",
                            "published_at": "2019-07-14",
                        },
                        {
                            "id": 4,
                            "title": "Guest",
                            "slug": "guest",
                            "html": BODY,
                            "status": "published",
                            "type": "post",
                            "published_at": "2019-07-14",
                        },
                    ],
                    "users": [{"id": 1, "name": "Wenna"}, {"id": 2, "name": "Somebody Else"}],
                    "posts_authors": [{"post_id": 1, "author_id": 1}, {"post_id": 4, "author_id": 2}],
                    "tags": [{"id": 1, "name": "tea"}],
                    "posts_tags": [{"post_id": 1, "tag_id": 1}],
                }
            }
        ]
    }
)
JSON_FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "items": [
            {
                "id": "1",
                "title": "The kettle",
                "content_html": BODY,
                "date_published": "2019-07-14T10:00:00Z",
                "tags": ["tea"],
            }
        ],
    }
)
PAGE = f"""<!doctype html><html><head><title>The kettle · A blog</title>\
<meta property="article:published_time" content="2019-07-14T10:00:00Z">\
<meta name="author" content="Wenna">
<style>p {{ color: red }}</style>\
<script>var secret = "<p>steal()</p>";</script></head>\
<body><nav><a href="/">Home</a></nav><header>A blog</header>
<article><h1>The kettle</h1>{BODY}<div class="sharedaddy">Share this: Facebook</div></article>\
<aside>Related posts</aside><footer>© A blog</footer></body></html>"""
MEDIUM = f"""<!DOCTYPE html><html><head><title>The kettle</title></head><body>\
<article class="h-entry"><header><h1 class="p-name">The kettle</h1></header>
<section data-field="subtitle" class="p-summary">Sub</section>\
<section data-field="body" class="e-content"><section><h3 class="graf">The kettle</h3>{BODY}</section></section>
<footer><p>By <a href="https://medium.com/@w" class="p-author h-card">Wenna</a> on <a href="#">\
<time class="dt-published" datetime="2019-07-14T10:00:00.000Z">July 14</time></a>.</p></footer>\
</article></body></html>"""
MBOX = f"""From wenna@blog.example Sun Jul 14 10:00:00 2019
From: Wenna <wenna@blog.example>
Subject: =?utf-8?q?The_kettle?=
Date: Sun, 14 Jul 2019 10:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

Plain.
--b
Content-Type: text/html; charset=utf-8

<table><tr><td>{BODY}</td></tr></table><p>Unsubscribe here</p>
--b--

From wenna@blog.example Mon Jul 15 10:00:00 2019
From: Wenna <wenna@blog.example>
Subject: Second
Date: Mon, 15 Jul 2019 10:00:00 +0000

{WORDS} Twice.
>From the pier.

--
Wenna, on the pier
"""
JSONL = "\n".join(
    json.dumps(row)
    for row in (
        {"text": WORDS, "title": "The kettle", "date": "2019-07-14"},
        {
            "messages": [
                {"role": "user", "content": WORDS + " Mine."},
                {"role": "assistant", "content": "Somebody else's words."},
            ]
        },
        {"role": "user", "content": WORDS + " First.", "timestamp": 1563098400},
        {"role": "assistant", "content": "Somebody else's words."},
        {"role": "user", "content": "And then."},
    )
)
RST = (
    f"The kettle\n==========\n\n:date: 2019-07-14\n:tags: tea\n\n{WORDS}\n\nThe tea\n-------\n\nIt was **cold**, see"
    " `there <https://x.org>`_.\n\n.. code-block:: python\n\n   pour()\n"
)
ORG = (
    f"#+TITLE: The kettle\n#+DATE: <2019-07-14 Sun>\n#+FILETAGS: :tea:\n\n{WORDS}\n\n* The tea\nIt was *cold*, see"
    " [[https://x.org][there]].\n#+BEGIN_SRC python\npour()\n#+END_SRC\n"
)


def zipped(entries: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


SUBSTACK = zipped(
    {
        "posts.csv": (
            "post_id,post_date,is_published,email_sent_at,type,title\n1.the-kettle,2019-07-14T10:00:00.000Z,true,,newsletter,The"
            " kettle\n2.not-yet,,false,,newsletter,Not yet\n"
        ),
        "posts/1.the-kettle.html": BODY,
        "posts/2.not-yet.html": BODY,
        "posts/1.the-kettle.opens.csv": "who\n",
    }
)
MEDIUM_ZIP = zipped(
    {
        "posts/2019-07-14_The-kettle-abc.html": MEDIUM,
        "posts/draft_Not-yet-abc.html": MEDIUM,
        "bookmarks/bookmarks-0001.html": PAGE,
    }
)
FILES: dict[str, str | bytes] = {
    "wordpress.xml": wxr(wxr_item()),
    "feed.rss": RSS,
    "feed.atom": ATOM,
    "ghost.json": GHOST,
    "feed.json": JSON_FEED,
    "page.html": PAGE,
    "letters.mbox": MBOX,
    "journal.jsonl": JSONL,
    "substack.zip": SUBSTACK,
    "medium.zip": MEDIUM_ZIP,
    "kettle.rst": RST,
    "kettle.org": ORG,
}


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
