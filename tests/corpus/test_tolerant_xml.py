"""Exports and feeds that are no XML any more: every sound post comes out once, what was mended is said, and the
tolerant pass is no way around the limits of the strict one."""

import pytest

from corpus import readers
from tests.support.blog_exports import WORDS, put, wxr, wxr_item
from tests.support.operation_count import assert_linear


def read(folder, content, name="a.xml"):
    """(titles of the posts, {what was mended}, [reasons of the others])."""
    found = list(readers.iter_posts(put(folder, name, content), 5e6))
    posts = [one for one in found if isinstance(one, readers.Post)]
    mended = {what for post in posts for what in post.mended}
    return [post.title for post in posts], mended, [str(one) for one in found if not isinstance(one, readers.Post)]


def text_of(folder, content, number=0):
    return list(readers.iter_posts(put(folder, "a.xml", content), 5e6))[number].text


def rss(*items, head='<?xml version="1.0" encoding="UTF-8"?>', tail="</channel></rss>"):
    rows = "".join(
        f"<item><title>{title}</title><pubDate>Sun, 14 Jul 2019 10:00:00 GMT</pubDate>"
        f"<description>{text} {title}</description></item>"
        for title, text in items
    )
    return f'{head}<rss version="2.0"><channel><title>A blog</title>{rows}{tail}'


def three(title="Two", text=WORDS, **more):
    return rss(("One", WORDS), (title, text), ("Three", WORDS), **more)


ERROR_PAGE = (
    "<!DOCTYPE html><html><head><title>502</title><meta charset=utf-8></head><body><p>Bad & gone<br></body></html>"
)


@pytest.mark.parametrize(
    "content, title, mended",
    [
        (three("Tea & cake"), "Tea & cake", "a bare & in its XML"),
        (three("Tea &amp cake"), "Tea & cake", "a bare & in its XML"),
        (three(text=f"Tea&nbsp;and cake&rsquo;s &eacute; {WORDS}"), "Two", "entities of HTML in its XML"),
        (three("1 < 2"), "1 < 2", "a bare < in its XML"),
        (three(text=f"&#0;&#x1F;&#xFFFF;{WORDS}"), "Two", "a reference to an invalid character in its XML"),
        (three(text=f"<b>{WORDS}</i>"), "Two", "broken tags in its XML"),
        (
            three("Two", f"{WORDS}</description>{ERROR_PAGE}<description>"),
            "Two",
            "an HTML page in the middle of its XML",
        ),
        (three().replace("Two</description></item>", "Two</description>"), "Two", "an item without an end in its XML"),
        (three().encode().replace(b"Two</t", b"Tw\xf6</t"), "Twö", "bytes that are not in the"),
    ],
)
def test_what_breaks_one_post_takes_no_other_along(tmp_path, content, title, mended):
    titles, found, left = read(tmp_path, content)
    assert titles == ["One", title, "Three"] and not left
    assert any(what.startswith(mended) for what in found) and len(found) == 1


def test_only_the_broken_post_is_called_mended(tmp_path):
    posts = list(readers.iter_posts(put(tmp_path, "a.xml", three("Tea & cake")), 5e6))
    assert [bool(post.mended) for post in posts] == [False, True, False]


@pytest.mark.parametrize(
    "before, mended",
    [
        ("\n", "blank lines before its XML"),
        ("\ufeff\r\n ", "blank lines before its XML"),
        ("<br />\n<b>Warning</b>: foo() in /x.php on line 3<br />\n", "text before its XML"),
        ("<!-- cached -->\n", "text before its XML"),
    ],
)
def test_what_stands_before_the_xml_costs_nothing(tmp_path, before, mended):
    assert read(tmp_path, before + three()) == (["One", "Two", "Three"], {mended}, [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "windows-1251", "gb18030", "shift_jis"])
@pytest.mark.parametrize("before", ["", "\n"])
def test_xml_in_another_encoding_is_read(tmp_path, encoding, before):
    word = "日本" if encoding in ("gb18030", "shift_jis") else "Чай"
    declared = "utf-16" if encoding.startswith("utf-16") else encoding
    content = before + three(word, head=f'<?xml version="1.0" encoding="{declared}"?>')
    titles, _, left = read(tmp_path, content.encode(encoding))
    assert titles == ["One", word, "Three"] and not left


def test_windows_1252_that_says_latin1_has_its_quotes(tmp_path):
    content = three(text=f"It\u2019s \u201cwarm\u201d. {WORDS}", head='<?xml version="1.0" encoding="ISO-8859-1"?>')
    assert text_of(tmp_path, content.encode("cp1252"), 1).startswith("It’s “warm”.")


@pytest.mark.parametrize("declared", ["ISO-8859-1", "windows-1251"])
def test_utf8_that_says_something_else_is_read_as_utf8(tmp_path, declared):
    content = three("Café – чай", head=f'<?xml version="1.0" encoding="{declared}"?>')
    titles, mended, _ = read(tmp_path, content.encode())
    assert titles[1] == "Café – чай" and mended == {f"UTF-8 that says {declared.lower()}"}


@pytest.mark.parametrize("encoding", ["windows-1251", "cp1252"])
def test_a_file_that_says_utf8_and_is_not_is_read_as_what_it_is(tmp_path, encoding):
    words = "Мы пошли в гавань и смотрели на лодки целый час, а потом пошёл дождь. " * 3
    text = words if encoding == "windows-1251" else f"Wir gingen über die Brücke – “so” was’s. {WORDS}"
    assert text.strip() in text_of(tmp_path, three(text=text).encode(encoding), 1)


def test_of_a_file_that_breaks_off_the_sound_posts_are_kept_and_the_last_is_counted(tmp_path):
    items = [wxr_item(title=f"Post {n}", slug=f"p{n}", body=f"<p>{WORDS} {n}</p>") for n in range(4)]
    whole = wxr(*items)
    titles, _, left = read(tmp_path, whole[: whole.index("Post 3") + 350])
    assert titles == ["Post 0", "Post 1", "Post 2"]
    assert left == ["the file breaks off within this post", "the file breaks off here: what came after is not in it"]


def test_a_post_whose_status_was_cut_off_is_not_taken_for_a_public_one(tmp_path):
    broken = wxr(wxr_item(title="One"), wxr_item(title="Secret", status="private"), wxr_item(title="Three", body=WORDS))
    at = broken.index("<wp:status>private")
    broken = broken[:at] + broken[broken.index("<item><title>Three") :]
    titles, _, left = read(tmp_path, broken)
    assert titles == ["One", "Three"] and left == ["the file breaks off within this post"]


def test_a_cdata_section_without_an_end_is_closed(tmp_path):
    items = [wxr_item(title=f"Post {n}", slug=f"p{n}", body=f"<p>{WORDS} {n}</p>") for n in range(3)]
    items[1] = items[1].replace("]]></content:encoded>", "</content:encoded>")
    titles, mended, left = read(tmp_path, wxr(*items))
    assert titles == ["Post 0", "Post 1", "Post 2"] and not left
    assert mended == {"a CDATA section without an end in its XML"}


def test_a_page_that_cut_off_a_post_takes_no_other_along(tmp_path):
    """The error page stands in the CDATA section of the second post, which therefore never ends."""
    items = [wxr_item(title=f"Post {n}", slug=f"p{n}", body=f"<p>{WORDS} {n}</p>") for n in range(4)]
    items[1] = items[1][: items[1].index("the harbour")] + ERROR_PAGE
    titles, _, left = read(tmp_path, wxr(*items))
    assert titles == ["Post 0", "Post 2", "Post 3"] and left == ["the file breaks off within this post"]


def test_markup_of_feeds_in_a_post_is_no_new_post(tmp_path):
    """A post about feeds, in a file that is broken elsewhere: its CDATA holds what looks like items."""
    inner = "<pre>&lt;x></pre><item><title>No post</title></item> and <![CDATA[ and <!ENTITY x 'y'>"
    items = [
        wxr_item(title="One & two"),
        wxr_item(title="Feeds", body=f"<p>{WORDS}</p>{inner}"),
        wxr_item(title="Z", body=WORDS),
    ]
    assert read(tmp_path, wxr(*items))[0] == ["One & two", "Feeds", "Z"]


def test_of_four_hundred_posts_one_is_mended_and_none_is_lost(tmp_path):
    titles, _, left = read(tmp_path, rss(*[("A & b" if n == 2 else f"Post {n}", WORDS) for n in range(400)]))
    assert len(titles) == 400 == len(set(titles)) and not left


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 9)) + "]>"
)


@pytest.mark.parametrize("before", ["\n", "x\n", '<?xml version="1.0"?>\n<a & b>', "<!-- x -->\n& "])
@pytest.mark.parametrize(
    "doctype",
    [
        LAUGHS,
        '<!DOCTYPE x [<!ENTITY l8 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1:1/x">%e;]>',
        "<!DOCTYPE x [<!ELEMENT x ANY>]>",
    ],
    ids=["bomb", "external", "parameter", "dtd"],
)
def test_the_tolerant_pass_refuses_what_the_strict_one_refuses(tmp_path, before, doctype):
    with pytest.raises(readers.SkippedPost, match="declares entities"):
        read(tmp_path, before + doctype + three("Tea & &l8;", head=""))


def test_a_declaration_between_the_items_is_refused_too(tmp_path):
    content = three("Tea & cake").replace("<item><title>Three", f"{LAUGHS}<item><title>&l8;Three")
    with pytest.raises(readers.SkippedPost, match="declares entities"):
        read(tmp_path, content)


def test_a_doctype_of_another_file_is_not_fetched(tmp_path):
    head = '<?xml version="1.0"?><!DOCTYPE rss SYSTEM "file:///etc/passwd">'
    assert read(tmp_path, three("Tea & &root; cake", head=head))[0] == ["One", "Tea & &root; cake", "Three"]


def test_a_post_above_the_limit_is_left_out_by_the_tolerant_pass_too(tmp_path):
    content = rss(("A & b", WORDS), ("Large", WORDS * 20_000), ("Three", WORDS))
    found = list(readers.iter_posts(put(tmp_path, "a.xml", content), 1e5))
    assert [getattr(one, "title", "") for one in found] == ["A & b", "", "Three"] and "max_file_mb" in str(found[1])


@pytest.mark.parametrize(
    "unit", ["<item>", "<![CDATA[", "<!--", "&", "<", "<html", "<!DOCTYPE html>", "]]>", "<a><![CDATA["]
)
def test_hostile_xml_costs_no_square(tmp_path, unit):
    def outcomes(text):
        try:
            return list(readers.iter_posts(put(tmp_path, "a.xml", text), 1e7))
        except readers.SkippedPost as e:
            return [e]

    make = lambda size: three("Tea & cake", "start " + unit * (size // len(unit)))  # noqa: E731
    assert outcomes(make(50_000))
    assert_linear(outcomes, make)
