"""Code as highlighters write it: in tables, its lines numbered, its words coloured → one <pre> with its text.

Told by the structure, with the class names of no single highlighter.
"""

import re

from corpus.readers.html_parser import Element, Event, Rewriting

LINE_NUMBER_MARKS = re.compile(
    r"(?:^|[\s_-])(?:ln|lnt|lnos?|lineno|linenos|linenumbers?|line-?numbers?(?:-rows)?|hljs-ln-n\w*)(?:$|[\s_-])"
)
CODE_LINE_TAGS = {"div", "li", "p", "tr"}  # of code: each is a line
LANGUAGE_MARKS = re.compile(
    r"(?:lang(?:uage)?|brush|highlight-source)[-:]\s?(?P<name>[\w+#]+)|\b(?:syntaxhighlighter|highlight|hljs|sourcecode|prettyprint)\s+"
    r"(?:lang-)?(?P<other>[a-z][\w+#]*)"
)
NO_LANGUAGES = {
    "highlight",
    "table",
    "linenums",
    "plain",
    "plaintext",
    "text",
    "none",
    "nohighlight",
    "code",
    "chroma",
    "notranslate",
}


def rewrite_code(rewriting: Rewriting) -> None:
    """Each <pre>, and each table of line numbers and code → a <pre> with one text."""
    elements, end = rewriting.elements, 0
    for number, element in enumerate(elements):
        if element.start < end or element.tag not in ("pre", "table"):
            continue
        source = _code_cells(rewriting, number) if element.tag == "table" else [element]
        if element.tag == "pre":
            source = _table_in_pre(rewriting, number) or source
        if not source:
            continue
        code = "\n".join(_code_text(rewriting, cell) for cell in source)
        language = _language(rewriting, number)
        attributes = {"class": f"language-{language}"} if language else {}
        rewriting.replaced[element.start] = (
            element.end,
            [Event("start", "pre", attributes), Event("text", code, {}), Event("end", "pre", {})],
        )
        end = element.end


def _table_in_pre(rewriting: Rewriting, number: int) -> list[Element]:
    element = rewriting.elements[number]
    for inner in range(number + 1, min(number + 6, len(rewriting.elements))):
        if rewriting.elements[inner].start >= element.end:
            break
        if rewriting.elements[inner].tag == "table":
            return _code_cells(rewriting, inner)
    return []


def _code_cells(rewriting: Rewriting, number: int) -> list[Element]:
    """The cells with code of a table whose other cells are line numbers; empty for any other table."""
    table, cells, numbers, has_code = rewriting.elements[number], [], 0, False
    for element in rewriting.elements[number + 1 :]:
        if element.start >= table.end:
            break
        if element.tag in ("td", "th"):
            text = rewriting.text(element)
            if not re.sub(r"[\d\s]", "", text) and (text or "data-line-number" in element.attributes):
                numbers += 1
            elif text:
                cells.append(element)
        elif element.tag in ("pre", "code") or "code" in element.marks or "line" in element.marks.split():
            has_code = True
        if len(cells) > numbers + 1:
            return []
    has_code = has_code or any("code" in cell.marks for cell in cells)
    return cells if has_code and numbers >= len(cells) > 0 else []


def _code_text(rewriting: Rewriting, element: Element) -> str:
    """The text of code, its lines where the markup has them, without line numbers and buttons."""
    parts: list[str] = []
    open_skips: list[str] = []
    for kind, value, attributes in rewriting.events[element.start : element.end]:
        if open_skips:
            if kind == "start":
                open_skips.append(value)
            elif kind == "end" and value in open_skips:
                while open_skips.pop() != value:
                    pass
        elif kind == "text":
            parts.append(value.replace("\xa0", " "))
        elif kind == "start":
            marks = attributes.get("class", "").lower()
            if value == "br":
                parts.append("\n")
            elif value in ("button", "style", "script") or (
                marks and value != "pre" and LINE_NUMBER_MARKS.search(marks)
            ):
                open_skips.append(value)
        elif value in CODE_LINE_TAGS and parts and not parts[-1].endswith("\n"):
            parts.append("\n")
    return "".join(parts).strip("\n")


def _language(rewriting: Rewriting, number: int) -> str:
    """The language that a code block names in its class, in that of what is in it, or of what is around it."""
    elements = rewriting.elements
    around, above = [number], elements[number].parent
    while above >= 0 and len(around) < 4 and elements[above].tag in ("div", "figure", "td", "tr", "tbody", "table"):
        around.append(above)
        above = elements[above].parent
    inside = [i for i in range(number + 1, min(number + 12, len(elements))) if elements[i].start < elements[number].end]
    for index in [*around[:1], *(i for i in inside if elements[i].tag in ("code", "pre")), *around[1:]]:
        attributes = elements[index].attributes
        name = attributes.get("data-language") or attributes.get("data-lang") or ""
        if not name:
            match = LANGUAGE_MARKS.search(attributes.get("class", "").lower())
            name = (match["name"] or match["other"]) if match else ""
        if name and name.lower() not in NO_LANGUAGES and re.fullmatch(r"[\w+#]{1,20}", name):
            return name.lower()
    return ""
