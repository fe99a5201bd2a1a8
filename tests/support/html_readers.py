"""How well a reader finds the post in a saved page: the measures, and the table that compares two readers.

Run     python -m tests.support.html_readers            # with a column for trafilatura where it is installed
"""

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import PurePath
from statistics import fmean
from typing import NamedTuple

from corpus.cleaning import clean_markdown
from tests.support.saved_pages import AUTHOR, BOILERPLATE, CODE, COMMENTS, NOTE, SavedPage, saved_pages


class Found(NamedTuple):
    """What a reader says of a page; empty where it found nothing."""

    markdown: str
    title: str
    date: str
    author: str


Reader = Callable[[SavedPage], Found]
TRACES = {  # words that show that a reader learnt what is none of the post's
    "comments": [comment["text"] for comment in COMMENTS],
    "share buttons": ["Share on", "Share this", "Click to share", "Like this", "share-link", "Follow\n", "on x"],
    "other posts": ["You might enjoy", "Related", "Previous", "Next →", "« Prev", "Newer", "More from"],
    "cookies and newsletters": [BOILERPLATE["cookies"], BOILERPLATE["newsletter"], "Join the circle", "Subscribe"],
    "byline and author": [BOILERPLATE["bio"], BOILERPLATE["tagline"], "min read", "Posted on", AUTHOR],
    "contents, cards, buttons": ["Table entry one", "Card of another", "copy\n", "↩", "Built with", "Powered by"],
}


def words(markdown: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", clean_markdown(markdown).casefold()))


def paragraphs(markdown: str) -> Counter[str]:
    blocks = (
        " ".join(re.findall(r"\w+", block)) for block in re.split(r"\n\s*\n", clean_markdown(markdown).casefold())
    )
    return Counter(filter(None, blocks))


def precision_recall(found: Counter[str], truth: Counter[str]) -> tuple[float, float]:
    common = (found & truth).total()
    return common / max(1, found.total()), common / truth.total()


KEPT = {  # of the extras of a post, whether they are still what they were
    "list": lambda text: "- 1 tin\n  - with a lid\n  - of no use\n- 2 keys" in text and "3. the third\n4. the" in text,
    "code": lambda text: bool(re.search(f"```(?:python)?\n{re.escape(CODE)}\n```", text)),
    "quote": lambda text: "> A gull is a letter nobody opened." in text,
    "footnote": lambda text: "2 brackets[^1] and" in text and f"[^1]: {NOTE}" in text,
    "table": lambda text: "| wedge | £3 |" in text,
    "terms": lambda text: "A list of everything." in text,
    "details": lambda text: "What it cost" in text and "More than the boat did." in text,
    "image": lambda text: "That was the view of it." in text,
}


def measure(reader: Reader, pages: list[SavedPage]) -> dict[str, float]:
    """Means over the pages; parts of 1, but for the seconds and the numbers of pages with traces."""
    started = time.perf_counter()
    found = [reader(page) for page in pages]
    seconds = time.perf_counter() - started
    both = list(zip(found, pages, strict=True))
    by_words = [precision_recall(words(f.markdown), words(p.markdown)) for f, p in both]
    by_paragraphs = [precision_recall(paragraphs(f.markdown), paragraphs(p.markdown)) for f, p in both]
    measures = {
        "words: precision": fmean(p for p, _ in by_words),
        "words: recall": fmean(r for _, r in by_words),
        "paragraphs: precision": fmean(p for p, _ in by_paragraphs),
        "paragraphs: recall": fmean(r for _, r in by_paragraphs),
        "title": fmean(f.title == p.title for f, p in both),
        "date": fmean(f.date == p.date for f, p in both),
        "author, where stated": fmean(f.author == AUTHOR for f, p in both if AUTHOR in p.html),
    }
    for kind, is_kept in KEPT.items():
        measures[f"kept: {kind}"] = fmean(is_kept(f.markdown) for f, p in both if kind in p.extras)
    for kind, phrases in TRACES.items():
        measures[f"pages with {kind}"] = sum(
            any(t in f.markdown and t not in p.markdown for t in phrases) for f, p in both
        )
    return {**measures, "seconds": seconds}


def own_reader(page: SavedPage) -> Found:
    from corpus.readers.html import read_html

    post = read_html(PurePath("page.html"), page.html.encode())
    return Found(post.text, post.title, post.date or "", ", ".join(post.authors))


def trafilatura_reader(**options: bool) -> Reader:
    """trafilatura's Markdown, or with `own_writer` its main content in our writer's."""
    own_writer = options.pop("own_writer", False)

    def read(page: SavedPage) -> Found:
        import trafilatura

        from corpus.readers.html import html_to_markdown

        metadata = trafilatura.extract_metadata(page.html)
        form = "html" if own_writer else "markdown"
        text = trafilatura.extract(
            page.html, output_format=form, include_formatting=True, include_comments=False, **options
        )
        text = html_to_markdown(text or "") if own_writer else text or ""
        return Found(text, metadata.title or "", metadata.date or "", metadata.author or "")

    return read


def main() -> None:
    pages = saved_pages()
    readers: dict[str, Reader] = {"ours": own_reader}
    try:
        import trafilatura

        name = f"trafilatura {trafilatura.__version__}"
        readers[name] = trafilatura_reader()
        readers[f"{name}, recall"] = trafilatura_reader(favor_recall=True)
        readers[f"{name}, our writer"] = trafilatura_reader(own_writer=True, favor_recall=True)
    except ImportError:
        pass
    results = {name: measure(reader, pages) for name, reader in readers.items()}
    print("| " + " | ".join(["100 pages, 10 layouts", *results]) + " |")
    print("| --- " * (len(results) + 1) + "|")
    for row in results["ours"]:
        form = "{:.0f}" if row.startswith("pages") else "{:.1f}" if row == "seconds" else "{:.3f}"
        print("| " + " | ".join([row, *(form.format(result[row]) for result in results.values())]) + " |")


if __name__ == "__main__":
    main()
