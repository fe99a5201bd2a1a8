"""reStructuredText and Org → `Post`."""

import re
from collections.abc import Iterator
from pathlib import PurePath

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost
from corpus.readers.front_matter import Head, split_front_matter
from corpus.readers.html import parse_html, to_markdown
from corpus.readers.markdown import MAX_MARKED_LINE, normalise_line_ends, post_from_front_matter

NIKOLA_LINE = re.compile(r"\s*\.\.[ \t]+(?:title|slug|date):(?!:)")
MAX_RST_CHARACTERS = 2_000_000  # docutils takes a second for 100,000
ORG_HEAD = re.compile(r"(?im)^#\+(title|date|author|filetags|tags|draft|hugo_draft):[ \t]*(.*)$")
ORG_NAMES = {"filetags": "tags", "hugo_draft": "draft"}  # as front matter names them
ORG_IGNORED_LINE = re.compile(r"#\+|# |(?:scheduled|closed|deadline):")
ORG_SUBTREE = re.compile(  # its heading, and its drawer
    r"""(?x)
    (?P<stars>\*+)[ \t]+ (?:(?P<state>TODO|DRAFT|DONE|NEXT|WAIT)[ \t]+)?
    (?P<title>[^\n]*?) (?:[ \t]+:(?P<tags>[\w:@-]+):)? [ \t]*\n
    (?:[ \t]*(?:CLOSED|SCHEDULED|DEADLINE):[^\n]*\n)?
    [ \t]*:PROPERTIES:[ \t]*\n
    (?P<drawer>(?:(?![ \t]*:END:)[^\n]*\n){1,40})
    [ \t]*:END:[^\n]*
    """
)
EXPORT_VALUE = re.compile(r"(?m)^[ \t]*:EXPORT_(\w+):[ \t]*(.*?)[ \t]*$")
ORG_HEADING = re.compile(r"(?P<stars>\*+)[ \t]+(?P<words>.*)")
ORG_HIDDEN = re.compile(r"\A(?:[A-Z]+[ \t]+)?COMMENT\b|:noexport:(?:[\w@:]+:)?[ \t]*\Z")
ORG_NOTE, ORG_NOTE_MARK = re.compile(r"(?m)^\[fn:([\w-]+)\]"), re.compile(r"\[fn:([\w-]+)\]")
ORG_EMPHASIS = (
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"**\1**"),
    (re.compile(r"(?<![\w/:])/(?=\S)([^/\n]+?)(?<=\S)/(?![\w/])"), r"*\1*"),
    (re.compile(r"(?<![\w=~])([=~])(?=\S)([^=~\n]+?)(?<=\S)\1(?![\w=~])"), r"`\2`"),
)


def read_rst(name: PurePath, data: bytes) -> Post:
    """By docutils, which may read no other file and pass through no raw HTML. Raises SkippedPost where it fails."""
    text, head = decode_text(data), Head({}, "")
    if NIKOLA_LINE.match(text):
        head = split_front_matter(normalise_line_ends(text))
        text = head.body
    if len(text) > MAX_RST_CHARACTERS:
        raise SkippedPost(f"an .rst of {len(text) / 1e6:.0f} MB: split it")
    from docutils.core import publish_parts

    settings = {
        "file_insertion_enabled": False,
        "raw_enabled": False,
        "_disable_config": True,
        "report_level": 5,
        "halt_level": 5,
        "syntax_highlight": "none",
        "doctitle_xform": True,
    }
    fields = re.findall(r"(?m)^:(\w+):[ \t]*(.*)$", text[:3000])
    metadata = {name.lower(): value.strip() for name, value in fields}
    text = re.sub(r"\A(\s*\S[^\n]*\n[=#*~-]{3,}\n)((?:\s*:\w+:[^\n]*\n)+)", r"\1", text)  # Pelican's front matter
    try:
        parts = publish_parts(text, writer="html5", settings_overrides=settings)
    except Exception as e:  # docutils raises many kinds on a broken directive
        raise SkippedPost(f"the .rst can't be read: {type(e).__name__}: {' '.join(str(e).split())[:80]}") from None
    body = re.sub(r"(?m)^(#+) ", r"\1 ", to_markdown(parse_html(parts["body"]).events))
    title = re.sub("<[^<>]*>", "", parts["title"])
    return post_from_front_matter(name, {"title": title, **metadata, **head.metadata}, body)


def read_org(name: PurePath, data: bytes) -> Post:
    """The part of Org that posts are written in; drawers, settings and planning lines are removed."""
    text = normalise_line_ends(decode_text(data))
    metadata: dict[str, str | list[str]] = {}
    for key, value in ORG_HEAD.findall(text):
        field = ORG_NAMES.get(key.lower(), key.lower())
        metadata.setdefault(field, value.strip().strip("<>[]"))
    tags = metadata.get("tags")
    if isinstance(tags, str):
        metadata["tags"] = re.split(r"[:,\s]+", tags.strip(":"))
    return post_from_front_matter(name, metadata, _org_to_markdown(text))


def iter_org_posts(name: PurePath, data: bytes) -> Iterator[Post]:
    """The posts of a file in which each subtree with a file name of its own is one, as ox-hugo writes them."""
    text, posts = normalise_line_ends(decode_text(data)), 0
    headings = [(m.start(), len(m["stars"])) for m in re.finditer(rf"(?m)^{ORG_HEADING.pattern}$", text)]
    for number, (start, level) in enumerate(headings):
        match = ORG_SUBTREE.match(text, start)
        values = dict(EXPORT_VALUE.findall(match["drawer"])) if match else {}
        if match and values.get("FILE_NAME"):
            end = next((later for later, other in headings[number + 1 :] if other <= level), len(text))
            yield _org_subtree(match, values, text[match.end() : end], name)
            posts += 1
    if not posts:
        yield read_org(name, data)


def _org_subtree(match: re.Match, values: dict[str, str], body: str, name: PurePath) -> Post:
    closed = re.search(r"CLOSED:[ \t]*\[([^\]\n]*)\]", match[0])
    metadata = {
        "title": values.get("TITLE") or match["title"],
        "date": (values.get("DATE") or (closed[1] if closed else "")).strip("<>[]"),
        "tags": [tag for tag in (match["tags"] or "").split(":") if tag],
        "draft": str(match["state"] in ("TODO", "DRAFT")).lower(),
    }
    deeper = len(match["stars"])  # the headings below begin with one star more
    body = re.sub(rf"(?m)^\*{{{deeper}}}(?=\*)", "", body)
    post = post_from_front_matter(name, metadata, _org_to_markdown(body))
    post.name = values["FILE_NAME"]
    return post


def _without_hidden(text: str) -> str:
    """Org without the subtrees that its export leaves out: those marked COMMENT or :noexport:."""
    kept: list[str] = []
    hidden = 0  # level of the heading whose subtree is left out
    for line in text.split("\n"):
        heading = ORG_HEADING.match(line)
        if heading and (not hidden or len(heading["stars"]) <= hidden):
            hidden = len(heading["stars"]) if ORG_HIDDEN.search(heading["words"]) else 0
        if not hidden:
            kept.append(line)
    return "\n".join(kept)


def _org_to_markdown(text: str) -> str:
    text = ORG_NOTE.sub(r"[^\1]:", _without_hidden(text))
    text = ORG_NOTE_MARK.sub(r"[^\1]", text)
    lines: list[str] = []
    in_code = in_quote = in_drawer = False
    for line in text.split("\n"):
        lowered = line.strip().lower()
        if lowered.startswith(("#+begin_src", "#+begin_example")):
            _, *language = lowered.split()
            lines.append("```" + (language[0] if language else ""))
            in_code = True
        elif lowered.startswith(("#+end_src", "#+end_example")):
            lines.append("```")
            in_code = False
        elif in_code:
            lines.append(line)
        elif lowered in ("#+begin_quote", "#+end_quote"):
            in_quote = lowered == "#+begin_quote"
        elif re.fullmatch(r":[a-z_]+:", lowered):
            in_drawer = lowered != ":end:"
        elif not in_drawer and not ORG_IGNORED_LINE.match(lowered):
            lines.append(("> " if in_quote else "") + _org_line(line))
    if in_code:
        lines.append("```")
    return "\n".join(lines)


def _org_line(line: str) -> str:
    heading = re.match(r"(\*+) (?:(?:TODO|DONE) )?(.*?)(?:[ \t]+:[\w:@]+:)?$", line)
    if heading:
        return "#" * min(6, len(heading[1]) + 1) + " " + heading[2]
    for pattern, mark in ORG_EMPHASIS if len(line) < MAX_MARKED_LINE else ():
        line = pattern.sub(mark, line)
    return re.sub(r"\[\[([^\[\]]+)\](?:\[([^\[\]]+)\])?\]", lambda m: f"[{m[2] or m[1]}]({m[1]})", line)
