"""A file of posts → `Post`, one reader per format. A file that can't be a post raises `LeftOut` with the reason.

Readers keep the text as Markdown and clean nothing: that is prepare's work (clean.py).
"""

import codecs
import datetime
import hashlib
import itertools
import re
import stat
import unicodedata
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import charset_normalizer
import frontmatter

DOCX_MAX_BYTES = 300_000_000  # unpacked; a real post is a few MB even with pictures
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of encrypted .docx and of the old .doc
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NO_END = re.compile(r"\s*(?:---[ \t]*\n[ \t]*[A-Za-z_-]+:[ \n]|\+\+\+[ \t]*\n[ \t]*[A-Za-z_-]+ *=)")
EMPTY_FRONT_MATTER = re.compile(r"\A\s*(---|\+\+\+)[ \t]*\n\s*\1[ \t]*(?:\n|\Z)")
DATE_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")


class LeftOut(Exception):
    """Why a file is no post; shown to the user as it is."""


@dataclass
class Post:
    text: str
    title: str
    date: str | None  # ISO 8601 day
    tags: list[str] = field(default_factory=list)
    draft: bool = False


def read(path: Path, max_bytes: float) -> Post:
    """Read one file by its ending. Raises LeftOut with a sentence when it is no readable post."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise LeftOut(f"not a post format ({path.suffix or 'no ending'})")
    status = path.stat()
    size = status.st_size
    if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait for ever
        raise LeftOut("not a regular file")
    if size == 0:
        raise LeftOut("the file is empty")
    if size > max_bytes:
        raise LeftOut(f"the file has {size / 1e6:.0f} MB, more than ingest.max_file_mb")
    post = reader(path)
    if not post.text.strip():
        raise LeftOut("no text besides front matter")
    post.title, post.tags = _sound(post.title), [_sound(tag) for tag in post.tags]
    return post


def post_id(text: str) -> str:
    """Stable id of a post: SHA-256 of its text, normalised (NFKC, case folded, white space folded), 16 hex digits."""
    normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(normal.encode()).hexdigest()[:16]


def decode(data: bytes) -> str:
    """Bytes of unknown encoding → text. Raises LeftOut for what is no text."""
    for bom, encoding in BYTE_ORDER_MARKS:
        if data.startswith(bom):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                raise LeftOut(f"starts as {encoding} and is not") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        text = _mostly_utf8(data, e) or _guess(data)
    if "\x00" in text:  # UTF-16 without a byte order mark is valid UTF-8 full of NULs; so is a binary
        text = _guess(data)
    return text


def _mostly_utf8(data: bytes, error: UnicodeDecodeError) -> str | None:
    """A UTF-8 file with a few pasted Latin-1 bytes: each byte that is no UTF-8 is read as Windows-1252."""
    if data[: error.start].isascii():
        return None  # nothing before the first bad byte says that this is UTF-8
    return data.decode("utf-8", "windows-1252")


codecs.register_error("windows-1252", lambda e: (e.object[e.start : e.end].decode("cp1252", "replace"), e.end))


def _guess(data: bytes) -> str:
    head = data[:200_000]  # enough to judge by; the guess is slow on megabytes
    guesses = charset_normalizer.from_bytes(head[: len(head) // 4 * 4])
    best = guesses.best()
    if best is None:
        raise LeftOut("not text in any known encoding")
    encoding = best.encoding
    # Code pages of one script look alike in a short text: where the one of Windows is as likely, it is the one people have.
    for script, windows, tolerance in (("Latin", "cp1252", 0.1), ("Cyrillic", "cp1251", 0)):
        likely = any(windows in g.could_be_from_charset and g.chaos <= best.chaos + tolerance for g in guesses)
        if likely and any(alphabet.startswith(script) for alphabet in best.alphabets):
            encoding = windows
    text = data.decode(encoding, "replace")
    controls = sum(unicodedata.category(c) == "Cc" and c not in "\n\r\t\f" for c in text[:5000])
    if controls > 5:
        raise LeftOut("not text in any known encoding")
    return text


def markdown(path: Path) -> Post:
    text = decode(path.read_bytes()).replace("\r\n", "\n").replace("\r", "\n")
    try:
        meta, body = frontmatter.parse(text)
    except Exception as e:  # the parsers of YAML, TOML and JSON raise whatever they like on a broken one
        raise LeftOut(f"its front matter can't be read: {' '.join(str(e).split())[:120]}") from None
    if not meta:  # no front matter, an empty one, or words between two rules, which are the author's
        if NO_END.match(text):
            raise LeftOut("its front matter has no closing line")
        body = EMPTY_FRONT_MATTER.sub("", text)
    meta = {str(k).lower(): v for k, v in meta.items()}
    heading = re.match(r"\s*#[ \t]+([^\n]*\S)[^\n]*\n", body + "\n")
    first = heading[1].strip("# \t") if heading else ""
    title = str(meta.get("title") or "").strip()
    if first and (not title or first.casefold() == title.casefold()):
        title, body = title or first, body[heading.end() :]  # the title is not part of the text
    date = next((meta[k] for k in ("date", "published", "pubdate", "publishdate", "created") if meta.get(k)), None)
    return Post(
        text=body.strip("\n"),
        title=title or _title_from_name(path),
        date=_iso(date) or _date_from_name(path),
        tags=_tags(meta),
        draft=any(str(meta.get(k)).lower() == v for k, v in (("draft", "true"), ("published", "false"), ("status", "draft"))),
    )


def plain_text(path: Path) -> Post:
    text = decode(path.read_bytes()).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if re.match(r"(?:---|\+\+\+)[ \t]*\n", text):  # front matter makes it Markdown, whatever the ending
        return markdown(path)
    first, _, rest = text.partition("\n")
    # A short first line that stands alone is the title, as people write it.
    has_title = 0 < len(first.strip()) <= 100 and rest.startswith("\n") and rest.strip()
    title, body = (first.strip(), rest) if has_title else (_title_from_name(path), text)
    return Post(text=body.strip("\n"), title=title, date=_date_from_name(path))


def docx(path: Path) -> Post:
    with open(path, "rb") as file:
        if file.read(8) == OLE_MAGIC:
            raise LeftOut("the .docx is encrypted, or an old .doc: save it as .docx without a password")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > DOCX_MAX_BYTES:
                raise LeftOut(f"the .docx unpacks to {unpacked / 1e6:.0f} MB")
            if "word/document.xml" not in archive.namelist():
                raise LeftOut("a .zip with the ending .docx, not a document")
            if any(entry.flag_bits & 1 for entry in archive.infolist()):
                raise LeftOut("the .docx is encrypted: save it without a password")
    except (LeftOut, OSError):
        raise
    except Exception:  # BadZipFile, and what zipfile lets through on bytes that only begin as a .zip
        raise LeftOut("not a .docx, though it has the ending") from None
    import docx as python_docx  # imported here: lxml takes a while

    try:
        document = python_docx.Document(str(path))
        properties = document.core_properties
        title, blocks = _docx_blocks(document)
        date = _date_from_name(path) or _iso(properties.created)
        keywords = [k.strip() for k in re.split(r"[,;]", properties.keywords or "") if k.strip()]
    except Exception as e:  # python-docx raises whatever lxml, zipfile or its own parser raise on a broken document
        raise LeftOut(f"the .docx can't be read: {type(e).__name__}: {' '.join(str(e).split())[:100]}") from None
    # python-docx makes properties up for a document that has none (Google Docs writes such)
    made_up = properties.last_modified_by == "python-docx" and properties.title == "Word Document"
    title = title or ("" if made_up else (properties.title or "").strip()) or _title_from_name(path)
    return Post(text="\n\n".join(blocks), title=title, date=date, tags=keywords)


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


def _title_from_name(path: Path) -> str:
    name = path.stem if path.stem.lower() not in ("index", "readme", "_index") else path.parent.name
    words = re.sub(r"[-_]+", " ", DATE_IN_NAME.sub("", name)).strip()
    return (words[:1].upper() + words[1:]) or name


def _sound(text: str) -> str:
    """One line that can be written as UTF-8: bytes of a file name that are no text, and half emoji, become U+FFFD."""
    return " ".join(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").split())


def _date_from_name(path: Path) -> str | None:
    for name in (path.stem, path.parent.name):
        match = DATE_IN_NAME.search(name)
        if match and (date := _iso("-".join(match.groups()))):
            return date
    return None


def _iso(value) -> str | None:
    """A date as front matter or a document gives it → ISO day, or None."""
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    match = re.match(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", str(value or "").strip())
    if not match:
        return None
    try:
        return datetime.date(*map(int, match.groups())).isoformat()
    except ValueError:
        return None


def _tags(meta: dict) -> list[str]:
    found = []
    for key in ("tags", "categories", "category", "keywords"):
        value = meta.get(key) or []
        values = re.split(r"[,;]", value) if isinstance(value, str) else value if isinstance(value, list) else []
        found += [str(v).strip() for v in values if v is not None and str(v).strip()]
    return list(dict.fromkeys(found))


READERS = {
    ".md": markdown,
    ".markdown": markdown,
    ".mdown": markdown,
    ".mdx": markdown,
    ".dj": markdown,
    ".txt": plain_text,
    ".text": plain_text,
    ".docx": docx,
}
