"""Broken files in sound archives: a post or a reason for each, and not a word of their neighbours is lost."""

import io
import tracemalloc

import docx
import pytest
from hypothesis import HealthCheck, given, settings

from corpus import readers
from tests.corpus.test_readers_fuzz import WHOLE, broken
from tests.support.blog_exports import WORDS, put, zipped
from tests.support.saved_pages import saved_pages

SOUND = f"---\ntitle: The neighbour\ndate: 2020-01-02\n---\n\nThe neighbour stays. {WORDS}"
MAX_MEMORY = 60_000_000  # bytes of Python at once; modules that are loaded on the way among them


def word_file() -> bytes:
    document, buffer = docx.Document(), io.BytesIO()
    document.add_paragraph(WORDS)
    document.save(buffer)
    return buffer.getvalue()


MEMBERS = {**WHOLE, "page.htm": saved_pages()[-1].html, "word.docx": word_file()}


def in_folder(name: str, data: bytes) -> dict[str, str | bytes]:
    return {f"export/{name}": data, "export/neighbour.md": SOUND}


def in_archive(name: str, data: bytes) -> dict[str, str | bytes]:
    return {"inner.zip": zipped({name: data}), "neighbour.md": SOUND}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("place", [in_folder, in_archive])
@pytest.mark.parametrize("name", MEMBERS)
def test_a_broken_member_of_an_archive_takes_no_neighbour_along(folder, name, place):
    whole = MEMBERS[name] if isinstance(MEMBERS[name], bytes) else MEMBERS[name].encode()

    @settings(max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(broken(whole))
    def run(data):
        path = put(folder, "archive.zip", zipped(place(name, data)))
        tracemalloc.start()
        try:
            found = list(readers.iter_posts(path, 1e6))
            assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY
        finally:
            tracemalloc.stop()
        neighbours = [p for p in found if isinstance(p, readers.Post) and p.text.startswith("The neighbour stays.")]
        assert [(p.title, p.date) for p in neighbours] == [("The neighbour", "2020-01-02")]
        assert len(found) > 1, "the broken member has a row or a reason of its own"
        assert all(str(one) for one in found if isinstance(one, readers.SkippedPost))

    run()
