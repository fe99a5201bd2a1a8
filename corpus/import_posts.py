"""Bring an author's posts into data/blog: copy a folder or a blog export, or download a feed (`make blog`)."""

import json
import shutil
from pathlib import Path

from blogtwin.dvc import run_dvc
from blogtwin.errors import UserError
from blogtwin.files import atomic_directory
from blogtwin.hints import make_command
from blogtwin.repository import add_pointers

BLOG_DIR = Path("data/blog")
IGNORED = {".git", ".svn", "node_modules", ".venv", "__pycache__", ".DS_Store"}


def import_posts(address_or_path: str) -> int:
    """Replace BLOG_DIR by the posts of a folder, of an export file, or of the feed at an address; the number of files.

    Raises UserError for a source that does not exist, holds no files, is BLOG_DIR itself, or can't be copied or
    downloaded; BLOG_DIR is then unchanged.
    """
    if not address_or_path:
        raise UserError(f"FROM is empty: name the folder of your posts, as in `{_example_command()}`.")
    is_address = address_or_path.startswith(("http://", "https://"))
    source = None if is_address else resolve_source(address_or_path)
    with atomic_directory(BLOG_DIR) as folder:
        if source is None:
            from corpus.feed_address import download_feed

            download_feed(address_or_path, folder)
        elif source.is_file():
            shutil.copy2(source, folder)
        else:
            copy_posts(source, folder)
        num_files = sum(1 for path in folder.rglob("*") if path.is_file())
        if not num_files:
            raise UserError(
                f"{address_or_path} holds no files: name the folder of your posts, as in `{_example_command()}`."
            )
        if source is not None and source.is_dir():
            save_post_dates(source, folder)
    return num_files


def track_with_dvc(num_files: int) -> None:
    """Hand BLOG_DIR to DVC, and its pointer to Git. Raises UserError if DVC refuses."""
    result = run_dvc(Path("."), "add", "--quiet", str(BLOG_DIR))
    if result.returncode != 0:
        reason = " ".join(result.stderr.split())[:300]
        raise UserError(f"{num_files} files were copied to {BLOG_DIR}, but DVC could not add them: {reason}")
    add_pointers()


def _example_command() -> str:
    return make_command("blog", FROM="~/posts")


def copy_posts(source: Path, target: Path) -> None:
    """Copy a folder, with real files in place of links. Pipes, and links to nowhere or back, are skipped.

    Raises UserError for a file that can't be read.
    """
    entered: set[Path] = set()

    def ignore(folder: str, names: list[str]) -> set[str]:
        here = Path(folder)
        entered.add(here.resolve())
        return {name for name in names if name in IGNORED or not _is_copyable(here / name, entered)}

    try:
        shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)
    except shutil.Error as e:  # a list of (from, to, why)
        file, _, reason = e.args[0][0]
        raise UserError(f"{file} can't be copied: {reason}") from None


def _is_copyable(path: Path, entered: set[Path]) -> bool:
    """True for a regular file, and for a folder that was not entered before."""
    return path.is_file() or (path.is_dir() and path.resolve() not in entered)


def save_post_dates(source: Path, target: Path) -> None:
    """Save the dates that Git's history and the files' times give the posts: the copy in `target` has neither."""
    from corpus.file_dates import DATES_FILE, post_dates

    copied = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    dates = post_dates(source, [source / name for name in copied])
    saved = {name: dates[name] for name in copied if name in dates}
    if saved:
        (target / DATES_FILE).write_text(json.dumps(saved, ensure_ascii=True), encoding="utf-8")


def resolve_source(path: str) -> Path:
    """FROM as the path of a folder, or of a file in a known format. Raises UserError for anything else."""
    from corpus.readers import ARCHIVE_FORMATS, is_readable

    source = Path(path).expanduser()
    if source.is_file() and not is_readable(source):
        raise UserError(
            f"FROM is {source}, a file of no known format: name the folder of your posts, or an export"
            f" ({', '.join(ARCHIVE_FORMATS)})."
        )
    if not source.is_dir() and not source.is_file():
        raise UserError(
            f"FROM is {source}, which is not there: name the folder of your posts, as in `{_example_command()}`."
        )
    real, blog = source.resolve(), BLOG_DIR.resolve()
    if blog.is_relative_to(real) or real.is_relative_to(blog):
        relation = "contains" if blog.is_relative_to(real) else "is inside"
        raise UserError(f"FROM is {source}, which {relation} {BLOG_DIR} itself: name the folder your posts come from.")
    return source
