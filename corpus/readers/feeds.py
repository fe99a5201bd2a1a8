"""XML of blogs, read as a stream: a WordPress export (WXR), RSS and Atom. No entity is expanded and nothing is
fetched."""

import re
from collections.abc import Iterator
from pathlib import Path

from corpus.post import Post, SkippedPost, parse_date
from corpus.readers.html import html_to_markdown

NOT_XML = bytes(c for c in range(32) if c not in (9, 10, 13))  # control characters, which WordPress lets through
REPOST = re.compile(r"(?i)\A\W*(?:reblogged this on|reblogged from|this post was originally published on .{0,80} by )")
AUTO_GENERATED = re.compile(
    r"(?i)(?:twitter|weekly) (?:weekly )?updates for \d{4}|^links for \d{4}-\d\d-\d\d|^daily digest for |^tweets"
    r" (?:for|from|of) "
)
SHORTCODE = (
    "caption|gallery|embed|audio|video|playlist|youtube|vimeo|twitter|tweet|contact-form[\\w-]*|subscribe[\\w-]*"
    "|slideshow|polldaddy|soundcloud|googlemaps|archives|sitemap|vc_[a-z_]+|et_pb_[a-z_]+|fusion_[a-z_]+"
)


class ControlCharFilter:
    """A file without the control characters that are no XML."""

    def __init__(self, file):
        self.file = file

    def read(self, size: int = -1) -> bytes:
        return self.file.read(size).translate(None, NOT_XML)


def iter_feed(path: Path, max_bytes: float) -> Iterator[Post | SkippedPost]:
    """Posts of a WordPress export or a feed, one after another; the tree of those read is thrown away."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    number, feed_author, above, inside = 0, "", [], 0
    try:
        with open(path, "rb") as file:
            for event, element in iterparse(ControlCharFilter(file), events=("start", "end")):
                tag = _local(element.tag)
                post = tag in ("item", "entry")
                if event == "start":
                    above.append(element)
                    inside += post
                    continue
                above.pop()
                inside -= post
                if post and not inside:
                    number += 1
                    yield _item(element, f"item {number}", feed_author, max_bytes)
                elif not inside and tag in ("author", "managingeditor"):
                    feed_author = _person(element)
                if above and not inside and tag != "name":  # it has been read: its parent lets go of it
                    above[-1].clear()
    except DefusedXmlException as e:
        raise SkippedPost(f"refused: the XML declares entities ({type(e).__name__})") from None
    except (ParseError, ValueError, LookupError) as e:
        raise SkippedPost(f"the XML can't be read{f' after item {number}' if number else ''}: {e}") from None
    if not number:
        raise SkippedPost("XML, and neither a WordPress export nor a feed: no item or entry in it")


def _local(tag) -> str:
    return str(tag).rsplit("}", 1)[-1].lower()


def _person(element) -> str:
    named = next((child.text for child in element if _local(child.tag) == "name"), None)
    return " ".join((named or element.text or "").split())


def _item(element, where: str, feed_author: str, max_bytes: float) -> Post | SkippedPost:
    found: dict[str, str] = {}
    authors, tags, address = [], [], ""
    for child in element:
        tag = str(child.tag).lower()
        local, text = _local(tag), child.text or ""
        if local == "link" and child.get("href") and child.get("rel", "alternate") == "alternate":
            address = child.get("href")
        elif local in ("creator", "author"):
            authors.append(_person(child))
        elif local == "category":
            tags.append((child.get("term") or text).strip())
        elif local == "encoded" and "excerpt" in tag:
            continue
        elif local == "content" and child.get("type") == "xhtml":
            found["content"] = "".join(_markup(child))
        elif local == "postmeta":
            key, value = ([one.text or "" for one in child] + ["", ""])[:2]
            if key in ("is_reblog", "_is_reblog") and value not in ("", "0"):
                found["reblog"] = "1"
        else:
            found.setdefault(local, text)
    markup = found.get("encoded") or found.get("content") or found.get("description") or found.get("summary") or ""
    where = (found.get("post_name") or where)[:200]
    kind = _kind(found)
    if len(markup) > max_bytes:
        return SkippedPost(f"the post has {len(markup) / 1e6:.0f} MB, more than ingest.max_file_mb", where)
    if kind in ("attachment", "other"):
        return SkippedPost(f"no post, but WordPress's own ({found.get('post_type', '')[:40]})", where)
    try:
        text = (
            html_to_markdown(_wordpress(markup) if "post_type" in found else markup)
            if "<" in markup or "&" in markup or "post_type" in found
            else markup
        )
    except SkippedPost as e:
        return SkippedPost(str(e), where)
    title = " ".join(html_to_markdown(found.get("title", "")).split()) or where
    when = next(
        (
            day
            for key in ("post_date", "published", "pubdate", "date", "updated")
            if (day := parse_date(found.get(key)))
        ),
        None,
    )
    return Post(
        text=text,
        title=title,
        date=when,
        date_from="feed",
        tags=list(dict.fromkeys(t for t in tags if t and t.lower() != "uncategorized")),
        draft=found.get("status", "publish") != "publish" if "post_type" in found else False,
        authors=[a for a in authors if a] or ([feed_author] if feed_author else []),
        url=(address or found.get("link", "")).strip()[:500],
        name=where,
        kind="repost" if REPOST.match(text) else "machine-made" if AUTO_GENERATED.search(title) else kind,
    )


def _kind(found: dict) -> str:
    if "reblog" in found:
        return "repost"
    kind = found.get("post_type", "post")
    return kind if kind in ("post", "page", "attachment") else "other"


def _markup(element) -> Iterator[str]:
    """XHTML in Atom, as text again."""
    depth = 0
    for event, one in _walk(element):
        if event == "start":
            depth += 1
            if depth > 900:
                return
            attributes = "".join(
                f' {name}="{value.replace(chr(34), "")}"'
                for name, value in one.items()
                if name in ("href", "src", "class")
            )
            yield f"<{_local(one.tag)}{attributes}>" + _escaped(one.text)
        else:
            depth -= 1
            yield f"</{_local(one.tag)}>" + _escaped(one.tail)


def _walk(element) -> Iterator[tuple]:
    stack = [("end", element), ("start", element)]
    while stack:
        event, one = stack.pop()
        yield event, one
        if event == "start":
            for child in reversed(list(one)):
                stack += [("end", child), ("start", child)]


def _escaped(text: str | None) -> str:
    return (text or "").replace("&", "&amp;").replace("<", "&lt;")


def _wordpress(markup: str) -> str:
    """WordPress's own way of writing: blank lines are paragraphs, and shortcodes in square brackets."""
    markup = markup.replace("\r\n", "\n")
    markup = re.sub(
        r"(?is)\[(?:source)?code(?:\s+(?:lang(?:uage)?=)?[\"']?(\w*)[^\]\n]*)?\]((?:(?!\[(?:source)?code\b).)*?)\[/(?:source)?code\]",
        lambda m: f'<pre class="lang-{m[1] or ""}">{_escaped(m[2])}</pre>',
        markup,
    )
    markup = re.sub(r"(?is)\[(caption|gallery|embed)\b[^\]\n]*\](?:(?!\[\1\b).)*?\[/\1\]", "", markup)
    markup = re.sub(rf"(?i)\[/?(?:{SHORTCODE})\b[^\[\]\n]*\]", "", markup)
    if re.search(r"(?i)<p[\s>]", markup):
        return markup
    parts = re.split(r"(?is)(<pre\b(?:(?!<pre\b).)*?</pre>)", markup)
    for i in range(0, len(parts), 2):  # outside <pre>, as WordPress itself shows it
        parts[i] = re.sub(r"\n[ \t]*\n\s*", "\n<p>", parts[i])
        parts[i] = re.sub(r"(?<!>)\n(?!<)", "<br>\n", parts[i])
    return "".join(parts)
