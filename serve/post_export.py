"""A post as a file: Markdown with front matter, an HTML page, or a .docx. 01_ingest reads the Markdown and the .docx
back as the same post.

markdown-it-py renders all of them. Python-Markdown was tried for the page and not taken: it does not check the scheme
of links (`javascript:`), it has no tokens from which to make the .docx, and to it a list begins only after an empty
line, which models often leave out.
"""

import contextlib
import html
import io
import re
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

# Raw HTML in a text is shown as text, never run.
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
KINDS = {
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # characters that a .docx can't contain
PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
{about}
{body}</body>
</html>
"""
WORD_STYLES = {"bullet_list": "List Bullet", "ordered_list": "List Number", "blockquote": "Quote"}


def render_markdown(title: str, text: str, date: str | None, tags: list[str]) -> bytes:
    """Front matter and text. `date` is an ISO date."""
    meta = {"title": title} | ({"date": date} if date else {}) | ({"tags": tags} if tags else {})
    return f"---\n{yaml.safe_dump(meta, allow_unicode=True, sort_keys=False)}---\n\n{text.strip()}\n".encode()


def render_page(title: str, text: str, date: str | None, tags: list[str]) -> bytes:
    """A page of its own, without scripts."""
    about = html.escape(" · ".join([*([date] if date else []), *tags]))
    return PAGE.format(
        title=html.escape(title), about=f"<p>{about}</p>" if about else "", body=MARKDOWN.render(text)
    ).encode()


def render_docx(title: str, text: str, date: str | None, tags: list[str]) -> bytes:
    """Headings, paragraphs, lists, quotes and tables in Word's own styles, with bold and italics."""
    import datetime

    import docx as python_docx

    document = python_docx.Document()
    document.core_properties.title = NO_XML.sub("", title)[:255]
    document.core_properties.keywords = NO_XML.sub("", ", ".join(tags))[:255]
    if date:
        with contextlib.suppress(ValueError):
            document.core_properties.created = datetime.datetime.fromisoformat(date)
    document.add_paragraph(NO_XML.sub("", title), style="Title")
    _add_blocks(document, MARKDOWN.parse(NO_XML.sub("", text)))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _add_blocks(document: Any, tokens: list[Token]) -> None:
    styles: list[str] = []  # of the lists and quotes that are open
    heading = ""
    rows: list[list[list[Token]]] = []  # of the open table: the inline tokens of each cell
    in_table = False
    for token in tokens:
        block, _, end = token.type.rpartition("_")
        if block == "heading" and end == "open":
            heading = f"Heading {token.tag[1]}"
        elif block in WORD_STYLES and end == "open":
            styles.append(WORD_STYLES[block])
        elif block in WORD_STYLES and end == "close":
            styles.pop()
        elif block == "table":
            in_table = end == "open"
            if not in_table:
                _add_table(document, rows)
            rows = []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and in_table:
            rows[-1].append(token.children or [])
        elif token.type == "inline":
            style = heading or (styles[-1] if styles else None)
            _add_runs(document.add_paragraph(style=style), token.children or [])
            heading = ""
        elif token.type in ("fence", "code_block"):
            document.add_paragraph(token.content.rstrip("\n"), style="No Spacing")


def _add_table(document: Any, rows: list[list[list[Token]]]) -> None:
    table = document.add_table(len(rows), len(rows[0]), style="Table Grid")
    for row, cells in zip(table.rows, rows, strict=True):
        for cell, tokens in zip(row.cells, cells, strict=True):
            _add_runs(cell.paragraphs[0], tokens)


def _add_runs(paragraph: Any, tokens: list[Token]) -> None:
    bold = italic = struck = 0
    for token in tokens:
        bold += (token.type == "strong_open") - (token.type == "strong_close")
        italic += (token.type == "em_open") - (token.type == "em_close")
        struck += (token.type == "s_open") - (token.type == "s_close")
        content = {"softbreak": " ", "hardbreak": "\n"}.get(token.type, token.content)
        if content:
            run = paragraph.add_run(content)
            run.bold, run.italic, run.font.strike = bold > 0 or None, italic > 0 or None, struck > 0 or None


FORMATS = {"md": render_markdown, "html": render_page, "docx": render_docx}
