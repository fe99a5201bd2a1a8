"""The styles and the numbering of a .docx: what makes a paragraph a heading, a quote, code or an item of a list."""

import re
from dataclasses import dataclass, field
from typing import Any

MAX_BASES = 20  # styles that one is based on; Word itself writes four at most
CODE_PARAGRAPH = re.compile(r"(source|program|block) ?code|code( block)?|html preformatted|preformatted text|listing")
CODE_RUN = re.compile(r"(inline |html |source )?code( char)?|verbatim char|html (typewriter|keyboard)|source text")


def local_name(element: Any) -> str:
    """The name of an element without its namespace, of which Strict documents have others; empty for a comment or an
    entity."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Any, name: str) -> str:
    """An attribute by its name without its namespace; empty where there is none."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return ""


def child(element: Any, *path: str) -> Any:
    """The first child of that name, and its child of the next name, …; None where there is none."""
    for name in path:
        element = next((one for one in element if local_name(one) == name), None)
        if element is None:
            return None
    return element


def value_of(element: Any, *path: str) -> str | None:
    """The attribute `val` of `child(element, *path)`; None where there is no such child."""
    found = None if element is None else child(element, *path)
    return None if found is None else attribute(found, "val")


def number(value: str | None, default: int = 0) -> int:
    """A whole number below a million; `default` for what is none."""
    return int(value) if value is not None and re.fullmatch(r"-?\d{1,6}", value) else default


def switch(element: Any, name: str) -> bool | None:
    """An on/off property such as bold; None where it is not set."""
    value = value_of(element, name)
    return None if value is None else value.lower() not in ("0", "false", "off", "none")


@dataclass
class Style:
    """One style, with what it inherits from those it is based on."""

    names: list[str] = field(default_factory=list)  # lower case: its own, then those of the styles it is based on
    outline_level: int | None = None  # 0 for the first; 9 for text
    num_id: str | None = None
    list_level: str | None = None
    bold: bool = False
    italic: bool = False

    @property
    def name(self) -> str:
        return self.names[0] if self.names else ""

    @property
    def heading_level(self) -> int | None:
        """1 for the first; None for a style that is no heading."""
        match = re.match(r"heading ?(\d)", self.name)
        if match:
            return int(match[1])
        if self.outline_level is not None:
            return self.outline_level + 1 if self.outline_level < 9 else None
        inherited = [match for name in self.names if (match := re.match(r"heading ?(\d)", name))]
        return int(inherited[0][1]) if inherited else None

    @property
    def is_quote(self) -> bool:
        return any("quot" in name or name == "block text" for name in self.names)

    @property
    def is_code(self) -> bool:
        return any(CODE_PARAGRAPH.fullmatch(name) for name in self.names)


@dataclass
class Styles:
    """Styles by their ids."""

    elements: dict[str, Any]
    default: str = ""  # of paragraphs
    known: dict[str, Style] = field(default_factory=dict)

    def get(self, id: str | None) -> Style:
        """A style by its id; of an id that is not defined (Google Docs and converters write some), its words."""
        id = id if id is not None else self.default
        if id not in self.known:
            self.known[id] = self._resolve(id)
        return self.known[id]

    def _resolve(self, id: str) -> Style:
        style = Style()
        for _ in range(MAX_BASES):
            element = self.elements.get(id)
            if element is None:
                style.names += [] if style.names or not id else [re.sub(r"(?<=[a-z])(?=\d|[A-Z])", " ", id).lower()]
                break
            style.names.append((value_of(element, "name") or id).lower())
            paragraph, run = child(element, "pPr"), child(element, "rPr")
            if style.outline_level is None and (level := value_of(paragraph, "outlineLvl")) is not None:
                style.outline_level = number(level, 9)
            if style.num_id is None:
                style.num_id = value_of(paragraph, "numPr", "numId")
                style.list_level = value_of(paragraph, "numPr", "ilvl")
            if attribute(element, "type") == "character":
                style.bold = style.bold or bool(switch(run, "b"))
                style.italic = style.italic or bool(switch(run, "i"))
            id = value_of(element, "basedOn") or ""
            if not id:
                break
        return style


@dataclass
class Level:
    """One level of a list."""

    format: str  # "bullet", "none", else a kind of number
    start: int


@dataclass
class List:
    """A list that paragraphs name by the id of its numbering."""

    counter: str  # lists of one counter go on counting where another stopped
    levels: dict[int, Level]
    restarts: dict[int, int]  # {level: number it begins anew with}


def read_styles(root: Any) -> Styles:
    """styles.xml, or None → Styles."""
    elements = {attribute(one, "styleId"): one for one in (() if root is None else root.iterchildren("{*}style"))}
    defaults = [
        id
        for id, one in elements.items()
        if attribute(one, "type") == "paragraph" and attribute(one, "default").lower() in ("1", "true", "on")
    ]
    return Styles(elements, defaults[0] if defaults else "")


def read_numbering(root: Any, styles: Styles) -> dict[str, List]:
    """numbering.xml, or None → {id that paragraphs name: its list}."""
    if root is None:
        return {}
    formats = {attribute(one, "abstractNumId"): one for one in root.iterchildren("{*}abstractNum")}
    elements = {attribute(one, "numId"): one for one in root.iterchildren("{*}num")}
    lists = {}
    for id, element in elements.items():
        counter = value_of(element, "abstractNumId") or ""
        definition = formats.get(counter)
        linked = value_of(definition, "numStyleLink")
        if linked:  # its levels stand in the list that a style names
            other = elements.get(styles.get(linked).num_id or "")
            definition = formats.get(value_of(other, "abstractNumId") or "") if other is not None else definition
        levels = _levels(definition)
        restarts = {}
        for override in element.iterchildren("{*}lvlOverride"):
            level = number(attribute(override, "ilvl"))
            levels |= _levels(override)
            if (start := value_of(override, "startOverride")) is not None:
                restarts[level] = number(start, 1)
        lists[id] = List(counter, levels, restarts)
    return lists


def _levels(element: Any) -> dict[int, Level]:
    """{level: its kind} of a definition."""
    return {
        number(attribute(one, "ilvl")): Level(value_of(one, "numFmt") or "decimal", number(value_of(one, "start"), 1))
        for one in (() if element is None else element.iterchildren("{*}lvl"))
    }
