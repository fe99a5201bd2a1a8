"""HTML → the Markdown it stands for, from the events of a parser, in one pass whose cost grows with the length.

`MarkdownWriter` takes start, end and text events. Two parsers feed it: lxml's for documents (`document`), and
clean.py's for HTML that stands between Markdown, whose white space and unknown tags are the author's.
"""

import html
import re
from dataclasses import dataclass, field

DROPPED_TAGS = {
    "script",
    "style",
    "iframe",
    "canvas",
    "svg",
    "video",
    "audio",
    "object",
    "embed",
    "noscript",
    "template",
    "form",
    "button",
    "input",
    "select",
    "img",
    "picture",
    "source",
    "figcaption",
    "head",
    "title",
}
BLOCK_TAGS = {
    "p",
    "div",
    "section",
    "article",
    "aside",
    "header",
    "footer",
    "main",
    "figure",
    "ul",
    "ol",
    "table",
    "tr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "details",
    "summary",
    "dl",
    "dt",
    "dd",
    "hr",
    "center",
}
INLINE_TAGS = {
    "a",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "del",
    "ins",
    "sub",
    "sup",
    "small",
    "big",
    "mark",
    "abbr",
    "cite",
    "q",
    "span",
    "font",
    "kbd",
    "code",
    "pre",
    "br",
    "li",
    "td",
    "th",
    "thead",
    "tbody",
    "tfoot",
    "caption",
    "colgroup",
    "col",
    "wbr",
    "time",
    "var",
    "samp",
    "address",
    "nav",
    "label",
    "tt",
    "strike",
    "html",
    "body",
    "meta",
    "link",
    "center",
}
VOID_TAGS = {
    "img",
    "input",
    "source",
    "embed",
    "br",
    "hr",
    "wbr",
    "col",
    "meta",
    "link",
    "area",
    "base",
    "track",
    "param",
}
MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "code": "`", "kbd": "`", "tt": "`"}
EMBED = {"iframe", "video", "audio", "object", "embed"}
FRAMED = (DROPPED_TAGS - VOID_TAGS) | set(MARKS) | {"a", "blockquote", "table", "tr", "td", "th", "pre"}
MAX_DEPTH = 60  # elements within elements that are told apart; what is deeper is read as text of the sixtieth


@dataclass
class OpenElement:
    """An element that is still open: what it holds is known at its end."""

    tag: str
    attributes: dict
    parts: list[str] = field(default_factory=list)


class MarkdownWriter:
    """Events → Markdown. An element counts when its own end tag comes; one that stays open costs none of its words."""

    def __init__(self):
        self.frames = [OpenElement("", {})]
        self.open: dict[str, int] = {}

    def write(self, text: str) -> None:
        self.frames[-1].parts.append(text)

    def start(self, tag: str, attributes: dict) -> None:
        if tag in FRAMED and len(self.frames) < MAX_DEPTH:
            self.frames.append(OpenElement(tag, attributes))
            self.open[tag] = self.open.get(tag, 0) + 1
        else:
            self.write(self.single(tag, closing=False))

    def end(self, tag: str) -> None:
        if not self.open.get(tag):
            self.write(self.single(tag, closing=True))
            return
        while True:
            frame = self.frames.pop()
            self.open[frame.tag] -= 1
            inner = "".join(frame.parts)
            if frame.tag == tag:
                self.write(self.element(frame, inner))
                return
            self.write(self.left_open(frame, inner))

    def close(self) -> str:
        while len(self.frames) > 1:
            frame = self.frames.pop()
            self.write(self.left_open(frame, "".join(frame.parts)))
        return "".join(self.frames[0].parts)

    def left_open(self, frame: OpenElement, inner: str) -> str:
        return self.single(frame.tag, closing=False) + inner

    def single(self, tag: str, closing: bool) -> str:
        """What a tag that makes no element stands for."""
        if tag in ("li", "tr"):
            return "" if closing else "\n- " if tag == "li" else "\n"
        if re.fullmatch("h[1-6]", tag):
            return "\n\n" if closing else "\n\n" + "#" * max(2, int(tag[1])) + " "
        if tag in ("td", "th"):
            return " " if closing else ""
        return "\n" if tag == "br" else "\n\n" if tag in BLOCK_TAGS else ""

    def element(self, frame: OpenElement, inner: str) -> str:
        """What an element stands for that began and ended."""
        tag = frame.tag
        if tag in DROPPED_TAGS:
            return self.dropped(frame)
        if tag in MARKS:
            return inner if self.open[tag] else emphasis(MARKS[tag], inner)
        if tag == "a":
            address = (frame.attributes.get("href") or "").split()
            return f"[{inner}]({address[0]})" if address and inner.strip() else inner
        if tag == "blockquote":
            return blockquote(inner)
        if tag == "tr":
            return f"\ue003{inner}\n"
        if tag in ("td", "th"):
            return inner + "\ue004"
        if tag == "table":
            return pipe_table(inner)
        return inner

    def dropped(self, frame: OpenElement) -> str:
        return ""


def emphasis(mark: str, inner: str) -> str:
    words = inner.strip()
    return inner.replace(words, mark + words + mark, 1) if words and "\n" not in words else inner


def blockquote(inner: str) -> str:
    lines = re.sub(r"\n\s*\n", "\n\n", inner.strip()).split("\n")
    return "\n\n" + "\n".join(f"> {line.strip()}".rstrip() for line in lines) + "\n\n"


def pipe_table(inner: str) -> str:
    """Rows and cells → a pipe table; a table that holds paragraphs is layout, and they are paragraphs."""
    before, *rows = inner.split("\ue003")
    cells = [row.split("\ue004")[:-1] for row in rows]
    cells = [row for row in cells if any(cell.strip() for cell in row)]
    layout = (
        not cells
        or max(map(len, cells)) < 2
        or any("\n\n" in cell.strip() or len(cell.split()) > 60 for row in cells for cell in row)
    )
    if layout:
        return "\n\n" + inner.replace("\ue003", "\n\n").replace("\ue004", "\n\n") + "\n\n"
    width = max(map(len, cells))
    lines = [
        "| "
        + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in [*row, *[""] * (width - len(row))])
        + " |"
        for row in cells
    ]
    lines[1:1] = ["|" + " --- |" * width]
    return f"\n\n{before.strip()}\n\n" + "\n".join(lines) + "\n\n"


class HtmlMarkdownWriter(MarkdownWriter):
    """Events of a whole page or of an exported post: white space is folded, "<" in the text is kept as an entity."""

    def __init__(self):
        super().__init__()
        self.whole: list[str] = []  # code and quotes that are done: their white space counts
        self.numbers: list[int] = []  # a list that is open: 0, or the number of the next item

    def start(self, tag: str, attributes: dict) -> None:
        if tag in ("ul", "ol"):
            self.write("\n\n\ue002" if not self.numbers else "\n")
            self.numbers.append(int(tag == "ol"))
            return
        super().start(tag, attributes)

    def end(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            if self.numbers:
                self.numbers.pop()
            self.write("\n\n" if not self.numbers else "\n")
        elif tag not in VOID_TAGS:
            super().end(tag)

    def single(self, tag: str, closing: bool) -> str:
        if tag == "li":
            if closing:
                return "\n"
            indent = "\ue005" * max(0, min(len(self.numbers), 8) - 1)
            mark = "-"
            if self.numbers and self.numbers[-1]:
                mark = f"{self.numbers[-1]}."
                self.numbers[-1] += 1
            return f"\n\ue007{indent}{mark} \ue006"
        return super().single(tag, closing)

    def text(self, text: str) -> None:
        text = re.sub("[\ue000-\ue007]", "", text)
        if self.open.get("pre"):
            self.write(text)
        else:
            self.write(re.sub(r"[ \t\r\n\f]+", " ", text).replace("&", "&amp;").replace("<", "&lt;"))

    def element(self, frame: OpenElement, inner: str) -> str:
        if frame.tag == "pre":
            return self.keep(code_fence(self.restore(inner).strip("\n"), code_language(frame.attributes)))
        if frame.tag in ("code", "kbd", "tt"):
            if self.open.get("pre"):
                return inner
            return emphasis("`", html.unescape(inner)) if "`" not in inner else inner
        if frame.tag == "blockquote":
            return (
                self.keep(
                    "\n".join(f"> {line}".rstrip() for line in normalise_whitespace(self.restore(inner)).split("\n"))
                )
                if inner.strip()
                else ""
            )
        return super().element(frame, inner)

    def dropped(self, frame: OpenElement) -> str:
        """An embed stays as one tag, for prepare to decide about."""
        if frame.tag not in EMBED:
            return ""
        source = re.sub('[^!-~]|[<>"]', "", frame.attributes.get("src") or frame.attributes.get("data") or "")
        return f'\n\n<{frame.tag} src="{source[:300]}"></{frame.tag}>\n\n'

    def keep(self, text: str) -> str:
        self.whole.append(text)
        return f"\n\n\ue000{len(self.whole) - 1}\ue001\n\n"

    def restore(self, text: str) -> str:
        return re.sub(
            "\ue000(\\d+)\ue001", lambda m: self.whole[int(m[1])] if int(m[1]) < len(self.whole) else "", text
        )

    def close(self) -> str:
        return re.sub("[\ue000-\ue007]", "", self.restore(normalise_whitespace(super().close())))


def normalise_whitespace(text: str) -> str:
    """No white space at line ends and starts, no more than one blank line, none between the items of a list."""
    text = "\n".join(line.strip(" ") for line in re.sub("\ue006\\s*", "", text).split("\n"))
    text = re.sub("(?<!\n)\n+\ue007", "\n\ue007", text)
    text = re.sub("\ue002\n*\ue007", "", text).replace("\ue007", "").replace("\ue002", "").replace("\ue005", "  ")
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def code_fence(code: str, name: str = "") -> str:
    """A code block that its content can't end."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{ticks}{name}\n{code}\n{ticks}"


def code_language(attributes: dict) -> str:
    found = re.search(r"(?:lang(?:uage)?|brush)[-:]\s?(\w+)", attributes.get("class") or "")
    return found[1] if found else ""
