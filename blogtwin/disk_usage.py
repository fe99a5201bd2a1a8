"""Disk usage, the projects that share DVC's cache, and running stages: what `make gc` is built on."""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from blogtwin.dvc import dvc_cache_dir, run_dvc, run_git
from blogtwin.errors import UserError
from blogtwin.paths import ARTIFACTS_DIR, AUTHORS_DIR, ROOT

STAGE_COMMAND = re.compile(
    r"\bpython[\d.]*( -\S+)* \S*scripts/0\d_\w+\.py"
    r"|\bdvc (repro|exp|experiments|queue|add|commit|checkout|fetch|pull)\b"
)
SERVER_COMMAND = re.compile(r"\bpython[\d.]*( -\S+)* \S*scripts/serve_api\.py|serve\.main:create_app")
EXPERIMENTS_DIR = Path(".dvc/tmp/exps")  # of a project: DVC's queue and what it runs
SHARERS_FILE = "shared-by.txt"  # in DVC's cache: the workspaces outside of the project that use it, a line each
SETTLED_SECONDS = 3600  # nobody works any more on what is half-written and this old
KEEP_OPTIONS = ("--workspace", "--all-branches", "--all-tags", "--all-experiments")  # of `dvc gc`


@dataclass
class StorageKind:
    """One kind of files: where they are, which of them nothing needs, and why the others are needed."""

    name: str
    paths: list[Path]
    unneeded: list[Path] = field(default_factory=list)
    note: str = ""


def disk_bytes(paths: list[Path]) -> int:
    """Size of files and of everything in folders; a file with several names (hard links) counts once."""
    sizes: dict[tuple[int, int], int] = {}
    for path in paths:
        if path.is_symlink():
            continue
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file() and not file.is_symlink():
                status = file.lstat()
                sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def settled(paths: list[Path]) -> list[Path]:
    """Those in which nothing was written for an hour: a process in a container can't be seen from here."""

    def last_change(path: Path) -> float:
        return max(file.lstat().st_mtime for file in [path, *(path.rglob("*") if path.is_dir() else [])])

    return [path for path in paths if time.time() - last_change(path) > SETTLED_SECONDS]


def abandoned_files(projects: list[Path]) -> list[Path]:
    """Temporary files and folders, .NAME.PROCESS.tmp (blogtwin/files.py), of processes that have ended."""
    dead = []
    for project in projects:
        for folder in (project / ARTIFACTS_DIR, project / "data"):
            for file in folder.rglob(".*.tmp"):
                process = re.fullmatch(r"\..+\.(\d+)\.tmp", file.name)
                if process and not psutil.pid_exists(int(process[1])):
                    dead.append(file)
    return [file for file in settled(dead) if not any(outer in file.parents for outer in dead)]


def author_folders() -> list[Path]:
    """The authors' projects (scripts/author_project.py)."""
    return [folder for folder in sorted(AUTHORS_DIR.glob("[!.]*")) if folder.is_dir()]


def add_sharer(cache: Path, workspace: Path) -> None:
    """Write down in DVC's cache that this workspace uses it too, so that `make gc` keeps what it needs."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / SHARERS_FILE, "a", encoding="utf-8") as file:
        file.write(f"{workspace.resolve()}\n")


def sharing_projects(cache: Path, home: Path) -> list[Path]:
    """The other projects that use this DVC cache: the authors' and the servers' workspaces. `home` is SERVE_HOME."""
    listed = cache / SHARERS_FILE
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    candidates = [*author_folders(), home / "workspace", *map(Path, lines)]
    projects = dict.fromkeys(folder.resolve() for folder in candidates if (folder / ".dvc").is_dir())
    return [folder for folder in projects if dvc_cache_dir(folder) == cache]


def find_running(projects: list[Path], command: re.Pattern) -> str:
    """The command line of a process that matches and works in one of these folders; empty when there is none."""
    folders = [folder.resolve() for folder in projects]
    for process in psutil.process_iter(["cmdline", "cwd"]):
        line, cwd = " ".join(process.info["cmdline"] or []), process.info["cwd"]
        if cwd and command.search(line) and any(Path(cwd).is_relative_to(folder) for folder in folders):
            return line[-80:]
    return ""


def refuse_while_running(projects: list[Path]) -> None:
    """A stage's outputs belong to nothing until it has ended, and a queued job is on no branch. Raises UserError."""
    running = find_running(projects, STAGE_COMMAND)
    if running:
        raise UserError(
            f"A stage or DVC is running here (… {running}) and may need what would be freed: run `make gc` when it has"
            " ended."
        )
    for folder in projects:
        if not (folder / EXPERIMENTS_DIR / "celery").is_dir():  # nothing was ever queued there
            continue
        states = [line.split()[-1:] for line in checked_dvc(folder, "queue", "status").split("\n")]
        waiting = sum(state in (["Queued"], ["Running"]) for state in states)
        if waiting:
            raise UserError(
                f"{waiting} experiment{'s wait' if waiting > 1 else ' waits'} in DVC's queue of {folder}: let the queue"
                " end (`dvc queue start`) or clear it (`dvc queue remove --queued`), then run `make gc`."
            )


def checked_dvc(folder: Path, *arguments: str) -> str:
    """What a command of DVC prints. Raises UserError with DVC's own message when it fails."""
    done = run_dvc(folder, *arguments)
    if done.returncode != 0:
        message = " ".join(done.stderr.split())[-300:]
        raise UserError(f"`dvc {' '.join(arguments[:2])}` failed in {folder.resolve()}: {message}; nothing was freed.")
    return done.stdout


def dvc_gc_arguments(sharers: list[Path]) -> list[str]:
    """`dvc gc` for this project's cache; before the first commit there are no branches to look at."""
    has_commit = run_git(ROOT, "rev-parse", "-q", "--verify", "HEAD").returncode == 0
    projects = ["--projects", *map(str, sharers)] if sharers else []
    return ["gc", *(KEEP_OPTIONS if has_commit else ("--workspace",)), "--force", *projects]


def dvc_cache(cache: Path, gc_arguments: list[str]) -> StorageKind:
    """DVC's cache, and what `dvc gc` would remove from it. A cache outside of the project is left alone."""
    if not cache.is_relative_to(ROOT):
        return StorageKind("DVC cache", [cache], [], "outside of this project: others may use it, so it is left alone")
    removed = re.findall(r"^Removing (.+)$", checked_dvc(ROOT, *gc_arguments, "--dry"), re.M)
    note = "needed: the results of workspaces, branches, tags and experiments (`dvc exp list`, `dvc exp remove NAME`)"
    return StorageKind("DVC cache", [cache], [Path(path) for path in removed], note)
