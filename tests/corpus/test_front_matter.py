"""Heads of text files: every form that blogs have, and no broken one costs the post below it."""

from pathlib import PurePath

import pytest

from corpus.post import Post
from corpus.readers.front_matter import REFUSED, UNCLOSED, split_front_matter
from corpus.readers.markdown import read_markdown, read_text
from corpus.readers.rst_org import read_rst

PROSE = "The tide was out, and the gulls stood about like clerks.\n\nNobody bought a kettle."
REFUSED_BY_YAML = [REFUSED.format("YAML")]


def read(head: str, name: str = "a.md") -> Post:
    return read_markdown(PurePath(name), (head + PROSE).encode())


@pytest.mark.parametrize(
    "line, title",
    [
        ("title: Tea: a history", "Tea: a history"),
        ("title: @wenna writes", "@wenna writes"),
        ("title: `make` and I", "`make` and I"),
        ('title: "Quay" and crane', '"Quay" and crane'),
        ("title: [Moved] The shed", "[Moved] The shed"),
        ("title: %d kettles", "%d kettles"),
        ("title: 'It began", "It began"),
        ("title: [a", "[a"),
        ("title: *x", "*x"),
        ("title: > than a boat", "> than a boat"),
        ("title: - a dash", "- a dash"),
        ("title: A\naliases: **b**", "A"),
        ("title: A\nurl:http://blog.example/a", "A"),
        ("title: A\ntags:\n\t- tea", "A"),
        ("title: A\nx: !!python/object:os.system {}", "A"),
        ("title: A\nx: " + "[" * 5000, "A"),
        ("title: A\n summary: b: c", "A"),
        ("title: A\n  goes on: and on", "A goes on: and on"),
    ],
    ids=lambda t: t[:20],
)
def test_a_head_that_yaml_refuses_keeps_the_post_and_is_named(line, title):
    post = read(f"---\nlayout: post\n{line}\ndate: 2019-04-05\n---\n")
    assert (post.title, post.date, post.text, post.mended) == (title, "2019-04-05", PROSE, REFUSED_BY_YAML)


def test_the_sound_keys_of_a_refused_head_are_read_by_yaml():
    post = read("---\ntitle: Tea: a history\ntags:\n\t- tea\n\t- 'quay, old'\nauthor:\n\tname: Wenna\n---\n")
    assert (post.tags, post.authors) == (["tea", "quay, old"], ["Wenna"])


@pytest.mark.parametrize(
    "written, title",
    [("No", "No"), ("10:30", "10:30"), ("1_000", "1_000"), ("2019", "2019"), ("Null", "Null"), ("[WIP]", "[WIP]"),
     ("#1 of nine", "#1 of nine"), ("~", "A"), ("", "A"), ('"on"', "on"), ("1.0", "1.0")],
)  # fmt: skip
def test_a_title_is_the_text_that_stands_there(written, title):
    assert read(f"---\ntitle: {written}\nlayout: post\n---\n").title == title


def test_tags_are_the_texts_that_stand_there():
    assert read("---\ntags: [no, 2020-01-01, 1_0]\n---\n").tags == ["no", "2020-01-01", "1_0"]
    assert read("---\ntags: #tea #quay\n---\n").tags == ["tea", "quay"]


@pytest.mark.parametrize(
    "head, body, mended",
    [
        ("---\ntitle: T\n...\n\n", PROSE, []),
        ("---\ntitle: T\n...\n\nOne.\n\n---\n\n", f"One.\n\n---\n\n{PROSE}", []),
        ("---\ntitle: T\n---\nOne.\n\n---\n\n", f"One.\n\n---\n\n{PROSE}", []),
        ("---\ntitle: T\ntags:\n- a\n\n", PROSE, [UNCLOSED]),
        ("---\ntitle: T\n", PROSE, [UNCLOSED]),
        ("---\ntitle: T\n\nOne.\n\n---\n\n", f"One.\n\n---\n\n{PROSE}", [UNCLOSED]),
        ("+++\ntitle = 'T'\n\n", PROSE, [UNCLOSED]),
        ("+++\ntitle = 'T'\nx = [1, 'a']\ny.z = 1\n+++\n", PROSE, []),
        ("+++\ntitle = 'T'\nx = \n+++\n", PROSE, [REFUSED.format("TOML")]),
        ('{\n "title": "T"\n}\n', PROSE, []),
        ('{\n "title": "T",\n}\n', PROSE, [REFUSED.format("JSON")]),
        ('"title": "T",\n"date": "2019-01-02"\n;;;\n', PROSE, []),
        ("---toml\ntitle = 'T'\n---\n", PROSE, []),
        ("Title: T\nDate: 2010-12-03 10:20\nCategory: x\n\n", PROSE, []),
        ("title: T\ndate: 2010-12-03\ntags:\n- x\n---\n", PROSE, []),
        ("Title: T\nAuthor: W\n    and her aunt\n----------\n", PROSE, []),
        ("<!--\n.. title: T\n.. date: 2012-03-30 23:00:00\n-->\n\n", PROSE, []),
        ("% T\n% Wenna\n\n", PROSE, []),
        ("/*\nTitle: T\nDate: 2019/01/02\n*/\n", PROSE, []),
        ("<!-- old -->\n---\ntitle: T\n---\n", PROSE, []),
        ("---\n\ttitle: T\n\tdate: 2019-01-02\n---\n", PROSE, [REFUSED.format("YAML")]),
        ("Title: T\n\nDate: 2019-01-02\n\n", PROSE, []),
        ("title: T\ndate: 2019-01-02\n\n---\n\n", PROSE, []),
    ],
)
def test_each_form_of_head_ends_where_the_text_begins(head, body, mended):
    post = read(head)
    assert (post.title, post.text, post.mended) == ("T", body, mended)


@pytest.mark.parametrize(
    "text",
    [
        "Alice said: here I am.\n\n",
        "Note: the bridge is shut\nTitle: none\n\n",
        "Date: the evening of the fair\nPlace: the quay\n\n",
        "Status: I have a cold\n\n",
        "Wenna said: no\nBob: yes\n---\n",
        "---\nThese are words: of mine\n---\n",
        "---\nThese are words: of: mine\n---\n",
        "{.lead}\n",
        '{"kettles": 4} is what the page gave.\n\n',
        "%% a note %%\n\n",
    ],
)
def test_words_that_only_look_like_a_head_stay_text(text):
    assert split_front_matter(text + PROSE).body == text + PROSE


def test_a_head_is_one_in_a_txt_file_too():
    post = read_text(PurePath("a.txt"), f"Title: Tea\nDate: 2011-02-03\n\n{PROSE}".encode())
    assert (post.title, post.date, post.text) == ("Tea", "2011-02-03", PROSE)


@pytest.mark.parametrize(
    "mark",
    ["draft: yes", "published: no", "published: 0", "status: future", "status: Pending", "status: private",
     "visibility: hidden", "visibility: private", "private: true", "unlisted: true", "password: kettle",
     "title: a: b\ndraft: true", "publish: off"],
)  # fmt: skip
def test_a_mark_that_says_not_public_is_heeded(mark):
    assert read(f"---\nx: 1\n{mark}\n---\n").not_public


@pytest.mark.parametrize(
    "mark",
    ["draft: no", "published: 2019-01-02", "status: published", "visibility: public", "password: false",
     "date: 2999-01-01", "private: false", "status: evergreen"],
)  # fmt: skip
def test_what_is_public_is_kept(mark):
    assert not read(f"---\nx: 1\n{mark}\n---\n").not_public


def test_a_head_without_fences_says_not_public_too():
    assert read("Title: T\nStatus: hidden\n\n").not_public
    assert read("Status: draft\n\n").not_public


def test_notion_s_property_lines_are_no_text():
    notion = "My post 39d2b6745dc68012930afe9bc14d27eb.md"
    post = read("# My post\n\nCreated: 2019-03-05\nMood: fair\nTags: tea, quay\n\n", notion)
    assert (post.title, post.date, post.tags, post.text) == ("My post", "2019-03-05", ["tea", "quay"], PROSE)
    assert read("", notion).title == "My post"


def test_a_sentence_below_the_first_heading_is_no_property():
    text = "Wenna said: here I am.\n\n"
    assert read(f"# My post\n\n{text}").text == text + PROSE


def test_the_language_and_the_translation_that_a_head_states():
    post = read("---\nlang: fr-CA\ntranslationKey: tea\n---\n")
    assert (post.lang, post.translation) == ("fr", "tea")


def test_a_repost_that_is_none_is_a_post():
    assert read("---\nrepost: false\n---\n").kind == "post"
    assert read("---\nrepost: https://blog.example\n---\n").kind == "repost"


@pytest.mark.parametrize(
    "mark, reason",
    [
        ("draft: true", "a draft"), ("isDraft: true", "a draft"), ("status: in progress", "a draft"),
        ("stage: draft", "a draft"), ("status: private", "private"), ("private: yes", "private"),
        ("status: scheduled", "scheduled, and not yet public"),
        ("status: pending", "waits for review, and is not public"),
        ("unlisted: true", "unlisted"), ("published: false", "unpublished"), ("dg-publish: false", "unpublished"),
        ("password: kettle", "behind a password"), ("visibility: password", "behind a password"),
        ("eleventyExcludeFromCollections: true", "hidden"),
    ],
)  # fmt: skip
def test_a_mark_is_named_as_what_it_is(mark, reason):
    assert read(f"---\nx: 1\n{mark}\n---\n").not_public == reason


@pytest.mark.parametrize(
    "head, title",
    [
        ("title: &c and so on", "&c and so on"),
        ("title: 'Tis tea", "'Tis tea"),
        ("title: 'It's tea'", "It's tea"),
        ("  title: Tea\n tags: [x]", "Tea"),
        ("title: Tea\x07 time", "Tea time"),
    ],
)
def test_titles_that_yaml_takes_for_marks_of_its_own_stay_whole(head, title):
    assert " ".join(read(f"---\n{head}\nlayout: post\n---\n").title.replace("\x07", "").split()) == title


@pytest.mark.parametrize(
    "key",
    [
        "createdAt",
        "date-created",
        "creationDate",
        "post_date",
        "publishedAt",
        "Date Added",
        "timestamp",
        "day",
        "Published Date",
    ],
)
def test_a_day_is_found_under_the_keys_that_programs_write(key):
    assert read(f"---\ntitle: T\n{key}: 2016-03-09\n---\n").date == "2016-03-09"


def test_a_day_that_is_a_link_of_obsidian_is_a_day():
    assert read("---\ntitle: T\ndate: [[2016-03-09]]\n---\n").date == "2016-03-09"


def test_the_properties_of_logseq_are_a_head():
    post = read("title:: The kettle\ndate:: [[Mar 9th, 2016]]\ntags:: [[tea]], pots\n\n- ")
    assert (post.title, post.date, post.tags) == ("The kettle", "2016-03-09", ["tea", "pots"])
    assert "::" not in post.text


def test_bold_properties_below_the_heading_are_a_head():
    post = read("# The kettle\n\n**Date:** March 9, 2016\n**Status**: draft\n\n")
    assert (post.date, post.not_public, post.text) == ("2016-03-09", "a draft", PROSE)
    kept = "**Alice:** is it cold?\n**Bob:** it is."
    assert read(f"# The kettle\n\n{kept}\n\n").text == f"{kept}\n\n{PROSE}"


def test_nikola_s_head_is_one_in_rst_and_its_tags_are_marks():
    head = ".. title: The kettle\n.. date: 2014-01-02 10:00:00 UTC\n.. tags: tea, {}\n\n"
    post = read_rst(PurePath("a.rst"), (head.format("pots") + PROSE).encode())
    assert (post.title, post.date, post.not_public) == ("The kettle", "2014-01-02", "")
    assert read_rst(PurePath("a.rst"), (head.format("draft") + PROSE).encode()).not_public == "a draft"


@pytest.mark.parametrize(
    "line, day",
    [
        ("March 9, 2016", "2016-03-09"),
        ("*Posted on Wednesday, March 9th, 2016 at 7:00 pm*", "2016-03-09"),
        ("**Date:** 2016-03-09", "2016-03-09"),
        ("9.3.2016", "2016-03-09"),
        ("March 9, 2016 was cold.", None),
        ("In 2016", None),
        ("March 9, 2016\nwas cold.", None),
    ],
)
@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_a_line_that_is_a_day_below_the_title_is_no_text(name, line, day):
    reader = read_markdown if name == "a.md" else read_text
    title = "# The kettle\n\n" if name == "a.md" else "The kettle\n\n"
    post = reader(PurePath(name), f"{title}{line}\n\n{PROSE}".encode())
    assert (post.title, post.date) == ("The kettle", day)
    assert post.text == (PROSE if day else f"{line}\n\n{PROSE}")


def test_a_line_that_is_a_day_stays_where_the_head_or_the_name_has_one():
    assert read("---\ndate: 2016-03-09\n---\n1 May 2017\n\n").text.startswith("1 May 2017")
    assert read_text(PurePath("2016-03-09.txt"), f"T\n\n1 May 2017\n\n{PROSE}".encode()).date == "2016-03-09"


def test_a_title_and_its_day_may_stand_without_a_blank_line_in_plain_text():
    post = read_text(PurePath("a.txt"), f"The kettle\nMarch 9, 2016\n\n{PROSE}".encode())
    assert (post.title, post.date, post.text) == ("The kettle", "2016-03-09", PROSE)


@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_a_title_may_be_underlined(name):
    reader = read_markdown if name == "a.md" else read_text
    post = reader(PurePath(name), f"The old kettle\n==============\n\n{PROSE}".encode())
    assert (post.title, post.text) == ("The old kettle", PROSE)


def test_a_head_as_of_a_mail_is_one():
    post = read_text(
        PurePath("a.txt"), f"Subject: The kettle\nDate: Wed, 9 Mar 2016 07:00:00 +0000\n\n{PROSE}".encode()
    )
    assert (post.title, post.date, post.text) == ("The kettle", "2016-03-09", PROSE)
