"""What makes a piece of a feed no XML, put right: bare "&" and "<", entities of HTML, wrong characters, error pages."""

import html.entities
import mmap
import re

FORBIDDEN_CHARACTERS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
AMPERSAND = re.compile(r"&(?:#(?P<decimal>\d{1,9});|#[xX](?P<hex>[0-9a-fA-F]{1,8});|(?P<name>[A-Za-z]\w{1,30});)?")
BARE_LESS_THAN = re.compile(r"<(?![A-Za-z_/!?])|</(?![A-Za-z_])")
PAGE_START = re.compile(r"(?i)<!DOCTYPE\b[^<>]*>\s*|<html\b")
PAGE_END = re.compile(r"(?i)</html\s*>")
FEED_TAG = re.compile(
    r"</?(?:wp|content|excerpt|dc|wfw|slash|blogger|app|thr):|</?(?:item|entry|pubDate|guid|category)\b"
)
XML_ENTITIES = ("amp", "lt", "gt", "quot", "apos")
CDATA_START = "<![CDATA["
TAG_BEFORE = re.compile(rb"<([\w:.-]{1,60})[^<>]{0,300}>\s{0,20}\Z")


def repair_xml(text: str) -> tuple[str, list[str]]:
    """(`text` as lxml reads it, what was put right). CDATA sections stay as they are."""
    mended: dict[str, None] = {}
    if FORBIDDEN_CHARACTERS.search(text):
        text = FORBIDDEN_CHARACTERS.sub("", text)
        mended["characters that XML forbids"] = None
    parts, position = [], 0
    while position < len(text):
        start = text.find(CDATA_START, position)
        start = len(text) if start < 0 else start
        parts.append(_repair_markup(text[position:start], mended))
        end = text.find("]]>", start)
        position = len(text) if end < 0 else end + 3
        parts.append(text[start:position])
    return "".join(parts), list(mended)


def _repair_markup(text: str, mended: dict[str, None]) -> str:
    """A piece outside CDATA."""
    text = _cut_pages(text, mended)

    def repair(match: re.Match) -> str:
        name = match["name"]
        if name in XML_ENTITIES:
            return match[0]
        if name and (meant := html.entities.html5.get(name + ";")):
            mended["entities of HTML in its XML"] = None
            return meant.replace("&", "&amp;").replace("<", "&lt;")
        if match["decimal"] or match["hex"]:
            code = int(match["decimal"] or match["hex"], 10 if match["decimal"] else 16)
            if code <= 0x10FFFF and not FORBIDDEN_CHARACTERS.match(chr(code)):
                return match[0]
            mended["a reference to an invalid character in its XML"] = None
            return ""
        mended["a bare & in its XML"] = None
        return "&amp;" + match[0][1:]

    text = AMPERSAND.sub(repair, text)
    if BARE_LESS_THAN.search(text):
        mended["a bare < in its XML"] = None
        text = BARE_LESS_THAN.sub(lambda match: "&lt;" + match[0][1:], text)
    return text


def _cut_pages(text: str, mended: dict[str, None]) -> str:
    """Without the HTML pages, of an error as a rule, that a server wrote into the middle."""
    parts, position, has_end = [], 0, True
    while page := PAGE_START.search(text, position):
        end = PAGE_END.search(text, page.end()) if has_end and "html" in page[0].lower() else None
        has_end = has_end and end is not None  # looked for once, however many pages there are
        after = None if end else FEED_TAG.search(text, page.end())
        parts.append(text[position : page.start()])
        position = end.end() if end else after.start() if after else len(text)
        mended["an HTML page in the middle of its XML"] = None
    return "".join([*parts, text[position:]])


def open_cdata_end(data: mmap.mmap, start: int, content: int, end: int, is_open: bool) -> int:
    """Where a CDATA section ends that has no end of its own; -1 for one that has.

    start, content, end: of its mark, its content, and the next "]]>", which may be that of a later section: then the
    end tag of the element, or the start of another item, stands before the start of that section.
    """
    nested = data.find(b"<![CDATA[", content, end)
    if nested < 0 and not is_open:
        return -1
    stop = nested if nested >= 0 else end
    tag = TAG_BEFORE.search(data[max(0, start - 400) : start])
    closed = data.find(b"</" + tag[1] + b">", content, stop) if tag else -1
    if closed >= 0:
        return closed
    item = max(data.rfind(b"<item>", content, stop), data.rfind(b"<entry>", content, stop))
    return item if item > max(data.rfind(b"</item>", content, stop), data.rfind(b"</entry>", content, stop)) else -1
