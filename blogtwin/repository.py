"""The Git repository in which this project stands, which may be a larger one, and the project's last commit in it.

Authors' folders and the workspace of training jobs are clones of that commit. Standard library only: `make setup` runs
this before anything is installed.
"""

import hashlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blogtwin.dvc import run_git
from blogtwin.errors import UserError
from blogtwin.paths import ROOT

# Who commits what this project writes itself, where nobody has told Git their name.
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "blogtwin"), ("EMAIL", "blogtwin@localhost"))
}
NAME_COMMANDS = 'git config user.name "Your name" && git config user.email you@example.org'


class NoCommit(UserError):
    """The project's files are in no commit yet."""


@dataclass(frozen=True)
class Repository:
    """Where a folder stands in a repository."""

    top: Path
    prefix: str  # of the folder in it: "code/blogtwin/"; empty for the top itself

    @property
    def ref(self) -> str:
        """The ref of the commit that holds only what is under `prefix`."""
        return f"refs/blogtwin/{hashlib.sha256(self.prefix.encode()).hexdigest()[:12]}"


def find_repository(folder: Path) -> Repository | None:
    """The repository that a folder is in; None where there is none.

    Raises UserError for one that Git does not open: somebody else's folder, or a broken `.git`.
    """
    english = {**os.environ, "LC_ALL": "C"}
    done = run_git(folder, "rev-parse", "--show-toplevel", "--show-prefix", env=english, errors="surrogateescape")
    if done.returncode == 0:
        top, prefix, *_ = done.stdout.split("\n")
        return Repository(Path(top), prefix)
    trusted = re.search(r"safe\.directory (.+)", done.stderr)
    if trusted:
        raise UserError(
            f"{folder.resolve()} belongs to another user, and Git opens such a repository only when it is told to: if"
            f" you trust it, run `git config --global --add safe.directory {trusted[1].strip()}`."
        )
    if (folder / ".git").exists():
        reason = " ".join(done.stderr.removeprefix("fatal: ").split())[:200]
        raise UserError(
            f"Git can't use {folder.resolve() / '.git'} ({reason}): repair it, or move it away and start a new"
            " repository with `git init`."
        )
    return None


def is_tracked(folder: Path) -> bool:
    """Whether the project in a folder is in the index of the repository around it."""
    return bool(run_git(folder, "ls-files", "dvc.yaml", "params.yaml").stdout)


def knows_committer(folder: Path) -> bool:
    """Whether Git knows who commits in a folder."""
    return run_git(folder, "var", "GIT_COMMITTER_IDENT").returncode == 0


def commit_command(folder: Path) -> str:
    """The commands for a first commit in a folder, with those that tell Git a name where it has none."""
    name = "" if knows_committer(folder) else f"{NAME_COMMANDS} && "
    return f"{name}git add -A && git commit -m start"


def check_commit(folder: Path = ROOT) -> Repository:
    """The repository of a project that has a commit with its files. Raises NoCommit where it has none."""
    repository = find_repository(folder)
    if repository is None:
        raise NoCommit(
            f"This project is in no Git repository: run `git init && {commit_command(folder)}` in"
            f" {folder.resolve()} (your posts are ignored)."
        )
    if run_git(folder, "rev-parse", "-q", "--verify", f"HEAD:{repository.prefix}dvc.yaml").returncode != 0:
        raise NoCommit(
            "This project has no commit yet: make one with"
            f" `{commit_command(folder)}` in {folder.resolve()} (your posts are ignored)."
        )
    return repository


def check_identity(folder: Path = ROOT) -> None:
    """Raises UserError where Git does not know who commits: DVC stores experiments as commits."""
    if not knows_committer(folder):
        raise UserError(
            f"DVC stores an experiment as a commit, and Git does not know who you are: run `{NAME_COMMANDS}`."
        )


def add_pointers(folder: Path = Path(".")) -> None:
    """Add to Git's index what DVC wrote of the user's posts (data/*.dvc: hashes, no text). An experiment in DVC's queue
    runs in a copy that has only what Git knows."""
    pointers = sorted(str(path.relative_to(folder)) for path in (folder / "data").glob("*.dvc"))
    if pointers:
        run_git(folder, "add", "--", *pointers)  # without Git there is no queue either


def project_commit(folder: Path, **options: Any) -> tuple[Path, str]:
    """(repository, ref) of the commit to clone a project from: its own last commit, or for a project in a larger
    repository one that holds only the project, made of the last commit. Raises NoCommit where there is none."""
    repository = check_commit(folder)
    if not repository.prefix:
        return folder, "HEAD"
    tree = run_git(folder, "rev-parse", f"HEAD:{repository.prefix.rstrip('/')}").stdout.strip()
    before = run_git(folder, "rev-parse", "-q", "--verify", f"{repository.ref}^{{commit}}").stdout.strip()
    if not before or run_git(folder, "rev-parse", f"{before}^{{tree}}").stdout.strip() != tree:
        parent = ["-p", before] if before else []
        environment = {**(options.pop("env", None) or os.environ), **IDENTITY}
        message = f"{repository.prefix}, as it is in the last commit"
        commit = run_git(folder, "commit-tree", tree, *parent, "-m", message, env=environment, check=True, **options)
        run_git(folder, "update-ref", repository.ref, commit.stdout.strip(), check=True)
    return repository.top, repository.ref


def clone_project(project: Path, target: Path, **options: Any) -> None:
    """Clone a project's last commit. `options` are those of subprocess.run.

    Raises NoCommit where there is none, UserError where Git can't clone it.
    """
    source, ref = project_commit(project, **options)
    source, target = source.resolve(), target.resolve()
    if ref == "HEAD":
        steps: list[tuple[Path, tuple[str, ...]]] = [(project, ("clone", "-q", str(source), str(target)))]
    else:
        steps = [
            (project, ("init", "-q", str(target))),
            (target, ("remote", "add", "origin", str(source))),
            (target, ("fetch", "-q", "origin", ref)),
            (target, ("reset", "-q", "--hard", "FETCH_HEAD")),
        ]
    for folder, arguments in steps:
        done = run_git(folder, *arguments, **options)
        if done.returncode != 0:
            reason = " ".join(done.stderr.split())[-300:]
            raise UserError(f"Git could not clone this project to {shlex.quote(str(target))}: {reason}")


def fetch_project(project: Path, clone: Path, **options: Any) -> bool:
    """Fetch the project's last commit into a clone of it, as FETCH_HEAD; whether that succeeded. The project may have
    been moved since."""
    source, ref = project_commit(project, **options)
    run_git(clone, "remote", "set-url", "origin", str(source.resolve()), **options)
    return run_git(clone, "fetch", "-q", "origin", ref, **options).returncode == 0
