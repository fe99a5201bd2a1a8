"""Stems: the forms of a word are joined, and no other words."""

import pytest

from blogtwin.text.stems import stem


@pytest.mark.parametrize(
    "word, other, same",
    [
        ("boats", "boat", True),
        ("carried", "carry", True),
        ("planned", "plan", True),
        ("cared", "cars", False),
        ("bite", "bits", False),
    ],
)
def test_stem_joins_the_forms_of_a_word_and_no_other_words(word, other, same):
    assert (stem(word) == stem(other)) == same
