"""Posts in JSON: JSON Feed, Ghost in its forms, Day One, Blogger, WordPress's REST answers, plain lists."""

import json

import pytest

from corpus import readers
from corpus.filters import find_skip
from tests.support.blog_exports import BODY, EXPECTED, WORDS, put
from tests.support.operation_count import assert_linear

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


def read(folder, data):
    """(posts that stay, {name: (reason, cause)} of the others)."""
    posts, left = [], {}
    for one in readers.iter_posts(put(folder, "a.json", json.dumps(data)), 5e6):
        skipped = find_skip(one, folder / "a.json", "") if isinstance(one, readers.Post) else one
        if skipped:
            left[skipped.name] = (str(skipped), skipped.cause)
        else:
            posts.append(one)
    return posts, left


def test_a_json_feed_with_and_without_titles(tmp_path):
    items = [
        {
            "id": "1",
            "title": "The kettle",
            "content_html": BODY,
            "date_published": "2019-07-14T10:00:00Z",
            "tags": ["tea"],
        },
        {"id": "2", "content_text": f"{WORDS} Untitled.", "date_published": "2019-07-15T10:00:00+02:00"},
        {"id": "3", "content_html": f"<p>{WORDS} By a guest.</p>", "author": {"name": "Guest"}},
        {"id": "4", "title": "Start", "content_html": "<p>We walked down […]</p>"},
    ]
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "B", "authors": [{"name": "Wenna"}], "items": items}
    posts, left = read(tmp_path, feed)
    assert [(post.title, post.date, post.authors) for post in posts] == [
        ("The kettle", "2019-07-14", ["Wenna"]),
        ("We walked down to the harbour and looked", "2019-07-15", ["Wenna"]),
        (posts[2].title, None, ["Guest"]),
    ]
    assert (posts[0].text, posts[0].tags) == (EXPECTED, ["tea"]) and left["post 4"][0].startswith("only the start")


def ghost(**more):
    return {
        "title": "The kettle",
        "slug": "k",
        "html": BODY,
        "status": "published",
        "published_at": 1563098400000,
        **more,
    }


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: {"db": [{"meta": {}, "data": data}]},
        lambda data: {"meta": {}, "data": data},
        lambda data: data,
        lambda data: data["posts"],
    ],
    ids=["db", "data", "posts", "list"],
)
def test_ghost_in_every_wrapping(tmp_path, wrap):
    (post,), left = read(tmp_path, wrap({"posts": [ghost()]}))
    assert (post.text, post.date, left) == (EXPECTED, "2019-07-14", {})


MOBILEDOC = {
    "version": "0.3.1",
    "atoms": [["soft-return", "", {}]],
    "cards": [
        ["markdown", {"markdown": "## In Markdown\n\nA **bold** word."}],
        ["code", {"code": "pour()", "language": "python"}],
    ],
    "markups": [["strong"], ["a", ["href", "https://x.org"]]],
    "sections": [
        [
            1,
            "p",
            [
                [0, [], 0, "It was "],
                [0, [0], 1, "cold"],
                [0, [], 0, " & "],
                [0, [1], 1, "long"],
                [1, [], 0, 0],
                [0, [], 0, "End."],
            ],
        ],
        [3, "ul", [[[0, [], 0, "one"]], [[0, [], 0, "two"]]]],
        [10, 0],
        [10, 1],
    ],
}
LEXICAL = {
    "root": {
        "type": "root",
        "children": [
            {"type": "extended-heading", "tag": "h2", "children": [{"type": "extended-text", "text": "The tea"}]},
            {
                "type": "paragraph",
                "children": [
                    {"type": "extended-text", "text": "It was ", "format": 0},
                    {"type": "extended-text", "text": "cold", "format": 1},
                    {"type": "link", "url": "https://x.org", "children": [{"type": "text", "text": " there"}]},
                ],
            },
            {
                "type": "list",
                "listType": "number",
                "children": [{"type": "listitem", "children": [{"type": "text", "text": "one"}]}],
            },
            {"type": "codeblock", "code": "if a < b: pour()", "language": "python"},
            {"type": "image", "src": "x.png", "caption": "no"},
        ],
    }
}


@pytest.mark.parametrize(
    "key, document, expected",
    [
        (
            "mobiledoc",
            MOBILEDOC,
            "It was **cold** &amp; [long](https://x.org)\nEnd.\n\n- one\n- two\n\n## In Markdown\n\n"
            "A **bold** word.\n\n"
            "```python\npour()\n```",
        ),
        (
            "lexical",
            LEXICAL,
            "## The tea\n\nIt was **cold**[ there](https://x.org)\n\n1. one\n\n```python\nif a < b: pour()\n```",
        ),
    ],
)
def test_ghost_without_html_is_read_from_its_document(tmp_path, key, document, expected):
    (post,), _ = read(tmp_path, {"posts": [ghost(html=None, **{key: json.dumps(document)})]})
    assert post.text == expected


def test_ghosts_marks_and_authors(tmp_path):
    posts = [
        ghost(id=1),
        ghost(id=2, slug="draft", status="draft"),
        ghost(id=3, slug="later", status="scheduled"),
        ghost(id=4, slug="about", type="page"),
        ghost(id=5, slug="old", author_id=2),
        ghost(id=6, slug="empty", html=None),
        ghost(id=7, slug="mailed", status="sent"),
    ]
    users = [{"id": 1, "name": "Wenna"}, {"id": 2, "name": "Guest"}]
    kept, left = read(tmp_path, {"posts": posts, "users": users, "posts_authors": [{"post_id": 1, "author_id": 1}]})
    assert {post.name: post.authors for post in kept} == {"k": ["Wenna"], "old": ["Guest"], "mailed": []}
    assert left["draft"] == ("a draft", "not public") and left["later"] == (
        "scheduled, and not yet public",
        "not public",
    )
    assert left["about"][0] == "a page, not a post" and left["empty"] == ("no text in it", "")


def test_a_journal_of_day_one(tmp_path):
    entries = [
        {
            "text": f"# The kettle\n\n{WORDS} It was 5\\.30\\!\n\n![](dayone-moment://A1)",
            "creationDate": "2019-07-14T10:00:00Z",
            "tags": ["tea"],
        },
        {"text": WORDS, "creationDate": "2019-07-15T10:00:00Z"},
    ]
    posts, _ = read(tmp_path, {"metadata": {"version": "1.0"}, "entries": entries})
    assert [(post.title, post.date, post.tags) for post in posts] == [
        ("The kettle", "2019-07-14", ["tea"]),
        ("We walked down to the harbour and looked", "2019-07-15", []),
    ]
    assert posts[0].text == f"{WORDS} It was 5.30!"


def test_wordpress_s_answers_and_blogger_s_feed(tmp_path):
    rows = [
        {
            "title": {"rendered": "The kettle"},
            "content": {"rendered": BODY},
            "date": "2019-07-14T10:00:00",
            "tags": [3],
            "author": 2,
        },
        {
            "title": {"rendered": "Locked"},
            "content": {"rendered": "", "protected": True},
            "date": "2019-07-14T10:00:00",
        },
    ]
    (post,), left = read(tmp_path, rows)
    assert (post.title, post.text, post.tags, post.authors) == ("The kettle", EXPECTED, [], [])
    assert left["post 2"] == ("behind a password", "not public")
    entry = {"title": {"$t": "The kettle"}, "content": {"$t": BODY}, "published": {"$t": "2019-07-14T10:00:00Z"}}
    entry |= {"author": [{"name": {"$t": "Wenna"}}], "category": [{"term": "tea"}, {"term": "x#kind#post"}]}
    (post,), _ = read(tmp_path, {"feed": {"entry": [entry]}})
    assert (post.title, post.date, post.authors, post.tags) == ("The kettle", "2019-07-14", ["Wenna"], ["tea"])


def test_a_list_of_posts_with_marks_of_its_own(tmp_path):
    rows = [
        {"title": "A", "body": WORDS, "date": "August 2, 2019"},
        {"title": "B", "body": WORDS, "published": False},
        {"title": "C", "body": WORDS, "type": "comment"},
        {"title": "D", "body": WORDS, "visibility": "private"},
        "no row",
    ]
    posts, left = read(tmp_path, rows)
    assert [(post.title, post.date) for post in posts] == [("A", "2019-08-02")]
    assert [cause for _, cause in left.values()] == ["not public", "not yours", "not public", ""]


def test_a_broken_post_in_json_takes_no_other_along(tmp_path):
    rows = [
        json.dumps({"id": n, "title": f"T{n}", "html": f"<p>{WORDS} {n}</p>", "tags": [{"id": 1}]}) for n in range(5)
    ]
    rows[2] = rows[2].replace("walked", 'wal"ked')
    text = f'{{"posts": [{", ".join(rows)}], "tags": [{{"id": 1, "name": "tea"}}]}}'
    read_posts = list(readers.iter_posts(put(tmp_path, "a.json", text), 5e6))
    assert [getattr(one, "title", "") or str(one) for one in read_posts] == [
        "T0",
        "T1",
        "its JSON is broken",
        "T3",
        "T4",
    ]


def test_what_stands_around_json_is_no_broken_post(tmp_path):
    text = f"callback({json.dumps({'items': [{'title': 'T', 'content_html': WORDS}]})});"
    assert [post.title for post in readers.iter_posts(put(tmp_path, "a.json", text), 5e6)] == ["T"]


@pytest.mark.parametrize("unit", ['[{"id":', '}, {"id": ', '{"html": "x"}, {"id": "', '}{"a":['])
def test_broken_json_takes_time_that_grows_with_its_length_only(tmp_path, unit):
    def rows(text):
        return list(readers.json_exports._sound_rows('{"posts": [' + text))

    assert_linear(rows, lambda size: unit * (size // len(unit)))


def test_an_outbox_of_mastodon_gives_the_public_posts_of_its_owner(tmp_path):
    def created(words, **fields):
        note = {"type": "Note", "content": f"<p>{WORDS} {words}</p>", "published": "2019-07-14T10:00:00Z", **fields}
        return {"type": "Create", "actor": "https://m.example/users/wenna", "object": {"to": [PUBLIC], **note}}

    activities = [
        created("One.", tag=[{"type": "Hashtag", "name": "#tea"}, {"type": "Mention", "name": "@dan"}]),
        created("Goes on.", inReplyTo="https://m.example/users/wenna/statuses/1"),
        created("An answer.", inReplyTo="https://other.example/users/dan/statuses/2"),
        created("To followers.", to=["https://m.example/users/wenna/followers"]),
        {"type": "Announce", "object": "https://other.example/users/dan/statuses/3"},
    ]
    posts, left = read(tmp_path, {"type": "OrderedCollection", "orderedItems": activities})
    assert [(post.text.removeprefix(WORDS).strip(), post.date, post.tags) for post in posts] == [
        ("One.", "2019-07-14", ["tea"]),
        ("Goes on.", "2019-07-14", []),
    ]
    assert left["post 3"] == ("an answer to somebody else's post, not a post", "")
    assert left["post 4"] == ("private", "not public")
    assert left["post 5"] == ("a repost of somebody else's post", "not yours")


def test_of_json_that_breaks_off_the_whole_posts_are_kept(tmp_path):
    whole = json.dumps({"db": [{"data": {"posts": [ghost(), ghost(slug="b"), ghost(slug="c")]}}]})
    found = list(readers.iter_posts(put(tmp_path, "a.json", whole[: whole.index('"c"') + 30]), 5e6))
    assert [one.name for one in found] == ["k", "b", "post 3"] and str(found[2]).startswith("the JSON breaks off here")


@pytest.mark.parametrize("data", [{}, {"name": "x", "version": "1"}, 3, {"posts": 3}, {"db": []}, {"feed": {}}])
def test_json_without_posts_is_a_reason(tmp_path, data):
    with pytest.raises(readers.SkippedPost, match="no blog export"):
        read(tmp_path, data)


@pytest.mark.parametrize(
    "document", ["{", "[]", {"root": {"children": [3]}}, {"sections": [[10, 5]]}, {"sections": [1]}]
)
def test_a_broken_document_of_ghost_is_a_reason(tmp_path, document):
    posts, left = read(tmp_path, {"posts": [ghost(html="", lexical=document, mobiledoc=document)]})
    assert not posts and left["k"] == ("no text in it", "")


def test_a_reply_in_blogger_s_json_is_a_comment_and_its_address_is_found(tmp_path):
    entry = {"title": {"$t": "Tea &amp; <b>bread</b>"}, "content": {"$t": BODY}}
    entry |= {
        "link": [{"rel": "self", "href": "https://b.example/f"}, {"rel": "alternate", "href": "https://b.example/t"}]
    }
    reply = {"title": {"$t": "Re"}, "content": {"$t": BODY}, "thr$in-reply-to": {"ref": "1"}}
    (post,), left = read(tmp_path, {"feed": {"entry": [entry, reply]}})
    assert (post.title, post.url) == ("Tea & bread", "https://b.example/t")
    assert left == {"post 2": ("a comment", "not yours")}


def test_markdown_that_keeps_the_head_of_its_file_is_read_without_it(tmp_path):
    rows = [{"title": "Tea", "body_markdown": f"---\ntitle: Tea\n---\n\n{WORDS}", "dateAdded": "2021-03-05T00:00:00Z"}]
    (post,), _ = read(tmp_path, {"posts": rows})
    assert (post.text, post.date) == (WORDS, "2021-03-05")
