"""How the twins do over time: scorecards, experiments, training curves, votes."""

import asyncio
import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from blogtwin.dvc import DVC
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.hardware import command_output
from blogtwin.paths import EVAL_DIR, RAW_DIR, TRAIN_DIR
from eval.renamed_metrics import with_current_names
from serve import database, vote_statistics
from serve.dependencies import StateDep
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
    """A row of `dvc exp show`."""

    name: str | None
    revision: str
    time: str | None
    metrics: dict[str, Any]
    params: dict[str, Any]


class Dashboard(BaseModel):
    """`curves`: {loss, valid_loss}, rows of the tables that `dvc plots` draws."""

    scorecard: dict[str, Any] | None
    history: list[CommitScorecard]
    experiments: list[Experiment]
    curves: dict[str, list[dict[str, float]]]
    votes: list[PairResult]


class Topics(BaseModel):
    """Whose posts these are, where params.yaml says it, and what they are about: tags, the commonest first, and titles,
    the newest first."""

    author: str
    tags: list[str]
    titles: list[str]


@router.get("/topics")
def topics(state: StateDep) -> Topics:
    """For prompts to begin with; nothing where no posts were read yet."""
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
    """`past=false` leaves out commits and experiments, which Git and DVC take seconds to tell."""
    votes = await state.store.do(database.votes)
    history, found = [], []
    if past:
        history, found = await asyncio.gather(
            state.past.get("history", commits), state.past.get("experiments", lambda: experiments(state.jobs.workspace))
        )
    curves = {name: read_curve(TRAIN_DIR / f"{name}.tsv") for name in ("loss", "valid_loss")}
    return Dashboard(
        scorecard=read_json(EVAL_DIR / "metrics.json"),
        history=history,
        experiments=found,
        curves=curves,
        votes=vote_statistics.pair_results(votes),
    )


def read_json(file) -> dict | None:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_curve(file) -> list[dict[str, float]]:
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
    """What `dvc exp show` knows of this project, and of the training jobs in their workspace."""
    baselines = {
        f"{a}{b}"
        for a, b, job in map(parse_experiment_ref, command_output(*LIST_EXPERIMENTS, folder=workspace).split())
        if job.startswith("job-")
    }
    jobs = (
        experiment_rows(workspace, *(x for baseline in sorted(baselines) for x in ("--rev", baseline)))
        if baselines
        else []
    )
    return experiment_rows(Path()) + [one for one in jobs if (one.name or "").startswith("job-")]


def parse_experiment_ref(ref: str) -> tuple[str, str, str]:
    """A ref of DVC's, refs/exps/ab/cdef…/name: the commit it began from, in two parts, and its name."""
    parts = ref.split("/")
    return (parts[2], parts[3], parts[4]) if len(parts) == 5 else ("", "", "")


def experiment_rows(folder: Path, *selection: str) -> list[Experiment]:
    """`dvc exp show` of a folder; nothing where there is no DVC project with a commit."""
    try:
        baselines = json.loads(
            command_output(*DVC, "exp", "show", "--json", *selection, folder=folder, seconds=60) or "[]"
        )
    except ValueError:
        return []
    found = []
    for baseline in baselines:
        for one in [baseline, *(r for e in baseline.get("experiments") or [] for r in e.get("revs", []))]:
            data = one.get("data") or {}
            values = {kind: data.get(kind) or {} for kind in ("metrics", "params")}
            flat = {
                kind: {file: v.get("data", {}) for file, v in some.items() if isinstance(v, dict)}
                for kind, some in values.items()
            }
            for file, figures in flat["metrics"].items():
                if file.endswith(SCORECARD_PATH):
                    flat["metrics"][file] = with_current_names(figures)
            found.append(
                Experiment(name=one.get("name"), revision=one.get("rev", ""), time=data.get("timestamp"), **flat)
            )
    return found
