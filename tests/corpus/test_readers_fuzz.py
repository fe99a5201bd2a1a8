"""Every reader, on broken files: a post or a reason, never another error, never much work."""

from random import Random

import docx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from corpus import readers
from corpus.filters import find_skip
from tests.corpus.test_movable_type import COMMENT, entry
from tests.support.blog_exports import FILES, WORDS, put, wxr, wxr_item, zipped
from tests.support.mailbox import mail, mailbox
from tests.support.operation_count import work

WHOLE = {
    **FILES,
    "post.md": f"---\ntitle: T\ndate: 2020-01-02\ntags: [a]\nauthor: {{name: W}}\n---\n# A\n{WORDS}",
    "post.mdx": f"---\ntitle: T\n---\nimport a from 'b';\n\n{{/* x */}}\n{WORDS}\n\n```js\nx\n```",
    "eleventy.md": f'---js\n{{\n  title: "T",\n}}\n---\n{WORDS}',
    "pelican.md": f"Title: T\nDate: 2020-01-02\nTags: a, b\n\n{WORDS}",
    "hugo.md": f"+++\ntitle = 'T'\ntags = ['a']\n+++\n{WORDS}",
    "odd.md": f"---\ntitle: T: u\ntags:\n\t- a\nauthor:\n\tname: W\n---\n# A\n\nDate: 2020\n\n{WORDS}",
    "head.html": f"---\ntitle: T\n---\n<p>{WORDS}</p>\n{{% highlight c %}}\nx\n{{% endhighlight %}}",
    "post.qmd": f"---\ntitle: T\n---\n```{{r, echo=TRUE}}\n#| label: a\nx\n```\n`r x` @fig-a [@b, p. 3]\n{WORDS}",
    "post.lhs": f"---\ntitle: T\n---\n{WORDS}\n\n> main = x\n\n\\begin{{code}}\ny\n\\end{{code}}",
    "post.ipynb": '{"cells": [{"cell_type": "markdown", "source": ["# T\\n", "- toc: true\\n", "\\n", "'
    + WORDS
    + '"]}]}',
    "post.adoc": f"= T\nW <w@x.org>\n:tags: a\n\n== A\n\n* *b* _c_ `d` https://x.org[e]footnote:[f]\n\n----\nx\n----\n\n{WORDS}",
    "post.typ": f'#set document(title: "A")\n= B\n#link("https://x.org")[e] #footnote[f] *c* _d_ `e`\n\n{WORDS}',
    "post.textile": f'h2. A\n\n* *b* _c_ @d@ "e":https://x.org !f!\n\nbc.. x\n\ny\n\np. {WORDS}',
    "post.txt": f"The title\n\n{WORDS}",
    "typepad.txt": entry(extra=COMMENT) + entry("The rope", status="Draft"),
    "letter.eml": mail(f"{WORDS}\n\nOn Sun, May 3, 2020 Dan <d@x.example> wrote:\n> {WORDS}"),
    "takeout.zip": zipped({"Mail/Sent.mbox": mailbox(mail()), "b.zip": zipped({"w.xml": wxr(wxr_item())})}),
}
# steps a byte: whole files take up to 12, and of a kilobyte what costs the square of its length would take some 500
MOST = 100
PIECES = [
    "<",
    ">",
    "</",
    "&",
    "]]>",
    "<![CDATA[",
    "<!--",
    '"',
    "'",
    "{",
    "}",
    "[",
    "]",
    "---\n",
    "+++\n",
    "\x00",
    "\ud800",
    "\ue000",
    "\n\nFrom x\n",
    "PK\x03\x04",
    "99999999999",
    "=?utf-8?b?",
    "\\u0000",
    "é",
    "🫖",
    "::",
    "``",
    "#+BEGIN_SRC",
]


@st.composite
def broken(draw, whole: bytes) -> bytes:
    """A whole file with bytes changed, taken out, doubled or put in; now and then nothing but noise."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(min_size=1, max_size=300))
    data = whole
    for _ in range(draw(st.integers(1, 6))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 40))
        piece = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from(PIECES).map(lambda p: p.encode("utf-8", "surrogatepass")),
                st.just(data[at : at + length] * 2),
            )
        )
        data = data[:at] + piece + data[at + length :]
    return data or b"x"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def kinds(path) -> set[type]:
    """What became of a file: posts that can be written, or reasons."""
    found = set()
    try:
        for one in readers.iter_posts(path, 1e6):
            if isinstance(one, readers.Post):
                skipped = find_skip(one, path, "Wenna")
                assert one.text.strip() and (skipped is None or str(skipped))
                f"{one.text}{one.title}{one.tags}{one.authors}{one.name}{one.url}".encode()  # can be written
                assert one.date is None or len(one.date) == 10
            else:
                assert str(one)
            found.add(type(one))
    except readers.SkippedPost as e:
        assert str(e)
        found.add(readers.SkippedPost)
    return found


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("name", [*WHOLE, "post.docx"])
def test_readers_make_a_post_or_a_reason_of_any_bytes(folder, name):
    if name == "post.docx":
        document = docx.Document()
        document.add_paragraph(WORDS)
        document.save(folder / "whole.docx")
        whole = (folder / "whole.docx").read_bytes()
    else:
        whole = WHOLE[name] if isinstance(WHOLE[name], bytes) else WHOLE[name].encode()
    outcomes = set()

    @settings(max_examples=120, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(broken(whole))
    @example(Random(1).randbytes(300))  # which no reader takes for a post
    def run(data):
        path = put(folder, name, data)
        assert work(lambda: outcomes.update(kinds(path))) <= MOST * (len(data) + 200)

    run()
    assert readers.Post in outcomes, "the fuzz must leave some"
    assert readers.SkippedPost in outcomes or name == "eleventy.md", "the fuzz must break some"
