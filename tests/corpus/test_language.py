"""Blogs in two languages: one can be kept, and a translation never stands on the other side of the split."""

import pytest

from corpus.dedup import group_related
from corpus.ingest import ingest_folder
from corpus.language import place_of

ENGLISH = "We walked down to the harbour and looked at the boats for an hour, and then it rained, so we went home."
FRENCH = "Nous sommes descendus au port et nous avons regardé les bateaux pendant une heure, puis il a plu."


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def sources(folder, language):
    posts, left = ingest_folder(folder, 5, 1e6, language=language)
    return [p["source"] for p in posts], [r["reason"] for r in left]


def test_one_language_is_kept_and_the_reason_names_the_knob(tmp_path):
    write(tmp_path, {"en/a.md": ENGLISH, "en/b.md": ENGLISH + " b", "fr/a.md": FRENCH})
    assert sources(tmp_path, "") == (["en/a.md", "en/b.md", "fr/a.md"], [])
    assert sources(tmp_path, "auto")[0] == ["en/a.md", "en/b.md"]
    assert sources(tmp_path, "fr") == (["fr/a.md"], ["in another language: en, not fr (ingest.language)"] * 2)


def test_a_path_says_the_language_where_the_text_does_not(tmp_path):
    write(
        tmp_path,
        {"a.md": ENGLISH, "a.fr.md": "Le port, the quay, der Hafen, il porto.", "x/index.de.md": ENGLISH + "x"},
    )
    posts, _ = ingest_folder(tmp_path, 5, 1e6)
    assert {p["source"]: p["lang"] for p in posts} == {"a.md": "en", "a.fr.md": "fr", "x/index.de.md": "de"}


def test_a_folder_that_is_only_named_like_a_language_names_none(tmp_path):
    write(tmp_path, {"it/a.md": ENGLISH, "go/b.md": ENGLISH + " b"})
    assert {p["lang"] for p in ingest_folder(tmp_path, 5, 1e6)[0]} == {"en"}


@pytest.mark.parametrize(
    "files",
    [
        {"en/a.md": ENGLISH, "fr/a.md": FRENCH},
        {"a.md": ENGLISH, "a.fr.md": FRENCH},
        {"a.md": ENGLISH, "fr/a.md": FRENCH},
        {"posts/a/index.en.md": ENGLISH, "posts/a/index.fr.md": FRENCH},
        {"en/a.md": f"---\ndate: 2019-01-02\n---\n{ENGLISH}", "fr/le-the.md": f"---\ndate: 2019-01-02\n---\n{FRENCH}"},
        {"a.md": f"---\ntranslationKey: t\n---\n{ENGLISH}", "b.md": f"---\ntranslationKey: t\n---\n{FRENCH}"},
    ],
)
def test_translations_stay_together(tmp_path, files):
    write(tmp_path, {**files, "other.md": f"---\ndate: 2018-01-02\n---\nThe kettle {ENGLISH[::-1]}"})
    posts, _ = ingest_folder(tmp_path, 5, 1e6)
    groups = group_related(posts, 0.3, 0.2)
    assert sorted(sorted(posts[i]["source"] for i in group) for group in groups) == sorted(
        [sorted(files), ["other.md"]]
    )


def test_posts_without_a_translation_have_none(tmp_path):
    write(tmp_path, {"a.md": ENGLISH, "b.md": ENGLISH + " b"})
    assert {p["translation"] for p in ingest_folder(tmp_path, 5, 1e6)[0]} == {""}


MARKED = f"---\ntitle: '[:en]Boats[:fr]Bateaux[:]'\n---\n[:en]{ENGLISH}[:fr]{FRENCH}[:]"


@pytest.mark.parametrize(
    "language, title, text",
    [
        ("en", "Boats", ENGLISH),
        ("fr", "Bateaux", FRENCH),
        ("auto", "Boats", ENGLISH),
        ("", "Boats", f"{ENGLISH}\n\n{FRENCH}"),
    ],
)
def test_a_post_marked_in_two_languages_gives_one(tmp_path, language, title, text):
    write(tmp_path, {"a.md": MARKED})
    (post,), _ = ingest_folder(tmp_path, 5, 1e6, language=language)
    assert (post["title"], post["text"]) == (title, text)


def test_where_a_language_is_named():
    assert place_of("posts/tea.fr.md")[:2] == ("fr", "posts/tea.md")
    assert place_of("content/pt-BR/tea.md")[:2] == ("pt", "content/tea.md")
    assert place_of("v1.js.md")[0] == "" and place_of("posts/my/tea.md")[0] == ""
