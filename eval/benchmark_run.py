"""Run the benchmark: a project for each blog, its scorecard, and the figures of all systems, put together."""

import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blogtwin.config import load_params
from blogtwin.console import echo
from blogtwin.dvc import DVC, run_git
from blogtwin.errors import UserError
from blogtwin.files import write_files, write_json
from blogtwin.hardware import available_cpus, cpu_name
from blogtwin.models.registry import resolve_base
from blogtwin.paths import ARTIFACTS_DIR, EVAL_DIR, ROOT
from blogtwin.reference_docs import markdown_table
from eval.benchmark import benchmark_lines, collect
from eval.blog_projects import prepare_project, project_name, run_step
from eval.note_sets import SAMPLE

OUTPUT = ARTIFACTS_DIR / "benchmark"
PROJECT_FILE = EVAL_DIR / "benchmark.json"
NOTES_PROMPTS = 12
SEEDED = ("prepare", "split", "train", "eval")  # sections of params.yaml with a seed


def list_blogs(folder: Path | None) -> list[str]:
    """The sample blog, or the names of the folders in `folder`. Raises UserError where there are none."""
    if folder is None:
        return [SAMPLE]
    found = sorted(path.name for path in folder.glob("[!.]*") if path.is_dir())
    if not found:
        raise UserError(f"BLOGS is {folder}, where there is no folder: put a folder of posts for each blog there.")
    return found


def parse_recipe(text: str) -> dict[str, str]:
    """{section.name: value as YAML has it} of `a.b=1 c.d=x`. Raises UserError for a word without a value."""
    recipe = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals or "." not in name:
            raise UserError(f"PARAMS has {word!r}: write section.name=value, as in train.max_tokens=60000.")
        recipe[name] = value
    return recipe


def build_recipe(base: str, params: str) -> dict[str, str]:
    """The parameters in which the projects differ from params.yaml; `base` empty: its own."""
    own = {"eval.num_notes_prompts": str(NOTES_PROMPTS), "train.base": base or load_params().train.base}
    return {**own, **parse_recipe(params)}


def measure_blog(blog: str, blogs: Path | None, recipe: Mapping[str, str]) -> dict[str, Any]:
    """{system: metrics} of a blog, whose twin is trained where it is not yet. Raises UserError where a step fails."""
    project = prepare_project(project_name("benchmark", blog, recipe["train.base"]), blog, blogs, recipe)
    run_step(project, [*DVC, "repro", "eval"], blogs)
    run_step(project, [sys.executable, "scripts/benchmark.py", "--collect"], blogs)
    return json.loads((project / PROJECT_FILE).read_text(encoding="utf-8"))


def measure_blogs(names: Sequence[str], blogs: Path | None, recipe: Mapping[str, str]) -> None:
    """Measure one blog after the other, and write what was found. A blog that fails is left out; at the end UserError
    names it."""
    found, failed = {}, []
    for number, blog in enumerate(names, 1):
        echo(f"── {number} of {len(names)}: {blog}")
        try:
            found[blog] = measure_blog(blog, blogs, recipe)
        except UserError as e:
            echo(f"left out: {e}")
            failed.append(blog)
    if found:
        write_results(found, recipe)
    if failed:
        raise UserError(
            f"{len(failed)} of {len(names)} blogs could not be measured ({', '.join(failed)}; the reasons are above):"
            " run the same command again, which goes on where each broke off."
        )


def write_results(found: dict[str, dict[str, Any]], recipe: Mapping[str, str]) -> None:
    """benchmark.json and benchmark.md, and the table on the screen."""
    about = {
        "commit": run_git(ROOT, "rev-parse", "--short", "HEAD").stdout.strip(),
        "date": datetime.date.today().isoformat(),
        "cpu": f"{cpu_name()}, {available_cpus()} cores",
        "recipe": recipe,
        "seeds": {section: getattr(load_params(), section).seed for section in SEEDED},
    }
    table = markdown_table(*benchmark_lines(found))
    write_files(
        {
            OUTPUT / "benchmark.json": [json.dumps({**about, "blogs": found}, ensure_ascii=False, indent=1), "\n"],
            OUTPUT / "benchmark.md": [table, "\n"],
        }
    )
    echo(f"{table}\nwrote {OUTPUT}/benchmark.json and benchmark.md")


def collect_here() -> None:
    """Write the metrics of the systems of this folder's project."""
    params = load_params()
    write_json(PROJECT_FILE, collect(params, resolve_base(params.train.base)))
    echo(f"wrote {PROJECT_FILE}")
