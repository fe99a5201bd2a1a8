"""The text export of Movable Type and TypePad, which Squarespace writes, too: many entries in one .txt.

Its format: movabletype.org/documentation/appendices/import-export-format.html. An entry is a head of "KEY: value",
then sections ("BODY:", "COMMENT:", …), each after a line of five hyphens; eight hyphens end the entry.
"""

import datetime
import re
from collections.abc import Iterator

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost, parse_date, parse_names
from corpus.readers.html import html_to_markdown
from corpus.readers.public_marks import status_reason

SECTION_LINE = re.compile(r"(BODY|EXTENDED BODY|EXCERPT|KEYWORDS|COMMENT|PING):[ \t]*")
HEAD_LINE = re.compile(r"([A-Z][A-Z0-9 ]{2,30}):(?:[ \t]+(.*))?")
HEAD_KEYS = {"AUTHOR", "TITLE", "BASENAME", "STATUS", "DATE", "ALLOW COMMENTS", "CONVERT BREAKS", "PRIMARY CATEGORY"}
DATE_FORMATS = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y")
DETECT_BYTES = 20_000
PUBLIC = ("publish", "published", "")
MARKDOWN_FILTERS = ("markdown", "markdown_with_smartypants")


def is_movable_type(data: bytes) -> bool:
    """True if a text file begins as such an export: a head of known keys, a line of hyphens, a section."""
    try:
        lines = decode_text(data[:DETECT_BYTES]).lstrip("\ufeff \t\r\n").splitlines()
    except SkippedPost:
        return False
    keys = 0
    for number, line in enumerate(lines):
        match = HEAD_LINE.fullmatch(line.rstrip())
        if line.rstrip() == "-----":
            return keys >= 2 and bool(SECTION_LINE.fullmatch((*lines[number + 1 : number + 2], "")[0]))
        if match is None and line.strip():
            return False
        keys += match is not None and match[1] in HEAD_KEYS
    return False


def iter_movable_type(data: bytes) -> Iterator[Post | SkippedPost]:
    """The posts of an export; comments and pings, which are other people's, are counted in one `SkippedPost`."""
    comments = 0
    entries = _split_entries(decode_text(data).lstrip("\ufeff").replace("\r\n", "\n").split("\n"))
    for number, (head, sections) in enumerate(entries, 1):
        comments += sum(name in ("COMMENT", "PING") for name, _ in sections)
        name = (head.get("BASENAME", [""])[0] or f"entry {number}")[:200]
        try:
            yield _to_post(head, sections, name)
        except SkippedPost as e:
            yield SkippedPost(str(e), name, e.cause)
    if comments:
        yield SkippedPost(f"comments and pings by others: {comments}", "comments", "not yours")


def _split_entries(lines: list[str]) -> Iterator[tuple[dict[str, list[str]], list[tuple[str, str]]]]:
    """(head, [(name of a section, its text)]) of each entry. A line of hyphens in a text is no border: what follows a
    border is a section's name, or an entry's head."""
    head: dict[str, list[str]] = {}
    sections: list[tuple[str, list[str]]] = []
    for number, line in enumerate(lines):
        bare = line.rstrip()
        following = ""
        if bare in ("-----", "--------"):
            following = next((text for text in lines[number + 1 : number + 6] if text.strip()), "")
        if bare == "--------" and (not following or HEAD_LINE.fullmatch(following.rstrip())):
            if head or sections:
                yield head, [(name, "\n".join(text)) for name, text in sections]
            head, sections = {}, []
        elif bare == "-----" and (SECTION_LINE.fullmatch(following) or following.rstrip() == "--------"):
            sections.append(("", []))
        elif sections and not sections[-1][0] and (match := SECTION_LINE.fullmatch(line)):
            sections[-1] = (match[1], [])
        elif sections:
            sections[-1][1].append(line)
        elif match := HEAD_LINE.fullmatch(bare):
            head.setdefault(match[1], []).append((match[2] or "").strip())
    if head or sections:
        yield head, [(name, "\n".join(text)) for name, text in sections]


def _to_post(head: dict[str, list[str]], sections: list[tuple[str, str]], name: str) -> Post:
    bodies = [text for section, text in sections if section in ("BODY", "EXTENDED BODY") and text.strip()]
    breaks = head.get("CONVERT BREAKS", ["1"])[0].lower()
    text = "\n\n".join(_to_markdown(body.strip("\n"), breaks) for body in bodies)
    tags = [tag.strip(' "') for value in head.get("TAGS", []) for tag in value.split(",")]
    categories = [tag for key in ("PRIMARY CATEGORY", "CATEGORY") for tag in head.get(key, [])]
    title = html_to_markdown(head.get("TITLE", [""])[0])
    return Post(
        text=text,
        title=" ".join(title.split()) or name,
        date=_parse_day(head.get("DATE", [""])[0]),
        date_from="feed",
        tags=list(dict.fromkeys(filter(None, [*categories, *tags]))),
        not_public=status_reason(head.get("STATUS", [""])[0], PUBLIC),
        authors=parse_names(head.get("AUTHOR", [])),
        url=head.get("UNIQUE URL", [""])[0][:500],
        name=name,
    )


def _to_markdown(body: str, breaks: str) -> str:
    """A body as Markdown. `breaks`: the entry's text filter; with "1" or "__default__" blank lines are paragraphs."""
    if breaks in MARKDOWN_FILTERS or not re.search(r"<[a-zA-Z/!]", body):
        return body
    if not re.search(r"(?i)<p[\s>]", body):
        body = re.sub(r"\n[ \t]*\n\s*", "\n<p>", body)
        body = re.sub(r"(?<!>)\n(?!<)", "<br>\n", body) if breaks not in ("0", "richtext") else body
    return html_to_markdown(body)


def _parse_day(value: str) -> str | None:
    for date_format in DATE_FORMATS:
        try:
            return datetime.datetime.strptime(value, date_format).date().isoformat()
        except ValueError:
            continue
    return parse_date(value)
