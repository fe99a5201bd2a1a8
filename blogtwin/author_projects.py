"""One project per author under authors/: a Git clone that shares the main project's .venv and DVC cache."""

import os
import re
import tempfile
from pathlib import Path

from blogtwin.console import echo
from blogtwin.dvc import run_git, share_dvc_settings
from blogtwin.edit_params import changed_values, set_params
from blogtwin.errors import UserError
from blogtwin.files import atomic_path
from blogtwin.hints import make_command
from blogtwin.paths import ARTIFACTS_DIR, AUTHORS_DIR, ROOT
from blogtwin.repository import check_commit, clone_project, fetch_project

SHARED_PATHS = (Path(".venv"), ARTIFACTS_DIR / "base")
RESERVED = {"base", "finetuned", "twin", "blogtwin"}  # names that the server uses for other models
# Parameters about a person or their files: a new author starts with these values.
AUTHOR_DEFAULTS = {
    "ingest.source": "data/sample",
    "ingest.author": "",
    "prepare.author": "",
    "prepare.persona": "corpus/persona.yaml",
    "train.preference_data": "train/votes.jsonl",
}
# Git pathspecs that exclude the author's own files; everything else is the project's code.
AUTHOR_FILES = (":!params.yaml", ":!dvc.lock", ":!artifacts", ":!data/*.dvc")


def ensure_project(name: str, verb: str) -> Path:
    """The author's folder, with the project's current code. The verb `blog` creates a folder that does not exist yet.

    Raises UserError for an invalid name, and where the folder does not exist for another verb.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name) or name in RESERVED:
        raise UserError(
            f"AUTHOR is {name!r}: use lower-case letters, digits, - and _, as in `{make_command('all', AUTHOR='anna')}`"
            + (f" ({', '.join(sorted(RESERVED))} are names of models)." if name in RESERVED else ".")
        )
    folder = AUTHORS_DIR / name
    if folder.is_dir():
        sync_code(folder)
    elif verb != "blog":
        others = ", ".join(sorted(f.name for f in AUTHORS_DIR.glob("[a-z0-9]*")))
        raise UserError(
            f"There is no author {name} yet{f' (there are: {others})' if others else ''}:"
            f" create one with `{make_command('blog', AUTHOR=name, FROM='~/posts')}`."
        )
    else:
        create_project(folder, name)
    return folder


def create_project(folder: Path, name: str) -> None:
    """Clone the main project to `folder`, without its results. Raises UserError where it has no commit to clone."""
    check_commit(ROOT)
    AUTHORS_DIR.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=AUTHORS_DIR) as temporary:
        clone = Path(temporary) / name
        clone_project(ROOT, clone)
        for tracked in run_git(clone, "ls-files", "dvc.lock", "artifacts", "data/*.dvc").stdout.splitlines():
            (clone / tracked).unlink()  # results of the main project's twin
        for shared in SHARED_PATHS:
            (ROOT / shared).mkdir(parents=True, exist_ok=True)
            (clone / shared).parent.mkdir(parents=True, exist_ok=True)
            (clone / shared).symlink_to(os.path.relpath(ROOT / shared, (ROOT / folder / shared).parent))
        exclude = clone / ".git/info/exclude"
        exclude.parent.mkdir(exist_ok=True)
        exclude.write_text("".join(f"/{shared}\n" for shared in SHARED_PATHS))
        share_dvc_settings(ROOT, clone, ROOT / folder)
        for key in ("user.name", "user.email"):  # DVC's experiments are commits
            value = run_git(ROOT, "config", key).stdout.strip()
            if value and not run_git(clone, "config", key).stdout.strip():
                run_git(clone, "config", key, value)
        set_params(clone / "params.yaml", {**AUTHOR_DEFAULTS, "ollama.name": f"blogtwin-{name}"})
        try:
            os.rename(clone, folder)
        except OSError:
            if not (folder / ".git").is_dir():  # else another process has just created it
                raise
    echo(f"created {folder}, with a params.yaml of its own")


def sync_code(folder: Path) -> None:
    """Update the author's code to the main project's last commit.

    The author's parameters, posts and results stay. If the code was changed in the author's project, everything stays.
    """
    if not fetch_project(ROOT, folder):
        echo(f"note: {folder} keeps its version of the code: Git could not fetch this project's")
        return
    old, new = (run_git(folder, "rev-parse", name).stdout.strip() for name in ("HEAD", "FETCH_HEAD"))
    if old == new:
        return
    own_commits = run_git(folder, "merge-base", "--is-ancestor", old, new).returncode != 0
    if own_commits or run_git(folder, "diff", "--quiet", "HEAD", "--", ".", *AUTHOR_FILES).returncode != 0:
        echo(f"note: {folder} keeps its version of the code: its code was changed there")
        return
    old_params, params = run_git(folder, "show", f"{old}:params.yaml").stdout, folder / "params.yaml"
    options = ("--name-only", "--no-renames", "--diff-filter=D", "-z")
    deleted = run_git(folder, "diff", *options, old, new, "--", ".", *AUTHOR_FILES).stdout.split("\0")
    run_git(folder, "reset", "-q", new)
    run_git(folder, "checkout", "-q", new, "--", ".", *AUTHOR_FILES)
    for name in filter(None, deleted):
        (folder / name).unlink(missing_ok=True)
    try:
        values = changed_values(old_params, params.read_text(encoding="utf-8"), folder)
        with atomic_path(params) as temporary:
            temporary.write_text(run_git(folder, "show", f"{new}:params.yaml").stdout, encoding="utf-8")
            set_params(temporary, values)
    except UserError as e:
        echo(f"note: {params} stays as it was: {e}")
