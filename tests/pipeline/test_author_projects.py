"""Several authors side by side: each has a folder of their own with its posts and knobs, and the server lists
everybody's twin."""

import os
import re
from pathlib import Path

import pytest
import yaml

from blogtwin import renamed_params
from serve import catalog
from tests.support.workspace import ROOT, make_workspace, sh

pytestmark = [pytest.mark.slow, pytest.mark.dvc, pytest.mark.model]


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
            (posts / f"2020-01-0{n + 1}-day.md").write_text(
                f"---\ntitle: Day {n}\n---\n"
                + f"{start} It is day {n}, as {' '.join(f'{name}{n}x{i}' for i in range(60))}. " * 2
            )
    made = sh(workspace, 'make blog AUTHOR=anna FROM="../annas posts"')
    assert made.returncode == 0 and "created authors/anna" in made.stdout and "copied 6 files" in made.stdout, made
    made = sh(
        workspace,
        f'make blog AUTHOR=ben FROM="{workspace.parent}/bens posts" && make report AUTHOR=ben && make report'
        " AUTHOR=anna",
    )
    assert made.returncode == 0, made
    for name in ("anna", "ben"):
        folder = workspace / "authors" / name
        text = (folder / "data/raw/posts.jsonl").read_text()
        assert (
            f"{name}3x4" in text
            and (name == "anna") == ("anna3x4" in text)
            and (folder / "artifacts/data/report.html").is_file()
        )
        params = yaml.safe_load((folder / "params.yaml").read_text())
        assert (params["ingest"]["source"], params["ollama"]["name"]) == ("data/blog", f"blogtwin-{name}")
        assert os.path.samefile(folder / ".venv", workspace / ".venv") and os.path.samefile(
            folder / "artifacts/base", workspace / "artifacts/base"
        )
    assert ingest_source(workspace) == "data/sample" and not (workspace / "data/raw").exists()
    assert sh(workspace, "git status --porcelain").stdout == ""
    assert sh(workspace, "dvc status ingest").returncode == 0  # DVC does not take their pipelines for its own
    assert sh(workspace / "authors/anna", "git status --porcelain").stdout.split() == [
        "A",  # for DVC's queue, whose copies have only what Git knows
        "data/blog.dvc",
        "M",
        "params.yaml",
        "??",
        "dvc.lock",
    ]


def commit(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    assert sh(folder, "git add -A && git commit -qm change").returncode == 0


def test_an_authors_code_follows_the_project_and_their_knobs_stay(workspace):
    """Also where the project's own params.yaml, results and dvc.lock were committed since; a folder whose code was
    changed is left alone."""
    sh(workspace, "make blog AUTHOR=carl FROM=data/sample")
    carl = workspace / "authors/carl"
    sh(carl, "python scripts/set_param.py train.epochs=7 prepare.augmentation.notes=0.5 prepare.author=Carl")
    (carl / "dvc.lock").write_text("his")
    params = (workspace / "params.yaml").read_text()
    commit(workspace, "eval/suites/cases/new.yaml", "# new\n")
    commit(workspace, "dvc.lock", "theirs")
    commit(
        workspace,
        "params.yaml",
        params.replace("min_words: 40", "min_words: 41").replace('author: ""', "author: Bob") + "# the end\n",
    )
    sh(workspace, "git rm -q eval/suites/cases/general.yaml && git commit -qm gone")
    done = sh(workspace, "make help AUTHOR=carl && python scripts/author_project.py carl help")
    assert done.returncode == 0 and "note:" not in done.stdout, done
    assert (
        (carl / "eval/suites/cases/new.yaml").is_file()
        and not (carl / "eval/suites/cases/general.yaml").exists()
        and (carl / "dvc.lock").read_text() == "his"
    )
    found = yaml.safe_load((carl / "params.yaml").read_text())
    assert (
        found["train"]["epochs"],
        found["prepare"]["augmentation"]["notes"],
        found["prepare"]["author"],
        found["ollama"]["name"],
    ) == (7, 0.5, "Carl", "blogtwin-carl")
    assert (
        found["ingest"]["source"] == "data/blog"
        and found["ingest"]["min_words"] == 41
        and "# the end" in (carl / "params.yaml").read_text()
    )
    (carl / "eval/scorecard.py").write_text("# mine\n")
    commit(workspace, "eval/suites/cases/newer.yaml", "# newer\n")
    done = sh(workspace, "python scripts/author_project.py carl help")
    assert (
        "keeps its version of the code" in done.stdout
        and (carl / "eval/scorecard.py").read_text() == "# mine\n"
        and not (carl / "eval/suites/cases/newer.yaml").exists()
    )


def test_a_new_author_inherits_nobodys_name(workspace):
    commit(
        workspace,
        "params.yaml",
        (workspace / "params.yaml").read_text().replace('author: ""', "author: Bob") + "# Bob's\n",
    )
    sh(workspace, "make blog AUTHOR=dora FROM=data/sample")
    found = yaml.safe_load((workspace / "authors/dora/params.yaml").read_text())
    assert found["ingest"]["author"] == found["prepare"]["author"] == "" and found["ingest"]["source"] == "data/blog"


@pytest.mark.parametrize("name", ["../up", "Anna Smith", "-rf", ".hidden", "finetuned"])
def test_a_name_that_is_no_name_is_one_sentence(workspace, name):
    done = sh(workspace, f'make all AUTHOR="{name}"')
    assert (
        done.returncode == 2 and done.stderr.startswith("error: AUTHOR is ") and "make all AUTHOR=anna" in done.stderr
    )
    assert not list(workspace.parent.glob("up*")) and not (workspace / "authors" / name).exists()


def test_an_author_who_is_not_there_is_not_made_of_a_typing_mistake(workspace):
    done = sh(workspace, "make all AUTHOR=ana")
    assert (
        done.returncode == 2
        and done.stderr.startswith("error: There is no author ana yet")
        and not (workspace / "authors/ana").exists()
    )


def test_without_a_commit_it_says_what_to_do(tmp_path):
    folder = tmp_path / "fresh"
    folder.mkdir()
    for part in ("scripts", "blogtwin", "Makefile", "params.yaml"):
        (folder / part).symlink_to(ROOT / part)
    sh(folder, "git init -q")
    code = (
        "import sys; sys.path.insert(0, 'scripts'); import author_project; from blogtwin import author_projects;"
        f" author_projects.ROOT = __import__('pathlib').Path('{folder}'); sys.argv = ['author_project.py', 'anna',"
        " 'blog']; author_project.run_cli(author_project.main)"
    )
    done = sh(folder, f'python -c "{code}"')
    assert done.returncode == 1 and "git add -A && git commit" in done.stderr and not (folder / "authors").exists(), (
        done
    )


def write_posts(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        (folder / f"2021-01-0{n + 1}-day.md").write_text(
            f"---\ntitle: Day {n}\n---\n" + f"It is day {n}, as {' '.join(f'w{n}x{i}' for i in range(60))}. " * 2
        )
    return folder


def test_the_hint_after_make_blog_makes_the_author(workspace, tmp_path):
    """As it stands, from the project and from the author's folder. Three posts are too few, which ends it before any
    training."""
    said = sh(workspace, f"make blog AUTHOR=eve FROM={write_posts(tmp_path / 'posts', 3)}").stdout
    said = said[said.index("next: ") :]
    hints = re.findall(r"`(make [^`]+)`", said)
    assert hints == ["make all AUTHOR=eve", "make all AUTHOR=eve BASE=llama3.2:1b"]
    eve = workspace / "authors/eve"
    for folder in (workspace, eve):
        done = sh(folder, hints[0])
        assert "There are 3 usable posts" in done.stderr, done
        assert (
            (eve / "data/prepared/examples.jsonl").is_file()
            and not (workspace / "data/raw").exists()
            and not (eve / "authors").exists()
        )
    missing = sh(workspace, "make blog AUTHOR=eve FROM=nowhere")
    assert "make blog AUTHOR=eve FROM=~/posts" in missing.stderr, missing
    missing = sh(eve, "make validate-metrics AUTHOR=eve")
    assert "make validate-metrics AUTHOR=eve BLOGS=folder" in missing.stderr, missing


def test_an_old_params_file_is_brought_up_to_date_before_dvc_reads_it(workspace):
    """After a version that renames a parameter and moves a file that another names: in the project, and in an author's
    folder."""
    persona = yaml.safe_load((workspace / "params.yaml").read_text())["prepare"]["persona"]
    table = Path(renamed_params.__file__).relative_to(ROOT)
    sh(workspace, "make blog AUTHOR=finn FROM=data/sample")
    finn = workspace / "authors/finn"
    assert sh(finn, "python scripts/set_param.py ingest.max_file_mb=7").returncode == 0
    mine = (workspace / "params.yaml").read_text().replace("max_file_mb: 50", "max_file_mb: 8")
    change = f"""
        mkdir moved && git mv {persona} moved/form.yaml
        sed -i 's,{persona},moved/form.yaml,g' $(git grep -lF {persona} -- '*.yaml' '*.py')
        sed -i 's/max_file_mb/max_file_size_mb/g' $(git grep -lw max_file_mb -- '*.yaml' '*.py')
        echo 'RENAMED["ingest.max_file_mb"] = "ingest.max_file_size_mb"' >> {table}
        echo 'MOVED_DEFAULTS["prepare.persona"] = {{"{persona}": "moved/form.yaml"}}' >> {table}
        git rm -qf --ignore-unmatch dvc.lock
        git add -A && git commit -qm 'another version'"""
    assert sh(workspace, change).returncode == 0
    (workspace / "params.yaml").write_text(mine)
    for folder, verb, size in ((workspace, "make report", 8), (finn, "make report AUTHOR=finn", 7)):
        done = sh(workspace, verb)
        assert (folder is finn) != (
            "params.yaml: ingest.max_file_mb is now called ingest.max_file_size_mb" in done.stdout
        )
        assert done.returncode == 0 and "note:" not in done.stdout, done
        found = yaml.safe_load((folder / "params.yaml").read_text())
        assert found["ingest"]["max_file_size_mb"] == size and "max_file_mb" not in found["ingest"]
        assert found["prepare"]["persona"] == "moved/form.yaml" and not (folder / persona).exists()
    assert sh(workspace, "git diff --numstat params.yaml").stdout.split()[:2] == ["1", "1"]  # the 8


def test_every_authors_twin_is_listed(tmp_path, monkeypatch):
    from blogtwin.config import load_params
    from blogtwin.models import registry
    from tests.support.server_process import write_adapter_gguf

    monkeypatch.chdir(tmp_path)
    for name in ("anna", ".half-made", "ben"):
        write_adapter_gguf(
            registry.resolve_base("smollm2:135m"), tmp_path / f"authors/{name}/artifacts/gguf/adapter.gguf"
        )
    (tmp_path / "authors/anna/artifacts/eval").mkdir()
    (tmp_path / "authors/anna/artifacts/eval/metrics.json").write_text("{}")
    found = catalog.list_models(load_params(ROOT / "params.yaml"))
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
        assert (
            scoring.score_text(copied, "x")["copied_words"]
            >= 20
            > scoring.score_text(copied, "x", Path("authors/ed"))["copied_words"]
        )
    finally:
        shutil.rmtree(served / "authors")
