"""The text export of Movable Type and TypePad: entries are posts, comments are other people's, any other .txt is one
post."""

import pytest

from corpus import readers
from corpus.filters import find_skip
from tests.support.blog_exports import WORDS, put

COMMENT = "COMMENT:\nAUTHOR: Dan\nEMAIL: d@hill.example\nDATE: 05/04/2009 09:00:00 AM\nI never liked it.\n-----\n"


def entry(title="The buoy", body=WORDS, head="", extra="", status="Publish") -> str:
    return (
        f"AUTHOR: Orla\nTITLE: {title}\nBASENAME: {title.lower().replace(' ', '_')}\nSTATUS: {status}\n"
        f"ALLOW COMMENTS: 1\nCONVERT BREAKS: __default__\n{head}DATE: 05/03/2009 08:15:00 PM\n-----\nBODY:\n{body}\n"
        f"-----\nEXTENDED BODY:\n\n-----\nEXCERPT:\nA summary.\n-----\n{extra}--------\n"
    )


def read(folder, content):
    """(posts, {name: (cause, reason)})."""
    found = list(readers.iter_posts(put(folder, "export.txt", content), 1e6))
    posts = [post for post in found if isinstance(post, readers.Post)]
    left = {s.name: (s.cause, str(s)) for s in found if isinstance(s, readers.SkippedPost)}
    return posts, left


def test_each_entry_is_a_post_with_its_title_day_author_and_tags(tmp_path):
    head = 'PRIMARY CATEGORY: Sea\nCATEGORY: Sea\nCATEGORY: Boats\nTAGS: "rope",tide\nUNIQUE URL: https://x.example/b\n'
    posts, left = read(tmp_path, entry(head=head) + entry("The rope", WORDS + " Two."))
    first = posts[0]
    assert [post.name for post in posts] == ["the_buoy", "the_rope"] and not left
    assert (first.title, first.date, first.authors, first.text) == ("The buoy", "2009-05-03", ["Orla"], WORDS)
    assert (first.tags, first.url) == (["Sea", "Boats", "rope", "tide"], "https://x.example/b")


def test_comments_and_pings_are_counted_and_not_learnt(tmp_path):
    ping = "PING:\nTITLE: Elsewhere\nURL: https://y.example\nDATE: 05/04/2009\nStrange words.\n-----\n"
    posts, left = read(tmp_path, entry(extra=COMMENT + COMMENT + ping))
    assert posts[0].text == WORDS and left == {"comments": ("not yours", "comments and pings by others: 3")}


@pytest.mark.parametrize("status", ["Draft", "Future", "Unpublish", "Review"])
def test_what_is_not_published_is_not_public(tmp_path, status):
    posts, left = read(tmp_path, entry(status=status) + entry("The rope", WORDS + " Two."))
    skipped = [find_skip(post, tmp_path, "") for post in posts if post.name == "the_buoy"]
    assert "the_rope" in [post.name for post in posts]
    assert [left.get("the_buoy", ("",))[0], *(s.cause for s in skipped if s)].count("not public") == 1


def test_html_without_paragraphs_gets_them_of_its_blank_lines(tmp_path):
    (post,), _ = read(tmp_path, entry(body="One <b>bold</b> and\nline.\n\nTwo."))
    assert post.text == "One **bold** and\nline.\n\nTwo."


def test_both_bodies_are_the_post(tmp_path):
    (post,), _ = read(tmp_path, entry().replace("EXTENDED BODY:\n", "EXTENDED BODY:\nAnd more."))
    assert post.text == f"{WORDS}\n\nAnd more."


def test_a_line_of_hyphens_in_a_body_is_no_border(tmp_path):
    posts, _ = read(tmp_path, entry(body=f"{WORDS}\n-----\nAfter a rule.\n--------\nAnd after another.") + entry("Two"))
    assert posts[0].text.endswith("After a rule.\n--------\nAnd after another.") and len(posts) == 2


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path):
    posts, _ = read(tmp_path, "\ufeff" + (entry() + entry("Two")).replace("\n", "\r\n"))
    assert [post.title for post in posts] == ["The buoy", "Two"]


@pytest.mark.parametrize(
    "text",
    [
        f"The buoy\n\n{WORDS}",
        f"TITLE: The buoy\n\n{WORDS}",
        f"AUTHOR: Orla\nTITLE: The buoy\n-----\n{WORDS}",
        f"NOTE: a list\n-----\nBODY:\n{WORDS}",
    ],
)
def test_any_other_text_is_one_post(tmp_path, text):
    posts, left = read(tmp_path, text)
    assert len(posts) == 1 and not posts[0].name and WORDS in posts[0].text and not left
