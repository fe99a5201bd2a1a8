"""The README's words are kept: its commands exist and run, its files are there."""

import re
import shlex
import subprocess

import pytest
from conftest import ROOT

from corpus import ingest

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()]
# Commands that test_pipeline.py runs for real, in its workspace (there with small numbers or another folder).
RUN_BY_PIPELINE = {"make all", "make blog FROM=~/posts", "dvc exp run -S train.learning_rate=1e-4", "dvc metrics diff", "make diff A=HEAD", "make report", "dvc plots show"}


def test_readme_has_the_two_commands_and_ci_calls_the_second():
    assert COMMANDS[:2] == ["make all", "make test"]
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_every_command_is_run_by_a_test(command):
    """make targets exist; what test_pipeline does not run literally is run by a test through its script."""
    words = shlex.split(command.replace("“", "").replace("”", ""))
    everything = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").glob("test_*.py") if p.name != "test_docs.py")
    pipeline = (ROOT / "tests/test_pipeline.py").read_text()
    if words[0] == "make":
        dry = subprocess.run(["make", "-n", words[1]], cwd=ROOT, capture_output=True, text=True)
        assert dry.returncode == 0, dry.stderr
    if command in RUN_BY_PIPELINE:
        assert " ".join(words[:2]) in pipeline
    elif words[0] == "make":
        scripts = set(re.findall(r"scripts/(\w+)\.py", dry.stdout)) - {"bootstrap"}
        assert command == "make test" or scripts and all(re.search(rf"\b{name}\b", everything) for name in scripts)
    else:
        assert words[0] == "python" and re.search(rf"\b{re.escape(words[1].split('/')[-1].removesuffix('.py'))}\b", everything)


@pytest.mark.parametrize("name", ["blogtwin", "corpus", "scripts", "train", "eval", "serve", "data/sample", "params.yaml", "dvc.yaml"])
def test_tree_in_readme_is_there(name):
    assert (ROOT / name).exists() and name.split("/")[0] in README


def test_pictures_in_readme_are_there_and_small():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    for name in pictures:
        assert 1000 < (ROOT / name).stat().st_size < 100_000, name


def test_no_private_path_or_registry_is_named():
    """No path of a developer's machine and no package registry's host in any tracked file."""
    bad = re.compile(r"/(?:wor" + r"k|hom" + r"e/\w+)/(?:main|shared)|pypi\." + r"org|registry\.npm" + "js|files\\.pythonhosted")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, listed):
        path = ROOT / name
        if path.suffix in (".docx",) or not path.is_file():
            continue
        assert not bad.search(path.read_text(encoding="utf-8", errors="replace")), name


def test_sample_is_what_the_issue_asks():
    """About 60 posts, 28,000 to 38,000 words; 48 .md, 6 .txt, 6 .docx; several years."""

    posts, discarded = ingest.ingest_folder(ROOT / "data/sample", 40, 1e9)
    formats = [p["format"] for p in posts]
    assert (formats.count("md"), formats.count("txt"), formats.count("docx")) == (48, 6, 6)
    assert 28_000 <= sum(p["word_count"] for p in posts) <= 38_000
    assert [d["source"] for d in discarded] == ["ABOUT"]
    assert len({p["date"][:4] for p in posts}) >= 5 and all(p["title"] and p["lang"] == "en" for p in posts)
