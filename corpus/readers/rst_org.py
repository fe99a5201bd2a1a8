"""reStructuredText and Org → `Post`."""

import re
from pathlib import PurePath

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost
from corpus.readers.html import parse_html, to_markdown
from corpus.readers.markdown import post_from_front_matter

RST_MAX_BYTES = 2_000_000  # characters; docutils takes a second for 100,000
ORG_HEAD = re.compile(r"(?im)^#\+(title|date|author|filetags|tags|draft|hugo_draft):[ \t]*(.*)$")
ORG_MARK = (
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"**\1**"),
    (re.compile(r"(?<![\w/:])/(?=\S)([^/\n]+?)(?<=\S)/(?![\w/])"), r"*\1*"),
    (re.compile(r"(?<![\w=~])([=~])(?=\S)([^=~\n]+?)(?<=\S)\1(?![\w=~])"), r"`\2`"),
)


def read_rst(name: PurePath, data: bytes) -> Post:
    """By docutils, which here may read no other file and pass through no raw HTML."""
    text = decode_text(data)
    if len(text) > RST_MAX_BYTES:
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
    meta = {k.lower(): v.strip() for k, v in re.findall(r"(?m)^:(\w+):[ \t]*(.*)$", text[:3000])}
    text = re.sub(r"\A(\s*\S[^\n]*\n[=#*~-]{3,}\n)((?:\s*:\w+:[^\n]*\n)+)", r"\1", text)  # Pelican's front matter
    try:
        parts = publish_parts(text, writer="html5", settings_overrides=settings)
    except Exception as e:  # docutils raises whatever a broken directive makes it raise
        raise SkippedPost(f"the .rst can't be read: {type(e).__name__}: {' '.join(str(e).split())[:80]}") from None
    body = re.sub(r"(?m)^(#+) ", r"\1 ", to_markdown(parse_html(parts["body"]).events))
    return post_from_front_matter(name, {"title": re.sub("<[^<>]*>", "", parts["title"]), **meta}, body)


def read_org(name: PurePath, data: bytes) -> Post:
    """The part of Org that posts are written in; what is no text of a post (drawers, settings) goes."""
    text = decode_text(data).replace("\r\n", "\n").replace("\r", "\n")
    meta = {}
    for key, value in ORG_HEAD.findall(text):
        meta.setdefault(
            {"filetags": "tags", "hugo_draft": "draft"}.get(key.lower(), key.lower()), value.strip().strip("<>[]")
        )
    if "tags" in meta:
        meta["tags"] = re.split(r"[:,\s]+", meta["tags"].strip(":"))
    out, code, quote, drawer = [], False, False, False
    for line in text.split("\n"):
        low = line.strip().lower()
        if low.startswith(("#+begin_src", "#+begin_example")):
            out.append("```" + (low.split() + [""])[1])
            code = True
        elif low.startswith(("#+end_src", "#+end_example")):
            out.append("```")
            code = False
        elif code:
            out.append(line)
        elif low in ("#+begin_quote", "#+end_quote"):
            quote = low == "#+begin_quote"
        elif re.fullmatch(r":[a-z_]+:", low):
            drawer = low != ":end:"
        elif not (drawer or low.startswith(("#+", "# ")) or re.match(r"(?:scheduled|closed|deadline):", low)):
            out.append(("> " if quote else "") + _org_line(line))
    return post_from_front_matter(name, meta, "\n".join(out) + ("\n```" if code else ""))


def _org_line(line: str) -> str:
    if heading := re.match(r"(\*+) (?:(?:TODO|DONE) )?(.*?)(?:[ \t]+:[\w:@]+:)?$", line):
        return "#" * min(6, len(heading[1]) + 1) + " " + heading[2]
    for pattern, mark in ORG_MARK if len(line) < 20_000 else ():
        line = pattern.sub(mark, line)
    return re.sub(r"\[\[([^\[\]]+)\](?:\[([^\[\]]+)\])?\]", lambda m: f"[{m[2] or m[1]}]({m[1]})", line)
