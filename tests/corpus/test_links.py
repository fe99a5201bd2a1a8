"""Links and addresses: no address is learnt, however its author wrote it down."""

import pytest

from corpus.cleaning import clean_markdown
from corpus.links import count_link_marks

BOTCHED = {
    "a blank before": ("The [crane]( https://a.example/b).", "The crane."),
    "a blank in it": ("The [crane](https://a.example/b c.html).", "The crane."),
    "a blank in angle brackets": ("The [crane](<https://a.example/b c>).", "The crane."),
    "an e-mail with words": ("[Write](mailto:me@a.example?Subject=A thing) soon.", "Write soon."),
    "nothing": ("It is [here]().", "It is here."),
    "no words": ("It is [](https://a.example/b)here.", "It is here."),
    "a backtick in the address": (
        "- [`winch`](https://a.example/b#winch`): the `rope` goes round",
        "- `winch`: the `rope` goes round",
    ),
    "a backtick": ("`[the winch` lib](https://a.example/b)!", "`[the winch` lib!"),
    "two brackets": ("The [crane]](https://a.example/b).", "The crane."),
    "no bracket": ("The crane](https://a.example/b).", "The crane."),
    "not closed": ("The [crane](https://a.example/b_(c). Then", "The crane. Then"),
    "a blank between": ("The [crane] (https://a.example/b).", "The crane."),
    "the wrong way round": ("The (crane)[https://a.example/b].", "The crane."),
    "a relative one": ("The [crane](../a b.md).", "The crane."),
    "quotes of another kind": ("The [crane](https://a.example “Crane”).", "The crane."),
    "a telephone": ("[Call](tel:+44 20 1).", "Call."),
    "words over two lines": ("The [old\ncrane](https://a.example/b c).", "The old\ncrane."),
    "a part of a page": ("The [crane](b.md#a c).", "The crane."),
    "a line end": ("The [crane](\nhttps://a.example/b).", "The crane."),
    "a page": ("The [crane]([[My cranes]]).", "The crane."),
    "a name that is none": ("The [crane][].", "The crane."),
}


@pytest.mark.parametrize("case", BOTCHED)
def test_of_a_botched_link_its_words_stay(case):
    text, expected = BOTCHED[case]
    assert clean_markdown(text) == expected


@pytest.mark.parametrize("text", ["It is arr[i](x + y) here.", "He said [sic] (I think) so.", "A [1] and a (b)[c]."])
def test_what_is_no_link_stays(text):
    assert clean_markdown(text) == text


ADDRESSES = {
    "alone": ("One.\n\nhttps://a.example/b?c=d\n\nTwo.", "One.\n\nTwo."),
    "alone in angle brackets": ("One.\n\n<https://a.example/b>", "One."),
    "two alone": ("One.\n\nhttps://a.example/b https://c.example\n\nTwo.", "One.\n\nTwo."),
    "alone in a list": ("- one\n- https://a.example/b\n- two", "- one\n- two"),
    "in a sentence": ("It is at https://www.a.example/b_(c) now.", "It is at a.example now."),
    "at the end": ("It is at https://a.example/b/.", "It is at a.example."),
    "emphasised": ("It is *https://a.example/b*.", "It is *a.example*."),
    "in brackets": ("It (https://a.example/b) is.", "It (a.example) is."),
    "wrapped": ("It is at\nhttps://a.example/b\nnow.", "It is at\na.example\nnow."),
    "without a scheme": ("It is at www.a.example/b?c.", "It is at a.example."),
    "with a name and a port": ("It is at http://u:p@a.example:80/b.", "It is at a.example."),
    "a mail": ("Write to mailto:me@a.example?Subject=A.", "Write to a.example."),
    "with &": ("AT&T and https://a.example/?a=1&copy=2 & so on", "AT&T and a.example & so on"),
    "in a note": ("A.[^1]\n\n[^1]: See https://a.example/b.", "A.[^1]\n\n[^1]: See a.example."),
    "in code": ("`curl https://a.example/b`", "`curl https://a.example/b`"),
}


@pytest.mark.parametrize("case", ADDRESSES)
def test_of_a_bare_address_the_host_stays_at_most(case):
    text, expected = ADDRESSES[case]
    assert clean_markdown(text) == expected


def test_addresses_stay_where_links_are_kept():
    text = "One [a](https://a.example/b).\n\nhttps://a.example/b"
    assert clean_markdown(text, links="keep") == text


def test_an_address_that_stands_alone_is_an_embed():
    text = "One.\n\nhttps://a.example/b"
    blocks = {"code": "keep", "quotes": "keep", "tables": "keep"}
    assert clean_markdown(text, blocks={**blocks, "embeds": "keep"}) == text
    assert clean_markdown(text, blocks={**blocks, "embeds": "placeholder"}) == "One.\n\n[embed]"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The boats[1](#fn1) lay.", "The boats lay."),
        ("The boats[\\[1\\]](#_ftn1) lay.", "The boats lay."),
        ("The boats<sup id='a'><a href='#fn:1'>1</a></sup> lay.", "The boats lay."),
        ("The boats<sup>2</sup> lay.", "The boats lay."),
        ("A note. [↩](#fnref1)", "A note."),
        ("Page [1](https://a.example/b#L3).", "Page 1."),
        ("Ten m<sup>2</sup>, 10<sup>3</sup>.", "Ten m2, 103."),
    ],
)
def test_the_number_of_a_note_is_no_word(text, expected):
    assert clean_markdown(text) == expected


def test_a_link_that_nothing_understands_is_counted_and_code_is_not():
    assert count_link_marks("a](b `x](y)`\n\n```\n](\n```") == 1


@pytest.mark.parametrize(
    "text, expected",
    [
        ("See [my notes](file name.md) on it.", "See my notes on it."),
        ("It is at github.com/me/boats these days.", "It is at github.com these days."),
        ("Get gopher://a.example/x or hxxp://b.example/y now.", "Get a.example or b.example now."),
        ("Take magnet:?xt=urn:btih:abc now, or file:///home/me/x too.", "Take now, or too."),
        ("Tea and/or e.g. this/that at 5/6.", "Tea and/or e.g. this/that at 5/6."),
        ("The file index.html/old stays.", "The file index.html/old stays."),
    ],
)
def test_addresses_without_a_scheme_and_of_rare_schemes_go_as_well(text, expected):
    assert " ".join(clean_markdown(text).split()) == expected
