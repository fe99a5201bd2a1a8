"""A .docx → `Post`, by python-docx."""

import io
import itertools
import re
import zipfile
from pathlib import PurePath
from typing import Any

from corpus.post import Post, SkippedPost, date_from_name, parse_date, title_from_name

DOCX_MAX_BYTES = 300_000_000  # unpacked; a real post has a few MB even with pictures
XML_MAX_BYTES = 60_000_000  # of the text; its tree in memory takes ten times that
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of encrypted .docx and of the old .doc


def read_docx(name: PurePath, data: bytes) -> Post:
    """Headings, lists, quotes, tables, links, bold and italics. Raises SkippedPost for what is no readable .docx."""
    if data.startswith(OLE_MAGIC):
        raise SkippedPost("the .docx is encrypted, or an old .doc: save it as .docx without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > DOCX_MAX_BYTES:
                raise SkippedPost(f"the .docx unpacks to {unpacked / 1e6:.0f} MB")
            if "word/document.xml" not in archive.namelist():
                raise SkippedPost("a .zip with the ending .docx, not a document")
            if any(entry.flag_bits & 1 for entry in archive.infolist()):
                raise SkippedPost("the .docx is encrypted: save it without a password")
            if archive.getinfo("word/document.xml").file_size > XML_MAX_BYTES:
                raise SkippedPost(f"the text of the .docx unpacks to more than {XML_MAX_BYTES / 1e6:.0f} MB")
    except SkippedPost:
        raise
    except Exception:  # BadZipFile, and others of zipfile for bytes that only begin like a .zip
        raise SkippedPost("not a .docx, though it has the ending") from None
    import docx as python_docx  # imported here: lxml takes a while

    try:
        document = python_docx.Document(io.BytesIO(data))
        properties = document.core_properties
        title, blocks = _docx_blocks(document)
        named, created = date_from_name(name), parse_date(properties.created)
        keywords = [k.strip() for k in re.split(r"[,;]", properties.keywords or "") if k.strip()]
    except Exception as e:  # python-docx lets through what lxml, zipfile and its parser raise on a broken document
        raise SkippedPost(f"the .docx can't be read: {type(e).__name__}: {' '.join(str(e).split())[:100]}") from None
    # python-docx invents properties for a document without any, such as Google Docs writes
    invented = properties.last_modified_by == "python-docx" and properties.title == "Word Document"
    title = title or ("" if invented else (properties.title or "").strip()) or title_from_name(name)
    return Post(
        text="\n\n".join(blocks),
        title=title,
        date=named or created,
        date_from="name" if named else "document",
        tags=keywords,
    )


def _docx_blocks(document: Any) -> tuple[str, list[str]]:
    """(text of the first Title paragraph or "", Markdown blocks); the items of a list are one block."""
    from docx.table import Table

    title = ""
    blocks: list[str] = []
    follows_list_item = False
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            blocks.append(_docx_table(block))
            follows_list_item = False
            continue
        text = _docx_inline(block).strip()
        if not text:
            continue
        style = (block.style.name if block.style is not None else "").lower()
        heading = re.match(r"heading (\d)", style)
        is_list = style.startswith("list")
        if style == "title" and not title:
            title = block.text.strip()
            continue
        if heading:
            text = "#" * max(2, int(heading[1])) + " " + block.text.strip()
        elif "quote" in style:
            text = "> " + text
        elif is_list:
            text = ("1. " if "number" in style else "- ") + text
        if is_list and follows_list_item:
            blocks[-1] += "\n" + text
        else:
            blocks.append(text)
        follows_list_item = is_list
    return title, blocks


def _docx_table(table: Any) -> str:
    rows = ["| " + " | ".join(" ".join(cell.text.split()) for cell in row.cells) + " |" for row in table.rows]
    rows.insert(1, "|" + " --- |" * len(table.columns))
    return "\n".join(rows)


def _docx_inline(paragraph: Any) -> str:
    """The words of a paragraph, with marks for bold, italics and links."""
    from docx.text.hyperlink import Hyperlink

    runs = []
    for item in paragraph.iter_inner_content():
        if isinstance(item, Hyperlink):
            runs.append(("", f"[{item.text}]({item.address})" if item.address else item.text))
        else:
            runs.append((("**" if item.bold else "") + ("*" if item.italic else ""), item.text))
    markdown = ""
    for mark, group in itertools.groupby(runs, key=lambda run: run[0]):  # Word splits a bold phrase into several runs
        text = "".join(text for _, text in group)
        words = text.strip()
        markdown += text.replace(words, mark + words + mark, 1) if mark and words else text
    return markdown.replace("\u000b", "\n")
