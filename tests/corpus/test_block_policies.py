"""Code, quotes, tables and embeds as params say, personal data masked; the defaults change nothing."""

import pytest

from corpus.cleaning import BLOCK_POLICIES, clean_markdown
from corpus.redaction import redact

TEXT = """Mine before.

```python
pour()
```

> Somebody's words,
> over two lines.

| a | b |
| --- | --- |
| 1 | 2 |

<iframe src="https://v.org/1"></iframe>

{{< youtube abc123 >}}

Mine after, with `inline` code."""
WORDS = {"code": "pour()", "quotes": "Somebody's words", "tables": "| 1 | 2 |"}


@pytest.mark.parametrize("kind", WORDS)
def test_a_kind_of_block_is_kept_dropped_or_named(kind):
    for how in ("keep", "drop", "placeholder"):
        text = clean_markdown(TEXT, blocks={**BLOCK_POLICIES, kind: how})
        assert (WORDS[kind] in text) == (how == "keep")
        assert (f"[{kind.removesuffix('s')}]" in text) == (how == "placeholder")
        assert all(words in text for other, words in WORDS.items() if other != kind)
        assert "Mine before." in text and "Mine after, with `inline` code." in text


def test_embeds_are_dropped_named_or_their_address_stays():
    drop, named, kept = (
        clean_markdown(TEXT, blocks={**BLOCK_POLICIES, "embeds": how}) for how in ("drop", "placeholder", "keep")
    )
    assert "embed" not in drop and "v.org" not in drop and named.count("[embed]") == 2
    assert "https://v.org/1" in kept and "abc123" in kept


def test_an_unmarked_line_after_a_quotation_belongs_to_it_and_the_next_paragraph_does_not():
    assert clean_markdown("> Theirs\nstill theirs.\n\nMine.", blocks={**BLOCK_POLICIES, "quotes": "drop"}) == "Mine."


def test_a_callout_is_the_author_s_own():
    for how in ("keep", "drop"):
        assert (
            clean_markdown("> [!note] Mind\n> the gap.\n\nMine.", blocks={**BLOCK_POLICIES, "quotes": how})
            == "Mind\nthe gap.\n\nMine."
        )


def test_html_tables_become_tables_and_layout_becomes_paragraphs():
    assert (
        clean_markdown("<table><tr><th>a</th><th>b|c</th></tr>\n<tr><td>1</td><td>2</td></tr></table>")
        == "| a | b\\|c |\n| --- | --- |\n| 1 | 2 |"
    )
    assert clean_markdown("<table><tr><td><p>One.</p><p>Two.</p></td><td>Three.</td></tr></table>").split("\n\n") == [
        "One.",
        "Two.",
        "Three.",
    ]


@pytest.mark.parametrize(
    "text, masked",
    [
        ("Write to wenna@harbour.org today.", "Write to [email] today."),
        ("Write to Wenna (at) harbour (dot) org.", "Write to [email]."),
        ("Call me on 020 7946 0958, please.", "Call me on [phone], please."),
        ("Or +44 20 7946 0958.", "Or [phone]."),
        ("I lived at 14 Mill Lane then.", "I lived at [address] then."),
        ("The key is AKIAIOSFODNN7EXAMPLE here.", "The key is [key] here."),
        ("In 2019 I paid 12,500 for 3 boats of 1,200 kg.", "In 2019 I paid 12,500 for 3 boats of 1,200 kg."),
    ],
)
def test_personal_data_is_masked_and_nothing_else(text, masked):
    assert redact(text) == masked
