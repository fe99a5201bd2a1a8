"""A post as it was published → the words its author wrote: no shortcodes, HTML, images, share buttons.

Code, fenced or inline, is left exactly as it is: it is extracted first and restored last. Code blocks, quotes, tables
and embeds are kept, dropped or replaced by a placeholder, as `blocks` says. corpus/markup_patterns.py has the patterns.
"""

import html
import re
import unicodedata

from corpus.dialects import strip_dialects, unwrap_admonitions
from corpus.html_to_markdown import BLOCK_TAGS, DROPPED_TAGS, INLINE_TAGS, PRIVATE_MARKS, MarkdownWriter, code_fence
from corpus.links import resolve_links
from corpus.markup_patterns import (
    CALLOUT,
    CODE,
    EMBED,
    FOOTNOTE_MARK,
    HEADING_ID,
    HTML_COMMENT,
    IMAGE,
    INDENTED_CODE,
    INLINE_QUERY,
    KRAMDOWN_ATTRIBUTES,
    LINKED_IMAGE,
    LIQUID_COMMENT,
    LIST_ITEM_OR_INDENTED,
    OBSIDIAN_EMBED,
    QUOTE,
    RAW_OR_QUERY_FENCE,
    SHARE_LINE,
    SHORTCODE,
    STRAY_TICK,
    TABLE,
    TABLE_OF_CONTENTS,
    TAG,
)

BLOCK_POLICIES = {"code": "keep", "quotes": "keep", "tables": "keep", "embeds": "drop"}  # the default
CONTROLS = [code for code in range(32) if chr(code) not in "\t\n\r\v\f"]
INVISIBLE = dict.fromkeys([*map(ord, "\u200b\u200c\u2060\ufeff\u00ad\u200e\u200f\x7f"), *CONTROLS]) | {
    0xA0: " ",
    0x0B: "\n",
    0x0C: "\n\n",
}
HTML_TAGS = DROPPED_TAGS | BLOCK_TAGS | INLINE_TAGS
STASHED_CODE = re.compile("\ue000(\\d+)\ue001")


def clean_markdown(text: str, links: str = "text", blocks: dict[str, str] = BLOCK_POLICIES) -> str:
    """The author's words of a post, as Markdown.

    links: "text" keeps a link's words only and of a bare address its host, "keep" the addresses too.
    blocks: for each of "code", "quotes", "tables" and "embeds" one of "keep", "drop", "placeholder".
    """
    text = unicodedata.normalize("NFC", text).translate(INVISIBLE)
    text = text.replace("\u2028", "\n").replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    text = unwrap_admonitions(text)
    if "](" in text:
        text = STRAY_TICK.sub(r"\g<before>", text)
    text, code = extract_code(text, published=True, policy=blocks["code"])
    text = _replace_embeds(text, blocks["embeds"])
    text = strip_dialects(text)
    text = _strip_shortcodes(text)
    text = _convert_html(text)
    text = _strip_images(text)
    text = resolve_links(text, links, blocks["embeds"])
    text = _apply_block_policy(QUOTE, text, "[quote]\n", blocks["quotes"])
    text = _apply_block_policy(TABLE, text, "[table]\n", blocks["tables"])
    text = SHARE_LINE.sub("", text)
    text = TABLE_OF_CONTENTS.sub("", text)
    text = re.sub(r"(?m)(?<![ \t])[ \t]+$", "", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip("\n")
    return restore_code(text, code)


def split_paragraphs(text: str) -> list[str]:
    """Blocks between blank lines; a fenced code block with blank lines inside stays one."""
    text, code = extract_code(text)
    return [restore_code(block.strip("\n"), code) for block in re.split(r"\n[ \t]*\n", text) if block.strip()]


def extract_headings(text: str) -> list[str]:
    """The words of each heading, without its marks; lines in code are no headings."""
    text, code = extract_code(text)
    headings = [line.strip("# \t") for line in re.findall(r"(?m)^#{1,6}[ \t]([^\n]+)$", text)]
    return [restore_code(heading, code) for heading in headings if heading]


def extract_code(text: str, published: bool = False, policy: str = "keep") -> tuple[str, list[str]]:
    """(text with each code block or span replaced by a private-use mark, the code): see `restore_code`.

    published: True for a text that has not been cleaned: highlight blocks become fences, raw HTML and queries are
    removed, and code blocks are kept, dropped or replaced, as `policy` says.
    """
    stashed: list[str] = []

    def stash(code: str, is_block: bool = True) -> str:
        if published and is_block and policy != "keep":
            return "" if policy == "drop" else "[code]"
        stashed.append(code)
        return f"\ue000{len(stashed) - 1}\ue001"

    def replace(match: re.Match) -> str:
        if published and match["shown"] is not None:
            return f"\n{stash(code_fence(match['shown'], match['lang']))}\n"
        if published and match["pre"] is not None:
            code = html.unescape(re.sub("<[^<>]*>", "", match["pre"])).strip("\n")
            return f"\n\n{stash(code_fence(code))}\n\n"
        is_query = INLINE_QUERY if match["tick"] else RAW_OR_QUERY_FENCE
        if published and (match["raw"] or is_query.match(match[0])):
            return ""
        return stash(match[0], is_block=not match["tick"])

    def replace_indented(match: re.Match) -> str:
        end = match.start()
        while end and text[end - 1].isspace():
            end -= 1
        line_before = text[text.rfind("\n", 0, end) + 1 : end]
        if LIST_ITEM_OR_INDENTED.match(line_before) and not match[0].startswith(" " * 8):
            return match[0]  # the second paragraph of a list item is no code
        return stash(match[0]) + ("" if policy == "keep" else "\n")

    text = CODE.sub(replace, PRIVATE_MARKS.sub("", text))
    return INDENTED_CODE.sub(replace_indented, text), stashed


def restore_code(text: str, code: list[str]) -> str:
    """`text` with the code that `extract_code` replaced; indented code may hold inline code."""
    return STASHED_CODE.sub(lambda m: restore_code(code[int(m[1])], code), text)


def _replace_embeds(text: str, policy: str) -> str:
    """Players, tweets and gists, as HTML or shortcodes. Dropped ones go later, with all HTML and shortcodes."""
    if policy == "drop":
        return text
    if policy == "placeholder":
        return EMBED.sub("\n\n[embed]\n\n", text)
    return EMBED.sub(lambda m: f"\n\n{m['src'] or m['id'] or ''}\n\n", text)


def _apply_block_policy(pattern: re.Pattern, text: str, placeholder: str, policy: str) -> str:
    """Quotes or tables kept, dropped or replaced. A callout is no quotation: its marks go, its words stay."""

    def replace(match: re.Match) -> str:
        callout = CALLOUT.match(match[0])
        if callout:
            return re.sub(r"(?m)^[ \t]*>[ \t]?", "", match[0][callout.end() :])
        if policy == "keep":
            return match[0]
        return "" if policy == "drop" else placeholder

    if policy == "keep" and "[!" not in text:
        return text
    return pattern.sub(replace, text)


def _strip_shortcodes(text: str) -> str:
    text = LIQUID_COMMENT.sub("", text)
    text = SHORTCODE.sub("", text)
    text = KRAMDOWN_ATTRIBUTES.sub("", text)
    return HEADING_ID.sub(r"\g<heading>", text)


def _convert_html(text: str) -> str:
    """HTML in Markdown → the Markdown it stands for; what is no tag ("a <b and c", "List<String>") stays text."""
    text = re.sub(r"<((?:https?|mailto):[^<>\s]+)>", r"\1", text)
    text = HTML_COMMENT.sub("", text)
    if "<" in text:
        text = FOOTNOTE_MARK.sub("", text)
        text = _convert_tags(text)
    # "&copy=2" in an address is no ©: only a whole entity is one
    return re.sub(r"&#?\w{1,30};", lambda m: html.unescape(m[0]).translate(INVISIBLE), text)


def _convert_tags(text: str) -> str:
    """Tags → Markdown, in one pass.

    An unknown tag stays text, unless it is closed somewhere or has attributes (a component of MDX).
    """
    known = HTML_TAGS | {name.lower() for name in re.findall(r"</([a-zA-Z][\w.:-]*)\s*>", text)}
    writer, position = MarkdownWriter(), 0
    for match in TAG.finditer(text):
        if match.start() < position:
            continue  # inside a script
        writer.write(text[position : match.start()])
        position = match.end()
        name, attributes = match["name"].lower(), match["attributes"]
        self_closing = attributes.rstrip().endswith("/")
        has_attributes = re.match(r"\s+[\w:@-]+=[\"'{]", attributes)
        if name not in known and not (match["closing"] or has_attributes or self_closing):
            writer.write(match[0])
        elif match["closing"]:
            writer.end(name)
        elif self_closing:
            writer.write(writer.render_tag(name, closing=False))
        else:
            end = _find_element_end(name, text, position) if name in ("script", "style") else 0
            if end:
                position = end
                continue
            address = re.search(r"(?i)\bhref\s*=\s*[\"']?([^\"'\s]+)", attributes) if name == "a" else None
            writer.start(name, {"href": address[1]} if address else {})
    writer.write(text[position:])
    return writer.close()


def _find_element_end(name: str, text: str, start: int) -> int:
    """Where a script or style ends, whatever characters it contains; 0 if it doesn't, or another one begins before."""
    tag = re.compile(rf"(?i)<(/?){name}\b[^<>]*>").search(text, start)
    return tag.end() if tag and tag[1] else 0


def _strip_images(text: str) -> str:
    text = LINKED_IMAGE.sub("", text)
    text = IMAGE.sub("", text)
    return OBSIDIAN_EMBED.sub("", text)
