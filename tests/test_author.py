"""Several authors side by side: each has a folder of their own with its posts and knobs, and the server lists everybody's twin."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, environment, make_workspace

from serve import catalog

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("project") / "blogtwin")


def sh(folder: Path, command: str):
    return subprocess.run(command, shell=True, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300)


def ingest_source(folder: Path) -> str:
    return yaml.safe_load((folder / "params.yaml").read_text())["ingest"]["source"]


def test_two_authors_have_posts_knobs_and_tables_of_their_own(workspace):
    """`make blog` and `make report` for both, from relative and absolute folders; the project itself is as it was."""
    for name, start in (("anna", "Anna writes of boats."), ("ben", "Ben writes of bread.")):
        posts = workspace.parent / f"{name}s posts"
        posts.mkdir(exist_ok=True)
        for n in range(6):
            (posts / f"2020-01-0{n + 1}-day.md").write_text(f"---\ntitle: Day {n}\n---\n" + f"{start} It is day {n}, as {' '.join(f'{name}{n}x{i}' for i in range(60))}. " * 2)
    made = sh(workspace, 'make blog AUTHOR=anna FROM="../annas posts"')
    assert made.returncode == 0 and "made authors/anna" in made.stdout and "copied 6 files" in made.stdout, made
    made = sh(workspace, f'make blog AUTHOR=ben FROM="{workspace.parent}/bens posts" && make report AUTHOR=ben && make report AUTHOR=anna')
    assert made.returncode == 0, made
    for name in ("anna", "ben"):
        folder = workspace / "authors" / name
        text = (folder / "data/raw/posts.jsonl").read_text()
        assert f"{name}3x4" in text and (name == "anna") == ("anna3x4" in text) and (folder / "artifacts/data/report.html").is_file()
        params = yaml.safe_load((folder / "params.yaml").read_text())
        assert (params["ingest"]["source"], params["ollama"]["name"]) == ("data/blog", f"blogtwin-{name}")
        assert os.path.samefile(folder / ".venv", workspace / ".venv") and os.path.samefile(folder / "artifacts/base", workspace / "artifacts/base")
    assert ingest_source(workspace) == "data/sample" and not (workspace / "data/raw").exists()
    assert sh(workspace, "git status --porcelain").stdout == ""
    assert sh(workspace, "dvc status ingest").returncode == 0  # DVC does not take their pipelines for its own
    assert sh(workspace / "authors/anna", "git status --porcelain").stdout.split() == ["M", "params.yaml", "??", "data/blog.dvc", "??", "dvc.lock"]


def test_an_authors_code_follows_the_project_and_their_knobs_stay(workspace):
    sh(workspace, "make blog AUTHOR=carl FROM=data/sample")
    carl = workspace / "authors/carl"
    (workspace / "eval/suites/new.yaml").write_text("# new\n")
    sh(workspace, "git add -A && git commit -qm new")
    done = sh(workspace, "make report AUTHOR=carl")
    assert done.returncode == 0 and (carl / "eval/suites/new.yaml").is_file() and ingest_source(carl) == "data/blog", done
    (workspace / "params.yaml").write_text((workspace / "params.yaml").read_text() + "# a line\n")
    sh(workspace, "git add -A && git commit -qm knobs")
    done = sh(workspace, "make report AUTHOR=carl")  # both changed it: his stays, and he is told
    assert done.returncode == 0 and "note: authors/carl stays at its own version" in done.stdout and ingest_source(carl) == "data/blog"


@pytest.mark.parametrize("name", ["../up", "Anna Smith", "-rf", ".hidden"])
def test_a_name_that_is_no_name_is_one_sentence(workspace, name):
    done = sh(workspace, f'make all AUTHOR="{name}"')
    assert done.returncode == 2 and done.stderr.startswith("error: AUTHOR is ") and "make all AUTHOR=anna" in done.stderr
    assert not list(workspace.parent.glob("up*")) and not (workspace / "authors" / name).exists()


def test_without_a_commit_it_says_what_to_do(tmp_path):
    folder = tmp_path / "fresh"
    folder.mkdir()
    for part in ("scripts", "train", "Makefile", "params.yaml"):
        (folder / part).symlink_to(ROOT / part)
    sh(folder, "git init -q")
    code = f"import sys; sys.path.insert(0, 'scripts'); import author; author.ROOT = __import__('pathlib').Path('{folder}'); sys.argv = ['author.py', 'anna', 'all']; author.run(author.main)"
    done = sh(folder, f'python -c "{code}"')
    assert done.returncode == 1 and "git add -A && git commit" in done.stderr and not (folder / "authors").exists(), done


def test_every_authors_twin_is_listed(tmp_path, monkeypatch):
    from serving import write_adapter_gguf

    from _shared import load_params
    from train import base

    monkeypatch.chdir(tmp_path)
    for name in ("anna", ".half-made", "ben"):
        write_adapter_gguf(base.resolve("smollm2:135m"), tmp_path / f"authors/{name}/artifacts/gguf/adapter.gguf")
    (tmp_path / "authors/anna/artifacts/eval").mkdir()
    (tmp_path / "authors/anna/artifacts/eval/metrics.json").write_text("{}")
    found = catalog.models(load_params(ROOT / "params.yaml"))
    assert list(found) == ["base", "anna", "ben"] and found["anna"].scorecard and not found["anna"].unusable
