"""Every reader, on broken files: a post or a reason, never another error, never a long wait."""

import time

import docx
import pytest
from exports import FILES, WORDS, put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus import readers
from corpus.filters import skip_reason

WHOLE = {
    **FILES,
    "post.md": f"---\ntitle: T\ndate: 2020-01-02\ntags: [a]\nauthor: {{name: W}}\n---\n# A\n{WORDS}",
    "post.mdx": f"---\ntitle: T\n---\nimport a from 'b';\n\n{{/* x */}}\n{WORDS}\n\n```js\nx\n```",
    "eleventy.md": f'---js\n{{\n  title: "T",\n}}\n---\n{WORDS}',
    "post.txt": f"The title\n\n{WORDS}",
}
PIECES = ["<", ">", "</", "&", "]]>", "<![CDATA[", "<!--", '"', "'", "{", "}", "[", "]", "---\n", "+++\n", "\x00", "\ud800", "\ue000", "\n\nFrom x\n", "PK\x03\x04", "99999999999", "=?utf-8?b?", "\\u0000", "é", "🫖", "::", "``", "#+BEGIN_SRC"]


@st.composite
def broken(draw, whole: bytes) -> bytes:
    """A whole file with bytes changed, taken out, doubled or put in; now and then nothing but noise."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(min_size=1, max_size=300))
    data = whole
    for _ in range(draw(st.integers(1, 6))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 40))
        piece = draw(st.one_of(st.binary(max_size=4), st.sampled_from(PIECES).map(lambda p: p.encode("utf-8", "surrogatepass")), st.just(data[at : at + length] * 2)))
        data = data[:at] + piece + data[at + length :]
    return data or b"x"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("name", [*WHOLE, "post.docx"])
def test_a_post_or_a_reason(folder, name):
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
    def run(data):
        path = put(folder, name, data)
        start = time.process_time()
        try:
            for found in readers.iter_posts(path, 1e6):
                if isinstance(found, readers.Post):
                    assert found.text.strip() and skip_reason(found, path, "Wenna") != ""
                    f"{found.text}{found.title}{found.tags}{found.authors}{found.name}{found.url}".encode()  # can be written
                    assert found.date is None or len(found.date) == 10
                else:
                    assert str(found)
                outcomes.add(type(found))
        except readers.SkippedPost as e:
            assert str(e)
            outcomes.add(readers.SkippedPost)
        assert time.process_time() - start < 2

    run()
    assert readers.Post in outcomes, "the fuzz must leave some"
    assert readers.SkippedPost in outcomes or name == "eleventy.md", "the fuzz must break some"
