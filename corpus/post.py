"""What a reader gives: a `Post`, or `SkippedPost` with the reason; and how titles and dates are found."""

import datetime
import email.utils
import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePath

DATE_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")


class SkippedPost(Exception):
    """Why a file or a post in it is no post of the author's; shown to the user as it is. `name` is the post's place in
    its file."""

    def __init__(self, reason: str, name: str = ""):
        super().__init__(reason)
        self.name = name


@dataclass
class Post:
    """One post as its reader found it; `name` is its place in a file that holds several."""

    text: str  # Markdown
    title: str
    date: str | None  # ISO 8601 day
    tags: list[str] = field(default_factory=list)
    draft: bool = False
    date_from: str = ""  # "front matter", "name", "feed", …; filled in with the date
    authors: list[str] = field(default_factory=list)
    url: str = ""
    name: str = ""
    kind: str = "post"  # "page", "repost", "machine-made", … where the file says so
    lang: str = ""  # ISO 639-1, found from the text


def post_id(text: str) -> str:
    """Stable id of a post: SHA-256 of its text, normalised (NFKC, case folded, white space folded), 16 hex digits."""
    normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(normal.encode("utf-8", "replace")).hexdigest()[:16]


def title_from_name(path: PurePath) -> str:
    name = path.stem if path.stem.lower() not in ("index", "readme", "_index") else path.parent.name
    words = re.sub(r"[-_]+", " ", DATE_IN_NAME.sub("", name)).strip()
    return (words[:1].upper() + words[1:]) or name


def to_valid_line(text: str) -> str:
    """One line that can be written as UTF-8: bytes of a file name that are no text, and half emoji, become U+FFFD."""
    return " ".join(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").split())


def date_from_name(path: PurePath) -> str | None:
    for name in (path.stem, path.parent.name):
        match = DATE_IN_NAME.search(name)
        if match and (date := parse_date("-".join(match.groups()))):
            return date
    return None


def parse_date(value) -> str | None:
    """A date as front matter, a document, a feed or a mail gives it → ISO day, or None."""
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    value = str(value or "").strip()[:100]
    match = re.match(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", value)
    try:
        if match:
            return datetime.date(*map(int, match.groups())).isoformat()
        return (
            email.utils.parsedate_to_datetime(value).date().isoformat()
            if re.search(r"\d\s+[A-Za-z]{3,}\s+\d", value)
            else None
        )
    except (ValueError, IndexError, TypeError, OverflowError):
        return None


def date_from_timestamp(seconds) -> str | None:
    try:
        return datetime.datetime.fromtimestamp(float(seconds), datetime.UTC).date().isoformat()
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def parse_names(value) -> list[str]:
    """Tags, categories or authors, however they are written: a list, "a, b", {"name": "a"}."""
    if isinstance(value, dict):
        value = value.get("name") or value.get("title") or value.get("slug") or ""
    if isinstance(value, str):
        value = re.split(r"[,;]", value)
    found = []
    for one in value if isinstance(value, list) else []:
        one = one.get("name") or one.get("slug") if isinstance(one, dict) else one
        found += [str(one).strip()] if one is not None and str(one).strip() else []
    return list(dict.fromkeys(found))
