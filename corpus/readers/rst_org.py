"""reStructuredText and Org → `Post`."""

import re
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


def _org_to_markdown(text: str) -> str:
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
