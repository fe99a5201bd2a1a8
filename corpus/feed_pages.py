"""Where the next page of a feed is: feeds of whole blogs come in pages, each with the address of the one after it."""

import html
import json
import re
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit, urlunsplit

from corpus.encoding import decode_text

ATTRIBUTE = re.compile(r"""(?s)([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+))""")
LINK = re.compile(r"(?is)<(?:[\w-]+:)?link\b[^<>]{0,2000}>")
ITEM = re.compile(r"(?i)<(?:[\w-]+:)?(?:item|entry)[\s>].*</(?:[\w-]+:)?(?:item|entry)\s*>", re.S)
NEXT = ("next", "prev-archive")  # RFC 5005: of a paged feed, and of an archived one, whose pages go back in time
WORDPRESS = re.compile(r"(?i)<generator>\s*https?://(?:www\.)?wordpress\.(?:org|com)\b")


def tag_attributes(tag: str) -> dict[str, str]:
    """The attributes of a tag, their names in lower case."""
    return {name.lower(): html.unescape(a or b or c) for name, a, b, c in ATTRIBUTE.findall(tag)}


def find_next_page(feed: bytes, address: str) -> str:
    """The address of the page after this one; empty where it names none.

    address: of this page. WordPress names no next page, and has one for each number.
    """
    text = decode_text(feed)
    if text.lstrip().startswith("{"):
        try:
            stated = json.loads(text, strict=False).get("next_url")
        except (ValueError, AttributeError, RecursionError):
            stated = None
        return _absolute(address, stated if isinstance(stated, str) else "")
    head = ITEM.sub("", text)
    for tag in LINK.findall(head):
        attributes = tag_attributes(tag)
        if attributes.get("rel", "").lower() in NEXT:
            return _absolute(address, attributes.get("href", ""))
    return _next_of_wordpress(address) if WORDPRESS.search(head) else ""


def _absolute(address: str, link: str) -> str:
    found = urljoin(address, link.strip()) if link.strip() else ""
    return found if found.startswith(("http://", "https://")) else ""


def _next_of_wordpress(address: str) -> str:
    parts = urlsplit(address)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    number = query.get("paged", "1")
    query["paged"] = str(int(number) + 1 if number.isdecimal() else 2)
    return urlunsplit(parts._replace(query=urlencode(query), fragment=""))
