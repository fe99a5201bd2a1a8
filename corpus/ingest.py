"""A folder of posts and exports → rows of posts.jsonl, and what was skipped, with the reason."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from blogtwin.cache import JsonCache
from blogtwin.files import sha256_file
from corpus.containers import DiskFile, UnpackLimits, is_ignored_dir
from corpus.dates import DayOrder
from corpus.post import DiscardedRow, Post, PostRow, SkippedPost

if TYPE_CHECKING:
    from corpus.readers import ReadContext

MAIL_FORMATS = {"mbox", "mbx", "eml", "emlx"}
LANGUAGE_SAMPLE = 2000  # characters of a post by which its language is detected


def find_files(folder: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """(files in a stable order, [(skipped folder, reason)]); follows links, but enters no real folder twice."""
    files: list[Path] = []
    skipped: list[tuple[Path, str]] = []
    entered: set[str] = set()

    def skip_unreadable(error: OSError) -> None:
        skipped.append((Path(error.filename), "the folder can't be opened"))

    for here, folders, names in os.walk(folder, followlinks=True, onerror=skip_unreadable):
        real = os.path.realpath(here)
        if real in entered:
            skipped.append((Path(here), "a link back to a folder already read"))
            folders.clear()
            continue
        entered.add(real)
        ignored = {name for name in folders if is_ignored_dir(name, set(names).__contains__)}
        skipped.extend((Path(here, name), "not a folder of posts") for name in folders if name in ignored)
        folders[:] = sorted(set(folders) - ignored)
        files += [Path(here, name) for name in sorted(names)]
    return files, skipped


def printable_name(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 become escapes, so that two such names stay different."""
    return name.encode("utf-8", "backslashreplace").decode()


def ingest_folder(
    folder: Path,
    min_words: int,
    max_bytes: float,
    author: str = "",
    role: str = "user",
    post_types: Sequence[str] = ("post",),
    cache: JsonCache | None = None,
    language: str = "",
    limits: UnpackLimits | None = None,
) -> tuple[list[PostRow], list[DiscardedRow]]:
    """All files of a folder → (posts, what was skipped). Every file, or post in it, is in exactly one of them.

    author: posts that name another author are skipped; empty: none are, and mail is kept if the mailbox's owner sent
    it. role: whose messages in chats are posts. post_types: see `find_skip`. max_bytes: of a file, and of a post in an
    export. cache: holds the posts of files that were read before. language: see `keep_language`. limits: of what each
    archive may unpack to.
    """
    from corpus.dates import settle_days
    from corpus.file_dates import DATES_FILE
    from corpus.language import keep_language, settle_languages
    from corpus.readers import ExportLayout, ReadContext, find_mail_owner

    files, skipped_dirs = find_files(folder)
    ingest = _Ingest(folder, files, min_words, author, post_types, language)
    for path, reason in skipped_dirs:
        ingest.skip(path, SkippedPost(reason))
    sources = [DiskFile(path, path.relative_to(folder)) for path in files]
    limits = limits or UnpackLimits()
    context = ReadContext(max_bytes, role, find_mail_owner(sources, author, limits), ExportLayout(sources), limits)
    with progress_bar(files) as advance:
        for file in sources:
            path = file.path
            if path.name == DATES_FILE:  # written by `make blog`
                continue
            for post in read_file_cached(file, context, cache):
                if isinstance(post, SkippedPost):
                    ingest.skip(path, post)
                else:
                    ingest.add(path, post)
            advance(path)
    settle_days(ingest.numeric_days)
    settle_languages(ingest.posts)
    posts, in_others = keep_language(ingest.posts, language)
    return posts, [*ingest.discarded, *in_others]


class _Ingest:
    """The rows of both tables, filled post by post."""

    def __init__(
        self,
        folder: Path,
        files: list[Path],
        min_words: int,
        author: str,
        post_types: Sequence[str],
        language: str,
    ) -> None:
        self.folder, self.files, self.min_words, self.language = folder, files, min_words, language
        self.author, self.post_types = author, post_types
        self.posts: list[PostRow] = []
        self.discarded: list[DiscardedRow] = []
        self.first_source: dict[str, str] = {}  # of each post id
        self.numeric_days: list[tuple[Any, DayOrder]] = []  # see `corpus.dates.settle_days`
        self.dates: dict[str, tuple[str, str]] | None = None  # see `post_dates`; read for the first post without a date

    def source_of(self, path: Path, name: str = "") -> str:
        """How the tables name a file, or a post in it."""
        return printable_name(str(path.relative_to(self.folder)) + (f"#{name}" if name else ""))

    def skip(self, path: Path, skipped: SkippedPost) -> None:
        """Add a file, or a post in it, to the discarded ones."""
        source, reason = self.source_of(path, skipped.name), printable_name(str(skipped))
        self.discarded.append({"source": source, "reason": reason, "cause": skipped.cause})

    def add(self, path: Path, post: Post) -> None:
        """Add a post, unless it is none of the author's, too short, or a copy."""
        from corpus.filters import find_skip
        from corpus.language import resolve_bilingual
        from corpus.post import post_id

        resolve_bilingual(post, self.language)
        word_count, new_id = len(post.text.split()), post_id(post.text)
        own_path = PurePath(post.name) if post.name else path.relative_to(self.folder)
        skipped = find_skip(post, own_path, self.author, self.post_types)
        if skipped is None and word_count < self.min_words:
            reason = f"only {word_count} words, fewer than ingest.min_words ({self.min_words})"
            skipped = SkippedPost(reason, post.name)
        if skipped is None and new_id in self.first_source:
            skipped = SkippedPost(f"the same text as {self.first_source[new_id]}", post.name)
        if skipped is not None:
            self.skip(path, skipped)
            return
        if not post.date and not post.name:
            post.date, post.date_from = self._file_date(path)
        source = self.source_of(path, post.name)
        self.first_source[new_id] = source
        self.posts.append(post_row(post, new_id, source, file_format(path, post), word_count))
        if post.day_order:
            self.numeric_days.append((self.posts[-1], post.day_order))

    def _file_date(self, path: Path) -> tuple[str | None, str]:
        """(ISO day or None, where it comes from) of a file whose post states no date."""
        from corpus.file_dates import post_dates

        if self.dates is None:
            self.dates = post_dates(self.folder, self.files)
        return self.dates.get(str(path.relative_to(self.folder)), (None, ""))


@contextlib.contextmanager
def progress_bar(files: list[Path]) -> Iterator[Callable[[Path], None]]:
    """A progress bar in a terminal; yields the function to call after each file."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("reading posts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True
    ) as bar:
        task = bar.add_task("", total=len(files))
        yield lambda path: bar.advance(task)


def read_file(file: DiskFile, context: ReadContext) -> Iterator[Post | SkippedPost]:
    """The posts of a file, with their language; whatever is wrong with it becomes a `SkippedPost`."""
    import py3langid

    from corpus import readers

    try:
        limits = dataclasses.replace(context.limits)  # each file's archives have them all
        for post in readers.iter_source(file, dataclasses.replace(context, limits=limits)):
            if isinstance(post, Post):
                post.lang = post.lang or py3langid.classify(post.text[:LANGUAGE_SAMPLE])[0]
            yield post
    except SkippedPost as e:
        yield e
    except OSError as e:
        yield SkippedPost(f"can't be opened: {e.strerror or e}")


def read_file_cached(file: DiskFile, context: ReadContext, cache: JsonCache | None) -> Iterator[Post | SkippedPost]:
    """As `read_file`; a file of one post is read again only if its content, its name or its export's tables are new."""
    content = _cacheable_content(file.path, context.max_bytes) if cache is not None else ""
    if cache is None or not content:
        yield from read_file(file, context)
        return
    key = [printable_name(str(file.name)), content, context.layout.facts(file.name)]
    for row in cache.get(key, lambda: [to_json(post) for post in read_file(file, context)]):
        yield SkippedPost(**row) if "reason" in row else Post(**row)


def _cacheable_content(path: Path, max_bytes: float) -> str:
    """The SHA-256 of a file that is one post; empty for others: an export is streamed, not held in memory."""
    from corpus.readers import SINGLE_POST_READERS

    try:
        if path.suffix.lower() in SINGLE_POST_READERS and path.is_file() and path.stat().st_size <= max_bytes:
            return sha256_file(path)
    except OSError:
        pass  # read_file says what is wrong
    return ""


def to_json(post: Post | SkippedPost) -> dict:
    """A post as the cache stores it: a skipped one is told by its "reason"."""
    if isinstance(post, SkippedPost):
        return {"reason": str(post), "name": post.name, "cause": post.cause}
    return dataclasses.asdict(post)


def file_format(path: Path, post: Post) -> str:
    """The extension of the file that a post was read from; of the file in an archive, where it was in one."""
    from corpus.readers import ARCHIVE_FORMATS, is_post_format

    def is_archive(path: PurePath) -> bool:
        return ARCHIVE_FORMATS.get(path.suffix.lower()) == "zip"

    if is_archive(path):
        inner = (part for part in map(PurePath, PurePath(post.name).parts) if is_post_format(part))
        path = Path(next((part for part in inner if not is_archive(part)), path))
    return path.suffix.lower().lstrip(".") or "mbox"  # the one format of files without an extension


def post_row(post: Post, post_id: str, source: str, format: str, word_count: int) -> PostRow:
    """The row of a post in posts.jsonl."""
    return {
        "id": post_id,
        "title": post.title,
        "date": post.date,
        "text": post.text,
        "source": source,
        "format": format,
        "word_count": word_count,
        "tags": post.tags,
        "lang": post.lang,
        "date_from": post.date_from if post.date else "",
        "authors": post.authors,
        "url": post.url,
        "mended": post.mended,
        "translation": post.translation,
    }


def print_summary(posts: list[PostRow], discarded: list[DiscardedRow]) -> None:
    """Print a table: formats that were not read, posts by format, what was mended, somebody else's or not public with
    examples, other reasons for leaving out, words, dates."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from corpus.left_out import count_reasons, find_changes, short_posts_hint, unread_formats

    table = Table(title="ingest", title_justify="left", show_header=False)
    if unread := unread_formats(discarded):
        table.add_row("not read", f"[bold]{unread}[/bold]")
    formats = Counter(post["format"] for post in posts)
    by_format = ", ".join(f"{n} .{name}" for name, n in formats.most_common())
    table.add_row("read", f"{len(posts) + len(discarded)} files or posts")
    table.add_row("kept", f"{len(posts)} posts ({by_format})")
    if senders := mail_senders(posts):
        table.add_row("mail", escape(senders))
    for finding in find_changes(posts, discarded):
        table.add_row(finding.name, escape("\n".join([str(finding), *(f"  {row}" for row in finding.examples)])))
    for reason, n in count_reasons(discarded)[:8]:
        table.add_row("skipped", f"{n:,}: {escape(reason)}")
    if hint := short_posts_hint(len(posts), discarded):
        table.add_row("short notes", hint)
    table.add_row("words", f"{sum(post['word_count'] for post in posts):,}")
    table.add_row("dates", _date_span(posts))
    Console().print(table)


def mail_senders(posts: Sequence[PostRow]) -> str:
    """Whose mails were kept, so that a person sees whether that is right; empty without a mail."""
    senders = Counter(", ".join(post["authors"]) for post in posts if post["format"] in MAIL_FORMATS)
    if not senders:
        return ""
    return ", ".join(f"{n} by {name}" for name, n in senders.most_common(3)) + " (`ingest.author` overrules this)"


def _date_span(posts: list[PostRow]) -> str:
    dates = sorted(post["date"] for post in posts if post["date"])
    if not dates:
        return "none"
    undated = len(posts) - len(dates)
    return f"{dates[0]} to {dates[-1]}" + (f", {undated} without" if undated else "")
