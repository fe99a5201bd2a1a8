"""The documents of Ghost's two editors, Mobiledoc and Lexical → HTML and Markdown, for posts without HTML.

Mobiledoc: https://github.com/bustle/mobiledoc-kit/blob/main/MOBILEDOC.md. Lexical: nodes in "root", each with "type"
and "children"; Ghost's cards are nodes too.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from corpus.html_to_markdown import code_fence
from corpus.readers.html import html_to_markdown

MAX_DEPTH = 50  # nodes within nodes of Lexical
LEXICAL_FORMATS = ((1, "strong"), (2, "em"), (16, "code"), (4, "s"), (32, "sub"), (64, "sup"))
LEXICAL_BLOCKS = {"paragraph": "p", "quote": "blockquote", "aside": "blockquote", "listitem": "li"}
INLINE_MARKUPS = ("a", "b", "strong", "i", "em", "code", "s", "u", "sub", "sup")


def document_to_markdown(source: Any) -> str:
    """The Markdown of a document in JSON, of either editor; empty for anything else. Raises SkippedPost as
    `html_to_markdown`."""
    try:
        document = json.loads(source) if isinstance(source, str) else source
        if isinstance(document, dict) and isinstance(document.get("root"), dict):
            blocks = list(_lexical_blocks(document["root"]))
        elif isinstance(document, dict) and isinstance(document.get("sections"), list):
            blocks = list(_mobiledoc_blocks(document))
        else:
            return ""
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return ""
    parts: list[str] = []
    html = ""
    for kind, content in [*blocks, ("markdown", "")]:  # HTML in one piece: a list may be of many blocks
        if kind == "html":
            html += content
            continue
        parts += [html_to_markdown(html), content]
        html = ""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def _card(name: str, payload: dict[str, Any]) -> tuple[str, str]:
    """("html" or "markdown", content) of a card: what the author wrote into it."""
    if name in ("markdown", "card-markdown"):
        return "markdown", str(payload.get("markdown") or "")
    if name == "code" or name == "codeblock":
        return "markdown", code_fence(str(payload.get("code") or ""), str(payload.get("language") or ""))
    if name in ("callout", "toggle"):
        heading, text = str(payload.get("heading") or ""), payload.get("calloutText") or payload.get("content") or ""
        return "html", f"<p>{heading}</p><p>{text}</p>" if heading else f"<p>{text}</p>"
    return "html", str(payload.get("html") or "") if name in ("html", "email", "email-cta") else ""


# --- Mobiledoc --------------------------------------------------------------------------------------------------------


def _mobiledoc_blocks(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for section in document["sections"]:
        if section[0] == 1:
            tag = section[1] if section[1] in ("h1", "h2", "h3", "h4", "h5", "h6", "blockquote") else "p"
            yield "html", f"<{tag}>{_mobiledoc_text(section[2], document)}</{tag}>"
        elif section[0] == 3:
            items = "".join(f"<li>{_mobiledoc_text(item, document)}</li>" for item in section[2])
            tag = "ol" if section[1] == "ol" else "ul"
            yield "html", f"<{tag}>{items}</{tag}>"
        elif section[0] == 10:
            name, payload = document["cards"][section[1]][:2]
            yield _card(str(name), payload if isinstance(payload, dict) else {})


def _mobiledoc_text(markers: list[Any], document: dict[str, Any]) -> str:
    """A row of markers [type, [opened markups], number of closed markups, text] as HTML."""
    parts: list[str] = []
    open_tags: list[str] = []
    for kind, opened, closed, value in markers:
        for index in opened:
            markup = document["markups"][index]
            tag = markup[0] if markup[0] in INLINE_MARKUPS else "span"
            address = dict(zip(markup[1][::2], markup[1][1::2], strict=False)).get("href") if len(markup) > 1 else None
            parts.append(f'<{tag} href="{escape(str(address))}">' if address else f"<{tag}>")
            open_tags.append(tag)
        if kind == 0:
            parts.append(escape(str(value), quote=False))
        else:  # an atom: a line break, or a word of its own
            name, text = document["atoms"][value][:2]
            parts.append("<br>" if name == "soft-return" else escape(str(text), quote=False))
        parts += [f"</{open_tags.pop()}>" for _ in range(min(closed, len(open_tags)))]
    return "".join(parts) + "".join(f"</{tag}>" for tag in reversed(open_tags))


# --- Lexical ----------------------------------------------------------------------------------------------------------


def _lexical_blocks(root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for node in root.get("children") or []:
        name = str(node.get("type"))
        yield ("html", _lexical_html(node)) if "children" in node else _card(name, node)


def _lexical_html(node: dict[str, Any], depth: int = 0) -> str:
    """A node and what is in it as HTML; what is nested too deeply is cut."""
    name = str(node.get("type")).removeprefix("extended-")
    if name == "linebreak":
        return "<br>"
    if "text" in node and "children" not in node:
        text, stated = escape(str(node["text"]), quote=False), node.get("format")
        bits = stated if isinstance(stated, int) else 0
        for bit, tag in LEXICAL_FORMATS:
            text = f"<{tag}>{text}</{tag}>" if bits & bit else text
        return text
    if depth > MAX_DEPTH:
        return ""
    inner = "".join(_lexical_html(child, depth + 1) for child in node.get("children") or [])
    if name == "link":
        return f'<a href="{escape(str(node.get("url") or ""))}">{inner}</a>'
    if name == "list":
        tag = "ol" if node.get("listType") == "number" else "ul"
        return f"<{tag}>{inner}</{tag}>"
    if name == "heading":
        tag = node["tag"] if node.get("tag") in ("h1", "h2", "h3", "h4", "h5", "h6") else "h2"
        return f"<{tag}>{inner}</{tag}>"
    tag = LEXICAL_BLOCKS.get(name, "")
    return f"<{tag}>{inner}</{tag}>" if tag else inner
