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
ITEM_START, ITEM_END = "\ue002", "\ue005"
ROW_START, CELL_END = "\ue003", "\ue004"
PRIVATE_MARKS = re.compile("[\ue000-\ue007]")
SUPERSCRIPTS = str.maketrans("0123456789+-\u2212", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
EMBED_CLASSES = re.compile(
    r"(?i)\b(?:twitter-tweet|twitter-video|instagram-media|bluesky-embed|mastodon-embed|tiktok-embed|reddit-\w+|fb-\w+)"
)
MAX_CELL_WORDS = 60  # a table with a longer cell is layout


@dataclass
class OpenElement:
    """An element whose end tag has not come: what it contains is known at its end."""

    tag: str
    attributes: dict[str, str]
    parts: list[str] = field(default_factory=list)


class MarkdownWriter:
    """Events → Markdown. An element counts when its own end tag comes; one that stays open costs none of its words."""

    buffered_tags = BUFFERED_TAGS

    def __init__(self) -> None:
        self.open_elements = [OpenElement("", {})]
        self.open_counts: dict[str, int] = {}  # of each tag

    def write(self, text: str) -> None:
        """Append to the innermost open element, as it is."""
        self.open_elements[-1].parts.append(text)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open an element; a tag that needs no end is written at once."""
        if tag in self.buffered_tags and len(self.open_elements) < MAX_DEPTH:
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
    """Events of a whole page or of an exported post: white space is folded, "<" in the text is kept as an entity.

    Besides HTML it takes a pseudo-element <footnote mark="1">, see corpus/readers/html_rewrite.py.
    """

    buffered_tags = BUFFERED_TAGS | {"ul", "ol", "li", "sup", "footnote"}

    def __init__(self) -> None:
        super().__init__()
        self.stashed: list[str] = []  # finished code, quotes and lists, whose white space counts

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "q":
            self.write("“")
        else:
            super().start(tag, attributes)

    def end(self, tag: str) -> None:
        if tag == "q":
            self.write("”")
        elif tag not in VOID_TAGS:
            super().end(tag)

    def text(self, text: str) -> None:
        """Text between tags; in <pre> as it is, elsewhere with white space folded."""
        text = PRIVATE_MARKS.sub("", text)
        if self.open_counts.get("pre"):
            self.write(text)
        else:
            self.write(re.sub(r"[ \t\r\n\f]+", " ", text).replace("&", "&amp;").replace("<", "&lt;"))

    def render_element(self, element: OpenElement, inner: str) -> str:
        tag = element.tag
        if tag == "pre":
            return self.stash(code_fence(self.unstash(inner).strip("\n"), code_language(element.attributes)))
        if tag in ("code", "kbd", "tt"):
            if self.open_counts.get("pre") or "`" in inner:
                return inner
            return emphasis("`", html.unescape(inner))
        if tag == "a" and "\n\n" in inner.strip(" "):
            return inner  # a link around blocks is none of Markdown
        if tag == "blockquote":
            return self.quotation(element, inner)
        if tag == "li":
            return f"{ITEM_START}{self.finished(inner)}{ITEM_END}"
        if tag in ("ul", "ol"):
            return self.list_of_items(element, inner)
        if tag == "sup":
            return inner.translate(SUPERSCRIPTS) if re.fullmatch(r"[0-9+\u2212-]{1,3}", inner) else inner
        if tag == "footnote":
            note = indented(self.finished(inner), "    ")
            return self.stash(f"[^{element.attributes.get('mark')}]: {note}") if note else ""
        return super().render_element(element, inner)

    def render_unclosed(self, element: OpenElement, inner: str) -> str:
        return (
            self.render_element(element, inner)
            if element.tag in ("ul", "ol", "li")
            else super().render_unclosed(element, inner)
        )

    def quotation(self, element: OpenElement, inner: str) -> str:
        """A quote; a message of a network that stands in a post is an embed."""
        if EMBED_CLASSES.search(element.attributes.get("class") or ""):
            addresses = re.findall(r"\]\((https?://[^\s()]+)\)", inner)
            return embed("iframe", element.attributes.get("cite") or (addresses[-1] if addresses else ""))
        quoted = self.finished(inner)
        return self.stash("\n".join(f"> {line}".rstrip() for line in quoted.split("\n"))) if quoted else ""

    def list_of_items(self, element: OpenElement, inner: str) -> str:
        """The items of a list, each with what is in it indented to where its words begin."""
        start = element.attributes.get("start") or ""
        number = int(start) if element.tag == "ol" and re.fullmatch(r"\d{1,6}", start) else 1
        lines: list[str] = []
        width = 2
        items = inner.split(ITEM_START)
        for item, after in [("", items[0]), *(tuple((i + ITEM_END).split(ITEM_END)[:2]) for i in items[1:])]:
            if item:
                bullet = f"{number}. " if element.tag == "ol" else "- "
                number, width = number + 1, len(bullet)
                lines.append(bullet + indented(item, " " * width))
            rest = self.finished(after)
            if rest:  # words or a list between the items: of the item before
                lines.append(indented(rest, " " * width, first=bool(lines)))
        text = "\n".join(lines)
        return self.stash(text, tight=bool(self.open_counts.get("li"))) if text else ""

    def finished(self, inner: str) -> str:
        """The Markdown of what an element holds."""
        return self.unstash(normalise_whitespace(inner))

    def render_dropped(self, element: OpenElement) -> str:
        """An embed stays as one tag: prepare decides about it."""
        if element.tag not in EMBED_TAGS:
            return ""
        return embed(element.tag, element.attributes.get("src") or element.attributes.get("data") or "")

    def stash(self, text: str, tight: bool = False) -> str:
        """A mark in place of `text`, which `normalise_whitespace` must not change: see `unstash`.

        tight: without a blank line around it.
        """
        self.stashed.append(text)
        space = "\n" if tight else "\n\n"
        return f"{space}{STASH_START}{len(self.stashed) - 1}{STASH_END}{space}"

    def unstash(self, text: str) -> str:
        """`text` with what was stashed in place of each mark."""

        def stashed(match: re.Match) -> str:
            number = int(match[1])
            return self.stashed[number] if number < len(self.stashed) else ""

        return re.sub(rf"{STASH_START}(\d+){STASH_END}", stashed, text)

    def close(self) -> str:
        return PRIVATE_MARKS.sub("", self.unstash(normalise_whitespace(super().close())))


def indented(text: str, indent: str, first: bool = False) -> str:
    """`text` with its lines indented, the first one only where asked; blank lines stay blank."""
    lines = text.split("\n")
    return "\n".join(indent + line if line and (number or first) else line for number, line in enumerate(lines))


def embed(tag: str, address: str) -> str:
    """A player or a message of a network, as one tag."""
    address = re.sub('[^!-~]|[<>"]', "", address)[:300]
    return f'\n\n<{tag} src="{address}"></{tag}>\n\n'


def normalise_whitespace(text: str) -> str:
    """No white space at line ends and starts, at most one blank line."""
    text = text.replace(ITEM_START, "\n- ").replace(ITEM_END, "\n")  # of items outside a list
    text = "\n".join(line.strip(" ") for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def code_fence(code: str, language: str = "") -> str:
    """A code block that its content can't end: its fence is longer than any run of backticks in it."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{ticks}{language}\n{code}\n{ticks}"


def code_language(attributes: dict[str, str]) -> str:
    """The language that a <pre> names in its class, as highlighters write it; else empty."""
    match = re.search(r"(?:lang(?:uage)?|brush)[-:]\s?(\w+)", attributes.get("class") or "")
    return match[1] if match else ""
