"""A post as it was published → the words its author wrote: no shortcodes, HTML, images, reference lists, share buttons.

Code, fenced or inline, is left exactly as it is: it is taken out first and put back last. Code blocks, quotes, tables
and embeds are kept, dropped or named, as `blocks` says.
"""

import html
import re
import unicodedata

from blogtwin.text.markdown import PUBLISHED_FENCE
from corpus.html_to_markdown import BLOCK_TAGS, DROPPED_TAGS, INLINE_TAGS, MarkdownWriter
from corpus.html_to_markdown import code_fence as _fence

BLOCK_POLICIES = {
    "code": "keep",
    "quotes": "keep",
    "tables": "keep",
    "embeds": "drop",
}  # what happens when nobody says otherwise
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u2060\ufeff\u00ad\u200e\u200f")) | {0xA0: " "}
HTML_TAGS = DROPPED_TAGS | BLOCK_TAGS | INLINE_TAGS
NO_BLANK_LINE = r"(?!\n[ \t]*\n)"  # what belongs together holds no blank line
# a tag after its name
TAG_ATTRIBUTES = (
    rf"(?:{NO_BLANK_LINE}[\s/](?:{NO_BLANK_LINE}"
    rf"(?:[^<>\"']|\"(?:{NO_BLANK_LINE}[^\"])*\"|'(?:{NO_BLANK_LINE}[^'])*'))*)?"
)
TAG = re.compile(rf"<(/?)([a-zA-Z][\w.:-]*)({TAG_ATTRIBUTES})>")
# Patterns below never look past the next opening mark or blank line: a stray "{{" must cost neither words nor time.
HIGHLIGHT = (
    r"\{[%{][<%]?-?\s*highlight\s+(?P<lang>\w*)[^{}]*\}\}?\n?"
    r"(?P<shown>(?:(?!\{[%{][<%]?-?\s*highlight\s).)*?)"
    r"\n?\{[%{][<%]?-?\s*(?:/\s*|end)highlight[^{}]*\}\}?"
)
PRE = r"<(?i:pre)\b[^<>]*>(?P<pre>(?:(?!<(?i:pre)\b).)*?)</(?i:pre)>"
INLINE_TAGS = r"(?<!`)(?P<tick>`+)(?!`)(?:" + NO_BLANK_LINE + r".){1,2000}?(?<!`)(?P=tick)(?!`)"
CODE = re.compile(f"(?ms){HIGHLIGHT}|{PRE}|{PUBLISHED_FENCE}|{INLINE_TAGS}")
NO_CODE = re.compile(
    r"[ \t]*(?:```+|~~~+)[ \t]*(?:=\w+|dataview\w*|tasks|query)[ \t]*\n"
)  # Djot's raw HTML, Obsidian's queries
INDENTED = re.compile(r"(?m)^(?:(?<=\A)|(?<=\n\n))(?: {4}[^\n]*\S[^\n]*(?:\n|\Z)(?:[ \t]*\n(?= {4}))*)+")
IN_LIST = re.compile(r"[ \t]+\S|(?:[-*+]|\d+[.)])[ \t]")
QUOTE = re.compile(r"(?m)(?:^ {0,3}>[^\n]*(?:\n|\Z)(?:^(?![ \t]*(?:$|[#>|*+-]|\d+[.)]))[^\n]+(?:\n|\Z))*)+")
CALLOUT = re.compile(r"[ \t]*>[ \t]*\[!\w[\w-]*\][+-]?[ \t]*")
TABLE = re.compile(
    r"(?m)^[^\n|]*\|[^\n]*\n[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*\|[-|: \t]*(?:\n|\Z)(?:^[^\n|]*\|[^\n]*(?:\n|\Z))*"
)
PLAYER = r"youtube\w*|vimeo|tweet|twitter|x|gist|instagram|spotify|soundcloud|codepen|asciinema"
EMBED = re.compile(
    rf"(?is)<(?P<tag>iframe|video|audio|object|embed)\b(?:[^<>]*?\bsrc\s*=\s*[\"']?(?P<src>[^\"'\s<>]+))?[^<>]*>(?:(?:(?!<(?P=tag)\b).){{0,5000}}?</(?P=tag)\s*>)?"
    rf"|\{{[{{%][<%]?-?\s*(?:{PLAYER})\s+(?P<id>[^{{}}\n]*?)\s*[%>]?-?[%}}]\}}?"
)
SHARE_WORDS = (
    r"(?:twitter|facebook|e-?mail|linkedin|reddit|whatsapp|pinterest|mastodon|bluesky|telegram|hacker"
    r" ?news|tumblr|pocket|print|rss|x)\b"
)
SHARE = (
    r"share(?: (?:this|it))?(?:"
    rf" (?:post|article|page|story|entry))?(?:[^\w\n]+(?:on|via|with|to|and|or|your|friends|{SHARE_WORDS}))*[^\w\n]*"
)
SHARE_LINE = re.compile(
    rf"(?im)^[ \t>*_]*(?:{SHARE}|tweet this[^\w\n]*|like this:?[ \t]*(?:like loading[^\w\n]*)?|(?:{SHARE_WORDS}["
    rf" \t]*[|•·/,][ \t]*)+{SHARE_WORDS}[^\w\n]*|follow (?:me|us) on {SHARE_WORDS}[^\w\n]*|(?:posted in|filed"
    r" under|tagged(?: with)?|related posts)[ \t]*:[^\n]*|click to share[^\n]*)$"
)


def clean_markdown(text: str, links: str = "text", blocks: dict[str, str] = BLOCK_POLICIES) -> str:
    """The author's words of a post, as Markdown. links: "text" keeps a link's words only, "keep" its address too.

    blocks: for "code", "quotes", "tables" and "embeds" one of "keep", "drop", "placeholder".
    """
    text = unicodedata.normalize("NFC", text).translate(INVISIBLE)
    text = text.replace("\u2028", "\n").replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    text, code = extract_code(text, published=True, blocks=blocks["code"])
    text = _embeds(text, blocks["embeds"])
    text = _strip_dialects(text)
    text = _shortcodes(text)
    text = _html(text)
    text = _images(text)
    text = _links(text, links)
    text = _apply_block_policy(QUOTE, text, "quotes", blocks["quotes"])
    text = _apply_block_policy(TABLE, text, "tables", blocks["tables"])
    text = SHARE_LINE.sub("", text)
    text = re.sub(r"(?im)^[ \t*-]*(?:toc|\[toc\]|\[\[toc\]\])[ \t]*$", "", text)
    text = re.sub(r"(?m)(?<![ \t])[ \t]+$", "", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip("\n")
    return restore_code(text, code)


def split_paragraphs(text: str) -> list[str]:
    """Blocks between blank lines; a fenced code block with blank lines inside stays one."""
    text, code = extract_code(text)
    return [restore_code(block.strip("\n"), code) for block in re.split(r"\n[ \t]*\n", text) if block.strip()]


def extract_headings(text: str) -> list[str]:
    text, code = extract_code(text)
    return [
        restore_code(found, code) for m in re.findall(r"(?m)^#{1,6}[ \t]([^\n]+)$", text) if (found := m.strip("# \t"))
    ]


def extract_code(text: str, published: bool = False, blocks: str = "keep") -> tuple[str, list[str]]:
    """Text with each code block or span replaced by a private-use mark, and the pieces.

    published: the text is not cleaned yet, so highlight blocks become fences, what is raw HTML or a query goes, and
    code blocks are treated as `blocks` says.
    """
    code: list[str] = []

    def mark(piece, block=True):
        if published and block and blocks != "keep":
            return "" if blocks == "drop" else "[code]"
        code.append(piece)
        return f"\ue000{len(code) - 1}\ue001"

    def keep(match):
        if published and match["shown"] is not None:
            return f"\n{mark(_fence(match['shown'], match['lang']))}\n"
        if published and match["pre"] is not None:
            return f"\n\n{mark(_fence(html.unescape(re.sub('<[^<>]*>', '', match['pre'])).strip(chr(10))))}\n\n"
        if published and match["fence"] and NO_CODE.match(match[0]):
            return ""
        return mark(match[0], block=not match["tick"])

    def keep_indented(match):
        end = match.start()
        while end and text[end - 1].isspace():
            end -= 1
        before = text[text.rfind("\n", 0, end) + 1 : end]
        if IN_LIST.match(before) and not match[0].startswith(" " * 8):
            return match[0]  # a second paragraph of a list item is no code
        return mark(match[0]) + ("" if blocks == "keep" else "\n")

    text = CODE.sub(keep, re.sub("[\ue000-\ue007]", "", text))
    return INDENTED.sub(keep_indented, text), code


def restore_code(text: str, code: list[str]) -> str:
    return re.sub("\ue000(\\d+)\ue001", lambda m: restore_code(code[int(m[1])], code), text)


def _embeds(text: str, how: str) -> str:
    """Players, tweets and gists, as HTML or as a shortcode; dropped, they go with the rest of the HTML and the
    shortcodes."""
    if how == "drop":
        return text
    return EMBED.sub(
        lambda m: "\n\n[embed]\n\n" if how == "placeholder" else f"\n\n{m['src'] or m['id'] or ''}\n\n", text
    )


def _strip_dialects(text: str) -> str:
    """What only Obsidian and Djot write: comments, block ids, attributes, fenced divisions."""
    text = re.sub(rf"(?s)%%(?:(?!%%){NO_BLANK_LINE}.)*?%%", "", text)
    text = re.sub(r"(?m)(?<=\S)[ \t]+\^[a-zA-Z0-9]*\d[a-zA-Z0-9]*$", "", text)
    text = re.sub(r"(?m)^[ \t>]*:{3,}[^\n]*$", "", text)
    text = re.sub(r"(?m)^[ \t]*\{(?:[.#%]|[\w-]+=\")[^{}\n]*\}[ \t]*$", "", text)
    text = re.sub(r"\[((?:[^\[\]\n]|\[[^\[\]\n]*\]){0,500})\]\{[.#][^{}\n]*\}", r"\1", text)  # a span
    text = re.sub(r"(?<=[)*_\ue001])\{(?:[.#]|=\w+\})[^{}\n]*\}?", "", text)
    return re.sub(r"\{-(?:[^{}\n-]|-(?!\}))*-\}", "", text)


def _apply_block_policy(pattern: re.Pattern, text: str, kind: str, how: str) -> str:
    """Quotes or tables as params say. A callout (Obsidian, GitHub) is no quotation: its marks go, its words stay."""

    def choose(match):
        if callout := CALLOUT.match(match[0]):
            return re.sub(r"(?m)^[ \t]*>[ \t]?", "", match[0][callout.end() :])
        return match[0] if how == "keep" else "" if how == "drop" else f"[{kind.removesuffix('s')}]\n"

    return text if how == "keep" and "[!" not in text else pattern.sub(choose, text)


def _shortcodes(text: str) -> str:
    inside = rf"(?:(?!\{{\{{|\{{%){NO_BLANK_LINE}.)*?"
    text = re.sub(r"(?s)\{%-?\s*comment\s*-?%\}(?:(?!\{%-?\s*comment\b).)*?\{%-?\s*endcomment\s*-?%\}", "", text)
    text = re.sub(
        rf"(?s)\{{\{{[<%]{inside}[%>]\}}\}}|\{{%{inside}%\}}|\{{\{{{inside}\}}\}}", "", text
    )  # Hugo, Liquid tags, Liquid values
    text = re.sub(r"\{:[^{}\n]*\}", "", text)  # kramdown attributes
    return re.sub(r"(?m)^(#{1,6}[^\n{]*)\{[#.][^{}\n]*\}[ \t]*$", r"\1", text)  # heading ids


def _html(text: str) -> str:
    """HTML inside Markdown → the Markdown it stands for; what is no tag ("a <b and c", "List<String>") stays text."""
    text = re.sub(r"<((?:https?|mailto):[^<>\s]+)>", r"\1", text)
    text = re.sub(r"(?is)<!--(?:(?!<!--).)*?-->|<!doctype\b[^<>]*>", "", text)
    if "<" in text:
        text = _tags(text)
    # "&copy=2" in an address is no ©: only a whole entity is one
    return re.sub(r"&#?\w{1,30};", lambda m: html.unescape(m[0]).translate(INVISIBLE), text)


def _tags(text: str) -> str:
    """One pass over the tags; one that is no HTML stays as it is, unless it is closed somewhere or has attributes
    (MDX)."""
    known = HTML_TAGS | {name.lower() for name in re.findall(r"</([a-zA-Z][\w.:-]*)\s*>", text)}
    writer, at = MarkdownWriter(), 0
    for match in TAG.finditer(text):
        if match.start() < at:
            continue  # inside a script
        writer.write(text[at : match.start()])
        at = match.end()
        closing, name, rest = match[1], match[2].lower(), match[3]
        if name not in known and not (closing or re.match(r"\s+[\w:@-]+=[\"'{]", rest) or rest.rstrip().endswith("/")):
            writer.write(match[0])
        elif closing:
            writer.end(name)
        elif rest.rstrip().endswith("/"):
            writer.write(writer.single(name, closing=False))
        else:
            if name in ("script", "style") and (end := _end_of(name, text, at)):
                at = end
                continue
            address = re.search(r"(?i)\bhref\s*=\s*[\"']?([^\"'\s]+)", rest) if name == "a" else None
            writer.start(name, {"href": address[1]} if address else {})
    writer.write(text[at:])
    return writer.close()


def _end_of(name: str, text: str, start: int) -> int:
    """Where a script or style ends, whatever signs are in it; 0 when it doesn't, or another one begins before."""
    end = re.compile(rf"(?i)<(/?){name}\b[^<>]*>").search(text, start)
    return end.end() if end and end[1] else 0


def _images(text: str) -> str:
    picture = (
        rf"!\[(?:{NO_BLANK_LINE}[^\[\]]|\[[^\[\]\n]*\])*\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\[[^\[\]\n]*\])"
    )
    text = re.sub(rf"\[\s*{picture}\s*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])?", "", text)  # a picture that is a link
    text = re.sub(picture, "", text)
    return re.sub(r"!\[\[[^\[\]\n]*\]\]", "", text)  # Obsidian embed


def _links(text: str, links: str) -> str:
    """Resolve reference links, drop the list of addresses, and keep words or words and address."""
    definition = (
        r"(?m)^[ ]{0,3}\[(?!\^)([^\]\n]+)\]:[ \t]*\n?[ \t]*<?(\S+?)>?(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^)\n]*\)))?["
        r" \t]*$"
    )
    targets = {name.casefold(): url for name, url in re.findall(definition, text)}
    text = re.sub(definition, "", text)

    def resolve(match):
        words, name = match[1], (match[2] or match[1]).casefold()
        return f"[{words}]({targets[name]})" if name in targets else match[0]

    text = re.sub(rf"(?<![!\\])\[((?:{NO_BLANK_LINE}[^\[\]])+)\]\[([^\[\]\n]*)\]", resolve, text)
    text = re.sub(r"(?<![!\\\]])\[([^\[\]\n]+)\]()(?![(\[:])", resolve, text)
    text = re.sub(r"\[\[(?:[^\[\]|\n]*\|)?([^\[\]|\n]+)\]\]", r"\1", text)  # wiki links
    if links == "text":
        text = re.sub(
            rf"\[((?:\\.|{NO_BLANK_LINE}[^\[\]\\]|\[[^\[\]\\\n]*\])*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)",
            r"\1",
            text,
        )
    return text
