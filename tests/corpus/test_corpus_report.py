"""The report before training: its numbers are the posts', its verdict and hints follow from them, and the page runs and
loads nothing."""

import dataclasses
import re

from blogtwin.config import load_params
from corpus.report import assess, corpus_statistics, length_histogram, posts_per_year, render_html
from tests.support.workspace import ROOT

PARAMS = load_params(ROOT / "params.yaml")
WORDS = "We walked down to the harbour and looked at the boats, and the tide was out again."


def post(n, text=None, **more):
    text = text or " ".join(f"{w}{n}" for w in WORDS.split())
    return {
        "id": str(n),
        "title": f"Post <{n}>",
        "date": f"20{10 + n % 3}-01-02",
        "text": text,
        "word_count": len(text.split()),
        "tags": ["tea"],
        "lang": "en",
        "authors": [],
        **more,
    }


def facts(posts, left=()):
    return corpus_statistics(posts, list(left), PARAMS)


def test_numbers_are_those_of_the_posts():
    quoted = "Mine own words are here.\n\n> Theirs are these four.\n\n```\ncode is\nhere\n```"
    left = [
        {"source": "a", "reason": "only 3 words, fewer than ingest.min_words (40)"},
        {"source": "b", "reason": "only 5 words, fewer than ingest.min_words (40)"},
        {"source": "c", "reason": "a draft"},
    ]
    found = facts(
        [
            post(1),
            post(2),
            post(3, quoted),
            post(4, date=None, authors=["Ann"], lang="de"),
            post(5, "Write to ann@harbour.org, she said to everybody.", authors=["Bob"]),
            post(6, authors=["Ann"]),
        ],
        left,
    )
    assert (found.posts, found.undated, found.first_date, found.last_date) == (6, 1, "2010-01-02", "2012-01-02")
    assert found.languages == {"en": 5, "de": 1} and found.posts_by_others == 1 and found.personal_data == {"email": 1}
    fractions = found.word_fractions
    assert abs(fractions["quotes"] - 5 / found.words) < 1e-9 and abs(fractions["code"] - 5 / found.words) < 1e-9
    assert found.skipped == {"fewer words than ingest.min_words": 2, "a draft": 1}
    hints = " ".join(found.hints)
    assert "prepare.redact" in hints and "ingest.author" in hints


def test_the_verdict_follows_the_thresholds():
    base = facts([post(n) for n in range(3)])
    sizes = ((3, 900), (60, 38_000), (400, 200_000), (3000, 10**6))
    verdicts = [assess(dataclasses.replace(base, posts=n, words=w), PARAMS)[0] for n, w in sizes]
    said = ["".join(verdict.split()[:2]) for verdict in verdicts]
    assert said == ["Notenough:", "Enoughto", "Enough:400", "Plenty:3000"]


def test_charts_count_every_post():
    assert posts_per_year([post(0), post(2), post(3)]) == [("2010", 2), ("2011", 0), ("2012", 1)]
    assert sum(n for _, n in length_histogram([0, 99, 100, 6400, 10**6])) == 5


def test_a_blog_without_posts_has_statistics_too():
    """Nothing was read, or all of it was skipped: the report says so and draws what there is."""
    found = facts([], [{"source": "a", "reason": "a draft"}])
    assert (found.posts, found.words, found.first_date, found.skipped) == (0, 0, None, {"a draft": 1})
    assert found.verdict.startswith("Not enough") and "Posts per year: nothing to show." in render_html(found)


def test_equal_counts_keep_their_order():
    """The author of most posts is the first to have so many; the others are guests."""
    found = facts([post(1, authors=["Bob"]), post(2, authors=["Ann", "Ann"]), post(3, authors=["Cid"])])
    assert found.authors == {"Bob": 1, "Ann": 1, "Cid": 1} and list(found.authors)[0] == "Bob"
    assert found.posts_by_others == 2


def test_the_page_is_whole_and_harmless():
    text = render_html(facts([post(1, f"{WORDS}\n\n<div>{WORDS}</div>\n\n{{{{< x >}}}}<script>steal()</script>")]))
    assert text.count("<svg") == 2 and "&lt;1&gt;" in text or "Post" in text
    assert not re.search(r"<script|src=|href=|url\(|@import|https?://(?!www\.w3)", text), "nothing is run or fetched"
