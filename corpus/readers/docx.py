"""A .docx → `Post`, as Markdown."""

import io
import itertools
import re
import zipfile
from pathlib import PurePath

from corpus.post import Post, SkippedPost, date_from_name, parse_date, title_from_name

DOCX_MAX_BYTES = 300_000_000  # unpacked; a real post is a few MB even with pictures
XML_MAX_BYTES = 60_000_000
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of encrypted .docx and of the old .doc


def read_docx(name: PurePath, data: bytes) -> Post:
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
            if archive.getinfo("word/document.xml").file_size > XML_MAX_BYTES:  # a tree of it takes ten times that
                raise SkippedPost("the text of the .docx unpacks to more than 60 MB")
    except SkippedPost:
        raise
    except Exception:  # BadZipFile, and what zipfile lets through on bytes that only begin as a .zip
        raise SkippedPost("not a .docx, though it has the ending") from None
    import docx as python_docx  # imported here: lxml takes a while

    try:
        document = python_docx.Document(io.BytesIO(data))
        properties = document.core_properties
        title, blocks = _docx_blocks(document)
        named, created = date_from_name(name), parse_date(properties.created)
        keywords = [k.strip() for k in re.split(r"[,;]", properties.keywords or "") if k.strip()]
    except Exception as e:  # python-docx raises whatever lxml, zipfile or its own parser raise on a broken document
        raise SkippedPost(f"the .docx can't be read: {type(e).__name__}: {' '.join(str(e).split())[:100]}") from None
    # python-docx makes properties up for a document that has none (Google Docs writes such)
    made_up = properties.last_modified_by == "python-docx" and properties.title == "Word Document"
    title = title or ("" if made_up else (properties.title or "").strip()) or title_from_name(name)
    return Post(
        text="\n\n".join(blocks),
        title=title,
        date=named or created,
        date_from="name" if named else "document",
        tags=keywords,
    )


def _docx_blocks(document) -> tuple[str, list[str]]:
    """(text of the first Title paragraph or "", Markdown blocks); items of one list stay in one block."""
    from docx.table import Table

    title, blocks, list_before = "", [], False
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            rows = ["| " + " | ".join(" ".join(c.text.split()) for c in row.cells) + " |" for row in block.rows]
            rows[1:1] = ["|" + " --- |" * len(block.columns)]
            blocks.append("\n".join(rows))
            list_before = False
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
        if is_list and list_before:
            blocks[-1] += "\n" + text
        else:
            blocks.append(text)
        list_before = is_list
    return title, blocks


def _docx_inline(paragraph) -> str:
    from docx.text.hyperlink import Hyperlink

    runs = []
    for item in paragraph.iter_inner_content():
        if isinstance(item, Hyperlink):
            runs.append(("", f"[{item.text}]({item.address})" if item.address else item.text))
        else:
            runs.append((("**" if item.bold else "") + ("*" if item.italic else ""), item.text))
    out = ""
    for mark, group in itertools.groupby(runs, key=lambda run: run[0]):  # Word splits a bold phrase into several runs
        text = "".join(text for _, text in group)
        core = text.strip()
        out += text.replace(core, mark + core + mark, 1) if mark and core else text
    return out.replace("\u000b", "\n")
