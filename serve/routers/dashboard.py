"""The twins over time: scorecards, experiments, training curves, votes."""

import asyncio
import csv
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel

from blogtwin.dvc import DVC
from blogtwin.errors import UserError
from blogtwin.files import read_json_object, read_jsonl
from blogtwin.hardware import command_output
from blogtwin.hints import make_command
from blogtwin.paths import EVAL_DIR, RAW_DIR, TRAIN_DIR
from eval.renamed_metrics import with_current_names
from eval.summary import read_verdict
from serve import database, vote_statistics
from serve.dependencies import StateDep
from serve.errors import ApiError
from serve.routers.comparisons import PairResult

router = APIRouter(prefix="/api", tags=["dashboard"])
SCORECARD_PATH = "artifacts/eval/metrics.json"
LIST_EXPERIMENTS = ["git", "for-each-ref", "--sort=-creatordate", "--count=50", "--format=%(refname)", "refs/exps"]


class CommitScorecard(BaseModel):
    """A commit's scorecard."""

    commit: str
    time: str
    metrics: dict[str, Any]


class Experiment(BaseModel):
    """A row of `dvc exp show`. `metrics` and `params`: {file: values}."""

    name: str | None
    revision: str
    time: str | None
    metrics: dict[str, Any]
    params: dict[str, Any]


class Dashboard(BaseModel):
    """`verdict`: the scorecard's sentence, empty without a scorecard, and `advice`: what to try next. `curves`: {loss,
    valid_loss}, the rows of the tables that `dvc plots` draws."""

    scorecard: dict[str, Any] | None
    verdict: str
    advice: list[str]
    history: list[CommitScorecard]
    experiments: list[Experiment]
    curves: dict[str, list[dict[str, float]]]
    votes: list[PairResult]


class Topics(BaseModel):
    """The posts' author as named in params.yaml, tags (most frequent first) and titles (newest first)."""

    author: str
    tags: list[str]
    titles: list[str]


@router.get("/topics")
def topics(state: StateDep) -> Topics:
    """Ideas for prompts; empty before `make all` has read the posts."""
    try:
        posts = read_jsonl(RAW_DIR / "posts.jsonl")
    except UserError:
        posts = []
    posts.sort(key=lambda p: p.get("date") or "", reverse=True)
    tags = Counter(tag for p in posts for tag in p.get("tags") or [])
    return Topics(
        author=state.params.prepare.author or state.params.ingest.author,
        tags=[tag for tag, _ in tags.most_common(40)],
        titles=[p["title"] for p in posts if p.get("title")][:40],
    )


@router.get("/dashboard")
async def dashboard(state: StateDep, past: bool = True) -> Dashboard:
    """`past=false` leaves out commits and experiments, for which Git and DVC take seconds."""
    votes = await state.database.run(database.votes)
    history, found = [], []
    if past:
        history, found = await asyncio.gather(
            state.past.get("history", commits), state.past.get("experiments", lambda: experiments(state.jobs.workspace))
        )
    curves = {name: read_curve(TRAIN_DIR / f"{name}.tsv") for name in ("loss", "valid_loss")}
    verdict, *advice = read_verdict(EVAL_DIR / "verdict.txt")
    return Dashboard(
        scorecard=read_json_object(EVAL_DIR / "metrics.json"),
        verdict=verdict,
        advice=advice,
        history=history,
        experiments=found,
        curves=curves,
        votes=vote_statistics.pair_results(votes),
    )


@router.get("/dashboard/report", response_class=FileResponse)
def report() -> FileResponse:
    """The scorecard's page, report.html. It holds posts of the author's."""
    file = EVAL_DIR / "report.html"
    if not file.is_file():
        raise ApiError(404, "no_report", "There is no report yet.", f"`{make_command('all')}` makes it.")
    return FileResponse(file, media_type="text/html")


def read_curve(file: Path) -> list[dict[str, float]]:
    """The rows of a table of numbers; empty for a file that is missing or incomplete."""
    try:
        with open(file, encoding="utf-8", newline="") as table:
            return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(table, delimiter="\t")]
    except (OSError, ValueError, TypeError):
        return []


def commits() -> list[CommitScorecard]:
    """The last 30 commits that changed the scorecard, oldest first."""
    found = []
    for line in command_output("git", "log", "-30", "--format=%h %cI", "--", SCORECARD_PATH).splitlines()[::-1]:
        commit, when = line.split()
        try:
            found.append(
                CommitScorecard(
                    commit=commit,
                    time=when,
                    metrics=with_current_names(
                        json.loads(command_output("git", "show", f"{commit}:./{SCORECARD_PATH}"))
                    ),
                )
            )
        except ValueError:  # removed in that commit
            continue
    return found


def experiments(workspace: Path) -> list[Experiment]:
    """The experiments of this project, and the training jobs of the server's workspace."""
    baselines = set()
    for ref in command_output(*LIST_EXPERIMENTS, folder=workspace).split():
        baseline, name = parse_experiment_ref(ref)
        if name.startswith("job-"):
            baselines.add(baseline)
    jobs: list[Experiment] = []
    if baselines:
        selection = itertools.chain.from_iterable(("--rev", baseline) for baseline in sorted(baselines))
        jobs = experiment_rows(workspace, *selection)
    return experiment_rows(Path()) + [one for one in jobs if (one.name or "").startswith("job-")]


def parse_experiment_ref(ref: str) -> tuple[str, str]:
    """(baseline commit, name) of DVC's ref refs/exps/ab/cdef…/name; empty for another ref."""
    parts = ref.split("/")
    return (parts[2] + parts[3], parts[4]) if len(parts) == 5 else ("", "")


def experiment_rows(folder: Path, *selection: str) -> list[Experiment]:
    """`dvc exp show` of a folder; empty where there is no DVC project with a commit."""
    try:
        baselines = json.loads(
            command_output(*DVC, "exp", "show", "--json", *selection, folder=folder, seconds=60) or "[]"
        )
    except ValueError:
        return []
    found: list[Experiment] = []
    for baseline in baselines:
        revisions = [baseline]
        for experiment in baseline.get("experiments") or []:
            revisions += experiment.get("revs", [])
        found += map(experiment_row, revisions)
    return found


def experiment_row(revision: dict) -> Experiment:
    """A revision in the output of `dvc exp show --json`."""
    data = revision.get("data") or {}
    return Experiment(
        name=revision.get("name"),
        revision=revision.get("rev", ""),
        time=data.get("timestamp"),
        metrics={
            file: with_current_names(values) if file.endswith(SCORECARD_PATH) else values
            for file, values in _values(data.get("metrics")).items()
        },
        params=_values(data.get("params")),
    )


def _values(files: dict | None) -> dict[str, Any]:
    """{file: its values}; a file that DVC could not read has none."""
    return {file: values.get("data", {}) for file, values in (files or {}).items() if isinstance(values, dict)}
