"""A command that is told to the user can be typed as it stands: in an author's project it names the author."""

import ast
import re
from pathlib import Path

import pytest

from blogtwin.hints import make_command, shell_command
from tests.support.workspace import ROOT

VERBS = re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
COMMAND = re.compile(rf"\bmake (?:{'|'.join(VERBS)})\b|\bpython scripts/\w+\.py")
HELPERS = {"make_command", "shell_command"}
# (file, command): why it stands there as it is
AS_THEY_ARE = {
    ("scripts/doctor.py", "make setup"): "the packages that the helper needs are what is missing",
    ("scripts/bootstrap.py", "make setup"): "one .venv for all authors",
    (
        "serve/startup.py",
        "python scripts/api_keys.py",
    ): "keys are the user's, whichever project the command is typed in",
    ("serve/middleware.py", "python scripts/api_keys.py"): "the same",
    ("serve/auth.py", "python scripts/api_keys.py"): "the same",
    ("blogtwin/installation.py", "make setup"): "the same",
    ("blogtwin/venv.py", "make setup"): "the same",
    ("blogtwin/installation.py", "make lock"): "the project's own file, for all authors",
    ("scripts/build_docs.py", "python scripts/build_docs.py"): "the documentation is the project's",
    ("scripts/update_results.py", "python scripts/build_docs.py"): "the same",
    ("scripts/update_results.py", "make all"): "the same",
    ("scripts/ladder.py", "python scripts/build_docs.py"): "the same",
    ("eval/results_tables.py", "make ladder"): "the command of a table in the documentation",
    ("eval/ladder_run.py", "make ladder"): "the same",
    ("serve/housekeeping.py", "make gc"): "all authors share one cache: it works in the project that holds them",
    ("blogtwin/disk_usage.py", "make gc"): "the same",
    ("blogtwin/twins/package.py", "make unpack"): "the card of a package is read on another machine",
    ("blogtwin/twins/package.py", "make serve"): "the same",
    ("blogtwin/twins/package.py", "make pack"): "what the package was made by, on the other machine",
}


@pytest.fixture
def anna(tmp_path, monkeypatch):
    """The folder of an author, in it; the project is in a folder that is called authors too."""
    folder = tmp_path / "authors/my blog/authors/anna"
    folder.mkdir(parents=True)
    for project in (folder, folder.parent.parent):
        (project / "dvc.yaml").touch()
    monkeypatch.chdir(folder)
    return folder


def test_make_command_names_the_author_in_an_authors_project_only(anna, monkeypatch):
    assert make_command("all") == "make all AUTHOR=anna"
    assert make_command("blog", FROM="~/posts") == "make blog AUTHOR=anna FROM=~/posts"
    assert make_command("setup") == "make setup"  # one .venv for all
    inside = anna / ".dvc/tmp/exps/tmp1"  # where DVC runs an experiment
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert make_command("all") == "make all AUTHOR=anna"
    monkeypatch.chdir(anna.parent.parent)
    assert make_command("all", BASE="x") == "make all BASE=x"
    assert (
        make_command("all", Path("authors/anna")) == "make all AUTHOR=anna"
        and make_command("all", Path("..")) == "make all"
    )
    assert make_command("all", AUTHOR="ben") == "make all AUTHOR=ben"


def test_shell_command_goes_to_an_authors_project_first(anna, monkeypatch):
    assert shell_command("python scripts/ask.py") == f"cd '{anna}' && python scripts/ask.py"
    monkeypatch.chdir(anna.parent.parent)
    assert shell_command("python scripts/ask.py") == "python scripts/ask.py"


def literals(file: Path) -> list[str]:
    """The strings of a Python file; no docstring, which tells of the project itself, and nothing that is given to a
    helper."""
    found = []

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in HELPERS:
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        if isinstance(node, ast.JoinedStr):  # as one text, which a value may stand in the middle of
            found.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        for child in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
                walk(child)

    walk(ast.parse(file.read_text(encoding="utf-8")))
    return found


def test_no_message_names_a_command_without_the_helper():
    rooms = [ROOT / room for room in ("blogtwin", "corpus", "scripts", "train", "eval", "serve")]
    files = [file for room in rooms for file in sorted(room.rglob("*.py"))]
    told = {
        (str(file.relative_to(ROOT)), command)
        for file in files
        for text in literals(file)
        for command in COMMAND.findall(text)
    }
    assert told == set(AS_THEY_ARE), "a hint in an author's project must name the author: make_command, shell_command"


SOURCE = """'make all'
def f():
    'make all'
    say(f'run `make {x}`')
    say(f'run `make all` {x}')
    say('python scripts/ask.py x', f"{make_command('all')} {say('make train')}", shell_command('python scripts/ask.py'))
"""


def test_the_search_finds_what_it_is_to_find(tmp_path):
    (tmp_path / "x.py").write_text(SOURCE)
    found = [command for text in literals(tmp_path / "x.py") for command in COMMAND.findall(text)]
    assert found == ["make all", "python scripts/ask.py", "make train"]


def test_the_makefile_tells_no_command_itself():
    """Its recipes can't know whose project it is; what `##` says is the menu."""
    recipes = [
        line.partition("## ")[0]
        for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
        if line.startswith("\t")
    ]
    assert recipes and not [line for line in recipes if "echo" in line and COMMAND.search(line)]
