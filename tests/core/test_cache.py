"""What was read and cut before is not read and cut again, and comes out the same; what is new, changed or broken is
made."""

import dataclasses
import importlib
from pathlib import Path

import pytest

from blogtwin import cache
from blogtwin.cache import JsonCache
from blogtwin.config import load_params
from blogtwin.files import read_jsonl
from corpus import cleaning, ingest, prepare, readers
from corpus.post import Post, SkippedPost
from tests.support.workspace import ROOT

stage_ingest, stage_prepare = (importlib.import_module(name) for name in ("01_ingest", "02_prepare"))


def asked(path: Path, wanted: list, *decides) -> tuple[list, int]:
    """What each of `wanted` gives, and how many had to be made: each makes its own double."""
    with JsonCache(path, *decides) as kept:
        return [kept.get(one, lambda one=one: [one, one]) for one in wanted], kept.misses


def test_only_what_is_new_is_made_and_what_is_gone_is_forgotten(tmp_path):
    path = tmp_path / "kept.jsonl"
    assert asked(path, ["a", "b", "a"]) == ([["a", "a"], ["b", "b"], ["a", "a"]], 3)  # known from the next time on
    assert asked(path, ["b", "c", {"d": "é\u2028\ud800"}]) == (
        [["b", "b"], ["c", "c"], [{"d": "é\u2028\ud800"}] * 2],
        2,
    )
    assert asked(path, ["a", "b", "c"])[1] == 1 and len(path.read_text().splitlines()) == 3


def test_cache_is_not_used_for_other_settings_or_other_code(tmp_path, monkeypatch):
    path = tmp_path / "kept.jsonl"
    asked(path, ["a"], "keep")
    assert asked(path, ["a"], "keep")[1] == 0
    assert asked(path, ["a"], "drop")[1] == 1
    monkeypatch.setattr(cache, "code_fingerprint", lambda: "changed")
    assert asked(path, ["a"], "drop")[1] == 1


@pytest.mark.parametrize(
    "spoil",
    [lambda raw: raw[:-20], lambda raw: b"", lambda raw: b"\x00\xff" * 50, lambda raw: raw.replace(b'"b"', b'"b')],
)
def test_a_broken_file_costs_time_and_nothing_else(tmp_path, spoil):
    path = tmp_path / "kept.jsonl"
    asked(path, ["a", "b"])
    path.write_bytes(spoil(path.read_bytes()))
    assert asked(path, ["a", "b"])[0] == [["a", "a"], ["b", "b"]]
    assert asked(path, ["a", "b"])[1] == 0


def test_a_run_that_stops_leaves_the_file_of_the_one_before(tmp_path):
    path = tmp_path / "kept.jsonl"
    asked(path, ["a"])
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), JsonCache(path) as kept:
        kept.get("b", lambda: "b")
        raise KeyboardInterrupt
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.fixture
def blog(tmp_path, monkeypatch):
    """A folder of posts, files that are none and an export, as the working directory's data/blog."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/blog"
    folder.mkdir(parents=True)
    for n in range(4):
        (folder / f"2020-01-0{n + 1}-post.md").write_text(
            f"---\ntitle: Post {n}\n---\n" + f"Word{n} and more of it. " * 30
        )
    (folder / "empty.md").write_text("")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "chat.jsonl").write_text('{"text": "' + "A journal of one long day. " * 20 + '"}\n')
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml")
        .read_text()
        .replace("source: data/sample", "source: data/blog")
        .replace("corpus/persona.yaml", f"{ROOT}/corpus/persona.yaml")
    )
    return folder


def read(blog) -> tuple[tuple, int]:
    with JsonCache(blog.parent / "read.jsonl") as kept:
        return ingest.ingest_folder(blog, 40, 1e7, "", "user", cache=kept), kept.misses


def test_ingest_reads_only_new_and_changed_files_and_finds_the_same(blog):
    first, made = read(blog)
    assert first == ingest.ingest_folder(blog, 40, 1e7) and made == 5 and {p["lang"] for p in first[0]} == {"en"}
    assert read(blog) == (first, 0)
    (blog / "2020-01-02-post.md").write_text("---\ntitle: Changed\n---\n" + "Quite another text. " * 30)
    (blog / "2020-01-04-post.md").rename(blog / "2021-01-04-post.md")  # its name is its date
    (blog / "new.md").write_text("Something new to read. " * 30)
    second, made = read(blog)
    assert (
        second == ingest.ingest_folder(blog, 40, 1e7) and made == 3 and "2021-01-04" in {p["date"] for p in second[0]}
    )


def test_posts_and_reasons_come_back_whole():
    post = Post(
        "text \ud83d", "Title", "2020-01-01", ["a"], True, "name", ["me"], "http://x", "inside", "page", "en", ["a tab"]
    )
    assert Post(**ingest.to_json(post)) == post
    skipped = ingest.to_json(SkippedPost("why", "where", "not yours"))
    assert skipped == {"reason": "why", "name": "where", "cause": "not yours"}
    assert vars(SkippedPost(**skipped)) == {"name": "where", "cause": "not yours"}


def test_what_a_reader_put_right_is_in_the_row_of_the_first_run_and_of_the_next(blog, monkeypatch):
    inner = readers.SINGLE_POST_READERS[".md"]

    def mending_reader(path, data):
        post = inner(path, data)
        post.mended.append("a tab in its front matter")
        return post

    monkeypatch.setitem(readers.SINGLE_POST_READERS, ".md", mending_reader)
    (first, _), (second, computed) = read(blog), read(blog)
    assert computed == 0 and first == second
    mended = {post["source"]: post["mended"] for post in first[0]}
    assert mended["2020-01-02-post.md"] == ["a tab in its front matter"] and mended["chat.jsonl#line 1"] == []


@pytest.mark.slow
def test_prepare_cuts_only_new_posts_and_a_knob_cuts_all_again(blog, capsys, monkeypatch):
    """The stages' own main(), twice and once more with another knob: the examples are the ones that a first run
    makes."""
    monkeypatch.setattr("sys.argv", ["stage"])
    examples = Path("data/prepared/examples.jsonl")
    stage_ingest.main()
    stage_prepare.main()
    first = examples.read_text()
    cut, inner = [], cleaning.clean_markdown
    monkeypatch.setattr(cleaning, "clean_markdown", lambda *given: (cut.append(1), inner(*given))[1])
    stage_prepare.main()
    assert examples.read_text() == first and not cut
    (blog / "new.md").write_text("# New\n\n" + "Something new to read. " * 30)
    stage_ingest.main()
    assert "1 of 6 files are new or changed" in capsys.readouterr().out
    stage_prepare.main()
    assert len(cut) == 1 and examples.read_text() != first
    Path("artifacts/cache/cut.jsonl").unlink()
    known = examples.read_text()
    stage_prepare.main()
    assert examples.read_text() == known and len(cut) == 1 + len(read_jsonl("data/raw/posts.jsonl"))
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("context_tokens: 120", "context_tokens: 60"))
    stage_prepare.main()
    assert len(cut) == 1 + 2 * len(read_jsonl("data/raw/posts.jsonl"))


@pytest.mark.slow
def test_texts_counted_together_have_the_tokens_that_each_has_by_itself():
    from blogtwin.models import chat, registry

    tokenizer = registry.resolve_base("smollm2:135m").tokenizer()
    texts = ["", " ", "One.", "  Two words\n", "naïve 東京 🙂", "<|im_start|>user", "x" * 3000, "One."]
    count = chat.TokenCounter(tokenizer)
    alone = [len(chat.encode(tokenizer, text)) for text in texts]
    assert [count(text) for text in texts] == alone
    count.count_batch(texts)
    assert count.counts == dict(zip(texts, alone)) and [count(text) for text in texts] == alone
    count.count_batch([])
    assert count.counts == {} and count("One.") == alone[2]


def test_all_knobs_that_cut_posts_decide():
    """Whoever adds a knob to the section must say whether it decides how a post is cut."""
    elsewhere = {
        "system",
        "author",
        "augmentation",
        "max_augmentations_per_post",
        "instruction_source",
        "instruction_model",
        "persona",
    }
    params = load_params(ROOT / "params.yaml")
    named = {"seed", "links", "redact", "context_tokens", *prepare.BLOCK_TYPES}
    assert set(type(params.prepare).model_fields) == named | elsewhere
    for name in named:
        other = params.model_copy(update={"prepare": params.prepare.model_copy(update={name: "other"})})
        assert prepare.cache_key(other, dataclasses.make_dataclass("B", ["digest"])("d")) != prepare.cache_key(
            params, dataclasses.make_dataclass("B", ["digest"])("d")
        )
