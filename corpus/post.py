"""What a reader returns: a `Post`, or a `SkippedPost` with the reason; and how titles and dates are parsed."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal, TypedDict

from corpus.dates import DayOrder, date_from_timestamp, parse_date

__all__ = [
    "Cause",
    "DiscardedRow",
    "Post",
    "PostRow",
    "SkippedPost",
    "date_from_name",
    "date_from_timestamp",
    "parse_date",
    "parse_names",
    "post_id",
    "title_from_name",
    "to_valid_line",
]
DATE_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")
DATE_IN_FOLDERS = re.compile(
    r"(?:\A|/)((?:19|20)\d\d)[/-](0[1-9]|1[0-2])[/-](0[1-9]|[12]\d|3[01])(?=[/_ -])"
)  # 2019/08/22/
DATE_AND_TIME_IN_NAME = re.compile(rf"{DATE_IN_NAME.pattern}(?:T\d\d[-_:.]?\d\d(?:[-_:.]?\d\d)?Z?)?")
CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f]")

# Why a post is left out: somebody else wrote it, it was never published, or (empty) it is no post or can't be read.
Cause = Literal["", "not yours", "not public"]

NOTION_ID = re.compile(r"[ _-]?[0-9a-f]{32}$")  # at the end of the names that Notion gives to pages


class SkippedPost(Exception):
    """Why a file, or an entry in it, is not a post of the author's; the user is shown the text as it is.

    `name` says where in its file the entry stands; empty where the whole file is skipped.
    """

    def __init__(self, reason: str, name: str = "", cause: Cause = "") -> None:
        super().__init__(reason)
        self.name = name
        self.cause: Cause = cause


@dataclass
class Post:
    """One post as its reader read it."""

    text: str  # Markdown
    title: str
    date: str | None  # ISO 8601: 2019-08-22
    tags: list[str] = field(default_factory=list)
    not_public: str = ""  # why the public does not see it: "a draft", "private", …; empty for a public post
    date_from: str = ""  # where the date stood: "front matter", "name", "feed", …; empty without a date
    authors: list[str] = field(default_factory=list)
    url: str = ""
    name: str = ""  # where it stands in a file that holds several posts
    kind: str = "post"  # "page", "repost", "machine-made", … where the file says so
    lang: str = ""  # ISO 639-1, as the file says, else detected from the text
    aliases: list[str] = field(default_factory=list)  # other names of its authors: logins, e-mail addresses
    day_order: DayOrder = ""  # of a day in the form 05/03/2019: see `corpus.dates.settle_days`
    mended: list[str] = field(default_factory=list)  # what its reader put right: "a bare & in its XML", …
    translation: str = ""  # what the translations of one post have in common, where the file says so


class PostRow(TypedDict):
    """A row of data/raw/posts.jsonl."""

    id: str  # see `post_id`
    title: str
    date: str | None  # ISO 8601: 2019-08-22
    text: str  # Markdown, as published
    source: str  # its file in ingest.source; "file#name" where the file holds several posts
    format: str  # the file extension without its dot
    word_count: int
    tags: list[str]
    lang: str  # ISO 639-1
    date_from: str  # see `Post`
    authors: list[str]
    url: str
    mended: list[str]  # see `Post`
    translation: str  # see `Post`


class DiscardedRow(TypedDict):
    """A row of data/raw/discarded.jsonl."""

    source: str
    reason: str
    cause: Cause


def post_id(text: str) -> str:
    """Stable id of a post: SHA-256 of its text, normalised (NFKC, case folded, white space folded), 16 hex digits."""
    normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(normal.encode("utf-8", "replace")).hexdigest()[:16]


def title_from_name(path: PurePath) -> str:
    """A title made of the file name, without its date; of the folder's name for index files."""
    name = path.stem if path.stem.lower() not in ("index", "readme", "_index") else path.parent.name
    words = re.sub(r"[-_]+", " ", DATE_AND_TIME_IN_NAME.sub("", NOTION_ID.sub("", name))).strip()
    return (words[:1].upper() + words[1:]) or name or path.stem


def to_valid_line(text: str) -> str:
    """`text` in one line that can be encoded as UTF-8: unpaired surrogates become U+FFFD, control characters go."""
    if CONTROLS.search(text):
        text = CONTROLS.sub("", text)
    return " ".join(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").split())


def date_from_name(path: PurePath) -> str | None:
    """The date in the name of a file, else of its folder or folders, as an ISO day; None where none has one."""
    matches = [DATE_IN_NAME.search(path.stem), DATE_IN_NAME.search(path.parent.name)]
    matches.append(DATE_IN_FOLDERS.search("/".join(path.parts[-4:])))
    days = (parse_date("-".join(match.groups())) for match in matches if match)
    return next(filter(None, days), None)


def parse_names(value: Any) -> list[str]:
    """Tags, categories or authors, each once, in whichever form: a list, "a, b", {"name": "a"}."""
    if isinstance(value, dict):
        value = value.get("name") or value.get("title") or value.get("slug") or ""
    if isinstance(value, str):
        value = re.split(r"[,;]", value)
    names = []
    for item in value if isinstance(value, list) else []:
        name = item.get("name") or item.get("slug") if isinstance(item, dict) else item
        if name is not None and str(name).strip():
            names.append(str(name).strip())
    return list(dict.fromkeys(names))
