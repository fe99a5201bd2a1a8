"""clean(): what the author did not write goes, what the author wrote stays, and no input costs more than its length."""

import contextlib
import re

import pytest

from corpus import ingest
from corpus.cleaning import clean_markdown, extract_headings, split_paragraphs
from corpus.html_to_markdown import emphasis
from tests.support.operation_count import assert_linear, run, spied
from tests.support.workspace import ROOT

GONE = {
    "html": ('<div class="x"><p>Kept <b>words</b>.</p></div>', "Kept **words**."),
    "html over lines": ('<section\n id="a">\nKept.\n</section>', "Kept."),
    "html with > in an attribute": ('<p title="a > b">Kept.</p>', "Kept."),
    "comment": ("Kept.<!-- more\n\nsecret -->", "Kept."),
    "doctype": ("<!DOCTYPE html>\nKept.", "Kept."),
    "script": ("Kept.<script>var a = '<p>';</script>", "Kept."),
    "style": ("<style>p { color: red }</style>Kept.", "Kept."),
    "iframe": ('Kept.\n\n<iframe src="https://youtube.com/embed/x" allowfullscreen></iframe>', "Kept."),
    "video": ('<video controls><source src="a.mp4">No video here.</video>\n\nKept.', "Kept."),
    "figure caption": ('<figure><img src="a.png"><figcaption>Fig.</figcaption></figure>Kept.', "Kept."),
    "MDX embed": ('Kept.\n\n<Tweet id="123" />\n\n<Callout>This too.</Callout>', "Kept.\n\nThis too."),
    "quoted paragraphs": ("<blockquote><p>One.</p><p>Two.</p></blockquote>", "> One.\n>\n> Two."),
    "list": ("<ul><li>One</li><li>Two</li></ul>", "- One\n- Two"),
    "heading": ('<h2 id="x">Kept</h2>', "## Kept"),
    "anchor": ('See <a href="https://x.org/?a=1&amp;b=2">the page</a>.', "See the page."),
    "entity": ("Fish &amp; chips&nbsp;&mdash; good", "Fish & chips — good"),
    "hugo": ('{{< figure src="a.jpg" caption="No." >}}\n\nKept.', "Kept."),
    "hugo percent": ("{{% notice tip %}}\nKept.\n{{% /notice %}}", "Kept."),
    "liquid tag": ("{% include gallery.html %}\n\nKept{% if x %}.{% endif %}", "Kept."),
    "liquid value": ("Kept{{ site.x }}.", "Kept."),
    "liquid comment": ("{% comment %}no\n\nno{% endcomment %}Kept.", "Kept."),
    "kramdown": ("Kept.\n{: .lead}", "Kept."),
    "heading id": ("## Kept {#kept}", "## Kept"),
    "table of contents": ("[[TOC]]\n\nKept.\n\n* TOC\n{:toc}", "Kept."),
    "image": ("![alt](a.png 'title')\n\nKept.", "Kept."),
    "image with brackets": ("![see [1]](a_(1).png) Kept.", " Kept."),
    "image reference": ("![alt][pic]\n\nKept.\n\n[pic]: a.png", "Kept."),
    "image that is a link": ("[![alt](a.png)](b.html)\n\nKept.", "Kept."),
    "image in a list": ("1. Kept.\n\n    ![alt](a.png)\n\n2. This too.", "1. Kept.\n\n2. This too."),
    "obsidian embed": (
        "![[photo.png]]\n\nKept, see [[Note|that note]] and [[Other]].",
        "Kept, see that note and Other.",
    ),
    "reference link": (
        'A [word][1], [another][] and [third].\n\n[1]: https://a.b "T"\n[another]: <https://c.d>\n[third]: /e',
        "A word, another and third.",
    ),
    "inline link": ('A [word](http://a.b/c_(d) "it\'s") and [one [more]](x).', "A word and one [more]."),
    "share": ("Kept.\n\nShare this post on Twitter, Facebook or email!", "Kept."),
    "share buttons": ("Kept.\n\nTwitter | Facebook | Email", "Kept."),
    "filed under": ("Kept.\n\nFiled under: fish, boats", "Kept."),
    "invisible": ("Ke\u200bpt\u00ad.\ufeff", "Kept."),
}


@pytest.mark.parametrize("case", GONE)
def test_what_the_author_did_not_write_is_gone(case):
    text, expected = GONE[case]
    assert clean_markdown(text) == clean_markdown(expected) == expected


STAYS = {
    "less than": "If a < b and c > d, then a <b is false, as 3<4 is not.",
    "generics": "I used a List<String> and a Map<K, V> for that.",
    "smart quotes": "“Never,” she said – it’s ‘done’ … for €5.",
    "footnote": "A claim.[^1] Another.[^note]\n\n[^1]: Its source.\n[^note]: A second one, with more words.",
    "lists": "- one\n- two\n  - three\n\n1. first\n2. second",
    "emphasis": "**Bold**, *italic*, __both__ and ~~gone~~.",
    "quote": "> One line\n> and another.\n>\n> A second paragraph.",
    "table": "| a | b |\n| --- | --- |\n| 1 | 2 |",
    "heading": "## A heading\n\nText.",
    "brackets": "He said [sic] that, and [again] it was so.",
    "braces": "A set {a, b} and a stray {{ in the text.\n\nAnother }} far away.",
    "share in prose": "Share this secret with no one\n\nShare it with the cat, and it will sleep.",
    "ampersand": "AT&T and &copy=2 & so on",
    "rule": "One.\n\n***\n\nTwo.",
    "poem": "A line\nand a line\n\nand a line",
}


@pytest.mark.parametrize("case", STAYS)
def test_what_the_author_wrote_stays(case):
    assert clean_markdown(STAYS[case]) == STAYS[case]


CODE = {
    "fence": "```html\n<div>{{ x }}</div>\n\n![a](b)\n```",
    "long fence": "````\n```\n<b>\n```\n````",
    "tildes": "~~~\n{% include x %}\n~~~",
    "inline": "Write `<b>{{ x }}</b>` or ``a ` <i>`` here.",
    "indented": "So:\n\n    <p>{% x %}</p>\n\nand so on.",
    "a highlight block shown in a fence": "```\n{% highlight ruby %}\nx\n{% endhighlight %}\n```",
    "three ticks on a line": "Use ```code``` inline.\n\nAnd *go on*.",
}


@pytest.mark.parametrize("case", CODE)
def test_code_stays_exactly_as_it_is(case):
    assert clean_markdown(CODE[case]) == CODE[case]


@pytest.mark.parametrize(
    "block",
    [
        "{% highlight ruby linenos %}\nputs '<b>'\n{% endhighlight %}",
        "{{< highlight ruby \"x=1\" >}}\nputs '<b>'\n{{< /highlight >}}",
        "<pre class='x'><code>puts '&lt;b&gt;'</code></pre>",
    ],
)
def test_a_highlight_block_becomes_a_fence(block):
    assert re.fullmatch(
        r"Before\.\n+```(ruby)?\nputs '<b>'\n```\n+After\.", clean_markdown(f"Before.\n\n{block}\n\nAfter.")
    )


def test_links_can_keep_their_addresses():
    assert clean_markdown("A [word][1].\n\n[1]: https://a.b", links="keep") == "A [word](https://a.b)."


def test_a_stray_opening_mark_costs_no_paragraph():
    """Something that opens and is closed, if at all, paragraphs later must not take what lies between."""
    words = "\n\n".join(f"Paragraph {i} is here." for i in range(5))
    for mark, end in (
        ("{{", "}}"),
        ("{%", "%}"),
        ("{{<", ">}}"),
        ("<!--", ""),
        ("<b", ">"),
        ("`", "`"),
        ("![", "](a)"),
        ("<script>", ""),
    ):
        found = clean_markdown(f"Start {mark} here.\n\n{words}\n\nEnd {end} here.")
        assert all(f"Paragraph {i} is here." in found for i in range(5)), f"{mark} took words"


def test_paragraphs_keep_a_fence_with_blank_lines_whole():
    assert split_paragraphs("One.\n\n```\na\n\nb\n```\n\nTwo.") == ["One.", "```\na\n\nb\n```", "Two."]


def test_headings_are_those_outside_code():
    assert extract_headings("# One #\n\n```\n# a comment\n```\n\n### The `x` flag\n\n#hashtag") == [
        "One",
        "The `x` flag",
    ]


# --- the sample blog --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample():
    """{source: (text as ingested, text cleaned)} of every post of data/sample."""
    posts, _ = ingest.ingest_folder(ROOT / "data/sample", 1, 1e7)
    assert len(posts) >= 50
    return {p["source"]: (p["text"], clean_markdown(p["text"])) for p in posts}


LEFTOVERS = {
    "HTML tag": (
        r"</?(?:p|div|span|br|img|a|b|i|em|strong|iframe|figure|table|ul|li|h\d|blockquote|script|sup)\b[^<>]*>|<!--"
    ),
    "shortcode": r"\{\{|\}\}|\{%|%\}|\{:",
    "front matter": r"\A\s*(?:---|\+\+\+)|^(?:title|date|tags|draft|layout):",
    "image": r"!\[",
    "link": r"\]\([^)]*\)|\]\[",
    "reference list": r"^ {0,3}\[[^\]^]+\]:",
    "share line": r"^\s*(?:share (?:this|on|via)|tweet this|filed under|posted in)\b|twitter\s*[|·]",
    "invisible character": "[\u200b\ufeff\u00ad\ue000\ue001]",
}


@pytest.mark.parametrize("what", LEFTOVERS)
def test_no_sample_post_keeps(sample, what):
    found = {
        source: m[0]
        for source, (_, text) in sample.items()
        if (m := re.search(LEFTOVERS[what], re.sub(r"(?s)```.*?```|`[^`\n]+`", "", text), re.M | re.I))
    }
    assert not found


def test_the_sample_puts_clean_to_work(sample):
    """The test before proves nothing on posts that never held any of it."""
    raw = "\n\n".join(text for text, _ in sample.values())
    for what in ("HTML tag", "shortcode", "image", "link"):
        assert re.search(LEFTOVERS[what], raw, re.M | re.I), f"no {what} in data/sample"


def test_clean_is_idempotent_on_the_sample(sample):
    assert [source for source, (_, text) in sample.items() if clean_markdown(text) != text] == []


def test_no_sample_post_loses_its_words(sample):
    """Cleaning takes markup: in a post without code or shortcodes every word run between marks is still there, in
    order."""
    for source, (raw, text) in sample.items():
        if re.search(r"[<{]|!\[|^\[|share|filed", raw, re.M | re.I):
            continue
        plain = re.sub(r"\]\([^)]*\)", "", raw)
        assert re.findall(r"\w+", plain) == re.findall(r"\w+", text), source


# --- work -------------------------------------------------------------------------------------------------------------

NASTY = [
    "](https://x ",
    "[[[](",
    "[a](https:",
    "https://a/",
    "http://a@",
    "(a)[https:",
    "www.a",
    "mailto:a@",
    "<sup>",
    "a:: b",
    "[a:: ",
    "<%",
    "#a #",
    "[@a",
    "%%\n",
    "[",
    "<",
    "`",
    "{{",
    "|",
    "![",
    "[[",
    "{%",
    "{{<",
    "<!--",
    "{:",
    "[a](",
    "[a][",
    "(",
    "\\",
    "<b>",
    "<p>",
    "</p>",
    "<pre>",
    "<blockquote>",
    "<li>",
    "&",
    "_",
    "**",
    "<a|href='",
] + [
    "x|\n",
    "\n",
    " ",
    "\n ",
    "[x]: y\n",
    "~~~\n",
    "```\n",
    "{% highlight x %}",
    "{% comment %}",
    "{::comment}",
    "{=a",
    "{~~a~>",
    "{>>",
    "#a b ",
    "- a\n\n    b\n\n",
    "\n\n    b",
]


@pytest.mark.parametrize("unit", NASTY, ids=repr)
def test_work_grows_with_the_length_not_its_square(unit):
    """A mark that never closes, again and again: twice the text is twice the work, counted."""
    assert_linear(
        lambda text: (extract_headings(clean_markdown(text)), split_paragraphs(text), clean_markdown(text[3:])),
        lambda size: f"# a{unit * (size // len(unit))} x",
    )


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["[", "<", "`", "{{", "|", "a | "])
def test_two_megabytes_of_a_mark_stay(unit):
    text = unit * (2_000_000 // len(unit))
    assert clean_markdown(text) == text.rstrip()


def test_the_counter_finds_what_re_finds(sample):
    """Its steps mean something: for each pattern that clean applies to a post it ends where Python's own matcher
    does."""
    checked = set()
    for text, _ in list(sample.values())[:6]:
        with spied() as applied:
            clean_markdown(text[:2000])
        for pattern, string, start, how in applied:
            expected = (
                [m.span() for m in pattern.finditer(string)]
                if how == "all"
                else [m.span() for m in [getattr(pattern, how)(string, start)] if m]
            )
            assert run(pattern, string, start, how)[1] == expected, pattern.pattern
            checked.add(pattern.pattern)
    assert len(checked) >= 25


@pytest.mark.parametrize(
    "pattern, size, linear",
    [(r"<[^<>]*>", 300, True), (r"<{1,3}.!", 300, True), (r"<[^>]*>", 300, False), (r"(?:<|<<)+!", 8, False)],
)
def test_the_counter_sees_a_pattern_that_costs_the_square(monkeypatch, pattern, size, linear):
    """Or more: put into clean(), it fails the test above, and one that doesn't passes."""
    monkeypatch.setattr("corpus.cleaning.SHARE_LINE", re.compile(pattern))
    with contextlib.nullcontext() if linear else pytest.raises(AssertionError, match="steps for"):
        assert_linear(clean_markdown, lambda size: "<" * size, size)


def test_the_counter_sees_a_loop_that_costs_the_square():
    """In Python, not in a pattern: a line that runs is work, too."""
    with pytest.raises(AssertionError, match="steps for"):
        assert_linear(
            lambda text: [emphasis("*", "w") for _ in range(len(text) ** 2 // 10)], lambda size: "w" * size, 100
        )


@pytest.mark.parametrize(
    "text, expected",
    [
        ("We ==marked== it; a == b == c.", "We marked it; a == b == c."),
        ("Rated [rating:: 5] (by:: Wenna Bray).", "Rated Wenna Bray."),
        ("See [[Harbour#Boats]] and [[Harbour#Boats|them]].", "See Harbour and them."),
        ("It is `= this.file.name` here, and `= 3` there.", "It is here, and `= 3` there."),
        ("- One.\n  :LOGBOOK:\n  CLOCK: [2021-01-01]\n  :END:\n- Two.", "- One. - Two."),
        ("One.\n\nTags: tea, green pots", "One."),
        ("Tags: tea\n\nOne.", "One."),
        ("Tags: tea.\n\nWe said: tags: a.", "Tags: tea. We said: tags: a."),
        ("We ^^marked^^ it ((abc12_d-e)), ((so)) to say: 2^^3.", "We marked it , ((so)) to say: 2^^3."),
        ("#harbour/2019 #green tea# #boats\n\nOne # two.", "One # two."),
        ("Bell\x07 and\x0cpage.", "Bell and page."),
    ],
)
def test_marks_of_note_programs_are_no_words(text, expected):
    assert " ".join(clean_markdown(text).split()) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("A {=bright=} {+new+} {-old-} H{~2~}O x{^2{^n^}^}.", "A bright new H2O x^2^n."),
        ("A {++new++} {--old--} {~~red~>green~~} {==boat==}{>>why?<<}.", "A new green boat."),
        ("One.{::comment}\nHidden.\n{:/comment} Two.", "One. Two."),
        ("The set {a = b} and {x+y}, \\frac{1}{+2}.", "The set {a = b} and {x+y}, \\frac{1}{+2}."),
    ],
)
def test_marks_of_changes_and_of_djot_leave_their_words(text, expected):
    assert " ".join(clean_markdown(text).split()) == expected
