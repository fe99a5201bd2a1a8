"""A post as a file: Markdown with front matter, an HTML page, a .docx. What the reader of 01_ingest reads back as the
same post."""

import contextlib
import html
import io
import re

import yaml
from markdown_it import MarkdownIt

MARKDOWN = MarkdownIt("commonmark", {"html": False})  # raw HTML of a text is shown, never run
KINDS = {
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # characters that a .docx can't hold


def render_markdown(title: str, text: str, date: str | None, tags: list[str]) -> bytes:
    meta = {"title": title} | ({"date": date} if date else {}) | ({"tags": tags} if tags else {})
    return f"---\n{yaml.safe_dump(meta, allow_unicode=True, sort_keys=False)}---\n\n{text.strip()}\n".encode()


def render_page(title: str, text: str, date: str | None, tags: list[str]) -> bytes:
    about = " · ".join([html.escape(x) for x in ([date] if date else []) + tags])
    body = MARKDOWN.render(text)
    head = (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{html.escape(title)}</title></head>\n'
    )
    return f"{head}<body>\n<h1>{html.escape(title)}</h1>\n{f'<p>{about}</p>' if about else ''}\n{body}</body>\n</html>\n".encode()


def render_docx(title: str, text: str, date: str | None, tags: list[str]) -> bytes:
    """Headings, paragraphs, lists and quotes by Word's own styles; bold and italics inside them."""
    import datetime

    import docx as python_docx

    document = python_docx.Document()
    document.core_properties.title, document.core_properties.keywords = (
        NO_XML.sub("", title)[:255],
        NO_XML.sub("", ", ".join(tags))[:255],
    )
    if date:
        with contextlib.suppress(ValueError):
            document.core_properties.created = datetime.datetime.fromisoformat(date)
    document.add_paragraph(NO_XML.sub("", title), style="Title")
    styles: list[str] = []
    style = ""
    for token in MARKDOWN.parse(NO_XML.sub("", text)):
        if token.type == "heading_open":
            style = f"Heading {min(9, int(token.tag[1]))}"
        elif token.type in ("bullet_list_open", "ordered_list_open", "blockquote_open"):
            styles.append(
                {"bullet_list_open": "List Bullet", "ordered_list_open": "List Number", "blockquote_open": "Quote"}[
                    token.type
                ]
            )
        elif token.type in ("bullet_list_close", "ordered_list_close", "blockquote_close"):
            styles.pop()
        elif token.type == "inline":
            _runs(document.add_paragraph(style=style or (styles[-1] if styles else None)), token.children)
            style = ""
        elif token.type in ("fence", "code_block"):
            document.add_paragraph(token.content.rstrip("\n"), style="No Spacing")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _runs(paragraph, tokens) -> None:
    bold = italic = 0
    for token in tokens:
        bold += (token.type == "strong_open") - (token.type == "strong_close")
        italic += (token.type == "em_open") - (token.type == "em_close")
        content = "\n" if token.type in ("softbreak", "hardbreak") else token.content
        if content:
            run = paragraph.add_run(" " if token.type == "softbreak" else content)
            run.bold, run.italic = bold > 0 or None, italic > 0 or None


FORMATS = {"md": render_markdown, "html": render_page, "docx": render_docx}
