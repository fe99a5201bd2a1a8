"""Several authors side by side: each has a folder of their own with its posts and knobs, and the server lists everybody's twin."""

import os
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, make_workspace, sh

from serve import catalog

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("project") / "blogtwin")


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


def commit(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    assert sh(folder, "git add -A && git commit -qm change").returncode == 0


def test_an_authors_code_follows_the_project_and_their_knobs_stay(workspace):
    """Also where the project's own params.yaml, results and dvc.lock were committed since; a folder whose code was changed is left alone."""
    sh(workspace, "make blog AUTHOR=carl FROM=data/sample")
    carl = workspace / "authors/carl"
    sh(carl, "python scripts/set_param.py train.epochs=7 prepare.tasks.notes=0.5 prepare.author=Carl")
    (carl / "dvc.lock").write_text("his")
    params = (workspace / "params.yaml").read_text()
    commit(workspace, "eval/suites/new.yaml", "# new\n")
    commit(workspace, "dvc.lock", "theirs")
    commit(workspace, "params.yaml", params.replace("min_words: 40", "min_words: 41").replace('author: ""', "author: Bob") + "# the end\n")
    sh(workspace, "git rm -q eval/suites/general.yaml && git commit -qm gone")
    done = sh(workspace, "make help AUTHOR=carl && python scripts/author_project.py carl help")
    assert done.returncode == 0 and "note:" not in done.stdout, done
    assert (carl / "eval/suites/new.yaml").is_file() and not (carl / "eval/suites/general.yaml").exists() and (carl / "dvc.lock").read_text() == "his"
    found = yaml.safe_load((carl / "params.yaml").read_text())
    assert (found["train"]["epochs"], found["prepare"]["tasks"]["notes"], found["prepare"]["author"], found["ollama"]["name"]) == (7, 0.5, "Carl", "blogtwin-carl")
    assert found["ingest"]["source"] == "data/blog" and found["ingest"]["min_words"] == 41 and "# the end" in (carl / "params.yaml").read_text()
    (carl / "eval/scorecard.py").write_text("# mine\n")
    commit(workspace, "eval/suites/newer.yaml", "# newer\n")
    done = sh(workspace, "python scripts/author_project.py carl help")
    assert "stays at its own version" in done.stdout and (carl / "eval/scorecard.py").read_text() == "# mine\n" and not (carl / "eval/suites/newer.yaml").exists()


def test_a_new_author_inherits_nobodys_name(workspace):
    commit(workspace, "params.yaml", (workspace / "params.yaml").read_text().replace('author: ""', "author: Bob") + "# Bob's\n")
    sh(workspace, "make blog AUTHOR=dora FROM=data/sample")
    found = yaml.safe_load((workspace / "authors/dora/params.yaml").read_text())
    assert found["ingest"]["author"] == found["prepare"]["author"] == "" and found["ingest"]["source"] == "data/blog"


@pytest.mark.parametrize("name", ["../up", "Anna Smith", "-rf", ".hidden", "finetuned"])
def test_a_name_that_is_no_name_is_one_sentence(workspace, name):
    done = sh(workspace, f'make all AUTHOR="{name}"')
    assert done.returncode == 2 and done.stderr.startswith("error: AUTHOR is ") and "make all AUTHOR=anna" in done.stderr
    assert not list(workspace.parent.glob("up*")) and not (workspace / "authors" / name).exists()


def test_an_author_who_is_not_there_is_not_made_of_a_typing_mistake(workspace):
    done = sh(workspace, "make all AUTHOR=ana")
    assert done.returncode == 2 and done.stderr.startswith("error: There is no author ana yet") and not (workspace / "authors/ana").exists()


def test_without_a_commit_it_says_what_to_do(tmp_path):
    folder = tmp_path / "fresh"
    folder.mkdir()
    for part in ("scripts", "blogtwin", "Makefile", "params.yaml"):
        (folder / part).symlink_to(ROOT / part)
    sh(folder, "git init -q")
    code = f"import sys; sys.path.insert(0, 'scripts'); import author_project; from blogtwin import author_projects; author_projects.ROOT = __import__('pathlib').Path('{folder}'); sys.argv = ['author_project.py', 'anna', 'blog']; author_project.run(author_project.main)"
    done = sh(folder, f'python -c "{code}"')
    assert done.returncode == 1 and "git add -A && git commit" in done.stderr and not (folder / "authors").exists(), done


def test_every_authors_twin_is_listed(tmp_path, monkeypatch):
    from serving import write_adapter_gguf

    from blogtwin.config import load_params
    from blogtwin.models import registry

    monkeypatch.chdir(tmp_path)
    for name in ("anna", ".half-made", "ben"):
        write_adapter_gguf(registry.resolve("smollm2:135m"), tmp_path / f"authors/{name}/artifacts/gguf/adapter.gguf")
    (tmp_path / "authors/anna/artifacts/eval").mkdir()
    (tmp_path / "authors/anna/artifacts/eval/metrics.json").write_text("{}")
    found = catalog.models(load_params(ROOT / "params.yaml"))
    assert list(found) == ["base", "anna", "ben"] and found["anna"].scorecard and not found["anna"].unusable
    assert found["anna"].folder == Path("authors/anna") and found["base"].folder == Path(".")


def test_a_text_is_scored_beside_the_posts_of_its_own_author(served, monkeypatch):
    """The same text is a copy of a post to one author's measures and nobody's words to another's."""
    import json
    import shutil

    from serve import scoring

    monkeypatch.chdir(served)
    other = served / "authors/ed"
    try:
        for name in ("data", "params.yaml"):
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (served / name).is_dir() else shutil.copy)(served / name, other / name)
        rows = [json.loads(line) for line in (other / "data/split/train.jsonl").read_text().splitlines()]
        copied = " ".join(rows[0]["output"].split()[10:40])
        (other / "data/split/train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
        assert scoring.score(copied, "x")["copied_words"] >= 20 > scoring.score(copied, "x", Path("authors/ed"))["copied_words"]
    finally:
        shutil.rmtree(served / "authors")
