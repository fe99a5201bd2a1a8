"""Which files of the project a stage's script reaches by imports, and dvc.yaml's deps made of them.

Run     python tests/support/import_closure.py           prints what dvc.yaml lacks or has too much
        python tests/support/import_closure.py --write   writes it
"""

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("blogtwin", "corpus", "eval", "serve", "train")
# Reached by nearly every stage, and none of them can change what a stage writes; a change to one must not cost a
# training run.
NO_RESULT = {
    "blogtwin/config.py": (
        "checks params.yaml, which DVC tracks value by value; what presets decide is in blogtwin/presets.py"
    ),
    "blogtwin/console.py": "what is printed, and how errors end",
    "blogtwin/dvc.py": "asks DVC and Git where they keep things",
    "blogtwin/environment.py": "switches telemetry off and reads .env",
    "blogtwin/errors.py": "the classes of errors",
    "blogtwin/hints.py": "which command a message tells the user to run",
    "blogtwin/models/ollama_client.py": "asks Ollama; what is registered there is compared with the twin",
    "blogtwin/models/ollama_store.py": "finds where Ollama keeps a base, whose digest is compared",
    "blogtwin/paths.py": "where stages read and write, which dvc.yaml says itself",
    "blogtwin/renamed_params.py": "reads the older names of parameters; today's are in params.yaml, which DVC tracks",
    "blogtwin/signals.py": "when Ctrl-C is heard",
}
# What no import statement of a file shows: trainers are chosen by name, and only training asks a preset for values.
DYNAMIC = {
    "train/backend.py": ("train.cpu", "train.cuda", "train.mlx", "train.probe"),
    "train/run.py": ("blogtwin.presets",),
}
# Data that a module reads from beside itself.
DATA = {
    "blogtwin/inference/ollama.py": ("blogtwin/inference/ollama_templates.yaml",),
    "blogtwin/models/chat.py": ("blogtwin/models/chat_templates",),
    "blogtwin/models/registry.py": ("blogtwin/models/registry.yaml",),
    "blogtwin/presets.py": ("blogtwin/presets.yaml",),
    "eval/report.py": ("eval/report.html.j2",),
    "eval/style/impostor_sources.py": ("eval/style/impostor_sources.yaml",),
    "eval/style/impostors.py": ("eval/style/impostors.npz",),
    "eval/suites/__init__.py": ("eval/suites/cases",),
}


def file_of(module: str) -> Path | None:
    """The file of a dotted module of this project, relative to its root."""
    path = Path(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if (ROOT / p).is_file()), None)


def imported(file: Path) -> set[Path]:
    """The project's files that a file imports, inside functions too."""
    modules = set(DYNAMIC.get(file.as_posix(), ()))
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    packages = {".".join(m.split(".")[:n]) for m in modules for n in range(1, m.count(".") + 1)}
    return {f for m in modules | packages if m.split(".")[0] in ROOMS and (f := file_of(m))}


def reached(script: str, ends: Iterable[str] = ()) -> set[Path]:
    """The project's files that `script` reaches by imports; what `ends` names is reached and not followed."""
    seen, todo = set(), [Path(script)]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += imported(file) if file.as_posix() not in ends else ()
    return seen


def closure(script: str) -> set[str]:
    """Everything that `script` can reach and that can change what it writes: code and the data beside it."""
    names = {f.as_posix() for f in reached(script, NO_RESULT) if (ROOT / f).stat().st_size}
    return (names | {d for n in names for d in DATA.get(n, ())}) - set(NO_RESULT)


def code_deps(stage: dict) -> set[str]:
    """The deps of a stage that are code."""
    return {dep for dep in stage["deps"] if dep.split("/")[0] in (*ROOMS, "scripts")}


def script_of(stage: dict) -> str:
    return next(word for word in stage["cmd"].split() if word.endswith(".py"))


def main() -> None:
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 200, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    pipeline = yaml.load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    for name, stage in pipeline["stages"].items():
        script, have = script_of(stage), code_deps(stage)
        want = closure(script)
        print(f"{name}: lacks {sorted(want - have)}, has too much {sorted(have - want)}")
        stage["deps"] = [script, *sorted(want - {script}), *(d for d in stage["deps"] if d not in have)]
    if "--write" in sys.argv[1:]:
        with open(ROOT / "dvc.yaml", "w", encoding="utf-8") as file:
            yaml.dump(pipeline, file)


if __name__ == "__main__":
    main()
