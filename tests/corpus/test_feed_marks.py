"""What WordPress, Blogger and feeds mark as somebody else's, as not public, or as no post."""

import json

import pytest

from corpus import readers
from corpus.filters import find_skip
from corpus.ingest import ingest_folder
from corpus.readers.html import html_to_markdown
from tests.support.blog_exports import WORDS, put, wxr, wxr_item

KIND = "http://schemas.google.com/blogger/2008/kind#"


def read(folder, content):
    """(posts, {title or name: (reason, cause)} of what is left out)."""
    found = list(readers.iter_posts(put(folder, "a.xml", content), 5e6))
    posts = [one for one in found if isinstance(one, readers.Post)]
    return posts, {one.name: (str(one), one.cause) for one in found if not isinstance(one, readers.Post)}


@pytest.mark.parametrize(
    "status, reason",
    [
        ("draft", "a draft"),
        ("future", "scheduled, and not yet public"),
        ("private", "private"),
        ("pending", "waits for review, and is not public"),
        ("trash", "in the trash"),
        ("archived", "not public: its status is “archived”"),
    ],
)
def test_each_status_that_is_not_public_has_its_reason(tmp_path, status, reason):
    posts, left = read(tmp_path, wxr(wxr_item(slug="a"), wxr_item(slug="b", status=status)))
    assert [post.name for post in posts] == ["a"] and left == {"b": (reason, "not public")}


def test_a_post_behind_a_password_is_not_public(tmp_path):
    locked = wxr_item(slug="b", extra="<wp:post_password>geheim</wp:post_password>")
    unlocked = wxr_item(slug="a", extra="<wp:post_password></wp:post_password>")
    posts, left = read(tmp_path, wxr(unlocked, locked))
    assert [post.name for post in posts] == ["a"] and left == {"b": ("behind a password", "not public")}


def test_the_login_of_an_author_stands_for_the_name(tmp_path):
    author = (
        "<wp:author><wp:author_login>wenna7</wp:author_login><wp:author_email>w@blog.example</wp:author_email>"
        "<wp:author_display_name><![CDATA[Wenna T.]]></wp:author_display_name><wp:author_first_name>Wenna"
        "</wp:author_first_name><wp:author_last_name>Trescothick</wp:author_last_name></wp:author>"
    )
    (post,), _ = read(tmp_path, wxr(author, wxr_item(author="wenna7")))
    assert post.authors == ["Wenna T."]
    for name in ("Wenna T.", "Wenna Trescothick", "wenna7", "w@blog.example"):
        assert find_skip(post, tmp_path / "a.xml", name) is None
    assert find_skip(post, tmp_path / "a.xml", "Somebody Else").cause == "not yours"


def test_a_type_of_the_site_s_own_is_named_with_the_knob_that_takes_it(tmp_path):
    items = [wxr_item(slug=f"e{n}", kind="essay", body=f"<p>{WORDS} {n}</p>") for n in range(3)]
    internal = [wxr_item(slug=kind, kind=kind) for kind in ("nav_menu_item", "revision", "wp_block")]
    put(
        tmp_path,
        "w.xml",
        wxr(*items, *internal, wxr_item(slug="page", kind="page"), wxr_item(slug="v", kind="feedback")),
    )
    posts, left = ingest_folder(tmp_path, 5, 1e6)
    causes = {row["source"].split("#")[1]: row["cause"] for row in left}
    assert not posts and causes["v"] == "not yours"
    assert sum("type “essay”, which ingest.post_types does not name" in row["reason"] for row in left) == 3
    posts, _ = ingest_folder(tmp_path, 5, 1e6, post_types=["post", "page", "essay"])
    assert [post["source"] for post in posts] == ["w.xml#e0", "w.xml#e1", "w.xml#e2", "w.xml#page"]


def test_a_page_builder_s_post_says_where_its_text_is(tmp_path):
    meta = "<wp:postmeta><wp:meta_key>_elementor_data</wp:meta_key><wp:meta_value>[{}]</wp:meta_value></wp:postmeta>"
    posts, left = read(tmp_path, wxr(wxr_item(slug="a", body="", extra=meta)))
    assert not posts and "Elementor" in left["a"][0]


def atom(*entries):
    names = 'xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0"'
    names += ' xmlns:app="http://www.w3.org/2007/app" xmlns:blogger="http://schemas.google.com/blogger/2018"'
    return f'<?xml version="1.0"?><feed {names}><title>B</title>{"".join(entries)}</feed>'


def entry(title, extra="", kind=""):
    term = f'<category scheme="http://schemas.google.com/g/2005#kind" term="{KIND}{kind}"/>' if kind else ""
    return (
        f"<entry><title>{title}</title><published>2012-05-01T00:00:00Z</published>{term}<category term='tea'/>"
        f'<content type="html">{WORDS} {title}</content><author><name>W</name></author>{extra}</entry>'
    )


DRAFT = "<app:control><app:draft>yes</app:draft></app:control>"
OLD = [
    entry("Post", kind="post"),
    entry("Reply", '<thr:in-reply-to ref="1"/>', kind="comment"),
    entry("Template", kind="template"),
    entry("Settings", kind="settings"),
    entry("Page", kind="page"),
    entry("Draft", DRAFT, kind="post"),
]
NEW = [
    entry("Post", "<blogger:type>POST</blogger:type><blogger:status>LIVE</blogger:status>"),
    entry("Reply", "<blogger:type>COMMENT</blogger:type><blogger:status>LIVE</blogger:status>"),
    entry("Page", "<blogger:type>PAGE</blogger:type><blogger:status>LIVE</blogger:status>"),
    entry("Draft", "<blogger:type>POST</blogger:type><blogger:status>DRAFT</blogger:status>"),
    entry("Trash", "<blogger:type>POST</blogger:type><blogger:status>SOFT_TRASHED</blogger:status>"),
]


@pytest.mark.parametrize(
    "entries, causes",
    [(OLD, ["", "", "", "not public", "not yours"]), (NEW, ["", "not public", "not public", "not yours"])],
)
def test_of_an_export_of_blogger_only_the_public_posts_are_kept(tmp_path, entries, causes):
    put(tmp_path, "blog.xml", atom(*entries))
    posts, left = ingest_folder(tmp_path, 5, 1e6)
    assert [(post["title"], post["tags"]) for post in posts] == [("Post", ["tea"])]
    assert sorted(row["cause"] for row in left) == causes


def test_a_feed_of_comments_is_not_the_author_s(tmp_path):
    posts, left = read(tmp_path, rss(f"<p>{WORDS}</p>", "https://blog.example/2019/kettle/#comment-12"))
    assert not posts and left == {"item 1": ("a comment", "not yours")}


def test_an_untitled_post_is_named_by_its_first_words(tmp_path):
    (post,), _ = read(
        tmp_path, rss(f"<p><b>We</b> walked <a href='https://x.org'>down</a> to it. {WORDS}</p>").replace(">T<", "><")
    )
    assert post.title == "We walked down to it. We walked down"


def test_a_title_in_xhtml_is_read(tmp_path):
    title = "<title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>The <em>old</em> kettle</div></title>"
    feed = f"<feed xmlns='http://www.w3.org/2005/Atom'><entry>{title}<content>{WORDS}</content></entry></feed>"
    (post,) = readers.iter_posts(put(tmp_path, "a.atom", feed), 5e6)
    assert post.title.replace("*", "") == "The old kettle"


def test_marks_hold_in_a_broken_file_too(tmp_path):
    put(tmp_path, "blog.xml", atom(entry("Tea & cake", kind="post"), *NEW))
    posts, left = ingest_folder(tmp_path, 5, 1e6)
    assert [post["title"] for post in posts] == ["Tea & cake", "Post"]
    assert sorted(row["cause"] for row in left) == ["", "not public", "not public", "not yours"]


# --- footnotes --------------------------------------------------------------------------------------------------------


def test_footnotes_of_the_block_editor_become_footnotes(tmp_path):
    note = json.dumps([{"content": "Of <em>oak</em>.", "id": "n1"}, {"content": "Never shown.", "id": "n9"}])
    meta = "<wp:postmeta><wp:meta_key>footnotes</wp:meta_key>"
    meta += f"<wp:meta_value><![CDATA[{note}]]></wp:meta_value></wp:postmeta>"
    body = '<p>The boats<sup data-fn="n1" class="fn"><a href="#n1" id="n1-link">1</a></sup> and the quay'
    body += '<sup data-fn="lost" class="fn"><a href="#lost">2</a></sup>.</p>'
    (post,), _ = read(tmp_path, wxr(wxr_item(body=body, extra=meta)))
    assert post.text == "The boats[^1] and the quay.\n\n[^1]: Of *oak*."


@pytest.mark.parametrize(
    "body",
    [
        '<p>Boats<a class="footnote-anchor" id="footnote-anchor-1" href="#footnote-1">1</a> here.</p>'
        '<div class="footnote"><a id="footnote-1" href="#footnote-anchor-1" class="footnote-number">1</a>'
        '<div class="footnote-content"><p>Of oak.</p></div></div>',
        '<p>Boats<sup id="fnref:1"><a href="#fn:1" class="footnote-ref">1</a></sup> here.</p>'
        '<div class="footnotes"><hr><ol><li id="fn:1"><p>Of oak. <a href="#fnref:1">↩︎</a></p></li></ol></div>',
        '<p>Boats<a href="#_ftn1" name="_ftnref1">[1]</a> here.</p>'
        '<p><a href="#_ftnref1" name="_ftn1">[1]</a> Of oak.</p>',
        "<p>Boats[efn_note]Of oak.[/efn_note] here.</p>",
    ],
    ids=["substack", "markdown", "word", "shortcode"],
)
def test_footnotes_of_other_editors_become_footnotes(tmp_path, body):
    (post,), _ = read(tmp_path, wxr(wxr_item(body=body)))
    text, _, note = post.text.partition("\n\n")
    assert text == "Boats[^1] here." and note.removeprefix("---\n\n") == "[^1]: Of oak."


# --- dirt -------------------------------------------------------------------------------------------------------------


def rss(body, link="https://blog.example/2019/kettle/"):
    content = f"<item><title>T</title><link>{link}</link><content:encoded><![CDATA[{body}]]></content:encoded></item>"
    return f'<rss xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>{content}</channel></rss>'


LINK = '<a href="https://blog.example/2019/kettle/">The kettle</a>'
HOME = '<a href="https://blog.example">My Blog</a>'


@pytest.mark.parametrize(
    "footer",
    [
        f"<p>The post {LINK} appeared first on {HOME}.</p>",
        f"<p>The post {LINK} first appeared on {HOME}.</p>",
        "<p>This article was originally published on My Blog.</p>",
        f"<p>Der Beitrag {LINK} erschien zuerst auf {HOME}.</p>",
        f"<p>L’article {LINK} est apparu en premier sur {HOME}.</p>",
        f"<p>Příspěvek {LINK} pochází z {HOME}</p>",  # told by its links
        f"<p><a href='mailto:w@x.org'>Reply via email</a></p><p>The post {LINK} appeared first on {HOME}.</p>",
        f"<p>{LINK} was originally published in {HOME} on Medium, where people are continuing the conversation.</p>",
        "<p>© 2019 My Blog. All rights reserved.</p>",
    ],
)
def test_what_a_feed_puts_after_a_post_goes(tmp_path, footer):
    (post,), _ = read(tmp_path, rss(f"<p>{WORDS}</p>{footer}"))
    assert post.text == WORDS


@pytest.mark.parametrize(
    "end",
    [
        "The post office appeared first on the map in 1850.",
        'I said it before, in <a href="https://x.org/a">one</a> and <a href="https://x.org/b">two</a> places.',
        "Read more of this in the next part.",
        "Read on, they said, and we read on until it was dark.",
        'Read more in <a href="https://books.example/boats">the book</a>',
    ],
)
def test_a_last_sentence_of_the_author_s_stays(tmp_path, end):
    (post,), _ = read(tmp_path, rss(f"<p>{WORDS}</p><p>{end}</p>"))
    assert post.text.startswith(f"{WORDS}\n\n") and post.text[-12:] in html_to_markdown(end)


@pytest.mark.parametrize(
    "body",
    [
        f"<p>{WORDS} [&#8230;]</p>",
        f"<p>{WORDS} [...]</p><p>The post {LINK} appeared first on {HOME}.</p>",
        f"<p>{WORDS}</p><p><a href='https://blog.example/2019/kettle/'>Continue reading <b>The kettle</b> →</a></p>",
        f"<p>{WORDS[:-1]}… <a href='https://blog.example/2019/kettle/'>Read more</a></p>",
        f"<p>{WORDS}</p><p><a href='/x'>Weiterlesen</a></p>",
        f"<p>{WORDS}</p><p>Continue reading</p>",
        f"<p>{WORDS[:-1]}... (more)</p>",
        f"<p>{WORDS} (Read more...)</p>",
        f"<p>{WORDS} Continue reading →</p>",
    ],
)
def test_the_start_of_a_post_is_said_and_not_learnt(tmp_path, body):
    posts, left = read(tmp_path, rss(body))
    assert not posts and left["item 1"][0].startswith("only the start of a post")


@pytest.mark.parametrize(
    "body, text",
    [
        ("[su_note note_color=red]Kept words.[/su_note] On.", "Kept words. On."),
        ("One.[bibtex file=x.bib] [latexpage] [my_box] On.", "One. On."),
        ("A [button url=\"https://x.org\" /] b [icon name='x'] c.", "A b c."),
        ("He wrote “teh” [sic] and [1] and [see below].", "He wrote “teh” [sic] and [1] and [see below]."),
        (
            "A [link](https://x.org) and [x] done, [ ] open, [a][b].",
            "A [link](https://x.org) and [x] done, [ ] open, [a][b].",
        ),
        ("Write [[gallery]] for it.", "Write [[gallery]] for it."),
        ("[video src='a']https://x.org/v[/video]Kept.", "Kept."),
        ("<code>[name key=value]</code> stays.", "`[name key=value]` stays."),
        ('<div id="ez-toc-container"><p>Contents</p><div><ul><li>One</li></ul></div></div><p>Kept.</p>', "Kept."),
    ],
)
def test_shortcodes_go_and_the_author_s_brackets_stay(tmp_path, body, text):
    (post,), _ = read(tmp_path, wxr(wxr_item(body=body)))
    assert " ".join(post.text.split()) == text


@pytest.mark.parametrize(
    "end",
    [
        "<p>Comments are closed.</p>",
        "<p>You can follow any responses to this entry through the RSS 2.0 feed.</p>",
        f"<p>The post {LINK} appeared first on {HOME}.</p><p>Tags: tea, boats</p>",
        "<p><a href='https://blog.example/2019/kettle/'>Permalink here</a></p>",
        "<p><b>Related posts:</b></p><ol><li><a href='/a'>The tea</a></li><li><a href='/b'>The pot</a></li></ol>",
        "<p><em>This post originally appeared on Tea Notes.</em></p>",
    ],
)
def test_lines_of_the_theme_at_the_end_are_no_words_of_the_post(tmp_path, end):
    (post,), _ = read(tmp_path, rss(f"<p>{WORDS}</p>{end}"))
    assert post.text == WORDS


def test_a_teaser_may_end_in_a_link_to_its_post_without_an_ellipsis(tmp_path):
    own = "<a href='https://blog.example/2019/kettle/'>Read more</a>"
    assert not read(tmp_path, rss(f"<p>{WORDS} {own}</p>"))[0]
    assert read(tmp_path, rss(f"<p>{WORDS} <a href='https://other.example/'>Read more</a></p>"))[0]


def test_a_note_in_two_parentheses_is_a_footnote_and_other_parentheses_stay(tmp_path):
    (post,), _ = read(tmp_path, wxr(wxr_item(body=f"{WORDS} The boats((Two of them.)) lay. Then f((1)) ran.")))
    assert "The boats[^1] lay. Then f((1)) ran." in post.text and post.text.endswith("[^1]: Two of them.")


def test_marks_of_languages_that_are_comments_are_kept_until_they_are_read(tmp_path):
    body = f"<!--:en-->{WORDS}<!--:--><!--:de-->Wir sahen den Hafen.<!--:-->"
    put(tmp_path, "a.xml", wxr(wxr_item(title="<![CDATA[<!--:en-->Tea<!--:--><!--:de-->Tee<!--:-->]]>", body=body)))
    (post,), _ = ingest_folder(tmp_path, 5, 1e7, language="en")
    assert (post["title"], post["text"]) == ("Tea", WORDS)


def test_the_text_of_a_page_built_with_elementor_is_read(tmp_path):
    editor = {"elType": "widget", "widgetType": "text-editor", "settings": {"editor": f"<p>{WORDS}</p>"}}
    heading = {"elType": "widget", "widgetType": "heading", "settings": {"title": "The quay"}}
    data = json.dumps([{"elType": "section", "elements": [{"elType": "column", "elements": [heading, editor, 3]}]}])
    meta = "<wp:postmeta><wp:meta_key>_elementor_data</wp:meta_key><wp:meta_value><![CDATA[%s]]></wp:meta_value>"
    extra = meta % data + "</wp:postmeta>"
    (post,), _ = read(tmp_path, wxr(wxr_item(body="", extra=extra)))
    assert post.text == f"## The quay\n\n{WORDS}"
    _, left = read(tmp_path, wxr(wxr_item(slug="b", body="", extra=meta % "[3" + "</wp:postmeta>")))
    assert "Elementor" in left["b"][0]
