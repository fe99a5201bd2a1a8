"""Use your own posts: copy them to data/blog, let DVC keep them, and point ingest.source there.

The posts stay on this machine: data/blog is ignored by Git, which sees only a pointer, data/blog.dvc (a hash, no text).

Run     make blog FROM=~/posts
"""

import shutil
import subprocess
import sys
from pathlib import Path

from _shared import UserError, load_params, making, run, say
from set_param import set_params

BLOG = Path("data/blog")
PASSED_OVER = {".git", ".svn", "node_modules", ".venv", "__pycache__", ".DS_Store"}


def copy(source: Path, target: Path) -> int:
    """Copy the folder, real files for links; pipes and links that lead in circles or nowhere are left out. The number of files."""
    seen = set()

    def skip(folder: str, names: list[str]) -> set[str]:
        here = Path(folder)
        seen.add(here.resolve())
        dead = {n for n in names if not ((here / n).is_file() or (here / n).is_dir() and (here / n).resolve() not in seen)}
        return dead | (PASSED_OVER & set(names))

    try:
        shutil.copytree(source, target, ignore=skip, dirs_exist_ok=True)
    except shutil.Error as e:  # a list of (from, to, why)
        file, _, why = e.args[0][0]
        raise UserError(f"{file} can't be copied: {why}") from None
    return sum(1 for f in target.rglob("*") if f.is_file())


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        say(__doc__)
        return
    if not sys.argv[1]:
        raise UserError("FROM is empty: name the folder of your posts, as in `make blog FROM=~/posts`.")
    load_params()
    source = Path(sys.argv[1]).expanduser()
    if not source.is_dir():
        what = "a file" if source.is_file() else "not there"
        raise UserError(f"FROM is {source}, which is {what}: name the folder of your posts, as in `make blog FROM=~/posts`.")
    real, blog = source.resolve(), BLOG.resolve()
    if blog.is_relative_to(real) or real.is_relative_to(blog):
        raise UserError(f"FROM is {source}, which {'holds' if blog.is_relative_to(real) else 'is inside'} {BLOG} itself: name the folder your posts come from.")
    with making(BLOG) as folder:
        count = copy(source, folder)
        if not count:
            raise UserError(f"{source} holds no files: name the folder of your posts, as in `make blog FROM=~/posts`.")
    done = subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", str(BLOG)], capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError(f"{count} files were copied to {BLOG}, but DVC could not take them: {' '.join(done.stderr.split())[:300]}")
    set_params(Path("params.yaml"), {"ingest.source": str(BLOG)})
    say(f"copied {count} files from {source} to {BLOG} and gave them to DVC ({BLOG}.dvc is a pointer; Git never sees the posts)")
    say("next: `make all` makes the twin; `make all BASE=llama3.2:1b` makes it on a larger base model")


if __name__ == "__main__":
    run(main)
