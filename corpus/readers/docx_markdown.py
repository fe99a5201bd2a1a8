"""The body of a .docx → Markdown: paragraphs, headings, lists, quotes, code, tables, text boxes and notes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from corpus.html_to_markdown import CELL_END, MAX_CELL_WORDS, ROW_START, code_fence, pipe_table
from corpus.readers.docx_runs import (
    DELETED,
    INSERTED,
    MAX_DEPTH,
    NoteKey,
    Runs,
    Words,
    alternative,
    has_words,
    is_placeholder,
    markdown,
    plain,
)
from corpus.readers.docx_styles import (
    List,
    Style,
    Styles,
    attribute,
    child,
    local_name,
    number,
    value_of,
)

MAX_COLUMNS = 63  # of a table, as in Word; a cell may claim to be wider
CONTENTS = re.compile(r"(toc|contents|index) ?(\d|heading)?|table of (contents|figures)")  # styles; galleries
TRACKED_CHANGES = "tracked changes, taken as accepted"


@dataclass
class Block:
    """A paragraph, a table or a whole list, quote or piece of code."""

    lines: list[str]
    kind: str = ""  # "list", "quote", "code", "table", or none of them

    @property
    def text(self) -> str:
        if self.kind == "code":
            return code_fence("\n".join(self.lines).strip("\n"))
        return ("\n>\n" if self.kind == "quote" else "\n").join(self.lines)


@dataclass
class DocxMarkdown:
    """Writes one document. `notes` must be filled before.

    `title` is its first paragraph in the style Title; without one the heading that the document begins with, if it is
    the only one of the highest level.
    """

    styles: Styles
    lists: dict[str, List]
    links: dict[str, str]  # {relationship: address}
    notes: dict[NoteKey, Any] = field(default_factory=dict)
    title: str = ""
    top_headings: list[str] = field(default_factory=list)  # those of level 1
    counters: dict[str, dict[int, int]] = field(default_factory=dict)  # {of a list: {level: the last number}}
    restarted: set[tuple[str, int]] = field(default_factory=set)  # {(list, level)} that have begun anew

    def __post_init__(self) -> None:
        self.runs = Runs(self.styles, self.links, notes=self.notes)

    @property
    def mended(self) -> list[str]:
        """What was put right, for the author to know."""
        return [TRACKED_CHANGES] if self.runs.tracks_changes else []

    def document(self, body: Any) -> str:
        """The Markdown of the whole document, its notes last."""
        blocks = [block.text for block in Container(self).read(body)]
        if not self.title and len(self.top_headings) == 1 and blocks[:1] == [f"## {self.top_headings[0]}"]:
            self.title = self.top_headings[0]
            del blocks[0]
        written = 0
        while written < len(self.runs.note_numbers):  # a note may refer to another
            key, position = list(self.runs.note_numbers.items())[written]
            text = " ".join(" ".join(block.text for block in Container(self).read(self.notes[key])).split())
            blocks += [f"[^{position}]: {text}"] if text else []
            written += 1
        return "\n\n".join(blocks)

    def list_item(self, properties: Any, style: Style) -> tuple[int, str] | None:
        """(level from 0, marker) of a paragraph in a list; None for any other."""
        id, level = value_of(properties, "numPr", "numId"), value_of(properties, "numPr", "ilvl")
        if id is None:
            id, level = style.num_id, level or style.list_level
        depth = max(0, min(number(level), 8))
        one = self.lists.get(id or "")
        if id == "0" or (id is None and not re.match(r"list( bullet| number)?( \d)?$", style.name)):
            return None
        if one is None or depth not in one.levels:
            return depth, "1." if id is None and "number" in style.name else "-"
        kind = one.levels[depth]
        if kind.format == "none":
            return None
        position = self._count(id or "", one, depth)
        return depth, "-" if kind.format == "bullet" else f"{position}."

    def _count(self, id: str, one: List, depth: int) -> int:
        """The number of the next item of a list on a level."""
        counter = self.counters.setdefault(one.counter, {})
        for deeper in [level for level in counter if level > depth]:
            del counter[deeper]
        start = one.levels[depth].start
        if depth in one.restarts and (id, depth) not in self.restarted:
            self.restarted.add((id, depth))
            counter.pop(depth, None)
            start = one.restarts[depth]
        counter[depth] = counter[depth] + 1 if depth in counter else start
        return counter[depth]


@dataclass
class Container:
    """Reads what holds paragraphs: the body, a cell, a text box, a note."""

    writer: DocxMarkdown
    depth: int = 0
    blocks: list[Block] = field(default_factory=list)
    open_items: list[tuple[int, int]] = field(default_factory=list)  # (level, columns of its marker) around an item
    carried: list[Words] = field(default_factory=list)  # of a paragraph whose end was deleted, and dropped capitals

    def read(self, element: Any) -> list[Block]:
        """The blocks of an element."""
        self._read(element, self.depth)
        if self.carried:
            self._add(markdown(self.carried).strip())
            self.carried = []
        return self.blocks

    def _read(self, element: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._add(" ".join(part for one in element.iter("{*}t") if (part := (one.text or "").strip())))
            return
        for one in element:
            name = local_name(one)
            if name in DELETED:
                self.writer.runs.tracks_changes |= has_words(one)
            elif name == "p":
                self._paragraph(one, depth)
            elif name == "tbl":
                self._table(one, depth)
            elif name in ("r", "hyperlink", "fldSimple"):  # converters forget the paragraph around it
                self._add(markdown(self.writer.runs.paragraph([one])).strip())
            elif name == "AlternateContent":
                chosen = alternative(one)
                self._read(() if chosen is None else chosen, depth + 1)
            elif name and not name.endswith("Pr") and not (name == "sdt" and (is_placeholder(one) or is_contents(one))):
                if name in INSERTED:
                    self.writer.runs.tracks_changes |= has_words(one)
                self._read(one, depth + 1)

    def _add(self, text: str, kind: str = "") -> None:
        """Append a block, or to the block before it where both are of one list or quote."""
        if not text:
            return
        last = self.blocks[-1] if self.blocks else None
        if kind != "list":
            self.open_items = []
        if kind in ("list", "quote", "code") and last and last.kind == kind:
            last.lines.append(text)
        else:
            self.blocks.append(Block([text], kind))

    def _paragraph(self, element: Any, depth: int) -> None:
        writer, runs = self.writer, self.writer.runs
        outside, runs.text_boxes = runs.text_boxes, []
        words = self.carried + runs.paragraph(element)
        boxes, runs.text_boxes = runs.text_boxes, outside
        self.carried = []
        properties = child(element, "pPr")
        marks = child(properties, "rPr") if properties is not None else None
        frame = child(properties, "framePr") if properties is not None else None
        if marks is not None and any(local_name(one) in DELETED for one in marks):
            runs.tracks_changes |= bool(plain(words).strip())
            self.carried = words
        elif frame is not None and attribute(frame, "dropCap") in ("drop", "margin"):
            self.carried = words
        else:
            self._styled(words, properties, writer.styles.get(value_of(properties, "pStyle")))
        for box in boxes:
            self.blocks += Container(writer, depth + 1).read(box)
            self.open_items = []

    def _styled(self, words: list[Words], properties: Any, style: Style) -> None:
        """Add a paragraph as what its style says it is."""
        writer = self.writer
        text, bare = markdown(words).strip(), " ".join(plain(words).split())
        if style.is_code and plain(words).strip():
            self._add(plain(words).rstrip(), "code")
        elif not text or CONTENTS.fullmatch(style.name):
            return
        elif style.name == "title" and not writer.title:
            writer.title = bare
        elif level := heading_level(properties, style):
            if level == 1:
                writer.top_headings.append(bare)
            self._add("#" * max(2, level) + " " + bare)
        elif item := writer.list_item(properties, style):
            self._list_item(text, *item)
        elif style.is_quote:
            self._add("\n".join(f"> {line}".rstrip() for line in text.split("\n")), "quote")
        else:
            self._add(text)

    def _list_item(self, text: str, level: int, marker: str) -> None:
        """Items are indented to the text of the item around them, whatever level they claim."""
        while self.open_items and self.open_items[-1][0] >= level:
            self.open_items.pop()
        indent = " " * sum(columns for _, columns in self.open_items)
        self.open_items.append((level, len(marker) + 1))
        inner = "\n" + indent + " " * (len(marker) + 1)
        self._add(f"{indent}{marker} " + inner.join(line.strip() for line in text.split("\n")), "list")

    def _table(self, element: Any, depth: int) -> None:
        rows, is_layout = [], False
        merging: set[int] = set()  # columns whose last cell goes on in the rows below it
        for row in members(element, "tr", self.writer.runs):
            cells: list[str] = [""] * min(number(value_of(row, "trPr", "gridBefore")), MAX_COLUMNS)
            for cell in members(row, "tc", self.writer.runs):
                column, properties = len(cells), child(cell, "tcPr")
                blocks = Container(self.writer, depth + 1).read(cell)
                merge, beside = value_of(properties, "vMerge"), value_of(properties, "hMerge")
                goes_on = merge is not None and merge != "restart" and column in merging
                if merge is None:
                    merging.discard(column)
                elif merge == "restart":
                    merging.add(column)
                words = sum(len(block.text.split()) for block in blocks)
                holds_blocks = any(block.kind in ("table", "code") for block in blocks)
                is_layout |= holds_blocks
                between = "\n\n" if holds_blocks or words > MAX_CELL_WORDS else "\n"
                hidden = goes_on or (beside is not None and beside != "restart")
                cells.append("" if hidden else between.join(block.text for block in blocks))
                cells += [""] * (min(number(value_of(properties, "gridSpan"), 1), MAX_COLUMNS) - 1)
            rows.append(cells)
        if is_layout:
            text = "\n\n".join(cell for cells in rows for cell in cells if cell)
        else:
            text = pipe_table("".join(ROW_START + "".join(cell + CELL_END for cell in cells) + "\n" for cells in rows))
        self._add(text.strip(), "table")


def members(element: Any, name: str, runs: Runs, depth: int = 0) -> Iterator[Any]:
    """The rows of a table or the cells of a row, without deleted ones; content controls may stand around them."""
    for one in element:
        found = local_name(one)
        if found == name:
            properties = child(one, f"{name}Pr")
            if properties is not None and any(local_name(mark) in ("del", "cellDel") for mark in properties):
                runs.tracks_changes |= has_words(one)
            else:
                yield one
        elif found in DELETED:
            runs.tracks_changes |= has_words(one)
        elif found and not found.endswith("Pr") and depth < MAX_DEPTH:
            yield from members(one, name, runs, depth + 1)


def heading_level(properties: Any, style: Style) -> int | None:
    """1 for a heading of the first level, …; None for text. The paragraph's own outline level comes before the
    style's."""
    own = value_of(properties, "outlineLvl")
    if own is None:
        return style.heading_level
    return number(own, 9) + 1 if number(own, 9) < 9 else None


def is_contents(control: Any) -> bool:
    """Whether a content control (w:sdt) holds the table of contents, which is no text of the author's."""
    gallery = value_of(control, "sdtPr", "docPartObj", "docPartGallery")
    return bool(gallery and CONTENTS.fullmatch(gallery.lower()))
