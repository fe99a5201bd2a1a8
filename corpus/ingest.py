"""A folder of posts and exports → rows of posts.jsonl, and what was skipped with its reason."""

import contextlib
import dataclasses
import os
from collections import Counter
from pathlib import Path, PurePath

from blogtwin.files import sha256_file

# Folders that hold no posts; each is named once in discarded.jsonl, not file by file.
IGNORED_DIRS = {
    ".git",
    ".svn",
    ".obsidian",
    ".trash",
    ".dvc",
    "node_modules",
    "__pycache__",
    ".venv",
    "__MACOSX",
    "_site",
    "_layouts",
    "_includes",
    "_sass",
    "_data",
    "archetypes",
    "layouts",
    "themes",
    ".astro",
    ".next",
    ".jekyll-cache",
}


def find_files(folder: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """(files in a stable order, [(folder passed over, reason)]); follows links, but enters no real folder twice."""
    files, passed, seen = [], [], set()

    def unreadable(error: OSError) -> None:
        passed.append((Path(error.filename), "the folder can't be opened"))

    for here, folders, names in os.walk(folder, followlinks=True, onerror=unreadable):
        real = os.path.realpath(here)
        if real in seen:
            passed.append((Path(here), "a link back to a folder already read"))
            folders.clear()
            continue
        seen.add(real)
        passed.extend((Path(here, f), "not a folder of posts") for f in folders if f in IGNORED_DIRS)
        folders[:] = sorted(f for f in folders if f not in IGNORED_DIRS)
        files += [Path(here, name) for name in sorted(names)]
    return files, passed


def printable_name(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are written out, so that two such names stay different."""
    return name.encode("utf-8", "backslashreplace").decode()


def ingest_folder(
    folder: Path, min_words: int, max_bytes: float, author: str = "", role: str = "user", remembered=None
) -> tuple[list[dict], list[dict]]:
    """All files of a folder → (post rows, discarded rows). Every file, or post in it, is in exactly one of them.
    `remembered` knows files that were read before."""
    from corpus import readers
    from corpus.file_dates import DATES_FILE, post_dates
    from corpus.filters import skip_reason

    files, passed = find_files(folder)
    posts, discarded, first_with = [], [], {}
    day_of = None

    def name(path, inside=""):
        return printable_name(str(path.relative_to(folder)) + (f"#{inside}" if inside else ""))

    def leave_out(path, reason, inside=""):
        discarded.append({"source": name(path, inside), "reason": printable_name(reason)})

    for path, reason in passed:
        leave_out(path, reason)
    with progress_bar(files) as advance:
        for path in files:
            if path.name == DATES_FILE:
                continue  # no file of the author's
            for post in (
                read_file_cached(path, name(path), max_bytes, role, remembered)
                if remembered
                else read_file(path, max_bytes, role)
            ):
                if isinstance(post, readers.SkippedPost):
                    leave_out(path, str(post), post.name)
                    continue
                words, post_id = len(post.text.split()), readers.post_id(post.text)
                if reason := skip_reason(post, PurePath(post.name) if post.name else path.relative_to(folder), author):
                    leave_out(path, reason, post.name)
                elif words < min_words:
                    leave_out(path, f"only {words} words, fewer than ingest.min_words ({min_words})", post.name)
                elif post_id in first_with:
                    leave_out(path, f"the same text as {first_with[post_id]}", post.name)
                else:
                    if not post.date and not post.name:
                        day_of = post_dates(folder, files) if day_of is None else day_of
                        post.date, post.date_from = day_of.get(str(path.relative_to(folder)), (None, ""))
                    first_with[post_id] = name(path, post.name)
                    posts.append(post_row(post, post_id, name(path, post.name), path.suffix.lower().lstrip("."), words))
            advance(path)
    return posts, discarded


@contextlib.contextmanager
def progress_bar(files: list[Path]):
    """A bar over the bytes of the files, where a person watches; gives the function to call after each file."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("reading posts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True
    ) as bar:
        task = bar.add_task("", total=len(files))
        yield lambda path: bar.advance(task)


def read_file(path: Path, max_bytes: float, role: str):
    """`Post`s and `SkippedPost`s of a file; whatever is wrong with it is a reason."""
    import py3langid

    from corpus import readers

    try:
        for post in readers.iter_posts(path, max_bytes, role):
            if isinstance(post, readers.Post):
                post.lang = py3langid.classify(post.text[:2000])[0]
            yield post
    except readers.SkippedPost as e:
        yield e
    except OSError as e:
        yield readers.SkippedPost(f"can't be opened: {e.strerror or e}")


def read_file_cached(path: Path, name: str, max_bytes: float, role: str, remembered):
    """As `read_file`, of a file that holds one post read only where its content, or its name, is new."""
    from corpus import readers

    try:
        one = path.suffix.lower() in readers.SINGLE_POST_READERS and path.is_file() and path.stat().st_size <= max_bytes
        content = sha256_file(path) if one else ""
    except OSError:
        one = False
    if not one:  # an export is one file, and streamed
        yield from read_file(path, max_bytes, role)
        return
    for row in remembered.get([name, content], lambda: [to_json(post) for post in read_file(path, max_bytes, role)]):
        yield readers.SkippedPost(row["reason"], row["name"]) if "reason" in row else readers.Post(**row)


def to_json(post) -> dict:
    """A `Post` or `SkippedPost` as JSON can hold it."""
    from corpus import readers

    return (
        {"reason": str(post), "name": post.name} if isinstance(post, readers.SkippedPost) else dataclasses.asdict(post)
    )


def post_row(post, post_id: str, source: str, form: str, words: int) -> dict:
    """The row of a post in posts.jsonl."""
    return {
        "id": post_id,
        "title": post.title,
        "date": post.date,
        "text": post.text,
        "source": source,
        "format": form,
        "word_count": words,
        "tags": post.tags,
        "lang": post.lang,
        "date_from": post.date_from if post.date else "",
        "authors": post.authors,
        "url": post.url,
    }


def print_summary(posts: list[dict], discarded: list[dict]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="ingest", title_justify="left", show_header=False)
    dates = sorted(p["date"] for p in posts if p["date"])
    formats = Counter(p["format"] for p in posts)
    table.add_row("read", f"{len(posts) + len(discarded)} files or posts")
    table.add_row("kept", f"{len(posts)} posts ({', '.join(f'{n} .{f}' for f, n in formats.most_common())})")
    for reason, n in Counter(d["reason"].split(":")[0].split(", fewer")[0] for d in discarded).most_common(8):
        table.add_row("left out", f"{n}: {escape(reason)}")
    table.add_row("words", f"{sum(p['word_count'] for p in posts):,}")
    table.add_row(
        "dates",
        (
            f"{dates[0]} to {dates[-1]}" + (f", {len(posts) - len(dates)} without" if len(dates) < len(posts) else "")
            if dates
            else "none"
        ),
    )
    Console().print(table)
