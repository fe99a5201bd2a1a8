"""Saved pages: the post in them, without what is around it, in the form that its author gave it."""

from email.message import EmailMessage
from pathlib import PurePath

import pytest

from corpus import readers
from corpus.cleaning import clean_markdown
from corpus.ingest import ingest_folder
from corpus.post import SkippedPost
from corpus.readers.html import html_to_markdown, read_html
from corpus.readers.rst_org import read_rst
from tests.support.blog_exports import put, zipped
from tests.support.html_readers import measure, own_reader
from tests.support.saved_pages import saved_pages

PROSE = "We walked down to the harbour and looked at the boats for an hour, and then it rained, so we went home again."


def read(page: str):
    return read_html(PurePath("page.html"), page.encode())


@pytest.fixture(scope="module")
def measures():
    return measure(own_reader, saved_pages())


def test_the_post_in_a_hundred_pages_of_ten_layouts_is_found_and_nothing_else(measures):
    for name in ("words: precision", "words: recall"):
        assert measures[name] > 0.999, name
    assert measures["paragraphs: precision"] > 0.99 and measures["paragraphs: recall"] > 0.99
    assert {name: n for name, n in measures.items() if name.startswith("pages with") and n} == {}


def test_title_day_and_author_are_those_of_the_post(measures):
    assert measures["title"] == measures["date"] == 1
    assert measures["author, where stated"] > 0.85, "one layout states it in the sentence of a biography only"


def test_lists_code_quotes_footnotes_and_tables_keep_their_form(measures):
    assert {name: part for name, part in measures.items() if name.startswith("kept") and part < 1} == {}


DATED = {
    "meta": '<head><meta property="article:published_time" content="2019-07-14T10:00:00Z"></head>',
    "json-ld": '<head><script type="application/ld+json">{"@graph": [{"@type": "WebPage", "datePublished": ""},'
    ' {"@type": "BlogPosting", "datePublished": "2019-07-14"}]}</script></head>',
    "itemprop": '<span itemprop="datePublished" content="2019-07-14">last summer</span>',
    "abbr": '<abbr class="published" title="2019-07-14T00:00:00-07:00">7 am</abbr>',
    "time": '<p>by W <time datetime="2019-07-14">Sunday</time></p>',
    "byline": '<div class="meta">Posted on July 14th, 2019 by Wenna</div>',
    "german byline": '<p class="post-date">14. Juli 2019</p>',
    "address": '<head><link rel="canonical" href="https://blog.example/2019/07/14/kettle/"></head>',
}


@pytest.mark.parametrize("place", DATED)
def test_the_day_is_found_wherever_pages_state_it(place):
    head, body = (DATED[place], "") if "<head>" in DATED[place] else ("", DATED[place])
    post = read(
        f"<html>{head}<body><h1>The kettle</h1>{body}<div class='entry-content'><p>{PROSE}</p><p>It was in the spring"
        ' of May 3, 2001.</p></div><div id="comments"><time datetime="2024-01-01">x</time></div></body></html>'
    )
    assert (post.date, post.title) == ("2019-07-14", "The kettle")
    assert "Juli" not in post.text and "Posted" not in post.text


def test_the_name_of_the_site_is_not_the_title():
    page = f'<h1><a href="/">Nine Spanners</a></h1><h2 class="entry-title">The kettle</h2><div><p>{PROSE}</p></div>'
    assert read(f"<title>Nine Spanners: The kettle</title>{page}").title == "The kettle"
    assert read(f"<title>The kettle | Nine Spanners</title>{page.replace(' class=', ' data-x=')}").title == "The kettle"


def test_the_day_of_a_change_is_not_the_day_of_the_post():
    post = read(
        f'<h1>T</h1><time class="updated" datetime="2024-05-06">x</time><div class="entry-content"><p>{PROSE}</p></div>'
    )
    assert post.date is None


def test_a_comment_in_an_article_of_its_own_is_nobodys_post():
    comments = "".join(
        f'<li><article class="comment-body"><p>{PROSE} said number {n}.</p></article></li>' for n in "123"
    )
    post = read(
        f"<body class='has-comments'><main><article><h1>Short</h1><p>{PROSE}</p></article><ol class='comment-list'>"
        f"{comments}</ol></main></body>"
    )
    assert post.text == PROSE


def test_a_page_of_comments_only_is_somebody_elses():
    with pytest.raises(SkippedPost) as skipped:
        read(f'<html><body><div class="comments"><p>{PROSE}</p></div></body></html>')
    assert skipped.value.cause == "not yours"


@pytest.mark.parametrize(
    "wrapper",
    ['<form id="aspnetForm">', '<div class="content has-sidebar">', '<div aria-hidden="true">', '<div class="menu">'],
)
def test_a_wrapper_that_looks_like_furniture_costs_no_words(wrapper):
    assert PROSE in read(f"<body>{wrapper}<h1>T</h1><div><p>{PROSE}</p><p>{PROSE} Again.</p></div></body>").text


def test_a_page_without_any_mark_gives_its_prose_without_its_menus():
    menu = "".join(f'<li><a href="/{n}">Entry number {n} of the long menu</a></li>' for n in range(9))
    page = f"<body><div><ul>{menu}</ul></div><div><div><p>{PROSE}</p><p>{PROSE} Twice.</p></div></div></body>"
    assert read(page).text == f"{PROSE}\n\n{PROSE} Twice."


def test_a_small_article_beside_the_post_is_not_taken_for_it():
    cards = '<article class="summary"><h2>Another post of the site</h2></article>' * 3
    assert PROSE in read(f"<body>{cards}<div id='x'><p>{PROSE}</p><p>{PROSE} Twice.</p></div></body>").text


FOOTNOTES = {
    "kramdown": 'boats<sup id="fnref:1"><a href="#fn:1" class="footnote">1</a></sup> and</p><div class="footnotes"><ol>'
    '<li id="fn:1"><p>The note. <a href="#fnref:1" class="reversefootnote">↩</a></p></li></ol></div>',
    "substack": 'boats<a data-component-name="FootnoteAnchorToDOM" id="footnote-anchor-1" href="#footnote-1"'
    ' class="footnote-anchor">1</a> and</p><div class="footnote" data-component-name="FootnoteToDOM"><a id="footnote-1"'
    ' href="#footnote-anchor-1" class="footnote-number">1</a><div class="footnote-content"><p>The note.</p></div>'
    "</div>",
    "word": 'boats<a href="#_ftn1" name="_ftnref1">[1]</a> and</p><div id="ftn1"><p><a href="#_ftnref1"'
    ' name="_ftn1">[1]</a> The note.</p></div>',
}


def test_footnotes_of_restructuredtext_are_footnotes():
    post = read_rst(PurePath("a.rst"), b"T\n=\n\nThe boats [1]_ and.\n\n.. [1] The note.\n")
    assert post.text == "The boats [^1] and.\n\n[^1]: The note."


@pytest.mark.parametrize("engine", FOOTNOTES)
def test_footnotes_are_footnotes(engine):
    text = html_to_markdown(f"<p>The {FOOTNOTES[engine]}")
    assert text == "The boats[^1] and\n\n[^1]: The note."


def test_a_note_may_have_two_references():
    def reference(name: str) -> str:
        return f'<sup id="{name}"><a href="#fn:1" class="footnote">1</a></sup>'

    back = '<a href="#fnref:1">↩</a> <a href="#fnref:1:1">↩<sup>2</sup></a>'
    html = f"<p>Boats{reference('fnref:1')} and nets{reference('fnref:1:1')}.</p><ol><li id='fn:1'>A note. {back}"
    assert html_to_markdown(html + "</li></ol>") == "Boats[^1] and nets[^1].\n\n[^1]: A note."


def test_a_reference_without_its_note_leaves_no_number():
    reference = "<sup data-fn='a' class='fn'><a href='#a' id='a-link'>1</a></sup>"
    assert html_to_markdown(f"<p>The boats{reference} and the quay.</p>") == "The boats and the quay."


def test_a_link_to_a_chapter_is_no_footnote():
    text = html_to_markdown('<p>See <a href="#c">3</a>.</p><h2 id="c">Third</h2><p>Words.</p>')
    assert "[3](#c)" in text and "[^" not in text


CODE = "if a < b:\n    pour()"

HIGHLIGHTED = {
    "numbers in a cell": "<table><tr><td class='gutter'><pre>1\n2\n</pre></td><td><pre><b>if</b> a &lt; b:\n    "
    "pour()\n</pre></td></tr></table>",
    "a row for each line": "<table><tr><td class='blob-num' data-line-number='1'></td><td class='blob-code'>"
    "if a &lt; b:</td></tr><tr><td class='blob-num' data-line-number='2'></td>"
    "<td class='blob-code'>    pour()</td></tr></table>",
    "a list of lines": "<pre class='prettyprint'><ol class='linenums'><li>if a &lt; b:</li><li>    pour()</li></ol>"
    "</pre>",
    "numbers in spans": "<pre><code><span class='ln'>1</span>if a &lt; b:\n<span class='ln'>2</span>"
    "    pour()\n</code></pre>",
    "breaks": "<pre>if a &lt; b:<br>&nbsp;&nbsp;&nbsp; pour()</pre>",
}


@pytest.mark.parametrize("form", HIGHLIGHTED)
def test_code_keeps_its_lines_and_loses_their_numbers(form):
    assert html_to_markdown(HIGHLIGHTED[form]) == f"```\n{CODE}\n```"


def test_a_table_of_numbers_is_no_code():
    table = "<table><tr><td>1</td><td>wedge</td></tr><tr><td>2</td><td>latch</td></tr></table>"
    assert html_to_markdown(table) == "| 1 | wedge |\n| --- | --- |\n| 2 | latch |"


MARKDOWN = {
    "paragraphs in an item": ("<ul><li><p>a</p><p>b</p></li><li>c</li></ul>", "- a\n\n  b\n- c"),
    "code in an item": ("<ol><li>a<pre>x\n  y</pre></li></ol>", "1. a\n\n   ```\n   x\n     y\n   ```"),
    "a list beside its item": ("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b"),
    "a numbered list in another": (
        "<ol start='9'><li>a<ol><li>b</li></ol></li><li>c</li></ol>",
        "9. a\n   1. b\n10. c",
    ),
    "a quotation": ("<p>He said <q>no</q>.</p>", "He said “no”."),
    "powers": ("<p>10<sup>6</sup> of the 2<sup>nd</sup></p>", "10⁶ of the 2nd"),
    "who said it": ("<blockquote><p>No.</p><footer>— Pask</footer></blockquote>", "> No.\n>\n> — Pask"),
    "code in a quote": ("<blockquote><pre>a\n  b</pre></blockquote>", "> ```\n> a\n>   b\n> ```"),
    "a lazy picture": ('<p>a <img data-src="x" src="data:,"><noscript><img src="x"></noscript>b</p>', "a b"),
    "a heading's link": ('<h2 id="x">Tea <a class="headerlink" href="#x">¶</a></h2>', "## Tea"),
    "details": ("<details><summary>More</summary><p>b</p></details>", "More\n\nb"),
    "a link around blocks": ('<a href="/x"><h2>Tea</h2><p>Hot.</p></a>', "## Tea\n\nHot."),
    "terms": ("<dl><dt>a</dt><dd>b</dd></dl>", "a\n\nb"),
}


@pytest.mark.parametrize("what", MARKDOWN)
def test_html_has_its_markdown(what):
    html, markdown = MARKDOWN[what]
    assert html_to_markdown(html) == markdown


WIDGETS = {
    "tweet": '<blockquote class="twitter-tweet"><p>Their words</p><a href="https://twitter.com/a/status/1">x</a></blockquote>',
    "substack form": '<div class="subscription-widget-wrap-editor"><p>Thanks for reading Their words!</p></div>',
    "substack post": '<div class="digest-post-embed"><a href="/p/x"><h4>Their words</h4></a></div>',
    "ghost card": '<figure class="kg-card kg-bookmark-card"><a href="x"><div>Their words</div></a></figure>',
    "medium card": '<div class="graf graf--mixtapeEmbed"><a href="x"><strong>Their words</strong></a></div>',
    "card": '<div><a href="https://x.example/"><div><h2>Their words</h2><p>More of them</p></div></a></div>',
    "contents": '<div id="ez-toc-container"><ul><li><a href="#a">Their words</a></li></ul></div>',
    "sharing": '<div class="sharedaddy"><h3>Share this: Their words</h3></div>',
}


@pytest.mark.parametrize("widget", WIDGETS)
def test_widgets_in_an_exported_post_are_not_learnt(widget):
    text = clean_markdown(html_to_markdown(f"<p>{PROSE}</p>{WIDGETS[widget]}<p>After it.</p>"))
    assert text == f"{PROSE}\n\nAfter it."


def test_a_page_that_a_browser_saved_in_one_file_is_its_first_page(tmp_path):
    frame = "<html><body><p>An advertisement of somebody else, in a frame of the page.</p></body></html>"
    message = EmailMessage()
    message["Subject"], message["Snapshot-Content-Location"] = "The kettle", "https://blog.example/kettle/"
    message.set_content(
        f"<html><head><title>The kettle</title></head><body><p>{PROSE} Ça va.</p></body></html>", "html"
    )
    message.make_related()
    message.add_related(frame, "html")
    (tmp_path / "page.mhtml").write_bytes(message.as_bytes())
    (post,) = readers.iter_posts(tmp_path / "page.mhtml", 1e6)
    assert (post.title, post.text) == ("The kettle", f"{PROSE} Ça va.")
    (tmp_path / "page.mht").write_bytes(b"Subject: x\nContent-Type: text/plain\n\nNo page.\n")
    with pytest.raises(SkippedPost, match="no web page"):
        list(readers.iter_posts(tmp_path / "page.mht", 1e6))


def test_a_page_of_singlefile_holds_no_words_of_its_pictures():
    note = "<!--\n Page saved with SingleFile\n url: https://blog.example/kettle/\n-->"
    post = read(
        f'<!DOCTYPE html><html><!--{note[4:]}<meta charset=utf-8><style>:root{{--sf-img-1: url("data:image/png;base64,'
        f'{"A" * 5000}")}}</style><title>The kettle</title><body><article><h1>The kettle</h1><p>{PROSE}</p><img'
        f' src="data:image/png;base64,{"A" * 5000}" alt=""><template shadowrootmode=open>x</template></article></body>'
    )
    assert (post.title, post.text) == ("The kettle", PROSE)


def test_the_folder_that_a_browser_saves_beside_a_page_holds_no_posts(tmp_path):
    files = {
        "The kettle.html": f"<title>The kettle</title><p>{PROSE} {PROSE}</p>",
        "The kettle_files/saved_resource.html": f"<p>{PROSE} An advertisement. {PROSE}</p>",
        "my_files/other.html": f"<p>{PROSE} A post. {PROSE}</p>",
    }
    for name, page in files.items():
        (tmp_path / "blog" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "blog" / name).write_text(page, encoding="utf-8")
    (tmp_path / "zip").mkdir()
    put(tmp_path / "zip", "pages.zip", zipped(files))
    for folder in ("blog", "zip"):
        posts, left = ingest_folder(tmp_path / folder, 20, 1e6)
        assert sorted("advert" in post["text"] for post in posts) == [False, False]
        assert [row["source"].removeprefix("pages.zip#") for row in left] == ["The kettle_files"]


@pytest.mark.parametrize("charset", ["windows-1251", "iso-8859-5", "utf-8"])
def test_a_page_is_read_in_the_encoding_that_it_states(charset):
    page = f'<meta charset="{charset}"><title>Чайник</title><article><h1>Чайник</h1><p>Гавань. {PROSE}</p></article>'
    post = read_html(PurePath("page.html"), page.encode(charset))
    assert (post.title, post.text) == ("Чайник", f"Гавань. {PROSE}")


def test_a_link_list_of_the_author_stays():
    links = "".join(f'<li><a href="https://x.example/{n}">A page worth reading, number {n}</a></li>' for n in range(5))
    assert read(f"<article><h1>Links</h1><p>{PROSE}</p><ul>{links}</ul></article>").text.count("worth reading") == 5
