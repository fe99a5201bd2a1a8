"""Marks of sentences that the writer changed."""

import pytest

from blogtwin.drafting.marks import mark_sentence
from blogtwin.drafting.notes import parse_notes

LINES = parse_notes("rope 22 mm, cost 118 pounds\nDenzil never liked it\n> a quotation")


@pytest.mark.parametrize(
    ("text", "status", "lines"),
    [
        ("The rope is 22 mm thick and cost me 118 pounds.", "supported", (0,)),
        ("Denzil never liked it, he said.", "supported", (1,)),
        ("The rope is 22 mm and cost 118 pounds, and Denzil never liked it.", "supported", (0, 1)),
        ("Denzil liked it.", "contradicts", (1,)),
        ("The rope of 22 mm did not cost 118 pounds.", "contradicts", (0,)),
        ("The rope is 22 mm, cost 118 pounds and holds 77 boats.", "unsupported", (0,)),
        ("It rained all day.", "unsupported", ()),
    ],
)
def test_the_mark_says_what_a_changed_sentence_says_of_the_notes(text, status, lines):
    marked = mark_sentence(text, "The new rope", LINES)
    assert (marked.status, marked.lines, marked.written_by) == (status, lines, None)
