"""The table of stage 01 and the report: what was mended, somebody else's and not public can be judged at a glance."""

import pytest

from blogtwin.config import load_params
from corpus.ingest import print_summary
from corpus.left_out import count_reasons, find_changes, no_posts_message, short_posts_hint, unread_formats
from corpus.report import corpus_statistics, render_html
from tests.support.workspace import ROOT


def post(n: int, *mended: str, **more) -> dict:
    row = {"id": str(n), "title": f"Post {n}", "date": "2020-01-01", "text": f"Words {n}. " * 30, "word_count": 60}
    row |= {"source": f"{n}.md", "format": "md", "tags": [], "lang": "en", "authors": [], "mended": list(mended)}
    return row | more


def left(source: str, reason: str, cause: str = "") -> dict:
    return {"source": source, "reason": reason, "cause": cause}


def unread(ending: str, number: int) -> list[dict]:
    return [left(f"{n}.{ending}", f"not a post format (.{ending})") for n in range(number)]


MENDED = [post(1, "a bare & in its XML"), post(2, "a bare & in its XML", "a tab"), *(post(n, "a tab") for n in (3, 4))]
LEFT = [
    *(left(f"w.xml#guest-{n}", f"a guest post: by Guest {n}, not Orla (ingest.author)", "not yours") for n in range(4)),
    left("a.mbox#mail 3", "mail in the spam folder", "not yours"),
    left("d.md", "a draft", "not public"),
    *(left(f"{n}.txt", f"only {n} words, fewer than ingest.min_words (40)") for n in range(2, 9)),
    *unread("qmd", 8),
    *unread("jpg", 9),
]


def test_changes_are_counted_with_three_examples_of_different_kinds_first():
    mended, not_yours, not_public = find_changes([*MENDED, post(9)], LEFT)
    assert (mended.name, mended.posts, mended.kinds) == ("mended", 4, {"a tab": 3, "a bare & in its XML": 2})
    assert len(mended.examples) == 3 and "1.md “Post 1”: a bare & in its XML" in mended.examples
    assert (not_yours.posts, not_yours.kinds) == (5, {"a guest post": 4, "mail in the spam folder": 1})
    assert len(not_yours.examples) == 3 and "a.mbox#mail 3: mail in the spam folder" in not_yours.examples
    assert not_public.examples == ["d.md: a draft"]


def test_nothing_to_judge_gives_no_rows():
    assert find_changes([post(1)], [left("a.jpg", "not a post format (.jpg)")]) == []


def test_short_posts_are_one_line_whatever_their_length():
    counts = dict(count_reasons(LEFT))
    assert counts["shorter than ingest.min_words (40)"] == 7
    assert counts["not a post format (9 .jpg, 8 .qmd)"] == 17 and "a draft" not in counts


def test_a_blog_of_short_notes_is_told_the_knob():
    assert "`ingest.min_words`" in short_posts_hint(6, LEFT) and short_posts_hint(7, LEFT) == ""


@pytest.mark.parametrize(
    "rows, said",
    [
        (LEFT, "8 .qmd files were not read"),
        (LEFT + unread("typ", 3), "8 .qmd, 3 .typ files were not read"),
        (
            [left(f"{n}.adoc", "read by pandoc, which is not installed") for n in range(3)],
            "3 .adoc files were not read",
        ),
        (unread("qmd", 1), ""),
        (unread("css", 99), ""),
        ([left(f"a.zip#{n}.tex", "not a post format (.tex)") for n in range(3)], "3 .tex files were not read"),
    ],
)
def test_text_formats_that_are_left_out_in_numbers_are_named(rows, said):
    assert unread_formats(rows) == said


def test_the_table_begins_with_what_was_not_read_and_shows_the_examples(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    print_summary([*MENDED, post(7, format="mbox", authors=["Orla"])], LEFT)
    lines = capsys.readouterr().out.splitlines()
    assert "8 .qmd files were not read" in lines[2]
    said = "\n".join(lines)
    for part in (
        "a.mbox#mail 3: mail in the spam folder",
        "d.md: a draft",
        "“Post 1”: a bare & in its XML",
        "1 by Orla (`ingest.author` overrules this)",
        "7: shorter than ingest.min_words (40)",
        "lower it",
    ):
        assert part in said


def test_the_report_names_them_too():
    statistics = corpus_statistics([*MENDED, post(9)], LEFT, load_params(ROOT / "params.yaml"))
    rows, page = dict(statistics.summary), render_html(statistics)
    assert rows["not yours"] == "5: 4 a guest post; 1 mail in the spam folder" and rows["not public"] == "1: 1 a draft"
    assert statistics.hints[0] == "8 .qmd files were not read."
    assert "a.mbox#mail 3: mail in the spam folder" in page and "d.md: a draft" in page


def test_a_folder_without_a_post_says_the_commonest_reason():
    assert no_posts_message(unread("qmd", 4)) == (
        "holds 4 files and no post (4 .qmd files were not read): put .md, .txt or .docx posts there"
    )
    assert "no post (most: a draft): put" in no_posts_message([left("a.md", "a draft")] * 2)
    assert no_posts_message([]).startswith("holds 0 files and no post: put")
