"""What an item of RSS, Atom or a WordPress export says, in one form."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from corpus.post import parse_date
from corpus.readers.xml_file import local_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

DATE_FIELDS = ("post_date", "published", "pubdate", "date", "issued", "created", "updated")
CONTENT_FIELDS = ("encoded", "content", "description", "summary")
# Taxonomies of WordPress that say nothing of what a post is about.
OTHER_TAXONOMIES = ("post_format", "nav_menu", "language", "post_translations", "wp_theme", "link_category")
MAX_DEPTH = 900  # elements within elements of an Atom entry in XHTML; what is deeper is cut


@dataclass
class Fields:
    """The fields of an item, each by its local name."""

    text: dict[str, str] = field(default_factory=dict)  # the first of each that is not empty
    authors: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    address: str = ""
    meta: dict[str, str] = field(default_factory=dict)  # WordPress's custom fields
    blogger_kind: str = ""  # "post", "comment", "page", "template", "settings"; empty outside an export of Blogger
    blogger_status: str = ""  # "live", "draft", "soft_trashed", "scheduled"
    is_reply: bool = False
    is_draft: bool = False

    @property
    def is_wordpress(self) -> bool:
        """True for an item of a WordPress export."""
        return "post_type" in self.text

    @property
    def content(self) -> str:
        """The post as HTML or text, from the first field that has any."""
        return next((self.text[name] for name in CONTENT_FIELDS if self.text.get(name)), "")

    @property
    def date(self) -> str | None:
        """The first date as ISO day."""
        days = (parse_date(self.text.get(name)) for name in DATE_FIELDS)
        return next((day for day in days if day), None)


def read_fields(element: "Element") -> Fields:
    """The fields of an item or an entry."""
    fields = Fields()
    for child in element:
        tag = str(child.tag).lower()
        name, text = local_name(tag), child.text or ""
        if name == "link" and child.get("href"):
            if child.get("rel", "alternate") == "alternate":
                fields.address = child.get("href", "")
        elif name in ("creator", "author"):
            fields.authors.append(person_name(child))
        elif name == "category":
            _read_category(child, fields)
        elif name == "postmeta":
            key, value = ([part.text or "" for part in child] + ["", ""])[:2]
            fields.meta[key] = value
        elif name == "in-reply-to":
            fields.is_reply = True
        elif name == "control":
            fields.is_draft = any(local_name(part.tag) == "draft" and part.text == "yes" for part in child)
        elif "blogger" in tag and name in ("type", "status"):
            setattr(fields, {"type": "blogger_kind", "status": "blogger_status"}[name], text.strip().lower())
        elif (name == "encoded" and "excerpt" in tag) or "mrss" in tag or tag.startswith("media:"):
            continue
        else:
            if name in CONTENT_FIELDS and len(child):  # XHTML, or HTML that was not escaped
                text = "".join(serialise_xhtml(child))
            elif name == "title" and len(child):
                text = escape_html("".join(child.itertext()))
            if not fields.text.get(name):
                fields.text[name] = text
    return fields


def _read_category(element: "Element", fields: Fields) -> None:
    term = (element.get("term") or element.text or "").strip()
    scheme, domain = element.get("scheme") or "", element.get("domain") or ""
    if scheme.endswith("#kind"):  # Blogger tells comments and templates from posts by a category
        fields.blogger_kind = term.rsplit("#", 1)[-1].lower()
    elif domain == "author":  # of the plugin for several authors
        fields.authors.append(term)
    elif term and domain not in OTHER_TAXONOMIES and term.lower() != "uncategorized":
        fields.tags.append(term)


def person_name(element: "Element") -> str:
    """The name of an author: the <name> in it, or its text."""
    name = next((child.text for child in element if local_name(child.tag) == "name"), None)
    return " ".join((name or element.text or "").split())


def serialise_xhtml(element: "Element") -> Iterator[str]:
    """The XHTML in an element as text again."""
    depth = 0
    for event, node in _walk(element):
        if event == "start":
            depth += 1
            if depth > MAX_DEPTH:
                return
            attributes = ""
            for name, value in node.items():
                if name in ("href", "src", "class", "id"):
                    attributes += f' {name}="{value.replace(chr(34), "")}"'
            yield f"<{local_name(node.tag)}{attributes}>" + escape_html(node.text)
        else:
            depth -= 1
            yield f"</{local_name(node.tag)}>" + escape_html(node.tail)


def _walk(element: "Element") -> Iterator[tuple[str, "Element"]]:
    """("start" or "end", element) in document order; without recursion, however deep the tree is."""
    stack = [("end", element), ("start", element)]
    while stack:
        event, node = stack.pop()
        yield event, node
        if event == "start":
            for child in reversed(list(node)):
                stack += [("end", child), ("start", child)]


def escape_html(text: str | None) -> str:
    """`text` for use between tags."""
    return (text or "").replace("&", "&amp;").replace("<", "&lt;")
