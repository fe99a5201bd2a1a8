"""HTML → the Markdown it stands for, from the events of a parser, in one pass whose cost grows with the length.

`MarkdownWriter` takes start, end and text events. Two parsers feed it: lxml's for documents
(corpus/readers/html.py), and cleaning's for HTML in Markdown, whose white space and unknown tags are the author's.
"""

import html
import re
from dataclasses import dataclass, field

# fmt: off
DROPPED_TAGS = {
    "script", "style", "iframe", "canvas", "svg", "video", "audio", "object", "embed", "noscript", "template",
    "form", "button", "input", "select", "img", "picture", "source", "figcaption", "head", "title",
}
BLOCK_TAGS = {
    "p", "div", "section", "article", "aside", "header", "footer", "main", "figure", "ul", "ol", "table", "tr",
    "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "details", "summary", "dl", "dt", "dd", "hr", "center",
}
INLINE_TAGS = {
    "a", "b", "strong", "i", "em", "u", "s", "del", "ins", "sub", "sup", "small", "big", "mark", "abbr", "cite",
    "q", "span", "font", "kbd", "code", "pre", "br", "li", "td", "th", "thead", "tbody", "tfoot", "caption",
    "colgroup", "col", "wbr", "time", "var", "samp", "address", "nav", "label", "tt", "strike", "html", "body",
    "meta", "link", "center",
}
VOID_TAGS = {
    "img", "input", "source", "embed", "br", "hr", "wbr", "col", "meta", "link", "area", "base", "track", "param",
}
# fmt: on
MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "code": "`", "kbd": "`", "tt": "`"}
EMBED_TAGS = {"iframe", "video", "audio", "object", "embed"}
# Tags whose content must be known before anything can be written: they are rendered at their end.
BUFFERED_TAGS = (DROPPED_TAGS - VOID_TAGS) | set(MARKS) | {"a", "blockquote", "table", "tr", "td", "th", "pre"}
MAX_DEPTH = 60  # elements within elements; deeper ones are read as text of the sixtieth
# Marks of the writers, until `unstash` and `normalise_whitespace` resolve them: characters that no text has.
STASH_START, STASH_END = "\ue000", "\ue001"
LIST_START = "\ue002"
ROW_START, CELL_END = "\ue003", "\ue004"
INDENT = "\ue005"
ITEM_TEXT_START = "\ue006"
ITEM_START = "\ue007"
PRIVATE_MARKS = re.compile("[\ue000-\ue007]")
MAX_CELL_WORDS = 60  # a table with a longer cell is layout


@dataclass
class OpenElement:
    """An element whose end tag has not come: what it contains is known at its end."""

    tag: str
    attributes: dict[str, str]
    parts: list[str] = field(default_factory=list)


class MarkdownWriter:
    """Events → Markdown. An element counts when its own end tag comes; one that stays open costs none of its words."""

    def __init__(self) -> None:
        self.open_elements = [OpenElement("", {})]
        self.open_counts: dict[str, int] = {}  # of each tag

    def write(self, text: str) -> None:
        """Append to the innermost open element, as it is."""
        self.open_elements[-1].parts.append(text)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open an element; a tag that needs no end is written at once."""
        if tag in BUFFERED_TAGS and len(self.open_elements) < MAX_DEPTH:
            self.open_elements.append(OpenElement(tag, attributes))
            self.open_counts[tag] = self.open_counts.get(tag, 0) + 1
        else:
            self.write(self.render_tag(tag, closing=False))

    def end(self, tag: str) -> None:
        """Close the innermost element of this tag, and those in it that were never closed."""
        if not self.open_counts.get(tag):
            self.write(self.render_tag(tag, closing=True))
            return
        while True:
            element = self.open_elements.pop()
            self.open_counts[element.tag] -= 1
            inner = "".join(element.parts)
            if element.tag == tag:
                self.write(self.render_element(element, inner))
                return
            self.write(self.render_unclosed(element, inner))

    def close(self) -> str:
        """The Markdown of all events."""
        while len(self.open_elements) > 1:
            element = self.open_elements.pop()
            self.write(self.render_unclosed(element, "".join(element.parts)))
        return "".join(self.open_elements[0].parts)

    def render_unclosed(self, element: OpenElement, inner: str) -> str:
        """What an element stands for that has no end tag: its start tag, and its words."""
        return self.render_tag(element.tag, closing=False) + inner

    def render_tag(self, tag: str, closing: bool) -> str:
        """What a single tag stands for, that makes no element."""
        if tag == "li":
            return "" if closing else "\n- "
        if tag == "tr":
            return "" if closing else "\n"
        if re.fullmatch("h[1-6]", tag):
            return "\n\n" if closing else "\n\n" + "#" * max(2, int(tag[1])) + " "
        if tag in ("td", "th"):
            return " " if closing else ""
        if tag == "br":
            return "\n"
        return "\n\n" if tag in BLOCK_TAGS else ""

    def render_element(self, element: OpenElement, inner: str) -> str:
        """What an element stands for, start tag to end tag."""
        tag = element.tag
        if tag in DROPPED_TAGS:
            return self.render_dropped(element)
        if tag in MARKS:
            return inner if self.open_counts[tag] else emphasis(MARKS[tag], inner)
        if tag == "a":
            address = (element.attributes.get("href") or "").split()
            return f"[{inner}]({address[0]})" if address and inner.strip() else inner
        if tag == "blockquote":
            return blockquote(inner)
        if tag == "tr":
            return f"{ROW_START}{inner}\n"
        if tag in ("td", "th"):
            return inner + CELL_END
        if tag == "table":
            return pipe_table(inner)
        return inner

    def render_dropped(self, element: OpenElement) -> str:
        """What stays of an element of DROPPED_TAGS."""
        return ""


def emphasis(mark: str, inner: str) -> str:
    """`inner` with a mark on both sides of its words; several lines stay unmarked."""
    words = inner.strip()
    return inner.replace(words, mark + words + mark, 1) if words and "\n" not in words else inner


def blockquote(inner: str) -> str:
    """`inner` as a block of lines that start with ">"."""
    lines = re.sub(r"\n\s*\n", "\n\n", inner.strip()).split("\n")
    return "\n\n" + "\n".join(f"> {line.strip()}".rstrip() for line in lines) + "\n\n"


def pipe_table(inner: str) -> str:
    """Rows and cells → a pipe table; a table that holds paragraphs is layout, and stays paragraphs."""
    before, *parts = inner.split(ROW_START)
    rows = [part.split(CELL_END)[:-1] for part in parts]
    rows = [cells for cells in rows if any(cell.strip() for cell in cells)]
    if not rows or max(map(len, rows)) < 2 or any(_is_layout(cell) for cells in rows for cell in cells):
        return "\n\n" + inner.replace(ROW_START, "\n\n").replace(CELL_END, "\n\n") + "\n\n"
    width = max(map(len, rows))
    lines = [_table_row(cells + [""] * (width - len(cells))) for cells in rows]
    lines.insert(1, "|" + " --- |" * width)
    return f"\n\n{before.strip()}\n\n" + "\n".join(lines) + "\n\n"


def _is_layout(cell: str) -> bool:
    return "\n\n" in cell.strip() or len(cell.split()) > MAX_CELL_WORDS


def _table_row(cells: list[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


class HtmlMarkdownWriter(MarkdownWriter):
    """Events of a whole page or of an exported post: white space is folded, "<" in the text is kept as an entity."""

    def __init__(self) -> None:
        super().__init__()
        self.stashed: list[str] = []  # finished code and quotes, whose white space counts
        self.open_lists: list[int] = []  # of each: 0 for bullets, else the number of its next item

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("ul", "ol"):
            self.write("\n" if self.open_lists else f"\n\n{LIST_START}")
            self.open_lists.append(int(tag == "ol"))
            return
        super().start(tag, attributes)

    def end(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            if self.open_lists:
                self.open_lists.pop()
            self.write("\n" if self.open_lists else "\n\n")
        elif tag not in VOID_TAGS:
            super().end(tag)

    def render_tag(self, tag: str, closing: bool) -> str:
        if tag != "li":
            return super().render_tag(tag, closing)
        if closing:
            return "\n"
        indent = INDENT * max(0, min(len(self.open_lists), 8) - 1)
        bullet = "-"
        if self.open_lists and self.open_lists[-1]:
            bullet = f"{self.open_lists[-1]}."
            self.open_lists[-1] += 1
        return f"\n{ITEM_START}{indent}{bullet} {ITEM_TEXT_START}"

    def text(self, text: str) -> None:
        """Text between tags; in <pre> as it is, elsewhere with white space folded."""
        text = PRIVATE_MARKS.sub("", text)
        if self.open_counts.get("pre"):
            self.write(text)
        else:
            self.write(re.sub(r"[ \t\r\n\f]+", " ", text).replace("&", "&amp;").replace("<", "&lt;"))

    def render_element(self, element: OpenElement, inner: str) -> str:
        if element.tag == "pre":
            return self.stash(code_fence(self.unstash(inner).strip("\n"), code_language(element.attributes)))
        if element.tag in ("code", "kbd", "tt"):
            if self.open_counts.get("pre") or "`" in inner:
                return inner
            return emphasis("`", html.unescape(inner))
        if element.tag == "blockquote":
            if not inner.strip():
                return ""
            lines = normalise_whitespace(self.unstash(inner)).split("\n")
            return self.stash("\n".join(f"> {line}".rstrip() for line in lines))
        return super().render_element(element, inner)

    def render_dropped(self, element: OpenElement) -> str:
        """An embed stays as one tag: prepare decides about it."""
        if element.tag not in EMBED_TAGS:
            return ""
        address = element.attributes.get("src") or element.attributes.get("data") or ""
        address = re.sub('[^!-~]|[<>"]', "", address)[:300]
        return f'\n\n<{element.tag} src="{address}"></{element.tag}>\n\n'

    def stash(self, text: str) -> str:
        """A mark in place of `text`, which `normalise_whitespace` must not change: see `unstash`."""
        self.stashed.append(text)
        return f"\n\n{STASH_START}{len(self.stashed) - 1}{STASH_END}\n\n"

    def unstash(self, text: str) -> str:
        """`text` with what was stashed in place of each mark."""

        def stashed(match: re.Match) -> str:
            number = int(match[1])
            return self.stashed[number] if number < len(self.stashed) else ""

        return re.sub(rf"{STASH_START}(\d+){STASH_END}", stashed, text)

    def close(self) -> str:
        return PRIVATE_MARKS.sub("", self.unstash(normalise_whitespace(super().close())))


def normalise_whitespace(text: str) -> str:
    """No white space at line ends and starts, at most one blank line, none between the items of a list."""
    text = re.sub(rf"{ITEM_TEXT_START}\s*", "", text)
    text = "\n".join(line.strip(" ") for line in text.split("\n"))
    text = re.sub(rf"(?<!\n)\n+{ITEM_START}", f"\n{ITEM_START}", text)
    text = re.sub(rf"{LIST_START}\n*{ITEM_START}", "", text)
    text = text.replace(ITEM_START, "").replace(LIST_START, "").replace(INDENT, "  ")
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def code_fence(code: str, language: str = "") -> str:
    """A code block that its content can't end: its fence is longer than any run of backticks in it."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{ticks}{language}\n{code}\n{ticks}"


def code_language(attributes: dict[str, str]) -> str:
    """The language that a <pre> names in its class, as highlighters write it; else empty."""
    match = re.search(r"(?:lang(?:uage)?|brush)[-:]\s?(\w+)", attributes.get("class") or "")
    return match[1] if match else ""
