"""Ingest: any folder a person may point at; every file ends as a post or as a reason. (Ctrl-C and a full disk:
tests/pipeline/test_interrupts.py.)"""

import contextlib
import io
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePath

import docx
import pytest

from corpus import ingest, readers
from corpus.post import date_from_name, title_from_name
from tests.support.operation_count import assert_linear
from tests.support.workspace import ROOT, environment

WORDS = (
    "We walked down to the harbour and looked at the boats for an hour, and then it rained, so we went home and mended"
    " the kettle again."
)
FRENCH = (
    "Le garçon déjà parti, où était-il ? L'été à Nîmes, c'est la fête. Ça coûte cinq francs, et la façade est naïve."
)
WESTERN = "The café was closed. I said “no” – it’s naïve, and it costs €5. We went home to think about it for a while."


@pytest.fixture
def folder(tmp_path):
    """An empty folder of posts beside a params.yaml that points at it."""
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml")
        .read_text()
        .replace("source: data/sample", "source: posts")
        .replace("min_words: 40", "min_words: 5")
    )
    (tmp_path / "posts").mkdir()
    return tmp_path / "posts"


def script(folder, code=None):
    """Run the stage, or Python `code`, where params.yaml is."""
    command = [sys.executable, "-c", code] if code else [sys.executable, str(ROOT / "scripts/01_ingest.py")]
    return subprocess.run(
        command, cwd=folder.parent, env=environment(folder.parent), capture_output=True, text=True, timeout=60
    )


def rows(folder, name):
    return [
        json.loads(line)
        for line in (folder.parent / f"data/raw/{name}.jsonl").read_text(encoding="utf-8").split("\n")
        if line
    ]


def read(folder, name="post.md", content=""):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return readers.read_post(path, 1e8)


def reason(folder, name, content):
    with pytest.raises(readers.SkippedPost) as e:
        read(folder, name, content)
    return str(e.value)


def write_docx(path, build=lambda d: d.add_paragraph(WORDS)):
    document = docx.Document()
    build(document)
    document.save(path)
    return path


# --- Markdown and plain text ------------------------------------------------------------------------------------------


def test_yaml_front_matter_becomes_title_date_and_tags(folder):
    post = read(
        folder,
        content=(
            "---\ntitle: 'A: b'\ndate: 2020-03-04 10:00:00 +0100\ntags: [sea, boats]\ncategories:"
            f" sea\n---\n\n{WORDS}\n"
        ),
    )
    assert (post.title, post.date, post.tags, post.text) == ("A: b", "2020-03-04", ["sea", "boats"], WORDS)


def test_toml_front_matter_becomes_title_date_and_tags(folder):
    post = read(folder, content=f'+++\ntitle = "A = b"\ndate = 2020-03-04T10:00:00Z\ntags = ["sea"]\n+++\n{WORDS}')
    assert (post.title, post.date, post.tags, post.text) == ("A = b", "2020-03-04", ["sea"], WORDS)


def test_front_matter_in_a_txt_file_is_front_matter(folder):
    post = read(folder, "a.txt", f"---\ntitle: T\ndate: 2020-01-02\n---\n{WORDS}")
    assert (post.title, post.date, post.text) == ("T", "2020-01-02", WORDS)


def test_a_first_heading_is_the_title_and_stands_no_more_in_the_text(folder):
    assert (lambda p: (p.title, p.text))(read(folder, content=f"# The kettle #\n\n{WORDS}")) == ("The kettle", WORDS)
    assert (lambda p: (p.title, p.text))(
        read(folder, content=f"---\ntitle: The Kettle\n---\n# the kettle\n{WORDS}")
    ) == ("The Kettle", WORDS)


def test_ingest_keeps_a_first_heading_that_is_not_the_title(folder):
    assert read(folder, content=f"---\ntitle: The kettle\n---\n# Monday\n\n{WORDS}").text.startswith("# Monday")


def test_title_and_date_come_from_the_name_where_the_file_has_none(folder):
    post = read(folder, "2019-07-14-the-old_coat.txt", WORDS)
    assert (post.title, post.date) == ("The old coat", "2019-07-14")


@pytest.mark.parametrize(
    "name, title, day",
    [
        ("2019/07/14/the-kettle.md", "The kettle", "2019-07-14"),
        ("2019/07-14-the-kettle.md", "07 14 the kettle", "2019-07-14"),
        ("2019-07-14T101500-the-kettle.md", "The kettle", "2019-07-14"),
        ("2019-07-14 T-shirts.md", "T shirts", "2019-07-14"),
        ("T1000-robots.md", "T1000 robots", None),
        ("index.md", "index", None),
        ("1/2019/07/the-kettle.md", "The kettle", None),
    ],
)
def test_a_day_may_stand_in_the_names_of_folders_and_with_a_time(name, title, day):
    path = PurePath(name)
    assert (title_from_name(path), date_from_name(path)) == (title, day)


def test_a_lone_first_line_of_a_txt_is_its_title(folder):
    post = read(folder, "a.txt", f"The coat\n\n{WORDS}")
    assert (post.title, post.text) == ("The coat", WORDS)


def test_words_between_two_rules_are_no_front_matter(folder):
    """They parse as YAML (a string), and they are the author's: not one may go."""
    assert "These are words" in read(folder, content=f"---\nThese are words.\n---\n{WORDS}").text


@pytest.mark.parametrize(
    "draft", ["draft: true", 'draft: "true"', "draft: yes", "published: false", "is_public: no", "status: draft"]
)
def test_a_draft_is_one_however_it_is_said(folder, draft):
    assert read(folder, content=f"---\ntitle: T\n{draft}\n---\n{WORDS}").not_public


def test_the_folders_above_the_posts_say_nothing_of_them(tmp_path):
    folder = tmp_path / "drafts/2019/07/14/posts"
    folder.mkdir(parents=True)
    (folder / "a.md").write_text(WORDS)
    (post,), discarded = ingest.ingest_folder(folder, 10, 1e6)
    assert (post["date_from"], discarded) == ("", [])


@pytest.mark.parametrize("place, public", [("_drafts/a.md", False), ("2019/draft/a.md", False), ("draft.md", True)])
def test_a_folder_of_drafts_is_one(folder, place, public):
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_text(WORDS)
    (post,) = readers.iter_posts(folder / place, 5e6)
    assert (not post.not_public) == public


@pytest.mark.parametrize("kept", ["draft: false", "published: 2020-01-01", "status: published", "title: Draft"])
def test_what_only_looks_like_a_draft_is_none(folder, kept):
    assert not read(folder, content=f"---\nx: 1\n{kept}\n---\n{WORDS}").not_public


def test_a_date_that_is_none_costs_the_date_and_not_the_post(folder):
    post = read(folder, content=f"---\ntitle: T\ndate: 2020-13-45\ntags: [a]\n---\n{WORDS}")
    assert (post.title, post.date, post.tags, post.text) == ("T", None, ["a"], WORDS)


def test_empty_files_and_files_of_front_matter_only_have_their_reasons(folder):
    assert reason(folder, "a.md", "") == "the file is empty"
    assert reason(folder, "a.md", "---\ntitle: T\n---\n") == "no text besides front matter"
    assert reason(folder, "a.md", "---\n---\n") == "no text besides front matter"
    assert reason(folder, "a.txt", " \n\n") == "no text besides front matter"


# --- encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize(
    "text",
    [FRENCH, WESTERN, WORDS + "Ça va.", "¿Dónde está el niño? Mañana iré a la montaña, ¡qué alegría!"],
    ids=lambda t: t[:9],
)
def test_every_encoding_comes_out_as_the_same_text(text, encoding):
    if encoding == "latin-1" and text is WESTERN:
        return  # it has no euro sign and no quotes
    assert readers.decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "text, encoding",
    [
        ("Привет, как дела? Мы пошли домой и долго говорили о погоде.", "cp1251"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "cp1250"),
    ],
)
def test_windows_1252_is_not_forced_on_what_it_can_not_be(text, encoding):
    assert readers.decode_text(text.encode(encoding)) == text


def test_a_utf_8_file_with_pasted_windows_bytes_keeps_both():
    assert (
        readers.decode_text("naïve – ".encode() + "café “no”".encode("cp1252") + " déjà".encode())
        == "naïve – café “no” déjà"
    )


def test_many_wrong_bytes_cost_no_square():
    """All of it is decoded twice, as UTF-8 that it isn't and as what it mostly is, and each wrong byte once by
    itself."""
    wrong = 4000
    data = "é".encode() + b"caf\xe9 " * wrong
    decoded = []

    def note(frame, event, function):
        if event == "c_call" and getattr(function, "__name__", "") == "decode" and isinstance(function.__self__, bytes):
            decoded.append(len(function.__self__))

    sys.setprofile(note)
    try:
        text = readers.decode_text(data)
    finally:
        sys.setprofile(None)
    assert text.startswith("écafé café") and "\ufffd" not in text
    assert sum(decoded) <= 2 * len(data) + wrong


@pytest.mark.parametrize(
    "data",
    [random.Random(1).randbytes(5000), b"\x89PNG\r\n\x1a\n" + bytes(3000), b"\xff\xfea", b"\x00" * 500],
    ids=["noise", "png", "half", "nul"],
)
def test_what_is_no_text_is_a_reason(folder, data):
    assert "text" in reason(folder, "a.txt", data) or "is not" in reason(folder, "a.txt", data)


# --- .docx ------------------------------------------------------------------------------------------------------------


def add_link(paragraph, text, address):
    part = paragraph.part.relate_to(address, docx.opc.constants.RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
    link = docx.oxml.parse_xml(
        '<w:hyperlink xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
        ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
        f' r:id="{part}"><w:r><w:t>{text}</w:t></w:r></w:hyperlink>'
    )
    paragraph._p.append(link)


def test_docx_becomes_markdown(folder):
    def build(d):
        d.add_paragraph("The title", style="Title")
        d.add_heading("A section", 1)
        p = d.add_paragraph("Plain, ")
        p.add_run("bold ").bold = True
        p.add_run("still").bold = True
        p.add_run(" and ")
        p.add_run("italic").italic = True
        both = p.add_run(" both")
        both.bold = both.italic = True
        p.add_run(", see ")
        add_link(p, "the page", "https://a.b")
        for word in ("one", "two"):
            d.add_paragraph(word, style="List Bullet")
        d.add_paragraph("first", style="List Number")
        d.add_paragraph("Said he.", style="Quote")
        cells = d.add_table(1, 2).rows[0].cells
        cells[0].text, cells[1].text = "a", "b"

    post = readers.read_post(write_docx(folder / "2020-01-02-x.docx", build), 1e8)
    assert (post.title, post.date) == ("The title", "2020-01-02")
    assert post.text.split("\n\n") == [
        "## A section",
        "Plain, **bold still** and *italic* ***both***, see [the page](https://a.b)",
        "- one\n- two\n1. first",
        "> Said he.",
        "| a | b |\n| --- | --- |",
    ]


def test_a_docx_without_properties_takes_its_title_from_its_name(folder):
    """Google Docs writes such files, and python-docx makes up the title "Word Document" for them."""
    path = write_docx(folder / "full.docx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(folder / "the-shed.docx", "w") as new:
        for entry in old.infolist():
            text = re.sub(rb"<(?:Override|Relationship)\b[^>]*docProps/core.xml[^>]*/>", b"", old.read(entry))
            if entry.filename != "docProps/core.xml":
                new.writestr(entry, text)
    assert readers.read_post(folder / "the-shed.docx", 1e8).title == "The shed"


def zipped(entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return bytearray(buffer.getvalue())


def test_a_renamed_zip_is_named_as_one(folder):
    assert "a .zip with the ending .docx" in reason(folder, "a.docx", bytes(zipped({"holiday.txt": "hello"})))


def test_an_encrypted_docx_is_named_as_one(folder):
    assert "encrypted" in reason(folder, "a.docx", readers.OLE_MAGIC + bytes(5000))
    data = zipped({"word/document.xml": "x"})
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag of a file encrypted inside its .zip
    assert "encrypted" in reason(folder, "a.docx", bytes(data))


def test_a_docx_that_claims_gigabytes_is_not_unpacked(folder):
    data = zipped({"word/document.xml": "x" * 100})
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (3_000_000_000).to_bytes(4, "little")
    assert "unpacks to 3000 MB" in reason(folder, "a.docx", bytes(data))


@pytest.mark.parametrize("deep", [0, 3, 11])
def test_a_docx_with_nested_entities_is_not_expanded(folder, deep):
    """A "billion laughs" document is read as nothing: of its words, ten times as many with each level, not one comes
    out."""
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, deep + 1))
    with zipfile.ZipFile(write_docx(folder / "a.docx")) as old:
        parts = {n: old.read(n) for n in old.namelist()}
    head, _, tail = parts["word/document.xml"].decode().partition(WORDS)
    declared = head.replace("<w:document", f'<!DOCTYPE x [<!ENTITY l0 "haha ">{laughs}]><w:document', 1)
    assert tail and declared != head
    parts["word/document.xml"] = f"{declared}&l{deep};{tail}"
    assert "haha" not in reason(folder, "a.docx", bytes(zipped(parts)))


def test_garbage_of_any_kind_with_the_ending_docx_is_a_reason_or_a_post(folder):
    """Bytes flipped, cut and replaced at random: readers.read may raise SkippedPost and nothing else."""
    whole = write_docx(folder / "a.docx").read_bytes()
    assert "not a .docx" in reason(folder, "a.docx", b"Hello, this is plain text.")
    chance = random.Random(3)
    outcomes = set()
    for n in range(80):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 5, 50))):
            data[chance.randrange(len(data)) if n % 2 else -chance.randrange(1, 2000)] = chance.randrange(256)
        data = data[: chance.randrange(len(data))] if n % 5 == 0 else data
        try:
            read(folder, "a.docx", bytes(data))
            outcomes.add("post")
        except readers.SkippedPost:
            outcomes.add("reason")
    assert outcomes == {"post", "reason"}, "the fuzz must break some and leave some"


# --- folders ----------------------------------------------------------------------------------------------------------


def assert_one_sentence(done, *words):
    assert done.returncode == 1, done
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.slow
def test_an_empty_folder_and_one_that_is_not_there_are_one_sentence(folder):
    assert_one_sentence(script(folder), "no post", "put .md, .txt or .docx posts there")
    folder.rmdir()
    assert_one_sentence(script(folder), "ingest.source is posts", "make blog")
    folder.write_text("a file")
    assert_one_sentence(script(folder), "ingest.source is posts")


def test_of_a_blog_in_its_repository_only_the_posts_are_read(tmp_path):
    files = ["README.md", "TODO.md", "requirements.txt", "static/robots.txt", ".github/ISSUE_TEMPLATE.md"]
    files += ["vendor/x/notes.md", "public/posts/a.html", "config.toml", "content/a/README.md", "notes/public/b.md"]
    for number, name in enumerate(files):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{WORDS} {number}")
    posts, left = ingest.ingest_folder(tmp_path, 10, 1e6)
    assert sorted(post["source"] for post in posts) == ["content/a/README.md", "notes/public/b.md"]
    assert {row["source"]: row["reason"] for row in left if "/" not in row["source"]} == {
        "README.md": "a page, not a post",
        "TODO.md": "a page, not a post",
        "requirements.txt": "a page, not a post",
        ".github": "not a folder of posts",
        "vendor": "not a folder of posts",
        "public": "not a folder of posts",
        "config.toml": "not a post format (.toml)",
    }


@contextlib.contextmanager
def nasty_folder(folder):
    """Every kind of file at once; yields how many entries have to be accounted for."""
    good = {
        "plain.md": WORDS + "1",
        "with space.md": WORDS + "2",
        'quote\'s "both".md': WORDS + "3",
        "kettle 🫖.md": WORDS + "4",
        "new\nline.md": WORDS + "5",
        "markup [bold] [red].txt": WORDS + "6",
        os.fsdecode(b"no utf-8 \xff.md"): WORDS + "7",
        os.fsdecode(b"no utf-8 \xfe.md"): WORDS + "8",
        "UPPER.MD": WORDS + "9",
    }
    bad = {
        "short.md": "Two words",
        "empty.md": "",
        "front.md": "---\ntitle: T\n---\n",
        "broken.md": "---\ntitle: [T\n---\n" + WORDS,
        "draft.md": "---\ndraft: true\n---\n" + WORDS,
        "photo.jpg": "x",
        "Makefile": "x",
        "ending.[bold]": "x",
        os.fsdecode(b"ending.\xff"): "x",
        "copy of plain.md": (
            WORDS.upper().replace(" ", " \n ") + "1"
        ),  # the same words: a duplicate, and it sorts before plain.md
        "garbage.docx": "x",
    }
    for name, text in (good | bad).items():
        (folder / name).write_text(text)
    (folder / "sub").mkdir()
    (folder / "sub/loop").symlink_to("..")
    (folder / "dangling.md").symlink_to("nowhere.md")
    (folder / "itself.md").symlink_to("itself.md")
    os.mkfifo(folder / "pipe.md")
    (folder / "zero.txt").symlink_to("/dev/zero")
    (folder / ".git").mkdir()
    (folder / ".git/config.txt").write_text(WORDS)
    yield len(good) + len(bad) + 6


@pytest.mark.slow
def test_every_file_is_in_exactly_one_list_with_a_reason(folder):
    """Names of every kind, links in circles and to nowhere, a pipe: no hang, no traceback, nothing dropped in
    silence."""
    with nasty_folder(folder) as entries:
        done = script(folder)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    kept, left = rows(folder, "posts"), rows(folder, "discarded")
    assert len(kept) == 10, [p["source"] for p in kept]
    sources = [r["source"] for r in kept + left]
    assert len(sources) == len(set(sources)) == entries
    reasons = {r["source"]: r["reason"] for r in left}
    assert all(reasons.values())
    expected = {
        "short.md": "only 2 words",
        "empty.md": "empty",
        "front.md": "no text besides",
        "draft.md": "draft",
        "photo.jpg": "not a post format (.jpg)",
        "Makefile": "no ending",
        "garbage.docx": "not a .docx",
        "plain.md": "the same text as copy of plain.md",
        "dangling.md": "No such file",
        "itself.md": "can't be opened",
        "pipe.md": "not a regular file",
        "zero.txt": "not a regular file",
        ".git": "not a folder of posts",
        "sub/loop": "already read",
    }
    for source, words in expected.items():
        assert words in reasons[source], (source, reasons[source])
    assert "kettle 🫖.md" in sources and "new\nline.md" in sources


def test_the_row_of_a_post_is_what_the_design_says(folder):
    (folder / "2020-01-02-a.md").write_text(f"---\ntitle: T\ntags: [x]\n---\n{WORDS}")
    assert script(folder).returncode == 0
    (row,) = rows(folder, "posts")
    assert {k: row[k] for k in ("title", "date", "source", "format", "word_count", "tags", "lang")} == {
        "title": "T",
        "date": "2020-01-02",
        "source": "2020-01-02-a.md",
        "format": "md",
        "word_count": len(WORDS.split()),
        "tags": ["x"],
        "lang": "en",
    }
    assert row["id"] == readers.post_id(WORDS) and row["text"] == WORDS


def test_two_posts_with_one_title_are_two_posts(folder):
    for n in (1, 2):
        (folder / f"{n}.md").write_text(f"---\ntitle: T\n---\n{WORDS} {n}")
    posts, left = ingest.ingest_folder(folder, 5, 1e6)
    assert [p["title"] for p in posts] == ["T", "T"] and posts[0]["id"] != posts[1]["id"] and not left


@pytest.mark.slow
def test_half_an_emoji_in_a_title_can_be_written(folder):
    (folder / "a.md").write_text('{\n"title": "Kettle \\ud83d",\n"tags": ["\\udc00x"]\n}\n' + WORDS)
    assert script(folder).returncode == 0
    assert rows(folder, "posts")[0]["title"] == "Kettle \ufffd"


def test_a_file_over_the_limit_is_left_out_unread(folder):
    (folder / "a.md").write_text((WORDS + " ") * 20)
    posts, left = ingest.ingest_folder(folder, 5, 1000)
    assert not posts and "more than ingest.max_file_mb" in left[0]["reason"]


ENDLESS = {
    "words": lambda size: (WORDS + " ") * (size // len(WORDS)),
    "spaces": lambda size: "# a" + " " * size + "b\n" + WORDS,
    "hashes": lambda size: "#" * size + "\n" + WORDS,
    "rules": lambda size: "---\n" * (size // 4) + WORDS,
}


@pytest.mark.parametrize("make", ENDLESS.values(), ids=ENDLESS)
def test_ten_megabytes_are_a_post_or_a_reason_and_cost_no_square(folder, make):
    def outcomes(text: str) -> list:
        (folder / "a.md").write_text(text)
        posts, left = ingest.ingest_folder(folder, 5, 1e8)
        return posts + left

    assert len(outcomes(make(10_000_000))) == 1
    assert_linear(outcomes, make)


def test_an_unreadable_file_and_folder_are_reasons():
    """Root may read everything, so the test steps down where it runs as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file in ("open.md", "shut.md", "shut.docx"):
            (folder / file).write_text(WORDS)
        (folder / "closed").mkdir()
        for file in ("shut.md", "shut.docx", "closed"):
            (folder / file).chmod(0)
        ingest.ingest_folder(ROOT / "data/sample", 10**9, 1)  # what is imported late is imported as root
        was = os.geteuid()
        try:
            if was == 0:
                os.seteuid(65534)
            posts, left = ingest.ingest_folder(folder, 5, 1e6)
        finally:
            os.seteuid(was)
            (folder / "closed").chmod(0o755)
    assert [p["source"] for p in posts] == ["open.md"]
    assert sorted(r["source"] for r in left) == ["closed", "shut.docx", "shut.md"] and all(
        "opened" in r["reason"] for r in left
    )
