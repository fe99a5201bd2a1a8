"""Archives in archives, and exports that were unpacked: what comes out as of files in a folder, within limits."""

import bz2
import gzip
import io
import tarfile
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from corpus import readers
from corpus.ingest import ingest_folder
from corpus.readers import DiskFile, ReadContext, UnpackLimits
from tests.support.blog_exports import ATOM, BODY, GHOST, MEDIUM, PAGE, WORDS, put, wxr, wxr_item, zipped
from tests.support.mailbox import mail, mailbox

LIMITS = UnpackLimits(bytes=1_000_000, entries=50, depth=3)


def ingest(folder):
    """({source: title} of the posts, {source: (cause, reason)} of the others)."""
    posts, left = ingest_folder(folder, 5, 1e7)
    return {p["source"]: p["title"] for p in posts}, {d["source"]: (d["cause"], d["reason"]) for d in left}


def read(path, limits=LIMITS):
    """(names of the posts, {name: reason})."""
    found = list(readers.iter_source(DiskFile(path, path), ReadContext(1e6, limits=replace(limits))))
    posts = [post.name for post in found if isinstance(post, readers.Post)]
    return posts, {skipped.name: str(skipped) for skipped in found if isinstance(skipped, readers.SkippedPost)}


# --- archives in archives ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, content, place",
    [
        ("site.2020.xml", wxr(wxr_item(slug="gulls")), "site.2020.xml/gulls"),
        ("Takeout/Blogger/Blogs/Pier/feed.atom", ATOM, "Takeout/Blogger/Blogs/Pier/feed.atom/item 1"),
        ("ghost.json", GHOST, "ghost.json/the-kettle"),
        ("Takeout/Mail/Sent.mbox", mailbox(mail()), "Takeout/Mail/Sent.mbox/mail 1"),
        ("mails/one.eml", mail(), "mails/one.eml"),
        ("log.jsonl", '{"text": "' + WORDS + '"}', "log.jsonl/line 1"),
        ("Part-1.zip", zipped({"Notes/a.md": WORDS}), "Part-1.zip/Notes/a.md"),
        ("Part-1.zip", zipped({"b.zip": zipped({"w.xml": wxr(wxr_item(slug="x"))})}), "Part-1.zip/b.zip/w.xml/x"),
    ],
    ids=["WordPress", "Blogger of Takeout", "Ghost", "mail of Takeout", "mail", "JSONL", "zip", "zip of a zip"],
)
def test_every_export_is_read_inside_a_zip(tmp_path, name, content, place):
    put(tmp_path, "a.zip", zipped({name: content, "cover.jpg": b"\xff\xd8"}))
    posts, left = ingest(tmp_path)
    assert f"a.zip#{place}" in posts and left["a.zip#cover.jpg"][1] == "not a post format (.jpg)"


def test_a_zip_of_several_wordpress_exports_gives_the_posts_of_each(tmp_path):
    parts = {f"{n}.xml": wxr(wxr_item(slug=f"p{n}", title=f"Post {n}", body=f"{BODY} {n}")) for n in range(3)}
    put(tmp_path, "export.zip", zipped(parts))
    assert sorted(ingest(tmp_path)[0].values()) == ["Post 0", "Post 1", "Post 2"]


def test_a_broken_file_in_a_zip_is_a_reason_and_takes_no_neighbour_along(tmp_path):
    path = put(tmp_path, "a.zip", zipped({"a.xml": b"\x00\x01", "b.zip": b"PK no", "c.json": "{", "d.md": WORDS}))
    posts, left = read(path)
    assert posts == ["d.md"] and set(left) == {"a.xml", "b.zip", "c.json"} and "can't be read" in left["b.zip"]


def test_folders_that_hold_no_posts_are_passed_over_as_outside_a_zip(tmp_path):
    files = {"blog-main/_layouts/post.html": PAGE, "blog-main/_layouts/page.html": PAGE, "blog-main/_posts/a.md": WORDS}
    posts, left = read(put(tmp_path, "blog-main.zip", zipped(files)))
    assert posts == ["blog-main/_posts/a.md"] and left == {"blog-main/_layouts": "not a folder of posts"}


def test_pages_that_takeout_adds_are_no_posts(tmp_path):
    files = {
        "Takeout/archive_browser.html": PAGE,
        "Takeout/Blogger/Blogs/Pier/theme-classic.html": PAGE,
        "Takeout/Blogger/Blogs/Pier/feed.atom": ATOM,
    }
    posts, left = read(put(tmp_path, "takeout.zip", zipped(files)))
    assert posts == ["Takeout/Blogger/Blogs/Pier/feed.atom/item 1"]
    assert "Takeout itself" in left["Takeout/archive_browser.html"]
    assert "a theme of Blogger" in left["Takeout/Blogger/Blogs/Pier/theme-classic.html"]


# --- limits -----------------------------------------------------------------------------------------------------------


def nested(levels: int, inside: dict) -> bytes:
    for level in range(levels):
        inside = {f"{level}.zip": zipped(inside)}
    return zipped(inside)


def test_archives_within_archives_end_at_a_depth(tmp_path):
    assert read(put(tmp_path, "a.zip", nested(2, {"a.md": WORDS})))[0] == ["1.zip/0.zip/a.md"]
    posts, left = read(put(tmp_path, "b.zip", nested(3, {"a.md": WORDS})))
    assert not posts and "archives within archives" in left["2.zip/1.zip/0.zip"]


def test_the_limit_of_bytes_holds_for_all_archives_together(tmp_path):
    """Each inner archive is small enough alone; together they are not, and what was read before is kept."""
    parts = {f"{n}.zip": zipped({f"{k}.md": f"{WORDS} {n} {k} " + "x" * 90_000 for k in range(4)}) for n in range(6)}
    posts, left = read(put(tmp_path, "a.zip", zipped(parts)))
    assert 8 <= len(posts) <= 11 and any("MB: unpack it" in reason for reason in left.values())


def test_the_limit_of_entries_holds_for_all_archives_together(tmp_path):
    parts = {f"{n}.zip": zipped({f"{k}.md": f"{WORDS} {n} {k}" for k in range(20)}) for n in range(5)}
    posts, left = read(put(tmp_path, "a.zip", zipped(parts)))
    assert len(posts) == 40 and "the .zip holds 20 files" in left["2.zip"]


def test_an_export_in_a_zip_that_unpacks_to_more_than_it_says_is_cut_off(tmp_path, monkeypatch):
    """Its size in the directory is a lie: the bytes that come out are counted, and no file of them stays."""
    data = bytearray(zipped({"a.xml": b" " * 5_000_000}))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (1000).to_bytes(4, "little")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(zipfile.ZipExtFile, "_update_crc", lambda *_: None)
    posts, left = read(put(tmp_path, "a.zip", bytes(data)))
    assert not posts and left["a.xml"] and not list((tmp_path / "temporary").iterdir())


def test_no_bytes_are_unpacked_of_an_archive_that_is_too_large(tmp_path, monkeypatch):
    path = put(tmp_path, "a.zip", zipped({f"{n}.mbox": b"x" * 400_000 for n in range(3)}))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(readers.SkippedPost, match="unpack it, and name the folder"):
        read(path)


def test_an_archive_that_contains_itself_ends(tmp_path):
    """As a zip quine does: every level holds the same archive again."""
    inner = zipped({"a.md": WORDS})
    for _ in range(20):
        inner = zipped({"same.zip": inner, "a.md": WORDS})
    posts, left = read(put(tmp_path, "a.zip", inner))
    assert posts == ["same.zip/same.zip/a.md", "same.zip/a.md", "a.md"] and len(left) == 1


def test_a_link_in_a_zip_is_not_followed(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("secret.md")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    assert read(path) == ([], {"secret.md": "a link inside its .zip"})


# --- exports that were unpacked ---------------------------------------------------------------------------------------

SUBSTACK = {
    "posts.csv": (
        "post_id,post_date,is_published,email_sent_at,type,title\n"
        "11.gulls,2020-05-03T08:00:00.000Z,true,,newsletter,On gulls\n"
        "12.terns,,false,,newsletter,On terns\n13.about,2020-01-01,true,,page,About\n"
    ),
    "posts/11.gulls.html": f"<p>{WORDS} Gulls.</p>",
    "posts/12.terns.html": f"<p>{WORDS} Terns.</p>",
    "posts/13.about.html": f"<p>{WORDS} Me.</p>",
}
RESPONSE = MEDIUM.replace('<h3 class="graf">The kettle</h3>', "").replace("The kettle", WORDS[:40])
MEDIUM_FILES = {
    "README.html": PAGE,
    "posts/2019-07-14_The-kettle-abc.html": MEDIUM,
    "posts/draft_Not-yet-abc.html": MEDIUM.replace("kettle", "urn"),
    "posts/2019-07-15_We-walked-abc.html": RESPONSE,
    "bookmarks/bookmarks-0001.html": PAGE,
    "claps/claps-0001.html": PAGE,
    "highlights/highlights-0001.html": PAGE,
    "lists/to-read.html": PAGE,
    "profile/profile.html": PAGE,
}


def write_all(folder: Path, files: dict) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        put(folder, name, content)


@pytest.mark.parametrize("files", [SUBSTACK, MEDIUM_FILES], ids=["Substack", "Medium"])
def test_an_unpacked_export_gives_what_its_zip_gives(tmp_path, files):
    (tmp_path / "zip").mkdir()
    put(tmp_path / "zip", "e.zip", zipped({f"export/{name}": content for name, content in files.items()}))
    write_all(tmp_path / "folder/export", files)
    in_zip, in_folder = ingest(tmp_path / "zip"), ingest(tmp_path / "folder")
    for packed, unpacked in zip(in_zip, in_folder):
        assert {source.removeprefix("e.zip#"): said for source, said in packed.items()} == unpacked


def test_substack_s_table_gives_titles_days_drafts_and_pages_in_a_folder(tmp_path):
    write_all(tmp_path, SUBSTACK)
    posts, left = ingest_folder(tmp_path, 5, 1e7)
    assert [(p["title"], p["date"]) for p in posts] == [("On gulls", "2020-05-03")]
    causes = {d["source"]: (d["cause"], d["reason"]) for d in left}
    assert causes["posts/12.terns.html"] == ("not public", "a draft")
    assert causes["posts/13.about.html"] == ("", "a page, not a post")


def test_another_posts_csv_changes_no_page(tmp_path):
    write_all(tmp_path, {"posts.csv": "id,name\n11,x\n", "11.html": PAGE})
    assert ingest(tmp_path)[0] == {"11.html": "The kettle"}


def test_medium_s_drafts_and_what_was_read_and_answered_there_are_told_apart(tmp_path):
    write_all(tmp_path, MEDIUM_FILES)
    posts, left = ingest(tmp_path)
    assert list(posts) == ["posts/2019-07-14_The-kettle-abc.html"]
    for name in ("bookmarks/bookmarks-0001", "claps/claps-0001", "highlights/highlights-0001", "lists/to-read"):
        assert left[f"{name}.html"][0] == "not yours"
    assert left["posts/draft_Not-yet-abc.html"] == ("not public", "a draft")
    assert "a response" in left["posts/2019-07-15_We-walked-abc.html"][1]


def test_a_site_with_a_folder_of_lists_is_no_medium_export(tmp_path):
    write_all(tmp_path, {"posts/a.html": PAGE, "lists/b.html": PAGE.replace("harbour", "lighthouse")})
    assert set(ingest(tmp_path)[0]) == {"posts/a.html", "lists/b.html"}


def test_a_new_table_of_substack_is_seen_though_the_pages_are_cached(tmp_path):
    from blogtwin.cache import JsonCache

    write_all(tmp_path / "blog", SUBSTACK)
    titles = []
    for title in ("On gulls", "On all gulls"):
        put(tmp_path / "blog", "posts.csv", SUBSTACK["posts.csv"].replace("On gulls", title))
        with JsonCache(tmp_path / "cache.jsonl") as cache:
            titles += [post["title"] for post in ingest_folder(tmp_path / "blog", 5, 1e7, cache=cache)[0]]
    assert titles == ["On gulls", "On all gulls"]


# --- archives that are no .zip ----------------------------------------------------------------------------------------


def tarred(files, mode="w:gz"):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


@pytest.mark.parametrize(
    "name, content, place",
    [
        ("takeout.tgz", tarred({"T/a.md": WORDS.encode(), "b.jpg": b"x"}), "T/a.md"),
        ("blog.tar.xz", tarred({"w.xml": wxr(wxr_item(slug="x")).encode()}, "w:xz"), "w.xml/x"),
        ("blog.tar", tarred({"a.zip": zipped({"b.md": WORDS})}, "w"), "a.zip/b.md"),
        ("blog.xml.gz", gzip.compress(wxr(wxr_item(slug="x")).encode()), "blog.xml/x"),
        ("mail.mbox.bz2", bz2.compress(mailbox(mail()).encode()), "mail.mbox/mail 1"),
    ],
)
def test_a_packed_export_is_read_as_a_zip_is(tmp_path, name, content, place):
    put(tmp_path, name, content)
    posts, left = ingest(tmp_path)
    assert list(posts) == [f"{name}#{place}"]
    assert all(reason == "not a post format (.jpg)" for _, reason in left.values())


def test_links_and_names_that_lead_out_of_a_tar_are_not_followed(tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        link = tarfile.TarInfo("link.md")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        out = tarfile.TarInfo("../out.md")
        out.size = len(WORDS)
        archive.addfile(out, io.BytesIO(WORDS.encode()))
    posts, left = read(put(tmp_path, "a.tar", data.getvalue()))
    assert not posts and list(left.values()) == ["refused: its name leads out of the archive"]


@pytest.mark.parametrize(
    "name, content",
    [
        ("bomb.md.gz", gzip.compress(b"x " * 5_000_000)),
        ("bomb.tgz", tarred({"a.jpg": b"0" * 10_000_000})),
        ("many.tar", tarred({f"{n}.md": b"" for n in range(60)}, "w")),
        ("broken.tgz", tarred({"a.md": WORDS.encode()})[:40]),
        ("broken.xml.gz", b"no gzip at all"),
    ],
    ids=["bomb.md.gz", "bomb.tgz", "many.tar", "broken.tgz", "broken.xml.gz"],  # the contents have the time in them
)
def test_a_packed_export_beyond_the_limits_or_broken_is_a_reason(tmp_path, name, content):
    with pytest.raises(readers.SkippedPost, match="unpack"):
        read(put(tmp_path, name, content))


@pytest.mark.parametrize(
    "content",
    [zipped({"a.md": WORDS}), wxr(wxr_item()), "TITLE: T\nSTATUS: Publish\n-----\nBODY:\n" + WORDS + "\n"],
    ids=["zip", "WXR", "Movable Type"],
)
def test_an_export_whose_download_lost_its_ending_is_told_by_how_it_begins(tmp_path, content):
    put(tmp_path, "download", content)
    assert len(ingest(tmp_path)[0]) == 1
