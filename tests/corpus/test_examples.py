"""Examples: every word of every post comes out, in parts that fit, the same for the same seed."""

import random
import re

import pytest

from blogtwin.config import load_params
from blogtwin.paths import ROOT
from corpus.chunking import chunk, split_paragraph, trailing_context
from corpus.cleaning import clean_markdown, split_paragraphs
from corpus.examples import (
    CONTINUE_TEMPLATES,
    FINISH_TEMPLATES,
    OPENING_TEMPLATES,
    PROMPT_RESERVE_TOKENS,
    WRITE_TEMPLATES,
    build_examples,
    post_examples,
    truncate,
)

POST = {"id": "p1", "title": "The kettle", "date": "2020-01-02", "tags": ["tea", "boats"]}


def count(text):
    """Tokens, for tests: words."""
    return len(text.split())


def letters(text):
    """Tokens as a byte-level tokenizer may give for a script it doesn't know: one a byte."""
    return len(text.encode())


def story(words, seed=0):
    """About `words` words in paragraphs of sentences, each word different."""
    chance, out, n = random.Random(seed), [], 0
    while n < words:
        sentences = []
        for _ in range(chance.randint(1, 5)):
            size = chance.randint(3, 20)
            sentences.append(" ".join(f"word{n + i}" for i in range(size)).capitalize() + ".")
            n += size
        out.append(" ".join(sentences))
    return "\n\n".join(out)


@pytest.fixture(scope="module")
def sample():
    """[(post, cleaned text)] of data/sample, through the real ingest and clean."""
    from corpus.ingest import ingest_folder

    params = load_params(ROOT / "params.yaml")
    posts, _ = ingest_folder(ROOT / "data/sample", params.ingest.min_words, 1e7)
    return [(post, clean_markdown(post["text"], params.prepare.links)) for post in posts]


@pytest.mark.parametrize("max_length", [300, 1024])
def test_every_paragraph_of_every_sample_post_stands_in_some_output(sample, max_length):
    """300 tokens cut most posts, and some paragraphs, apart; then a paragraph's words stand in the outputs joined."""
    for post, text in sample:
        outputs = [row["output"] for row in build_examples(post, text, count, max_length, 40, 7)]
        assert outputs, post["source"]
        joined = " ".join("\n\n".join(outputs).split())
        for paragraph in split_paragraphs(text):
            assert any(paragraph in output for output in outputs) or " ".join(paragraph.split()) in joined, (
                post["source"],
                paragraph[:80],
            )


def test_no_word_is_lost_doubled_or_moved(sample):
    for post, text in sample:
        outputs = [row["output"] for row in build_examples(post, text, count, 256, 20, 7)]
        assert " ".join(outputs).split() == text.split(), post["source"]


@pytest.mark.parametrize("max_length, context", [(256, 0), (256, 120), (256, 4000), (400, 100), (1024, 120)])
def test_no_part_exceeds_the_limit(max_length, context):
    """Also where the context asked for would leave no room for words."""
    for seed in range(5):
        for row in build_examples(POST, story(2000, seed), count, max_length, context, 7):
            assert count(row["output"]) + count(row["input"]) <= max_length - PROMPT_RESERVE_TOKENS


def test_parts_are_of_about_one_length():
    """No mere rest: the smallest part is at least a third of the largest."""
    for seed in range(20):
        sizes = [count(part) for part in chunk(split_paragraphs(story(2500, seed)), count, 400, 400)]
        assert len(sizes) > 5 and min(sizes) > max(sizes) / 3, sizes


def test_parts_end_at_paragraph_ends_where_paragraphs_fit():
    text = story(2000)
    assert [p for part in chunk(split_paragraphs(text), count, 400, 300) for p in part.split("\n\n")] == text.split(
        "\n\n"
    )


def test_a_long_paragraph_is_cut_at_sentence_ends():
    pieces = split_paragraph(story(3000).replace("\n\n", " "), count, 200)
    assert len(pieces) >= 15 and all(piece.endswith(".") for piece in pieces)


@pytest.mark.parametrize(
    "text",
    ["x" * 20_000, "é" * 5_000, "🫖" * 3_000, "漢字" * 3_000, "x" * 3_000 + " " + "y" * 3_000, "a\n" * 5_000],
    ids=lambda t: t[:2],
)
def test_a_giant_paragraph_without_spaces_is_cut_anywhere_and_loses_nothing(text):
    """`letters` counts bytes: a character can be several tokens, so a part may hold fewer characters than the limit."""
    rows = build_examples(POST, text, letters, 600, 100, 7)
    assert "".join("".join(row["output"].split()) for row in rows) == "".join(text.split())
    assert all(
        0 < letters(row["output"]) <= 600 - PROMPT_RESERVE_TOKENS and letters(row["input"]) <= 100 for row in rows
    )


def test_the_input_of_a_part_is_the_tail_of_the_part_before():
    rows = build_examples(POST, story(3000), count, 500, 60, 7)
    assert len(rows) > 5 and rows[0]["input"] == ""
    for before, row in zip(rows, rows[1:]):
        shown = row["input"].split()
        assert 0 < len(shown) <= 60
        assert before["output"].split()[-len(shown) :] == shown


@pytest.mark.parametrize("part", ["x" * 5000, "longword" * 30 + " " + "andanother" * 30, "One. " * 500, "🫖" * 500])
def test_a_tail_is_never_empty_and_never_too_long(part):
    shown = trailing_context(part, letters, 50)
    assert 0 < letters(shown) <= 50 and part.rstrip().endswith(shown)


def test_a_tail_starts_at_a_word():
    """Where only a slice of the part is looked at, the slice may begin inside a word."""
    words = [f"extraordinarily{n}long" for n in range(100)]
    assert set(trailing_context(" ".join(words), count, 30).split()) <= set(words)


def test_a_post_that_fits_is_one_write_example():
    (row,) = build_examples(POST, "A few words.\n\nMore.", count, 1024, 120, 7)
    assert (row["id"], row["task"], row["part"], row["parts"], row["input"], row["output"]) == (
        "p1-1",
        "write",
        1,
        1,
        "",
        "A few words.\n\nMore.",
    )
    assert any(row["instruction"].startswith(w.replace("{title}", "The kettle")) for w in WRITE_TEMPLATES)


def test_a_long_post_is_opened_continued_and_finished():
    rows = build_examples(POST, story(3000), count, 500, 60, 7)
    assert [r["task"] for r in rows] == ["write"] + ["continue"] * (len(rows) - 1)
    assert [r["part"] for r in rows] == list(range(1, len(rows) + 1)) and {r["parts"] for r in rows} == {len(rows)}

    def asked(row, phrasings):
        return any(row["instruction"].startswith(p.replace("{title}", "The kettle")) for p in phrasings)

    assert (
        asked(rows[0], OPENING_TEMPLATES)
        and all(asked(r, CONTINUE_TEMPLATES) for r in rows[1:-1])
        and asked(rows[-1], FINISH_TEMPLATES)
    )


def test_the_seed_alone_decides_the_phrasing(sample):
    def asked(seed):
        return [r["instruction"] for post, text in sample for r in build_examples(post, text, count, 1024, 120, seed)]

    assert asked(7) == asked(7)
    assert asked(7) != asked(8)


def test_one_post_more_changes_no_other_post_s_examples(sample):
    """The phrasing hangs on the post, not on its place: a new post must not shuffle the old examples. (How many
    passages are asked for once more, and which words tell, does hang on all posts.)"""
    from corpus.prepare import build_examples

    params = load_params(ROOT / "params.yaml")
    posts = [post for post, _ in sample]
    assert post_examples(build_examples(posts[1:9], params, count)) == [
        r for r in post_examples(build_examples(posts[:9], params, count)) if r["post_id"] != posts[0]["id"]
    ]


def test_output_is_never_empty():
    for text in ("", "\n\n \n", "```\n```", "a", "\u200b", "***"):
        assert all(row["output"].strip() for row in build_examples(POST, clean_markdown(text), count, 256, 20, 7))


def test_braces_in_a_title_are_words():
    (row,) = build_examples({**POST, "title": "{tags} and {x}", "tags": []}, "Words.", count, 1024, 120, 7)
    assert "{tags} and {x}" in row["instruction"]


@pytest.mark.parametrize("title", ["word " * 500, "x" * 3000, "漢" * 500, "🫖" * 500, "a\nb  c"])
def test_a_title_of_any_length_fits_the_prompt(title):
    shown = truncate(title, letters)
    assert 0 < letters(shown) <= 36 + len(" …".encode()) and "\n" not in shown


# --- the real tokenizer -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_row_is_longer_than_max_length_for_the_real_tokenizer(sample, real_lengths):
    """With titles and posts of the worst kind too."""
    real, of_row = real_lengths
    odd = [
        ({**POST, "title": t * 100, "tags": [t * 50] * 4}, f"## {t * 60}\n\n{t * 1500}")
        for t in ("漢", "🫖", "x1", "Щ ")
    ]
    for max_length in (256, 1024):
        for post, text in [*sample[:: 3 if max_length == 1024 else 9], *odd]:
            rows = build_examples(post, text, real, max_length, 120, 7)
            assert re.sub(r"\s", "", "".join(r["output"] for r in rows)) == re.sub(r"\s", "", text)
            for row in rows:
                assert of_row(row) <= max_length, (post["title"][:20], row["part"])
