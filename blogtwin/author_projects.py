"""One project per author under authors/: a Git clone that shares the code's history, the environment and DVC's
cache."""

import os
import re
import tempfile
from pathlib import Path

from blogtwin.console import echo
from blogtwin.dvc import dvc_cache_dir, run_dvc, run_git
from blogtwin.edit_params import changed_values, set_params
from blogtwin.errors import UserError
from blogtwin.files import atomic_path
from blogtwin.hints import make_command
from blogtwin.paths import ARTIFACTS_DIR, AUTHORS_DIR, ROOT

SHARED_PATHS = (Path(".venv"), ARTIFACTS_DIR / "base")
RESERVED = {"base", "finetuned", "twin", "blogtwin"}  # names that the server has for others
# What is said of a person, or points at their files: a new author begins without.
AUTHOR_DEFAULTS = {
    "ingest.source": "data/sample",
    "ingest.author": "",
    "prepare.author": "",
    "prepare.persona": "corpus/persona.yaml",
    "train.preference_data": "train/votes.jsonl",
}
# What the author's folder has of its own; all else is the project's code.
AUTHOR_FILES = (":!params.yaml", ":!dvc.lock", ":!artifacts", ":!data/*.dvc")


def ensure_project(name: str, verb: str) -> Path:
    """The author's folder, with the project's code; `blog` makes one that is not there yet."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name) or name in RESERVED:
        raise UserError(
            f"AUTHOR is {name!r}: take small letters, digits, - and _, as in `{make_command('all', AUTHOR='anna')}`"
            + (f" ({', '.join(sorted(RESERVED))} are names of models)." if name in RESERVED else ".")
        )
    folder = AUTHORS_DIR / name
    if folder.is_dir():
        sync_code(folder)
    elif verb != "blog":
        others = ", ".join(sorted(f.name for f in AUTHORS_DIR.glob("[a-z0-9]*")))
        raise UserError(
            f"There is no author {name} yet{f' (there are: {others})' if others else ''}:"
            f" `{make_command('blog', AUTHOR=name, FROM='~/posts')}` makes one."
        )
    else:
        create_project(folder, name)
    return folder


def create_project(folder: Path, name: str) -> None:
    if run_git(ROOT, "rev-parse", "-q", "--verify", "HEAD").returncode != 0:
        raise UserError(
            "An author's folder is a clone of this project's last commit, and there is none yet: `git add -A && git"
            " commit -m start` makes one (your posts are ignored)."
        )
    AUTHORS_DIR.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=AUTHORS_DIR) as somewhere:
        clone = Path(somewhere) / name
        done = run_git(ROOT, "clone", "-q", str(ROOT), str(clone.resolve()))
        if done.returncode != 0:
            raise UserError(f"Git could not clone this project to {folder}: {' '.join(done.stderr.split())[:300]}")
        for tracked in run_git(clone, "ls-files", "dvc.lock", "artifacts", "data/*.dvc").stdout.splitlines():
            (clone / tracked).unlink()  # of the project's own twin
        for shared in SHARED_PATHS:
            (ROOT / shared).mkdir(parents=True, exist_ok=True)
            (clone / shared).parent.mkdir(parents=True, exist_ok=True)
            (clone / shared).symlink_to(os.path.relpath(ROOT / shared, (ROOT / folder / shared).parent))
        exclude = clone / ".git/info/exclude"
        exclude.parent.mkdir(exist_ok=True)
        exclude.write_text("".join(f"/{shared}\n" for shared in SHARED_PATHS))
        # what DVC keeps of stages and posts lies in this project's cache
        run_dvc(clone, "cache", "dir", "--quiet", "--local", str(dvc_cache_dir(ROOT)), check=True)
        set_params(clone / "params.yaml", {**AUTHOR_DEFAULTS, "ollama.name": f"blogtwin-{name}"})
        try:
            os.rename(clone, folder)
        except OSError:
            if not (folder / ".git").is_dir():  # else somebody else has just made it
                raise
    echo(f"made {folder}: its params.yaml is {name}'s own")


def sync_code(folder: Path) -> None:
    """The code as this project's last commit has it. The author's knobs, posts and results stay; with changes of their
    own to the code, it all stays."""
    run_git(folder, "remote", "set-url", "origin", str(ROOT))  # the project may have been moved
    if run_git(folder, "fetch", "-q", "origin", "HEAD").returncode != 0:
        return echo(f"note: {folder} stays at its own version of the project: Git could not fetch this one's")
    old, new = (run_git(folder, "rev-parse", name).stdout.strip() for name in ("HEAD", "FETCH_HEAD"))
    if old == new:
        return None
    own_commits = run_git(folder, "merge-base", "--is-ancestor", old, new).returncode != 0
    if own_commits or run_git(folder, "diff", "--quiet", "HEAD", "--", ".", *AUTHOR_FILES).returncode != 0:
        return echo(f"note: {folder} stays at its own version of the project: its code was changed there")
    before, params = run_git(folder, "show", f"{old}:params.yaml").stdout, folder / "params.yaml"
    gone = run_git(
        folder, "diff", "--name-only", "--no-renames", "--diff-filter=D", "-z", old, new, "--", ".", *AUTHOR_FILES
    ).stdout.split("\0")
    run_git(folder, "reset", "-q", new)
    run_git(folder, "checkout", "-q", new, "--", ".", *AUTHOR_FILES)
    for name in filter(None, gone):
        (folder / name).unlink(missing_ok=True)
    try:
        theirs = changed_values(before, params.read_text(encoding="utf-8"), folder)
        with atomic_path(params) as fresh:
            fresh.write_text(run_git(folder, "show", f"{new}:params.yaml").stdout, encoding="utf-8")
            set_params(fresh, theirs)
    except UserError as e:
        echo(f"note: {params} stays as it was: {e}")
    return None
