"""Somebody's own posts brought into data/blog: a folder copied, an archive or a feed fetched."""

import json
import shutil
from pathlib import Path

from blogtwin.errors import UserError
from blogtwin.hints import make_command

BLOG_DIR = Path("data/blog")
MAX_FEED_BYTES = 200_000_000  # bytes
IGNORED = {".git", ".svn", "node_modules", ".venv", "__pycache__", ".DS_Store"}


def copy_posts(source: Path, target: Path) -> None:
    """Copy the folder, real files for links; pipes and links that lead in circles or nowhere are left out."""
    seen = set()

    def skip(folder: str, names: list[str]) -> set[str]:
        here = Path(folder)
        seen.add(here.resolve())
        dead = {
            n for n in names if not ((here / n).is_file() or (here / n).is_dir() and (here / n).resolve() not in seen)
        }
        return dead | (IGNORED & set(names))

    try:
        shutil.copytree(source, target, ignore=skip, dirs_exist_ok=True)
    except shutil.Error as e:  # a list of (from, to, why)
        file, _, why = e.args[0][0]
        raise UserError(f"{file} can't be copied: {why}") from None


def save_post_dates(source: Path, target: Path) -> None:
    """Write down what Git and the files' times say of the days: a copy has neither."""
    from corpus.file_dates import DATES_FILE, post_dates

    there = {str(f.relative_to(target)) for f in target.rglob("*") if f.is_file()}
    found = post_dates(source, [source / name for name in sorted(there)])
    if kept := {name: day for name, day in sorted(found.items()) if name in there}:
        (target / DATES_FILE).write_text(json.dumps(kept, ensure_ascii=True), encoding="utf-8")


def download_feed(address: str, target: Path) -> None:
    """The feed at an address, as target/feed.xml."""
    import httpx

    try:
        with httpx.stream(
            "GET", address, follow_redirects=True, timeout=30, headers={"User-Agent": "blogtwin"}
        ) as answer:
            answer.raise_for_status()
            with open(target / "feed.xml", "wb") as file:
                for part in answer.iter_bytes():
                    file.write(part)
                    if file.tell() > MAX_FEED_BYTES:
                        raise UserError(
                            f"{address} is larger than {MAX_FEED_BYTES / 1e6:.0f} MB: save it as a file, and name that."
                        )
    except (httpx.HTTPError, httpx.InvalidURL) as e:
        raise UserError(
            f"{address} can't be fetched: {' '.join(str(e).split())[:150] or type(e).__name__}: save the feed as a"
            " file, and name that."
        ) from None


def resolve_source(given: str) -> Path:
    """FROM as the path of a folder or of a file of posts."""
    from corpus.readers import ARCHIVE_FORMATS, SINGLE_POST_READERS

    source = Path(given).expanduser()
    if source.is_file() and source.suffix.lower() not in ARCHIVE_FORMATS | SINGLE_POST_READERS:
        raise UserError(
            f"FROM is {source}, which is a file of no known kind: name the folder of your posts, or an export"
            f" ({', '.join(ARCHIVE_FORMATS)})."
        )
    if not source.is_dir() and not source.is_file():
        raise UserError(
            f"FROM is {source}, which is not there: name the folder of your posts, as in"
            f" `{make_command('blog', FROM='~/posts')}`."
        )
    real, blog = source.resolve(), BLOG_DIR.resolve()
    if blog.is_relative_to(real) or real.is_relative_to(blog):
        raise UserError(
            f"FROM is {source}, which {'holds' if blog.is_relative_to(real) else 'is inside'} {BLOG_DIR} itself: name"
            " the folder your posts come from."
        )
    return source
