"""Which room may import which. The order is blogtwin → corpus → eval → train and serve → scripts; inside blogtwin, core
→ text → models → inference and drafting → twins."""

import ast
import subprocess

import pytest

from tests.support.workspace import ROOT

# A file may import from its own room and from the rooms of a lower number. train and serve never import each other.
ROOMS = {"blogtwin": 0, "corpus": 1, "eval": 2, "train": 3, "serve": 3, "scripts": 4}
FLOORS = {"core": 0, "text": 1, "models": 2, "inference": 3, "drafting": 3, "twins": 4}  # of blogtwin
FILES = [
    f
    for f in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    if f.split("/")[0] in ROOMS and (ROOT / f).is_file()
]
SCRIPTS = {f.removeprefix("scripts/").removesuffix(".py") for f in FILES if f.startswith("scripts/")}


def modules_of(tree: ast.AST) -> set[str]:
    """Everything a file imports, inside functions too; `from a import b` gives a.b, which may be a module or a name in
    one."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor(parts: list[str]) -> int:
    return FLOORS.get(parts[1] if len(parts) > 1 else "core", 0)


def points_up(file: str, module: str) -> bool:
    """Whether a file that imports this module breaks the order."""
    here, there = file.removesuffix(".py").split("/"), module.split(".")
    if there[0] in SCRIPTS and there[0] != "_path":
        return True  # nothing imports a script, by whatever name it would be found
    if there[0] not in ROOMS:
        return False
    if here[0] == there[0]:
        return here[0] == "blogtwin" and floor(there) > floor(here)
    return ROOMS[there[0]] >= ROOMS[here[0]]


@pytest.mark.parametrize("file", FILES)
def test_imports_point_down(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert [m for m in modules_of(tree) if points_up(file, m)] == []


@pytest.mark.parametrize(
    "file, module",
    [
        ("blogtwin/files.py", "corpus.post"),
        ("blogtwin/text/facts.py", "blogtwin.models.chat"),
        ("serve/main.py", "train.backend"),
        ("train/cpu.py", "serve.main"),
        ("eval/run.py", "train.cpu"),
        ("corpus/split.py", "set_param"),
        ("blogtwin/console.py", "scripts.doctor"),
    ],
)
def test_an_import_that_points_up_is_seen(file, module):
    assert points_up(file, module)


# What may run when a module is imported: a name bound, a docstring, and for scripts the guard and `_path`.
QUIET = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
)
# (file, call): with the reason beside it.
LOUD = {
    ("scripts/_path.py", "sys.path.insert"),  # what it is for
    ("scripts/_path.py", "importlib.import_module('blogtwin.console').install_excepthook"),
}


@pytest.mark.parametrize("file", FILES)
def test_no_module_does_work_at_import(file):
    """No .env is read, no path is set, no hook is installed, no folder is made: importing is not running."""
    found = set()
    nodes: list[ast.AST] = list(ast.parse((ROOT / file).read_text(encoding="utf-8")).body)
    for node in nodes:
        if isinstance(node, ast.With):  # what it enters, and what stands in it
            nodes += [ast.Expr(item.context_expr) for item in node.items] + node.body
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) or isinstance(node, QUIET):
            continue
        # What stands under TYPE_CHECKING is for the type checker, and never runs.
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("__name__ == '__main__'", "TYPE_CHECKING"):
            continue
        call = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else node
        found.add((file, ast.unparse(call)))
    assert found - LOUD == set()


@pytest.mark.parametrize("file", FILES)
def test_files_are_short(file):
    """A script says what it reads and writes, loads params, calls a room, and says what it wrote."""
    lines = (ROOT / file).read_text(encoding="utf-8").count("\n")
    long_scripts = file.startswith("scripts/bench_") or file == "scripts/doctor.py"
    assert lines <= (150 if long_scripts else 60 if file.startswith("scripts/") else 350)
