"""The words of one paragraph of a .docx, wherever in it they stand, with their marks and links."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from corpus.html_to_markdown import PRIVATE_MARKS, emphasis
from corpus.readers.docx_styles import CODE_RUN, Styles, attribute, child, local_name, switch, value_of

MAX_DEPTH = 40  # elements within elements; what is deeper is read without its marks
DELETED = {"del", "moveFrom"}
INSERTED = {"ins", "moveTo"}
CHARACTERS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
LINK_FIELD = re.compile(r'\s*HYPERLINK\s+(?:"([^"]+)"|([^\s"\\]\S*))', re.IGNORECASE)

NoteKey = tuple[str, str]  # ("footnote" or "endnote", id)


@dataclass(frozen=True)
class Words:
    """Some words of a paragraph that look the same."""

    text: str
    mark: str = ""  # Markdown: **, *, ***, `
    address: str = ""  # of a link


@dataclass
class Field:
    """A field that has begun and not ended: its instruction, then the text that Word shows for it."""

    instruction: str = ""
    shows_text: bool = False

    @property
    def address(self) -> str:
        match = LINK_FIELD.match(self.instruction) if self.shows_text else None
        return (match[1] or match[2]) if match else ""


def has_words(element: Any) -> bool:
    """Whether there is text in an element, deleted or not."""
    return any((one.text or "").strip() for one in element.iter("{*}t", "{*}delText"))


def alternative(element: Any) -> Any:
    """The one of mc:AlternateContent that is read: both hold the same text box, for new and for old versions."""
    choices = [one for one in element if local_name(one) in ("Choice", "Fallback")]
    return next((one for one in choices if has_words(one)), None)


@dataclass
class Runs:
    """Reads the paragraphs of one document. `text_boxes` collects those that stand in the paragraphs read."""

    styles: Styles
    links: dict[str, str]  # {relationship: address}
    tracks_changes: bool = False  # whether text was inserted or deleted so that it shows
    text_boxes: list[Any] = field(default_factory=list)
    notes: dict[NoteKey, Any] = field(default_factory=dict)  # those that the document has
    note_numbers: dict[NoteKey, int] = field(default_factory=dict)  # of those that the text refers to, in order
    fields: list[Field] = field(default_factory=list)

    def paragraph(self, element: Any) -> list[Words]:
        """The words of a paragraph, in order."""
        words = list(self._inside(element, "", 0))
        # A field whose instruction never ends (its paragraph was cut) must not swallow the rest of the document.
        self.fields = [one for one in self.fields if one.shows_text]
        return words

    def _inside(self, element: Any, address: str, depth: int) -> Iterator[Words]:
        if depth > MAX_DEPTH:
            yield from (Words(PRIVATE_MARKS.sub("", one.text or "")) for one in element.iter("{*}t"))
            return
        for one in element:
            name, inside = local_name(one), address
            if name in DELETED:
                self.tracks_changes |= has_words(one)
                continue
            if not name or name.endswith("Pr") or (name == "sdt" and is_placeholder(one)):
                continue
            if name == "r":
                yield from self._run(one, address)
                continue
            if name in INSERTED:
                self.tracks_changes |= has_words(one)
            elif name == "hyperlink":
                inside = self.links.get(attribute(one, "id"), "") or address
            elif name == "fldSimple":
                inside = Field(attribute(one, "instr"), shows_text=True).address or address
            elif name == "AlternateContent":
                one = alternative(one)
                if one is None:
                    continue
            yield from self._inside(one, inside, depth + 1)

    def _run(self, element: Any, address: str) -> Iterator[Words]:
        properties = child(element, "rPr")
        if properties is not None and switch(properties, "vanish"):
            return  # hidden text, which no page shows
        mark = self._mark(properties)
        for one in element:
            text = self._text(one)
            hidden = self.fields and not all(field.shows_text for field in self.fields)
            if text and not hidden:
                is_note = local_name(one).endswith("Reference")
                linked = next((field.address for field in reversed(self.fields) if field.address), "")
                yield Words(text, "" if is_note else mark, "" if is_note else linked or address)

    def _text(self, element: Any) -> str:
        """The text of a part of a run. Fields begin and end here, and text boxes hang here."""
        name = local_name(element)
        if name == "t":
            text = (element.text or "") + "".join(one.tail or "" for one in element)  # a comment may stand in it
            return PRIVATE_MARKS.sub("", text)
        if name == "br" and attribute(element, "type") in ("page", "column"):
            return "\n"
        if name in CHARACTERS:
            return CHARACTERS[name]
        if name in ("footnoteReference", "endnoteReference"):
            return self._note(name.removesuffix("Reference"), attribute(element, "id"))
        if name == "fldChar":
            self._field(attribute(element, "fldCharType"))
        elif name == "instrText" and self.fields and not self.fields[-1].shows_text:
            self.fields[-1].instruction += element.text or ""
        elif name == "ruby":  # the words, without how they are read
            return "".join(PRIVATE_MARKS.sub("", t.text or "") for t in element.iterfind("{*}rubyBase//{*}t"))
        elif name in ("drawing", "pict", "object", "AlternateContent"):
            self._collect_text_boxes(element)
        return ""

    def _field(self, kind: str) -> None:
        if kind == "begin":
            self.fields.append(Field())
        elif kind == "separate" and self.fields:
            self.fields[-1].shows_text = True
        elif kind == "end" and self.fields:
            self.fields.pop()

    def _note(self, kind: str, id: str) -> str:
        """The mark of a note that exists; footnotes and endnotes are counted as one."""
        key = (kind, id)
        if key not in self.notes:
            return ""
        return f"[^{self.note_numbers.setdefault(key, len(self.note_numbers) + 1)}]"

    def _collect_text_boxes(self, element: Any) -> None:
        """The text boxes in a drawing, in order; those inside one of them are found when that one is read."""
        waiting = [element]
        while waiting:
            one = waiting.pop()
            if local_name(one) == "txbxContent":
                self.text_boxes.append(one)
                continue
            if local_name(one) == "AlternateContent":
                one = alternative(one)
            waiting += reversed(() if one is None else list(one))

    def _mark(self, properties: Any) -> str:
        """The Markdown that stands for how a run looks."""
        if properties is None:
            return ""
        style_id = value_of(properties, "rStyle")
        style = self.styles.get(style_id) if style_id else None
        if style and any(CODE_RUN.fullmatch(name) for name in style.names):
            return "`"
        bold, italic = switch(properties, "b"), switch(properties, "i")
        names = style.names if style else []
        if bold is None and style:
            bold = style.bold or any(name in ("strong", "intense emphasis") for name in names)
        if italic is None and style:
            italic = style.italic or any(name in ("emphasis", "subtle emphasis") for name in names)
        return "**" * bool(bold) + "*" * bool(italic)


def is_placeholder(control: Any) -> bool:
    """Whether a content control (w:sdt) shows only Word's «Click here to enter text»."""
    return value_of(control, "sdtPr", "showingPlcHdr") is not None


def plain(words: list[Words]) -> str:
    """The words without marks and links."""
    return "".join(one.text for one in words)


def markdown(words: list[Words]) -> str:
    """The words with their marks and links. Word splits a phrase into several runs: they are joined first."""
    text = ""
    for address, group in itertools.groupby(words, key=lambda one: one.address):
        parts = list(group)
        if address and plain(parts).strip():
            label = plain(parts)
            text += label.replace(label.strip(), f"[{' '.join(label.split())}]({address.split()[0]})", 1)
            continue
        for mark, run in itertools.groupby(parts, key=lambda one: one.mark):
            part = plain(list(run))
            text += emphasis(mark, part) if mark and not (mark == "`" and "`" in part) else part
    return text
