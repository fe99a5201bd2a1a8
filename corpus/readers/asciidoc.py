"""AsciiDoc, as Asciidoctor, Hugo and jekyll-asciidoc take it → `Post`. No file that it includes is read."""

import re
from pathlib import PurePath

from corpus.encoding import decode_text
from corpus.html_to_markdown import code_fence
from corpus.post import Post, parse_date
from corpus.readers.front_matter import split_front_matter
from corpus.readers.head_values import plain_value
from corpus.readers.markdown import MAX_MARKED_LINE, convert_phrases, normalise_line_ends, post_from_front_matter

ATTRIBUTE = re.compile(r":(?P<name>!?[\w][\w-]*!?):(?:[ \t]+(?P<value>.*))?")
REVISION = re.compile(r"(?:v?[\d.]+,[ \t]*)?(?P<date>\d{4}-\d\d?-\d\d?)\b.*")
# Attributes of blog engines, as front matter names them.
NAMES = {"revdate": "date", "published_at": "date", "hp-tags": "tags", "keywords": "tags", "published-at": "date"}
DELIMITER = re.compile(r"(?P<mark>-{4,}|\.{4,}|_{4,}|={4,}|\*{4,}|\+{4,}|/{4,}|--|`{3,})(?P<language>[\w+-]*)")
CODE_MARKS, DROPPED_MARKS = "-.`", "/+"  # first characters of the delimiters of code, and of what is not shown
BLOCK_STYLE = re.compile(r"\[(?P<style>[^\[\]]*)\]")
MACRO_BLOCK = re.compile(
    r"(?:image|video|audio|toc|include|ifdef|ifndef|ifeval|endif|gist|tweet|youtube)::\S*\[[^\]]*\]"
)
HEADING = re.compile(r"(?P<marks>={1,6}|#{1,6})[ \t]+(?P<words>.*\S)")
LIST_ITEM = re.compile(r"[ \t]*(?P<marks>\*{1,5}|-|\.{1,5}|\d+\.)[ \t]+(?P<words>.*)")
DEFINITION = re.compile(r"(?P<term>[^\n:]{1,200})::(?:[ \t]+(?P<words>.*))?")
ADMONITION = re.compile(r"(?:NOTE|TIP|WARNING|CAUTION|IMPORTANT):[ \t]+")
FOOTNOTE = re.compile(r"footnote(?:ref)?:(?:[\w-]*)\[(?P<words>[^\[\]\n]*)\]")
_LINK = r"(?:link:|xref:)(?P<address>[^\s\[\]]+)|(?P<bare>(?:https?|ftp)://[^\s\[\]<>]+|mailto:[^\s\[\]]+)"
LINK = re.compile(rf"(?:{_LINK})\[(?P<words>[^\[\]\n]*)\]")
PHRASES = (
    (re.compile(r"(?<!\w)image:[^\s\[\]:]+\[[^\]\n]*\]"), ""),
    (re.compile(r"<<[^<>\n,]+,[ \t]*([^<>\n]+)>>"), r"\1"),
    (re.compile(r"<<([^<>\n,]+)>>"), ""),
    (re.compile(r"\[\[[^\[\]\n]*\]\]|(?<=\S)[ \t]\+$"), ""),
    (re.compile(r"(?:kbd|btn|menu|pass|stem|icon):\w*\[([^\[\]\n]*)\]"), r"\1"),
    (re.compile(r"\[[.#][^\[\]\n]*\](?=[#*_])"), ""),
    (re.compile(r"(?<![\w*])\*{1,2}(?=[^\s*])([^*\n]+?)(?<=\S)\*{1,2}(?![\w*])"), r"**\1**"),
    (re.compile(r"(?<![\w_])_{1,2}(?=[^\s_])([^_\n]+?)(?<=\S)_{1,2}(?![\w_])"), r"*\1*"),
    (re.compile(r"(?<![\w#])#{1,2}(?=[^\s#])([^#\n]+?)(?<=\S)#{1,2}(?![\w#])"), r"\1"),
)
INLINE_CODE = re.compile(r"(?<![\w`+])(`\+|`|\+)(?=[^\s`+])(?P<code>[^`\n]+?)(?<=\S)(\+`|`|\+)(?![\w`+])")


def read_asciidoc(name: PurePath, data: bytes) -> Post:
    """The part of AsciiDoc that posts are written in; its head may be YAML, as Jekyll and Hugo take it."""
    head = split_front_matter(normalise_line_ends(decode_text(data)))
    stated, lines = _split_header(head.body.strip("\n").split("\n"))
    body, notes = _Converter(stated).convert(lines)
    metadata = {**_as_front_matter(stated), **head.metadata}
    return post_from_front_matter(name, metadata, "\n".join([*body, "", *notes]), head.mended)


def _split_header(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """(the attributes of the header, the lines after it). The title, author and date are attributes as well."""
    values: dict[str, str] = {}
    position = 0
    for position, line in enumerate(lines):
        attribute, revision = ATTRIBUTE.fullmatch(line), REVISION.fullmatch(line)
        if attribute:
            values[attribute["name"].lower()] = (attribute["value"] or "").strip()
        elif re.match(r"= \S", line) and "title" not in values:
            values["title"] = line[2:].strip()
        elif revision and "title" in values and lines[position - 1].strip():
            values.setdefault("date", revision["date"])
        elif position and lines[position - 1].startswith("= ") and re.match(r"[^\W\d]", line):
            values.setdefault("author", re.sub(r"[ \t]*<[^<>]*>.*", "", line).strip())
        elif line.strip() and not re.match(r"//(?!/)", line):
            return values, lines[position:]
    return values, lines[position + 1 :]


def _as_front_matter(values: dict[str, str]) -> dict[str, object]:
    metadata: dict[str, object] = {}
    for name, value in values.items():
        plain = name.removeprefix("page-").removeprefix("jbake-")
        metadata[NAMES.get(plain, plain)] = plain_value(value) if value else "true"
    if not parse_date(metadata.get("date")):
        metadata.pop("date", None)
    return metadata


class _Converter:
    """Lines of AsciiDoc → lines of Markdown, and the notes that go below them."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self.attributes = attributes
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.block: list[str] = []  # the lines of an open code block
        self.delimiter = self.language = self.style = ""
        self.in_quote = self.in_table = False

    def convert(self, lines: list[str]) -> tuple[list[str], list[str]]:
        for line in lines:
            self.add(line.rstrip())
        if self.delimiter and self.delimiter[0] in CODE_MARKS:
            self.close()
        return self.lines, self.notes

    def add(self, line: str) -> None:
        if self.delimiter:
            if line == self.delimiter:
                self.close()
            elif self.delimiter[0] in CODE_MARKS:
                self.block.append(line)
            return
        delimiter, style = DELIMITER.fullmatch(line), BLOCK_STYLE.fullmatch(line)
        if line.startswith(("|===", ",===", "!===")):
            self.in_table = not self.in_table
        elif delimiter and (not delimiter["language"] or line.startswith("`")):
            self.open(delimiter["mark"], delimiter["language"])
        elif style:
            self.style = style["style"]
        elif self.in_table:
            if line.strip():
                self.lines += ["", self.phrases(" ".join(re.sub(r"(?:^|[ \t])[\w.+^<>]*\|", " ", line).split()))]
        elif not (MACRO_BLOCK.fullmatch(line) or line == "+" or re.match(r"//(?!/)|'{3,}$|<{3}$", line)):
            self.add_text(line)

    def open(self, mark: str, language: str) -> None:
        if mark[0] == "_":
            self.in_quote = not self.in_quote
        elif mark[0] in CODE_MARKS + DROPPED_MARKS and mark != "--":
            names = [part.strip() for part in self.style.split(",")]
            self.language = language or (names[1] if names[0] == "source" and len(names) > 1 else "")
            self.delimiter, self.block = mark, []
        self.style = ""

    def close(self) -> None:
        if self.delimiter[0] in CODE_MARKS:
            self.lines += ["", code_fence("\n".join(self.block), self.language), ""]
        self.delimiter = self.language = ""

    def add_text(self, line: str) -> None:
        attribute = ATTRIBUTE.fullmatch(line)
        heading, item, definition = HEADING.fullmatch(line), LIST_ITEM.fullmatch(line), DEFINITION.fullmatch(line)
        if attribute:
            self.attributes[attribute["name"].lower()] = attribute["value"] or ""
            return
        if heading:
            marks = "#" * max(2, len(heading["marks"]))
            self.lines += ["", f"{marks} {self.phrases(heading['words'])}", ""]
        elif item:
            is_bullet = item["marks"][0] in "*-"
            indent = "  " * (len(item["marks"]) - 1 if item["marks"][0] in "*." else 0)
            self.lines.append(f"{indent}{'-' if is_bullet else '1.'} {self.phrases(item['words'])}")
        elif definition and not line.startswith(" "):
            words = f" {self.phrases(definition['words'])}" if definition["words"] else ""
            self.lines.append(f"{self.phrases(definition['term'])}:{words}")
        elif re.match(r"\.[^\s.]", line):
            self.lines += [self.phrases(line[1:]), ""]  # the title of a block
        else:
            quote = "> " if self.in_quote or self.style.startswith(("quote", "verse")) else ""
            self.lines.append((quote + self.phrases(ADMONITION.sub("", line))).rstrip())
        if not line.strip():
            self.style = ""

    def phrases(self, text: str) -> str:
        """Emphasis, links, notes and attributes of a line; what stands in code is not looked at."""
        if len(text) > MAX_MARKED_LINE:
            return text
        text = FOOTNOTE.sub(self.add_note, text)
        text = re.sub(r"\{([\w-]{1,60})\}", lambda m: self.attributes.get(m[1].lower(), m[0]), text)
        return convert_phrases(LINK.sub(_markdown_link, text), PHRASES, INLINE_CODE)

    def add_note(self, match: re.Match) -> str:
        if not match["words"]:
            return ""
        self.notes.append(f"[^{len(self.notes) + 1}]: {match['words']}")
        return f"[^{len(self.notes)}]"


def _markdown_link(match: re.Match) -> str:
    words = re.sub(r",[ \t]*(?:window|role|opts|title)=.*|\^$", "", match["words"]).strip('"')
    return f"[{words}]({match['address'] or match['bare']})" if words else match["bare"] or ""
