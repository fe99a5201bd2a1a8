"""Posts with programs in them → `Post`: Quarto and R Markdown, literate Haskell, notebooks."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from corpus.encoding import decode_text
from corpus.post import Post, SkippedPost
from corpus.readers.front_matter import Head, split_front_matter
from corpus.readers.head_values import plain_value
from corpus.readers.markdown import NO, change_outside_fences, normalise_line_ends, post_from_front_matter

CHUNK = re.compile(
    r"""(?msx)
    ^ (?P<fence>[ \t]*(?:`{3,}|~{3,})) [ \t]* \{ (?P<engine>[A-Za-z]\w*) (?P<options>[^{}\n]*) \} [ \t]* \n
    (?P<code> .*? )
    ^ (?P=fence) [`~]* [ \t]* $
    """
)
CHUNK_OPTION = re.compile(r"(?m)^[ \t]*(?:\#|//|--|%)\|[^\n]*(?:\n|\Z)")  # #| label: fig-one
HIDDEN_CHUNK = re.compile(r"(?i)\b(?:echo|include)[ \t]*[=:][ \t]*(?:F|FALSE)\b")
ALL_HIDDEN = re.compile(r"(?i)opts_chunk\$set\([^()]*\becho[ \t]*=[ \t]*F(?:ALSE)?\b")
INLINE_CHUNK = re.compile(r"[ \t]?`(?:r|\{[A-Za-z]\w*\})[ \t]+[^`\n]+`(?:\{\.\w+\})?")  # its value is not in the file
CROSS_REFERENCE = re.compile(r"(?<![\w@.])-?@(?P<kind>fig|tbl|tab|sec|eq|lst)-[\w-]+")
REFERENCE_WORDS = {
    "fig": "figure",
    "tbl": "table",
    "tab": "table",
    "sec": "section",
    "eq": "equation",
    "lst": "listing",
}
BOOKDOWN_REFERENCE = re.compile(r"[ \t]?\\@ref\([^()\n]*\)")
CITED_AUTHOR = re.compile(r"(?<![\w@.\[-])@(?P<name>[A-Za-z][a-z]+)[\w:-]*\d{4}\w*")  # @smith2020 shows
LABEL = re.compile(r"[ \t]*\{\#(?:eq|fig|tbl|lst|sec)-[\w-]+\}")
BIRD_TRACK = re.compile(r"[><](?:[ \t]|$)")
FASTPAGES_HEAD = re.compile(
    r"""(?x)
    \s* \#[ \t]+ (?P<title>[^\n]+)\n+
    (?: >[^\n]*\n+ )?
    (?P<values> (?: -[ \t]+[A-Za-z][\w -]*:[^\n]*(?:\n|\Z) )+ )
    """
)


def read_quarto(name: PurePath, data: bytes) -> Post:
    """.qmd and .Rmd: the code that a reader of the page sees stays, as fences; options and what R would fill in go."""
    head = split_front_matter(normalise_line_ends(decode_text(data)))
    execute = head.metadata.get("execute")
    echo = str(execute.get("echo", "")).lower() if isinstance(execute, Mapping) else ""
    all_hidden = echo in NO or bool(ALL_HIDDEN.search(head.body))
    body = CHUNK.sub(lambda match: _shown_chunk(match, all_hidden), head.body)
    return post_from_front_matter(name, head.metadata, change_outside_fences(body, _strip_quarto), head.mended)


def _shown_chunk(match: re.Match, all_hidden: bool) -> str:
    """A chunk as the page shows it: without its options, or not at all."""
    options = match["options"] + "\n" + "\n".join(m[0] for m in CHUNK_OPTION.finditer(match["code"]))
    shows = re.search(r"(?i)\becho[ \t]*[=:][ \t]*(?:T|TRUE)\b", options)
    code = CHUNK_OPTION.sub("", match["code"])
    if HIDDEN_CHUNK.search(options) or (all_hidden and not shows) or not code.strip():
        return ""
    return f"{match['fence']}{match['engine'].lower()}\n{code}{match['fence']}"


def _strip_quarto(text: str) -> str:
    text = INLINE_CHUNK.sub("", text)
    text = CROSS_REFERENCE.sub(lambda m: f"the {REFERENCE_WORDS[m['kind']]}", text)
    text = BOOKDOWN_REFERENCE.sub("", text)
    text = CITED_AUTHOR.sub(lambda m: m["name"].capitalize(), text)
    return LABEL.sub("", text)


def read_literate_haskell(name: PurePath, data: bytes) -> Post:
    """.lhs whose text is Markdown, as Hakyll takes it: lines after > are code. Raises SkippedPost for LaTeX."""
    head = split_front_matter(normalise_line_ends(decode_text(data)))
    if re.search(r"\\documentclass\b", head.body):
        raise SkippedPost("literate Haskell in LaTeX, not in Markdown: save the post as .md or .pdf's text as .txt")
    body = re.sub(r"(?ms)^\\begin\{code\}[^\n]*\n(.*?)^\\end\{code\}", r"```haskell\n\1```", head.body)
    body = change_outside_fences(body, _fence_bird_tracks)
    return post_from_front_matter(name, head.metadata, body, head.mended)


def _fence_bird_tracks(text: str) -> str:
    lines: list[str] = []
    in_code = False
    for line in text.split("\n"):
        if bool(BIRD_TRACK.match(line)) != in_code:
            in_code = not in_code
            lines.append("```haskell" if in_code else "```")
        lines.append(line[2:] if in_code else line)
    return "\n".join([*lines, "```"] if in_code else lines)


def read_notebook(name: PurePath, data: bytes) -> Post:
    """The prose cells of a Jupyter notebook; its head stands in the first. Raises SkippedPost for any other file."""
    try:
        notebook = json.loads(decode_text(data))
    except (ValueError, RecursionError) as e:
        raise SkippedPost(f"a notebook that is no JSON: {' '.join(str(e).split())[:80]}") from None
    cells = _cells(notebook)
    if cells is None:
        raise SkippedPost("no notebook: it has no list of cells")
    text = "\n\n".join(_prose(cell, is_first=not number) for number, cell in enumerate(cells))
    head = split_front_matter(normalise_line_ends(text).strip())
    if not head.metadata:
        head = _split_fastpages(head)
    stated = notebook.get("metadata")
    metadata = {"title": stated.get("title")} if isinstance(stated, dict) else {}
    return post_from_front_matter(name, {**metadata, **head.metadata}, head.body, head.mended)


def _cells(notebook: Any) -> list[dict[str, Any]] | None:
    """The cells of a notebook, of today's format or the one before 2015; None where there are none."""
    if not isinstance(notebook, dict):
        return None
    sheets = notebook.get("worksheets")
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets, list) and sheets and isinstance(sheets[0], dict):
        cells = sheets[0].get("cells")
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else None


def _prose(cell: dict[str, Any], is_first: bool) -> str:
    """The Markdown of a cell; empty for code, and for a raw cell that is no head."""
    source = cell.get("source") or ""
    text = "".join(part for part in source if isinstance(part, str)) if isinstance(source, list) else str(source)
    kind = cell.get("cell_type")
    if kind == "heading":
        level = cell.get("level")
        return "#" * (level if isinstance(level, int) and 0 < level < 7 else 1) + " " + text
    is_head = kind == "raw" and is_first and text.lstrip().startswith(("---", "+++"))
    return text.strip("\n") if kind == "markdown" or is_head else ""


def _split_fastpages(head: Head) -> Head:
    """The title, summary and list of values that a notebook of fastpages begins with."""
    match = FASTPAGES_HEAD.match(head.body)
    if not match:
        return head
    pairs = re.findall(r"(?m)^-[ \t]+([\w -]+?)[ \t]*:[ \t]*(.*)$", match["values"])
    metadata = {key: plain_value(value) for key, value in pairs}
    if {"toc", "badges", "comments", "categories", "author", "image", "date", "layout"}.isdisjoint(metadata):
        return head
    return Head({**metadata, "title": str(plain_value(match["title"]))}, head.body[match.end() :].strip(), head.mended)
