"""dvc.yaml names all code that can change what a stage writes: otherwise `dvc repro` says «up to date» when it is
not."""

import pytest
import yaml

from tests.support.import_closure import NO_RESULT, closure, code_deps, script_of
from tests.support.workspace import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_the_import_closure_of_the_script(name):
    """Not one file too few, and none too many: `python tests/support/import_closure.py --write` mends it."""
    assert code_deps(STAGES[name]) == closure(script_of(STAGES[name]))


def test_what_no_stage_depends_on_is_there_and_says_why():
    assert all((ROOT / file).is_file() and reason for file, reason in NO_RESULT.items())


def test_closure_follows_imports_inside_functions_and_modules_chosen_by_name():
    """The twins of this test's own eyes: 04_train imports the GRPO reward in a function, and its trainers by name."""
    found = closure("scripts/04_train.py")
    assert {"eval/rewards.py", "train/mlx.py", "blogtwin/presets.yaml", "blogtwin/models/chat_templates"} <= found
    assert not {f for f in closure("scripts/01_ingest.py") if f.startswith(("train/", "eval/", "serve/"))}
