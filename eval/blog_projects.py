"""A project for each blog that is measured, beside those of authors: what `make ladder` and `make benchmark` train in.

DVC keeps what a project has finished, so a run that broke off goes on where it was.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from blogtwin.author_projects import ensure_project
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError
from eval.drafting_run import BLOGS_VARIABLE
from eval.note_sets import SAMPLE

MAX_NAME = 41  # characters of an author's name


def project_name(kind: str, blog: str, base: str) -> str:
    """The name of the project for a blog and a base; `kind`: ladder or benchmark."""
    name = f"{kind}-" + re.sub(r"[^a-z0-9_-]+", "-", f"{blog}-{base}".lower()).strip("-")
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def prepare_project(name: str, blog: str, blogs: Path | None, params: Mapping[str, str]) -> Path:
    """The folder in which a blog's twin is trained, with its posts, and `params` in its params.yaml. The sample blog is
    in every project; another one is the folder of its name in `blogs`."""
    project = ensure_project(name, "blog")
    if blog != SAMPLE and not (project / "data/blog").is_dir():
        assert blogs is not None, "only the sample blog needs no folder"
        run_step(project, [sys.executable, "scripts/import_posts.py", str((blogs / blog).resolve())], blogs)
    set_params(project / "params.yaml", dict(params), quiet=True)
    return project


def run_step(project: Path, command: Sequence[str], blogs: Path | None) -> None:
    """Run a command in the project's folder; what it prints is shown. Raises UserError when it fails."""
    # The stages call `python`: it must be this one.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    if blogs:
        environment[BLOGS_VARIABLE] = str(blogs.resolve())
    if subprocess.run(command, cwd=project, env=environment).returncode != 0:
        said = " ".join("python" if part == sys.executable else part for part in command[:4])
        raise UserError(f"`{said}` failed in {project}; what it printed is above.")
