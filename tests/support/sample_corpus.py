"""The sample blog, as the metrics of the scorecard see it."""

import functools

from blogtwin.text.sentences import truncate_words
from corpus import cleaning, readers
from tests.support.workspace import ROOT


@functools.cache
def posts(words: int = 250) -> list[tuple[str, str]]:
    """(brief, text) of the sixty posts, oldest first: title and topics, and the first words."""
    paths = sorted(p for p in (ROOT / "data/sample").iterdir() if p.suffix)
    read = [readers.read_post(p, 1e9) for p in paths]
    assert len(read) == 60
    return [
        (". ".join(filter(None, [p.title, ", ".join(p.tags)])), truncate_words(cleaning.clean_markdown(p.text), words))
        for p in read
    ]
