"""What the files of a folder say of each other: Substack's posts.csv, Medium's folders of what the author read, the
furniture of a Google Takeout. The same for an export that is still a .zip and for one that was unpacked."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, parse_date
from corpus.readers.html import html_to_markdown
from corpus.readers.html_post import read_html_file
from corpus.readers.public_marks import DRAFT, NO

if TYPE_CHECKING:
    from corpus.containers import SourceFile

# fmt: off
# Folders of a Medium export that hold what the author read, liked and set. Those of the first set tell one from a site.
MEDIUM_ONLY = {
    "bookmarks", "claps", "highlights", "ips", "pubs-following", "sessions", "topics-following", "users-following",
}
MEDIUM_ACTIVITY = MEDIUM_ONLY | {"blocks", "interests", "lists", "membership", "partner-program", "profile", "twitter"}
# fmt: on
MEDIUM_ACTIVITY_FILE = re.compile(r"(?:blocks|bookmarks|claps|highlights|ips|sessions|[a-z]+-following)-\d{4}\.html?")
MAX_RESPONSE_WORDS = 200  # a longer text without a title is a post
MAX_TABLE_BYTES = 50_000_000
PROGRAM_SUFFIXES = (".qmd", ".Rmd", ".rmd", ".Rmarkdown", ".rmarkdown")
RENDERED_SUFFIXES = (".md", ".markdown", ".html")  # what such files are made into, beside them
HTML_SUFFIXES = (".html", ".htm")


class ExportLayout:
    """What is known of the files of one folder or archive by their neighbours."""

    def __init__(self, files: Iterable[SourceFile] = ()) -> None:
        files = list(files)
        self.substack: dict[PurePath, dict[str, dict[str, Any]]] = {}  # folder of a posts.csv: see `_substack_table`
        for file in files:
            if file.name.name == "posts.csv" and (table := _substack_table(file)):
                self.substack[file.name.parent] = table
        self.medium = _medium_folders(file.name for file in files)
        self.programs = {file.name for file in files if file.name.suffix in PROGRAM_SUFFIXES}

    def check(self, path: PurePath) -> None:
        """Raises SkippedPost for a file that is no post because of its neighbours: a page of an export that is none of
        its posts, and a page that R Markdown or Quarto made from a file beside it."""
        name = path.name.lower()
        if path.suffix.lower() in RENDERED_SUFFIXES:
            for source in map(path.with_suffix, PROGRAM_SUFFIXES if self.programs else ()):
                if source in self.programs:
                    raise SkippedPost(f"rendered from {source.name}")
        if name.endswith(HTML_SUFFIXES):
            is_activity = path.parent.name.lower() in MEDIUM_ACTIVITY and path.parent.parent in self.medium
            if is_activity or MEDIUM_ACTIVITY_FILE.fullmatch(name):
                raise SkippedPost("a page of what was read or liked on Medium, not a post", cause="not yours")
            if path.parent in self.medium and name == "readme.html":
                raise SkippedPost("a page of the Medium export itself, not a post")
            if name == "archive_browser.html":
                raise SkippedPost("a page of Google Takeout itself, not a post")
        if name.startswith("theme-") and "Blogger" in path.parts:
            raise SkippedPost("a theme of Blogger, not a post")

    def substack_fields(self, path: PurePath) -> dict[str, Any] | None:
        """What Substack's posts.csv says of a post: fields of its `Post`; None if it names none."""
        if not self.substack or path.suffix.lower() not in HTML_SUFFIXES:
            return None
        table = next((self.substack[folder] for folder in path.parents if folder in self.substack), {})
        return table.get(path.stem.split(".")[0])

    def facts(self, path: PurePath) -> list[Any]:
        """All that the neighbours of a file add to what is read from it, as JSON."""
        try:
            self.check(path)
        except SkippedPost as e:
            return [str(e)]
        return [self.substack_fields(path), self._is_medium_post(path)]

    def read_html(self, path: PurePath, data: bytes) -> Post:
        """The post of an HTML file, with what its export says of it. Raises SkippedPost if it is no post."""
        fields = self.substack_fields(path)
        if fields is not None:
            return Post(text=html_to_markdown(decode_text(data)), **fields)
        post = read_html_file(path, data)
        if self._is_medium_post(path) and not post.not_public and _is_response(post):
            raise SkippedPost("a response to a post on Medium, not a post")
        return post

    def _is_medium_post(self, path: PurePath) -> bool:
        return path.parent.name == "posts" and path.parent.parent in self.medium


def _medium_folders(paths: Iterable[PurePath]) -> set[PurePath]:
    """The folders that are a Medium export: "posts" is in them, and one of MEDIUM_ONLY."""
    with_posts: set[PurePath] = set()
    with_activity: set[PurePath] = set()
    for path in paths:
        if path.suffix.lower() in HTML_SUFFIXES:
            if path.parent.name == "posts":
                with_posts.add(path.parent.parent)
            elif path.parent.name.lower() in MEDIUM_ONLY:
                with_activity.add(path.parent.parent)
    return with_posts & with_activity


def _is_response(post: Post) -> bool:
    """True for a short text that Medium named by its own first words, as it names comments on other posts."""
    title, text = (re.findall(r"\w+", words.casefold()) for words in (post.title, post.text[:2000]))
    return bool(title) and text[: len(title)] == title and len(post.text.split()) < MAX_RESPONSE_WORDS


def _substack_table(file: SourceFile) -> dict[str, dict[str, Any]]:
    """Substack's posts.csv: {number of the post: the fields of its `Post`}; empty for another table."""
    csv.field_size_limit(10_000_000)
    try:
        rows = list(csv.DictReader(io.StringIO(decode_text(file.read(MAX_TABLE_BYTES)).replace("\x00", ""))))
    except (csv.Error, SkippedPost, OSError):
        return {}
    table = {}
    for row in rows:
        key = str(row.get("post_id") or "").split(".")[0]
        if key and ("title" in row or "is_published" in row):
            table[key] = {
                "title": str(row.get("title") or "").strip() or key,
                "date": parse_date(row.get("post_date") or row.get("email_sent_at")),
                "date_from": "feed",
                "not_public": DRAFT if str(row.get("is_published")).strip().lower() in NO else "",
                "kind": "page" if row.get("type") in ("page", "thread") else "post",
            }
    return table
