"""One of several authors: a folder authors/NAME with their posts, knobs, adapter and scorecard, beside all others. The server lists all twins.

It is a clone of this project at its last commit (brought up to date each time), with this one's .venv, base models and DVC cache; any
verb of the Makefile works there.

Run     make blog AUTHOR=anna FROM=~/annas-posts
        make all AUTHOR=anna
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from _shared import ARTIFACTS, ROOT, UserError, making, run, say
from set_param import set_params

AUTHORS = Path("authors")
SHARED = (Path(".venv"), ARTIFACTS / "base")


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)


def made(name: str) -> Path:
    """The author's folder, made if it is not there yet."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
        raise UserError(f"AUTHOR is {name!r}: take small letters, digits, - and _, as in `make all AUTHOR=anna`.")
    folder = AUTHORS / name
    if folder.is_dir():
        update(folder)
        return folder
    if git(ROOT, "rev-parse", "-q", "--verify", "HEAD").returncode != 0:
        raise UserError("An author's folder is a clone of this project's last commit, and there is none yet: `git add -A && git commit -m start` makes one (your posts are ignored).")
    with making(folder) as temporary:
        done = git(ROOT, "clone", "-q", str(ROOT), str(temporary.resolve()))
        if done.returncode != 0:
            raise UserError(f"Git could not clone this project to {folder}: {' '.join(done.stderr.split())[:300]}")
        for shared in SHARED:
            (ROOT / shared).mkdir(parents=True, exist_ok=True)
            (temporary / shared).parent.mkdir(parents=True, exist_ok=True)
            (temporary / shared).symlink_to(os.path.relpath(ROOT / shared, (ROOT / folder / shared).parent))
        exclude = temporary / ".git/info/exclude"
        exclude.parent.mkdir(exist_ok=True)
        exclude.write_text("".join(f"/{shared}\n" for shared in SHARED))
        share_cache(temporary)
        set_params(temporary / "params.yaml", {"ollama.name": f"blogtwin-{name}"})
    say(f"made {folder}: its params.yaml is {name}'s own")
    return folder


def share_cache(folder: Path) -> None:
    """What DVC keeps of stages and posts lies in this project's cache."""
    dvc = [sys.executable, "-m", "dvc", "cache", "dir"]
    cache = subprocess.run(dvc, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([*dvc, "--quiet", "--local", str((ROOT / cache).resolve())], cwd=folder, check=True)


def update(folder: Path) -> None:
    """The code as this project's last commit has it; what the author's folder has of its own stays, and then so does its code."""
    git(folder, "fetch", "-q", "origin", "HEAD")
    done = git(folder, "merge", "-q", "--ff-only", "FETCH_HEAD")
    if done.returncode != 0:
        say(f"note: {folder} stays at its own version of the project: {' '.join(done.stderr.split())[:200]}")


def main() -> None:
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        say(__doc__)
        return
    name, verb, source = [*sys.argv[1:4], ""][:3]
    folder = made(name)
    if source and not re.match(r"https?://", source):
        source = str(Path(source).expanduser().resolve())
    os.execvp("make", ["make", "--no-print-directory", "-C", str(folder), verb, "AUTHOR=", *([f"FROM={source}"] if source else [])])


if __name__ == "__main__":
    run(main)
