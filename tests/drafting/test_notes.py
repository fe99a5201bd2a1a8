"""A writer's notes as lines: headings, what is told, what is placed as it stands."""

import pytest

from blogtwin.drafting.drafter import group_lines
from blogtwin.drafting.notes import parse_notes, parse_prose, place_headings


def lines_of(notes: str) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in parse_notes(notes)]


def test_list_marks_are_no_part_of_a_line():
    notes = (
        "- rope 22 mm\n* Denzil came\n• it rained\n1. fitted on Tuesday\n2) took 3 hours\n- [ ] paint it\n- [x] oil it"
    )
    said = ["rope 22 mm", "Denzil came", "it rained", "fitted on Tuesday", "took 3 hours", "paint it", "oil it"]
    assert lines_of(notes) == [("claim", line) for line in said]


def test_a_line_that_begins_with_a_number_keeps_it():
    assert lines_of("40 m of rope\n3.5 hours of work") == [("claim", "40 m of rope"), ("claim", "3.5 hours of work")]


def test_headings_lose_their_marks_and_are_no_claims():
    assert lines_of("# The rope\nit broke\n### Later ###\n#hashtag is no heading") == [
        ("heading", "The rope"),
        ("claim", "it broke"),
        ("heading", "Later"),
        ("claim", "#hashtag is no heading"),
    ]


def test_pictures_links_quotes_tables_and_html_are_placed_letter_by_letter():
    for text in (
        "![the boat](boat.jpg)",
        "- ![the boat](boat.jpg)",
        "> Never tie it twice.",
        "<figure>x</figure>",
        "https://example.org/a?b=1",
        "[the shop](https://example.org/a)",
        "> first line\n> second line",
        "| a | b |\n|---|---|\n| 1 | 2 |",
    ):
        assert lines_of(f"it broke\n{text}\nI mended it") == [
            ("claim", "it broke"),
            ("verbatim", text),
            ("claim", "I mended it"),
        ]


def test_a_link_in_a_line_does_not_make_it_verbatim():
    assert lines_of("bought at [the shop](https://example.org) today")[0][0] == "claim"


def test_code_is_one_part_with_its_blank_lines_indents_and_marks():
    code = "```py\nif x:\n    y = 1\n\n# no heading\n- no line\n```"
    assert lines_of(f"first\n{code}\nlast") == [("claim", "first"), ("verbatim", code), ("claim", "last")]


def test_code_that_is_never_closed_is_kept_whole():
    assert lines_of("first\n~~~\nx = 1\ny = 2") == [("claim", "first"), ("verbatim", "~~~\nx = 1\ny = 2")]


def test_two_pieces_of_code_stay_two():
    assert [text for _, text in lines_of("```\na\n```\n```\nb\n```")] == ["```\na\n```", "```\nb\n```"]


def test_long_prose_is_told_sentence_by_sentence_and_a_short_line_stays_whole():
    first = "The rope broke on the second morning when nobody was looking at it and the boat went out with the tide."
    second = "Denzil swam after it, and he came back two hours later with the boat and without his hat."
    assert lines_of(f"{first} {second}") == [("claim", first), ("claim", second)]
    assert lines_of("It broke. I mended it.") == [("claim", "It broke. I mended it.")]


def test_lines_without_a_word_are_no_lines_and_windows_ends_are_lines():
    assert lines_of("---\r\n- \r\nit broke\r\n***\r\n") == [("claim", "it broke")]
    assert parse_notes(" \n\n") == []


def test_numbers_count_the_lines_in_order():
    found = parse_notes("# A\none line\n\n![p](p.jpg)\nanother line\n```\nx\n```")
    assert [line.number for line in found] == list(range(len(found))) == [0, 1, 2, 3, 4]


def groups_of(notes: str) -> list[list[str]]:
    return [[line.text for line in group] for (group,) in group_lines(parse_notes(notes))]


@pytest.mark.parametrize("count", range(2, 14))
def test_a_paragraph_tells_two_or_three_lines_of_one_block_in_their_order_and_the_first_one_no_more_than_two(count):
    notes = "\n".join(f"line {letter}" for letter in "abcdefghijklm"[:count])
    sizes = [len(group) for group in groups_of(notes)]
    assert sum(groups_of(notes), []) == notes.split("\n") and set(sizes) <= {2, 3}
    assert sizes[0] == 2 or count == 3


def test_a_blank_line_begins_a_paragraph():
    assert groups_of("line a\nline b\n\nline c\nline d") == [["line a", "line b"], ["line c", "line d"]]


def test_lines_under_a_heading_make_one_paragraph():
    assert groups_of("# Up\nline a\nline b\n## Down\nline c\nline d") == [
        ["Up"],
        ["line a", "line b"],
        ["Down"],
        ["line c", "line d"],
    ]


def test_a_picture_divides_a_block():
    assert groups_of("line a\n![p](p.jpg)\nline b\nline c") == [["line a"], ["![p](p.jpg)"], ["line b", "line c"]]


def prose(text: str) -> list[tuple[str, str]]:
    return [(line.form if line.kind == "claim" else line.kind, line.text) for line in parse_prose(text)]


def test_a_text_is_a_line_for_each_sentence_and_its_wrapped_lines_are_joined():
    assert prose("The ferry left\nat 9:30. Mr. Tonkin was there.\n\nIt rained") == [
        ("sentence", "The ferry left at 9:30."),
        ("sentence", "Mr. Tonkin was there."),
        ("sentence", "It rained"),
    ]
    assert len({line.paragraph for line in parse_prose("One here. Two here.\n\nThree here.")}) == 2


def test_a_sentence_with_code_a_link_or_a_quotation_is_fixed():
    for sentence in ("Run `make` now.", "See [this](https://a.example).", "He said “no” twice.", 'He said "no".'):
        assert prose(sentence) == [("fixed", sentence)]


def test_code_quotations_lists_and_headings_of_a_text_are_what_they_are_in_notes():
    code = "```\na = 1. b\n\nc\n```"
    assert prose(f"# Title\nSome text here.\n> quoted\n- one thing\n- two things\n{code}") == [
        ("heading", "Title"),
        ("sentence", "Some text here."),
        ("verbatim", "> quoted"),
        ("sentence", "one thing"),
        ("sentence", "two things"),
        ("verbatim", code),
    ]


def test_headings_of_an_outline_stand_over_as_many_lines_each_and_numbers_follow():
    placed = place_headings(parse_notes("a b\n\nc d\ne f\ng h"), ["One", "Two"])
    assert [(line.number, line.text) for line in placed] == list(enumerate(["One", "a b", "c d", "Two", "e f", "g h"]))
    paragraphs = [line.paragraph for line in placed]
    assert len(set(paragraphs[:3])) == 3 and paragraphs[4] == paragraphs[5] != paragraphs[2]


def test_notes_with_headings_of_their_own_keep_them():
    own = parse_notes("# Mine\na b")
    assert place_headings(own, ["Other"]) == own
