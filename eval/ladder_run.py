"""Make the rows of the ladder: a twin for each base and blog, in an author's project of its own, and its drafts.

The projects are those of `make blog AUTHOR=`: authors/ladder-<blog>-<base>. What a rung has finished stays there: DVC
keeps the twin, and each draft is written as it is made. So a rung that broke off goes on where it was.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from blogtwin.console import echo
from blogtwin.dvc import DVC, run_git
from blogtwin.errors import UserError
from blogtwin.paths import ROOT
from eval.blog_projects import prepare_project, project_name, run_step
from eval.ladder import SYSTEMS, Row, Rung, add_row, build_row, estimate_seconds, load_rows, row_key
from eval.note_sets import SAMPLE, list_set_files

ALL_CASES = 1_000_000


def list_rungs(bases: Sequence[str], blogs: Path | None, candidates: int, limit: int) -> list[Rung]:
    """The rungs to climb, base by base: on the sample and, with `blogs`, on each blog of that folder that has sets of
    notes. Raises UserError for an unknown base, and a folder without such a blog."""
    with_sets = sorted({file.parent.name for file in list_set_files()} - {SAMPLE})
    found = [name for name in with_sets if blogs and (blogs / name).is_dir()]
    if blogs and not found:
        raise UserError(f"BLOGS is {blogs}, where no folder is named like a blog with notes: {', '.join(with_sets)}.")
    rungs = [Rung(base, blog, candidates, limit) for base in bases for blog in [SAMPLE, *found]]
    for rung in rungs:
        rung.key()
    return rungs


def describe_command(rungs: Sequence[Rung]) -> str:
    """The command that makes these rows, without a path of this machine."""
    words = {
        "BASES": '"' + " ".join(dict.fromkeys(rung.base_name for rung in rungs)) + '"',
        "BLOGS": "folder" if any(rung.blog != SAMPLE for rung in rungs) else "",
        "CASES": rungs[0].limit or "",
        "CANDIDATES": rungs[0].candidates,
    }
    return " ".join(["make ladder", *(f"{name}={value}" for name, value in words.items() if value)])


def climb(rungs: Sequence[Rung], blogs: Path | None, again: bool) -> list[Row]:
    """Make the rows that are not there yet, with `again` also those of other commits than this one; all rows. A rung
    that fails is left out; at the end UserError names it."""
    rows = load_rows()
    made = {row_key(row): row for row in rows}
    commit = run_git(ROOT, "rev-parse", "--short", "HEAD").stdout.strip()
    todo = []
    for rung in rungs:
        row = made.get(rung.key())
        if row is None or (again and row["commit"] != commit):
            todo.append(rung)
        else:
            more = "" if row["commit"] == commit else "; AGAIN=1 makes it anew"
            echo(f"{row['base']} on {row['blog']}: made at commit {row['commit']} ({row['date']}){more}")
    if todo and run_git(ROOT, "status", "--porcelain", "-uno", "--", ":!docs", ":!artifacts").stdout:
        echo("note: what is not committed is not measured: the twins' folders are clones of the last commit")
    failed = []
    for number, rung in enumerate(todo, 1):
        echo(f"── {number} of {len(todo)}: {rung.base_name} on {rung.blog}{_time_left(todo[number - 1 :], rows)}")
        try:
            rows = add_row(make_row(rung, blogs, describe_command(rungs)))
        except UserError as e:
            echo(f"left out: {e}")
            failed.append(f"{rung.base_name} on {rung.blog}")
    if failed:
        raise UserError(
            f"{len(failed)} of {len(todo)} rows could not be made ({', '.join(failed)}; the reasons are above): run the"
            " same command again, which goes on where each broke off."
        )
    return rows


def make_row(rung: Rung, blogs: Path | None, command: str) -> Row:
    """Train the rung's twin, let it draft, and put its row together. Raises UserError where a step fails."""
    project = prepare_rung(rung, blogs)
    run_step(project, [*DVC, "repro", "export_gguf"], blogs)
    limit = str(rung.limit or ALL_CASES)
    options = ["--blog", rung.blog, "--limit", limit, "--candidates", str(rung.candidates), "--resume"]
    for system in SYSTEMS:  # in processes of their own, so that each has its own peak of memory
        run_step(project, [sys.executable, "scripts/evaluate_drafting.py", *options, "--system", system], blogs)
    return build_row(rung, project, command)


def prepare_rung(rung: Rung, blogs: Path | None) -> Path:
    """The folder in which the rung's twin is trained, with the blog's posts and the base in its params.yaml."""
    base = Path(rung.base).expanduser()
    params = {"train.base": str(base.resolve()) if base.exists() else rung.base}
    return prepare_project(project_name("ladder", rung.blog, rung.base_name), rung.blog, blogs, params)


def _time_left(rungs: Sequence[Rung], rows: Sequence[Row]) -> str:
    """How long these rungs take, from rows made before; empty where no row tells."""
    times = [estimate_seconds(rung, rows) for rung in rungs]
    known = [seconds for seconds in times if seconds is not None]
    return f", about {sum(known) / 60:.0f} min left for all" if known and len(known) == len(times) else ""
