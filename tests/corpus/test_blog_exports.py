"""Every kind of export a writer may have: its posts come out, what is none is left out with its reason, hostile ones do
no harm."""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from corpus import readers
from corpus.cleaning import clean_markdown
from corpus.filters import find_skip, is_link_list
from corpus.ingest import ingest_folder
from corpus.readers import html_parser, markdown
from tests.support.blog_exports import BODY, EXPECTED, FILES, GHOST, SUBSTACK, WORDS, put, wxr, wxr_item, zipped
from tests.support.operation_count import assert_linear
from tests.support.workspace import ROOT


def read(folder, name, content=None):
    """(posts, {place in the file: reason})."""
    found = list(readers.iter_posts(put(folder, name, FILES[name] if content is None else content), 5e6))
    return [p for p in found if isinstance(p, readers.Post)], {
        o.name: str(o) for o in found if isinstance(o, readers.SkippedPost)
    }


def reason(folder, name, content):
    with pytest.raises(readers.SkippedPost) as e:
        list(readers.iter_posts(put(folder, name, content), 5e6))
    return str(e.value)


# --- what comes out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in FILES if n != "journal.jsonl"])
def test_the_first_post_of_each_export_is_the_post(tmp_path, name):
    post = read(tmp_path, name)[0][0]
    assert (post.title, post.date) == ("The kettle", "2019-07-14")
    assert WORDS in post.text and "pour()" in post.text
    assert post.tags == ([] if name in ("page.html", "letters.mbox", "substack.zip", "medium.zip") else ["tea"])


@pytest.mark.parametrize(
    "name",
    [
        "wordpress.xml",
        "feed.rss",
        "feed.atom",
        "ghost.json",
        "feed.json",
        "page.html",
        "letters.mbox",
        "substack.zip",
        "medium.zip",
    ],
)
def test_html_becomes_the_same_markdown_wherever_it_comes_from(tmp_path, name):
    assert read(tmp_path, name)[0][0].text == EXPECTED
    assert "It was **cold** & long, see there." in clean_markdown(EXPECTED)


def test_no_tag_script_style_or_furniture_of_a_page_is_left(tmp_path):
    text = read(tmp_path, "page.html")[0][0].text
    assert not re.search("<[a-z/]", text) and not any(
        word in text for word in ("steal", "color", "Home", "Share", "Related", "©")
    )


def test_drafts_pages_and_what_was_read_are_left_out(tmp_path):
    (tmp_path / "posts").mkdir()
    for name in ("ghost.json", "substack.zip", "medium.zip"):
        put(tmp_path / "posts", name, FILES[name])
    posts, left = ingest_folder(tmp_path / "posts", 5, 1e7, "Wenna")
    reasons = {d["source"]: d["reason"] for d in left}
    assert (
        reasons["ghost.json#not-yet"]
        == "a draft"
        == reasons["medium.zip#posts/draft_Not-yet-abc.html"]
        == reasons["substack.zip#posts/2.not-yet.html"]
    )
    assert "page" in reasons["ghost.json#about"] and "by Somebody Else, not Wenna" in reasons["ghost.json#guest"]
    assert "page" in reasons["medium.zip#bookmarks/bookmarks-0001.html"]
    assert "the same text as ghost.json#the-kettle" in reasons["medium.zip#posts/2019-07-14_The-kettle-abc.html"], (
        "a cross-post is one post"
    )
    assert [p["source"] for p in posts] == ["ghost.json#the-kettle"] and posts[0]["date_from"] == "feed"
    causes = {d["source"]: d["cause"] for d in left}
    assert causes["ghost.json#not-yet"] == "not public" and causes["ghost.json#guest"] == "not yours"
    assert causes["ghost.json#about"] == ""


def test_wordpress_keeps_published_posts_only(tmp_path):
    items = [
        wxr_item(slug="a"),
        wxr_item(slug="b", status="draft"),
        wxr_item(slug="c", kind="page"),
        wxr_item(slug="d", kind="attachment"),
        wxr_item(slug="e", kind="nav_menu_item"),
        wxr_item(slug="f", body="Reblogged this on My Blog and commented: " + WORDS),
    ]
    posts, left = read(tmp_path, "w.xml", wxr(*items))
    said = {p.name: str(find_skip(p, Path(p.name), "") or "") for p in posts} | left
    assert said["a"] == "" and said["b"] == "a draft" and "page" in said["c"] and "repost" in said["f"]
    assert "WordPress's own" in said["d"] and "WordPress's own" in said["e"]


def test_wordpress_paragraphs_and_shortcodes(tmp_path):
    body = (
        'One.\n\nTwo\nlines.\n\n[caption id="x"]<img src="a"> No.[/caption][gallery ids="1,2"]\n\n[sourcecode'
        ' language="ruby"]\nif a < b\n\n  x\n[/sourcecode]\n\nThree [sic].'
    )
    text = read(tmp_path, "w.xml", wxr(wxr_item(body=body)))[0][0].text
    assert text == "One.\n\nTwo\nlines.\n\n```ruby\nif a < b\n\n  x\n```\n\nThree [sic]."


def test_lists_tables_quotes_and_embeds_of_html(tmp_path):
    body = (
        "<ul><li>one<ul><li>in</li></ul></li><li><p>two</p></li></ul><ol><li>first</li><li>second</li></ol><blockquote><p>Said.</p><p>He.</p></blockquote><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><iframe"
        " src='https://v.org/1'></iframe><p>5 &lt; 6, so &lt;b&gt; is no tag</p>"
    )
    text = read(tmp_path, "p.html", f"<article><h1>T</h1>{body}</article>")[0][0].text
    assert text.split("\n\n") == [
        "- one\n  - in\n- two",
        "1. first\n2. second",
        "> Said.\n>\n> He.",
        "| a | b |\n| --- | --- |\n| 1 | 2 |",
        '<iframe src="https://v.org/1"></iframe>',
        "5 &lt; 6, so &lt;b> is no tag",
    ]
    assert clean_markdown(text).endswith("| 1 | 2 |\n\n5 < 6, so <b> is no tag")


def test_a_chat_gives_one_role_s_words_only(tmp_path):
    posts, _ = read(tmp_path, "journal.jsonl")
    assert [p.text.split(". ")[-1] for p in posts] == [WORDS, "Mine.", "First.\n\nAnd then."]
    assert not any("Somebody else" in p.text for p in posts) and posts[2].date == "2019-07-14"
    (post,) = [
        p for p in readers.iter_posts(tmp_path / "journal.jsonl", 1e6, "assistant") if isinstance(p, readers.Post)
    ][1:2]
    assert post.text == "Somebody else's words."


def test_mails_lose_footer_and_signature(tmp_path):
    first, second = read(tmp_path, "letters.mbox")[0]
    assert (
        "nsubscribe" not in first.text
        and second.text == f"{WORDS} Twice.\nFrom the pier."
        and second.authors == ["Wenna"]
    )


# --- Markdown as each generator writes it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, content, expected",
    [
        (
            "2019-07-14-k.md",
            "---\nlayout: post\ntitle: The kettle\n---\n{% include x.html %}\nKept.",
            ("The kettle", "2019-07-14", False),
        ),
        ("_drafts/k.md", "---\ntitle: The kettle\n---\nKept.", ("The kettle", None, True)),
        (
            "k.md",
            '+++\ntitle = "The kettle"\ndate = 2019-07-14T10:00:00Z\ndraft = true\n+++\nKept.',
            ("The kettle", "2019-07-14", True),
        ),
        (
            "k.md",
            '---json\n{"title": "The kettle", "date": "2019-07-14"}\n---\nKept.',
            ("The kettle", "2019-07-14", False),
        ),
        (
            "k.md",
            '---js\n{\n  title: "The kettle",\n  date: "2019-07-14",\n  draft: true\n}\n---\nKept.',
            ("The kettle", "2019-07-14", True),
        ),
        (
            "k.mdx",
            (
                '---\ntitle: The kettle\npubDate: 2019-07-14\n---\nimport Box from "../Box.astro";\nimport {\n  A,\n}'
                " from 'x';\n\nexport const a = 1;\n\n{/* hidden\n\nnote */}\n<Box client:load>Kept.</Box>"
            ),
            ("The kettle", "2019-07-14", False),
        ),
        (
            "k.md",
            "---\ntitle: The kettle\ncreated: 2019-07-14\npublish: false\n---\n%%a note%%\n> [!note] Kept.",
            ("The kettle", "2019-07-14", True),
        ),
        (
            "2019-07-14-k.dj",
            "# The kettle\n\n{.lead #x}\nKept.\n\n::: note\nToo.\n:::",
            ("The kettle", "2019-07-14", False),
        ),
    ],
    ids=["jekyll", "jekyll draft", "hugo", "eleventy json", "eleventy js", "astro", "obsidian", "djot"],
)
def test_front_matter_of_every_generator(tmp_path, name, content, expected):
    (tmp_path / "_drafts").mkdir()
    (post,) = read(tmp_path, name, content)[0]
    assert (post.title, post.date, bool(post.not_public)) == expected
    cleaned = clean_markdown(post.text)
    assert "Kept." in cleaned and not any(
        word in cleaned for word in ("import", "export", "hidden", "include", "a note", ".lead", ":::", "[!note]")
    )


def test_a_program_shown_in_mdx_stays(tmp_path):
    (post,) = read(tmp_path, "k.mdx", 'Kept.\n\n```js\nimport a from "b";\n```\n\nimport c from "d";\n')[0]
    assert 'import a from "b"' in post.text and 'from "d"' not in post.text


# --- days -------------------------------------------------------------------------------------------------------------


def test_days_come_from_front_matter_name_git_and_file_time_in_that_order(tmp_path):
    folder = tmp_path / "blog"
    folder.mkdir()
    for n, name in enumerate(("stated.md", "2018-01-02-named.md", "tracked.md")):
        put(folder, name, ("---\ndate: 2017-01-01\n---\n" if n == 0 else "") + f"{WORDS} {n}")
    environment = {
        **os.environ,
        "GIT_AUTHOR_DATE": "2016-05-05T12:00:00Z",
        "GIT_COMMITTER_DATE": "2016-05-05T12:00:00Z",
        "HOME": str(tmp_path),
    }
    for command in ("git init -q", "git add -A", "git -c user.name=a -c user.email=a@b.c commit -qm x"):
        subprocess.run(command, shell=True, cwd=folder, env=environment, check=True)
    for n, name in enumerate(("old.md", "new.md")):
        os.utime(put(folder, name, f"{WORDS} {name}"), (1e9 + n * 1e8,) * 2)
    posts, _ = ingest_folder(folder, 5, 1e7)
    assert {p["source"]: (p["date"], p["date_from"]) for p in posts} == {
        "stated.md": ("2017-01-01", "front matter"),
        "2018-01-02-named.md": ("2018-01-02", "name"),
        "tracked.md": ("2016-05-05", "git"),
        "old.md": ("2001-09-09", "file time"),
        "new.md": ("2004-11-09", "file time"),
    }


def test_files_that_were_all_copied_on_one_day_have_no_day(tmp_path):
    for n in range(3):
        put(tmp_path, f"{n}.md", f"{WORDS} {n}")
    assert [p["date"] for p in ingest_folder(tmp_path, 5, 1e7)[0]] == [None] * 3


# --- what is no post --------------------------------------------------------------------------------------------------


def test_a_list_of_links_is_told_from_a_post_with_many_links():
    links = "\n".join(f"- [A page about boat {n}](https://x.org/{n})" for n in range(9))
    assert is_link_list(links) and is_link_list(f"Some links for this week:\n\n{links}")
    assert not is_link_list(f"{WORDS}\n\n{WORDS}\n\n{links}")
    assert not is_link_list(
        "\n".join(
            f"- [boat {n}](https://x.org/{n}) is the boat I rowed with my aunt on the {n}th day" for n in range(9)
        )
    )


@pytest.mark.parametrize(
    "content, said",
    [
        ("---\nlayout: page\n---\n", "a page"),
        ("---\nauthor: Somebody Else\n---\n", "a guest post: by Somebody Else, not Wenna"),
        ("---\nauthors: [{name: Somebody Else}, {name: Wenna Trescothick}]\n---\n", None),
        ("---\nauthor: wenna@blog.example\n---\n", None),
        ("---\nrepost_of: https://x.org\n---\n", "a repost"),
        ("---\ngenerated: true\n---\n", "generated automatically"),
        ("This post was automatically generated by a script.\n\n", "generated automatically"),
        ("I wrote how a page was automatically generated by me.\n\n", None),
    ],
)
def test_what_is_no_post_of_the_author_s_is_told(tmp_path, content, said):
    put(tmp_path, "a.md", content + WORDS)
    posts, left = ingest_folder(tmp_path, 5, 1e7, "Wenna")
    assert (not posts and left[0]["reason"].startswith(said)) if said else posts


# --- hostile files ----------------------------------------------------------------------------------------------------

LAUGHS = (
    '<!DOCTYPE x [<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12)) + "]>"
)


@pytest.mark.parametrize(
    "doctype, inside",
    [
        (LAUGHS, "&l11;"),
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "&e;"),
        ('<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1:1/x">%e;]>', "x"),
    ],
    ids=["bomb", "external", "parameter"],
)
def test_xml_that_declares_entities_is_refused(tmp_path, doctype, inside):
    said = reason(tmp_path, "a.xml", f"{doctype}<rss><channel><item><title>{inside}</title></item></channel></rss>")
    assert "declares entities" in said and "root:" not in said


def test_html_with_an_external_entity_reads_no_file(tmp_path):
    (post,) = read(
        tmp_path,
        "a.html",
        f'<!DOCTYPE html [<!ENTITY e SYSTEM "file:///etc/passwd">]><p>{WORDS} &e;</p><object'
        ' data="file:///etc/passwd"></object>',
    )[0]
    assert "root:" not in post.text and WORDS in post.text


def test_rst_includes_no_file_and_no_raw_html(tmp_path):
    (post,) = read(
        tmp_path,
        "a.rst",
        f"{WORDS}\n\n.. include:: /etc/passwd\n\n.. raw:: html\n\n   <script>steal()</script>\n\n.. csv-table::\n  "
        " :file: /etc/passwd\n",
    )[0]
    assert "root:" not in post.text and "steal" not in post.text and WORDS in post.text


def test_reading_a_zip_writes_no_file_and_names_that_lead_out_of_it_are_refused(tmp_path):
    folder = tmp_path / "a/b"
    folder.mkdir(parents=True)
    names = ("../../../slip.md", "/abs.md", "..\\win.md", "C:\\disk.md", "kept\\a.md")
    posts, left = read(folder, "a.zip", zipped({name: f"{WORDS} {n}" for n, name in enumerate(names)}))
    assert [p.name for p in posts] == ["kept/a.md"]
    refused = {name for name, reason in left.items() if "leads out of the archive" in reason}
    assert refused == {"slip.md", "abs.md", "win.md", "C:/disk.md"}
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["a.zip"]


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    """Of all that the archives hold, only the bytes of the one file that is small enough are unpacked."""
    unpacked = []
    inner = zipfile.ZipExtFile.read
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda file, *size: (data := inner(file, *size), unpacked.append(len(data)))[0]
    )
    posts, left = read(tmp_path, "a.zip", zipped({"bomb.md": b"a " * 50_000_000, "kept.md": WORDS}))
    assert "unpacks to 100 MB" in left["bomb.md"] and [p.name for p in posts] == ["kept.md"]
    many = zipped({f"{n}.md": "" for n in range(3)})
    lying = bytearray(many)
    at = lying.index(b"PK\x01\x02") + 24
    lying[at : at + 4] = (4_200_000_000).to_bytes(4, "little")
    assert "4,200 MB" in reason(tmp_path, "b.zip", bytes(lying)) and sum(unpacked) == len(WORDS.encode())


def test_an_encrypted_zip_is_a_reason(tmp_path):
    data = bytearray(zipped({"a.md": WORDS}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in read(tmp_path, "a.zip", bytes(data))[1]["a.md"]


def test_scripts_in_exported_html_are_gone(tmp_path):
    body = (
        f'<p onclick="steal()">{WORDS}</p><script>steal()</script><a href="javascript:steal()">x</a><svg'
        ' onload="steal()"><p>steal()</p></svg><iframe srcdoc="steal()" src="javascript:steal()"></iframe>'
    )
    text = clean_markdown(read(tmp_path, "w.xml", wxr(wxr_item(body=body)))[0][0].text)
    assert WORDS in text and "steal" not in text


@pytest.mark.parametrize("deep", [4, 11])
def test_yaml_aliases_are_not_written_out(tmp_path, monkeypatch, deep):
    """Nine times as many values a level deeper: of each key a list of the first level is looked at, and no more."""
    seen, inner = [], markdown._plain_value
    monkeypatch.setattr(markdown, "_plain_value", lambda *arguments: (seen.append(arguments), inner(*arguments))[1])
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, deep + 1))
    read(tmp_path, "a.md", f"---\na0: &a0 [x]\n{levels}title: *a{deep}\ntags: *a{deep}\nauthor: *a{deep}\n---\n{WORDS}")
    keys = deep + 1 + 3
    assert keys < len(seen) <= keys * (1 + 9)


@pytest.mark.parametrize(
    "unit",
    [
        "<b>",
        "<b>x</i>",
        "<div>",
        "<p>",
        "<a href='",
        "<!--",
        "<",
        "&",
        "<table><tr><td>",
        "<li>",
        "<ul>",
        "<blockquote>",
        "<pre>",
        "<script>",
        "</p>",
        "<h2>",
        "x ",
        "\n",
        "\ue0001\ue001",
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["a.html", "a.xml"])
def test_hostile_html_costs_no_square(tmp_path, monkeypatch, name, unit):
    """A reason or a post for 100 kB of one mark; twice as many cost twice as much, and lxml, which looks through all
    open elements at each end, has never more of them open than DEEPEST."""

    def outcomes(text: str) -> list:
        path = put(tmp_path, name, text if name == "a.html" else wxr(wxr_item(body=text)))
        try:
            return list(readers.iter_posts(path, 1e7))
        except readers.SkippedPost as e:
            return [e]

    opened, start = [0], html_parser.HtmlCollector.start
    monkeypatch.setattr(
        html_parser.HtmlCollector,
        "start",
        lambda events, *rest: (start(events, *rest), opened.append(len(events.path)))[0],
    )
    make = lambda size: "<p>start " + unit * (size // len(unit)) + " end"  # noqa: E731
    assert len(outcomes(make(100_000))) == 1 and max(opened) <= html_parser.MAX_DEPTH + 1
    assert_linear(outcomes, make)


@pytest.mark.slow
@pytest.mark.nightly
def test_a_wordpress_export_of_200_mb_is_streamed(tmp_path):
    """In a process of its own, whose memory is measured: far less than the file and its tree. (ru_maxrss would tell
    that of the process that forked it.)"""
    path = tmp_path / "w.xml"
    head, _, tail = wxr("\0").partition("\0")
    with open(path, "w") as file:
        file.write(head)
        item = wxr_item(body=("<p>" + WORDS * 20 + "</p>") * 380)
        for n in range(200):
            file.write(item.replace("the-kettle", f"kettle-{n}"))
        file.write(tail)
    assert path.stat().st_size > 199e6
    code = (
        "import re, sys; sys.path.insert(0, '.'); from pathlib import Path; from corpus import readers\nn = sum(1 for"
        f" p in readers.iter_posts(Path({str(path)!r}), 5e7) if len(p.text) > 900_000)\nprint(n,"
        " int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)"
    )
    done = subprocess.run(
        [os.sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    posts, megabytes = map(int, done.stdout.split())
    assert posts == 200 and megabytes < 300


def test_an_export_and_its_format_are_in_the_row(tmp_path):
    put(tmp_path, "w.xml", FILES["wordpress.xml"])
    (post,), left = ingest_folder(tmp_path, 5, 1e7)
    assert (post["source"], post["format"], post["url"], post["authors"]) == (
        "w.xml#the-kettle",
        "xml",
        "https://blog.example/the-kettle",
        ["wenna"],
    ) and not left
    assert json.loads(GHOST) and zipfile.is_zipfile(put(tmp_path, "s.zip", SUBSTACK)) and BODY
