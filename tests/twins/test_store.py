"""The store of twins: what is kept, what it costs, which one is live, what is removed."""

import hashlib
import os
from pathlib import Path

import pytest
import yaml

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.twins import store as twins
from blogtwin.twins.live import remove_superseded
from serve import catalog
from tests.support.kept_twins import ABOUT, keep, write_twin
from tests.support.ollama_server import OllamaServer

pytestmark = pytest.mark.usefixtures("project")


def live() -> str:
    return next(version.name for version in twins.list_versions() if version.live)


def test_a_version_is_a_second_name_of_the_file_in_dvcs_cache(project):
    """So it costs nothing, and stays when the workspace's copy is replaced."""
    write_twin(project, "a")
    cache = project / "cache"
    data = Path("artifacts/gguf/twin.gguf").read_bytes()
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    cached = cache / "files/md5" / digest[:2] / digest[2:]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(data)
    version = twins.keep_twin(ABOUT, cache)
    assert os.path.samefile(version.gguf / "twin.gguf", cached)
    assert os.path.samefile(version.gguf / "adapter.gguf", "artifacts/gguf/adapter.gguf")  # not in the cache
    write_twin(project, "b")
    assert (version.gguf / "twin.gguf").read_bytes() == data


def test_a_file_system_without_links_gets_copies(project, monkeypatch):
    write_twin(project, "a")

    def no_links(*_):
        raise OSError("Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    version = twins.keep_twin(ABOUT)
    assert (version.gguf / "twin.gguf").read_bytes() == Path("artifacts/gguf/twin.gguf").read_bytes()


def test_a_twin_is_kept_once_and_its_verdict_follows(project):
    """The verdict is the twin's own only where DVC's lock file says that this twin was scored."""
    assert twins.is_kept()  # there is none
    write_twin(project, "a")
    assert not twins.is_kept()
    first = twins.keep_twin(ABOUT)
    assert twins.is_kept()
    assert first.name.endswith(first.digest[:12]) and first.about["verdict"] == "" and first.live
    Path("artifacts/eval").mkdir()
    Path("artifacts/eval/verdict.txt").write_text("Closer to you than prompting: x.\nmore\n")
    Path("artifacts/eval/metrics.json").write_text("{}")
    for scored, verdict in (("0" * 32, ""), ("1" * 32, "Closer to you than prompting: x.")):
        out, dep = [{"path": "artifacts/gguf", "md5": md5} for md5 in ("1" * 32, scored)]
        Path("dvc.lock").write_text(
            yaml.safe_dump({"stages": {"export_gguf": {"outs": [out]}, "eval": {"deps": [dep]}}})
        )
        assert twins.is_kept() == (not verdict)
        again = twins.keep_twin(ABOUT)
        assert (
            twins.is_kept()
            and again.about["verdict"] == verdict
            and (again.folder / "eval/metrics.json").is_file() == bool(verdict)
        )
    assert len(twins.list_versions()) == 1 and again.about["created"] == first.about["created"]


def test_the_choice_of_a_twin_holds_until_the_pipeline_makes_another(project):
    old, new = keep("a", "2026-01-01"), keep("b", "2026-02-01")
    assert live() == new.name
    twins.choose_live(old)
    assert live() == old.name and twins.live_gguf_dir() == old.gguf
    write_twin(project, "b")  # the same one again, as `make all` leaves it
    assert live() == old.name
    write_twin(project, "c")
    assert twins.live_gguf_dir() == Path("artifacts/gguf") and not any(v.live for v in twins.list_versions())


def test_the_server_serves_the_chosen_twin_and_lists_all(project):
    old, new = keep("a", "2026-01-01"), keep("b", "2026-02-01")
    params = load_params()
    assert catalog.list_models(params)["finetuned"].adapter == Path("artifacts/gguf/adapter.gguf")
    twins.choose_live(old)
    models = catalog.list_models(params)
    assert list(models) == ["base", "finetuned", old.name, new.name]
    assert models["finetuned"].adapter == old.gguf / "adapter.gguf"
    assert not models["finetuned"].unusable  # its base is unknown here, and its own weights are in twin.gguf
    (old.gguf / "twin.gguf").unlink()
    assert "was trained on keeper:1" in catalog.list_models(params)[old.name].unusable


@pytest.mark.parametrize("asked", ["2026-01", "versions/2026-01-01", "newest", "", "digest"])
def test_a_twin_is_found_by_what_tells_it_from_the_others(project, asked):
    old, new = keep("a", "2026-01-01"), keep("b", "2026-02-01")
    if asked in ("newest", ""):
        assert twins.find_version(asked).name == new.name
    else:
        assert twins.find_version(old.digest[:6] if asked == "digest" else asked).name == old.name


def test_a_twin_that_is_not_there_or_not_one_is_a_sentence(project):
    with pytest.raises(UserError, match="No twin is kept yet: run `make all`"):
        twins.find_version("x")
    names = [keep(mark, f"2026-0{n}-01").name.removeprefix("versions/") for n, mark in enumerate("ab", 1)]
    with pytest.raises(UserError) as error:
        twins.find_version("2026")
    assert "the beginning of 2 twins" in str(error.value) and all(name in str(error.value) for name in names)
    with pytest.raises(UserError, match=f"none of the twins that are kept .*{names[0]}.*`make twins`"):
        twins.find_version("2025-01")


def test_the_oldest_beyond_the_limit_are_removed_after_it_was_said(project, capsys, monkeypatch):
    """Never the live one, nor one that a saved chat is with; and what Ollama holds of them goes, too."""
    versions = {mark: keep(mark, f"2026-0{n}-01") for n, mark in enumerate("abcdef", 1)}
    twins.choose_live(versions["a"])
    server = OllamaServer(project / "blobs")
    monkeypatch.setenv("OLLAMA_HOST", server.host)
    for mark in "bcf":
        server.models[f"blogtwin:{versions[mark].digest[:12]}"] = {}
    said = []
    monkeypatch.setattr("blogtwin.twins.live.echo", lambda text: said.append((text, len(twins.list_versions()))))
    remove_superseded(load_params(), {versions["b"].name})
    server.close()
    assert [version.name for version in reversed(twins.list_versions())] == [versions[m].name for m in "abdef"]
    assert len(said) == 1 and said[0][1] == 6 and versions["c"].name in said[0][0] and "export.keep is 3" in said[0][0]
    assert set(server.models) == {f"blogtwin:{versions[mark].digest[:12]}" for mark in "bf"}


def test_a_training_jobs_twin_is_listed_by_what_its_files_tell(project):
    keep("a", "2026-01-01")
    write_twin(project / "other", "z")
    job = project / "artifacts/twins/anna/job-1"
    job.mkdir(parents=True)
    (project / "other/artifacts/gguf").rename(job / "gguf")
    (job / "eval").mkdir()
    (job / "eval/metrics.json").write_text('{"twin": {"verdict": {"closer_than_prompting": 1}}}')
    found = twins.find_version("anna/job-1")
    assert found.about["base"] == "keeper:1" and found.about["quantization"] == "q8_0"
    assert found.about["verdict"] == "Closer to you than prompting."
    (job / "gguf/adapter.gguf").write_bytes(b"nonsense")
    assert twins.find_version("anna").about["base"] == "can't be read"
