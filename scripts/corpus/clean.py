"""A post as it was published → the words its author wrote: no shortcodes, HTML, images, reference lists, share buttons.

Code, fenced or inline, is left exactly as it is: it is taken out first and put back last.
"""

import functools
import html
import re
import unicodedata

INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u2060\ufeff\u00ad\u200e\u200f")) | {0xA0: " "}
DROPPED_TAGS = ["script", "style", "iframe", "canvas", "svg", "video", "audio", "object", "embed", "noscript", "template", "form", "button", "input", "select", "img", "picture", "source", "figcaption", "head", "title"]
BLOCK_TAGS = ["p", "div", "section", "article", "aside", "header", "footer", "main", "figure", "ul", "ol", "table", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "details", "summary", "dl", "dt", "dd", "hr", "center"]
INLINE_TAGS = ["a", "b", "strong", "i", "em", "u", "s", "del", "ins", "sub", "sup", "small", "big", "mark", "abbr", "cite", "q", "span", "font", "kbd", "code", "pre", "br", "li", "td", "th", "thead", "tbody", "tfoot", "caption", "colgroup", "col", "wbr", "time", "var", "samp", "address", "nav", "label", "tt", "strike", "html", "body", "meta", "link", "center"]
HTML_TAGS = set(DROPPED_TAGS + BLOCK_TAGS + INLINE_TAGS)
GAP = r"(?!\n[ \t]*\n)"  # what belongs together holds no blank line
REST = rf"(?:{GAP}[\s/](?:{GAP}(?:[^<>\"']|\"(?:{GAP}[^\"])*\"|'(?:{GAP}[^'])*'))*)?"  # a tag after its name
TAG = re.compile(rf"<(/?)([a-zA-Z][\w.:-]*)({REST})>")
# Patterns below never look past the next opening mark or blank line: a stray "{{" must cost neither words nor time.
HIGHLIGHT = r"\{[%{][<%]?-?\s*highlight\s+(?P<lang>\w*)[^{}]*\}\}?\n?(?P<shown>(?:(?!\{[%{][<%]?-?\s*highlight\s).)*?)\n?\{[%{][<%]?-?\s*(?:/\s*|end)highlight[^{}]*\}\}?"
PRE = r"<(?i:pre)\b[^<>]*>(?P<pre>(?:(?!<(?i:pre)\b).)*?)</(?i:pre)>"
FENCED = r"^[ \t]*(?P<fence>`{3,}(?!`)|~{3,}(?!~))[^\n`]*\n.*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
INLINE = r"(?<!`)(?P<tick>`+)(?!`)(?:" + GAP + r".){1,2000}?(?<!`)(?P=tick)(?!`)"
CODE = re.compile(f"(?ms){HIGHLIGHT}|{PRE}|{FENCED}|{INLINE}")
INDENTED = re.compile(r"(?m)^(?:(?<=\A)|(?<=\n\n))(?: {4}[^\n]*\S[^\n]*(?:\n|\Z)(?:[ \t]*\n(?= {4}))*)+")
IN_LIST = re.compile(r"[ \t]+\S|(?:[-*+]|\d+[.)])[ \t]")
SHARE_WORDS = r"(?:twitter|facebook|e-?mail|linkedin|reddit|whatsapp|pinterest|mastodon|bluesky|telegram|hacker ?news|tumblr|pocket|print|rss|x)\b"
SHARE = rf"share(?: (?:this|it))?(?: (?:post|article|page|story|entry))?(?:[^\w\n]+(?:on|via|with|to|and|or|your|friends|{SHARE_WORDS}))*[^\w\n]*"
SHARE_LINE = re.compile(
    rf"(?im)^[ \t>*_]*(?:{SHARE}|tweet this[^\w\n]*|like this:?[ \t]*(?:like loading[^\w\n]*)?|(?:{SHARE_WORDS}[ \t]*[|•·/,][ \t]*)+{SHARE_WORDS}[^\w\n]*|follow (?:me|us) on {SHARE_WORDS}[^\w\n]*|(?:posted in|filed under|tagged(?: with)?|related posts)[ \t]*:[^\n]*|click to share[^\n]*)$"
)


def clean(text: str, links: str = "text") -> str:
    """The author's words of a post, as Markdown. links: "text" keeps a link's words only, "keep" its address too."""
    text = unicodedata.normalize("NFC", text).translate(INVISIBLE)
    text = text.replace("\u2028", "\n").replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    text, code = _take_code(text, blocks_to_fences=True)
    text = _shortcodes(text)
    text = _html(text)
    text = _images(text)
    text = _links(text, links)
    text = SHARE_LINE.sub("", text)
    text = re.sub(r"(?im)^[ \t*-]*(?:toc|\[toc\]|\[\[toc\]\])[ \t]*$", "", text)
    text = re.sub(r"(?m)(?<![ \t])[ \t]+$", "", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip("\n")
    return _put_code(text, code)


def paragraphs(text: str) -> list[str]:
    """Blocks between blank lines; a fenced code block with blank lines inside stays one."""
    text, code = _take_code(text)
    return [_put_code(block.strip("\n"), code) for block in re.split(r"\n[ \t]*\n", text) if block.strip()]


def headings(text: str) -> list[str]:
    text, code = _take_code(text)
    return [_put_code(found, code) for m in re.findall(r"(?m)^#{1,6}[ \t]([^\n]+)$", text) if (found := m.strip("# \t"))]


def _take_code(text: str, blocks_to_fences: bool = False) -> tuple[str, list[str]]:
    """Text with each code block or span replaced by a private-use mark, and the pieces."""
    code: list[str] = []

    def mark(piece):
        code.append(piece)
        return f"\ue000{len(code) - 1}\ue001"

    def keep(match):
        if blocks_to_fences and match["shown"] is not None:
            return f"\n{mark(_fence(match['shown'], match['lang']))}\n"
        if blocks_to_fences and match["pre"] is not None:
            return f"\n\n{mark(_fence(html.unescape(re.sub('<[^<>]*>', '', match['pre'])).strip(chr(10))))}\n\n"
        return mark(match[0])

    def keep_indented(match):
        end = match.start()
        while end and text[end - 1].isspace():
            end -= 1
        before = text[text.rfind("\n", 0, end) + 1 : end]
        if IN_LIST.match(before) and not match[0].startswith(" " * 8):
            return match[0]  # a second paragraph of a list item is no code
        return mark(match[0])

    text = CODE.sub(keep, re.sub("[\ue000\ue001]", "", text))
    return INDENTED.sub(keep_indented, text), code


def _put_code(text: str, code: list[str]) -> str:
    return re.sub("\ue000(\\d+)\ue001", lambda m: _put_code(code[int(m[1])], code), text)


def _fence(code: str, language: str = "") -> str:
    """Jekyll's and Hugo's highlight blocks, and HTML's <pre>, are code fences by another name."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{ticks}{language}\n{code}\n{ticks}"


def _shortcodes(text: str) -> str:
    inside = rf"(?:(?!\{{\{{|\{{%){GAP}.)*?"
    text = re.sub(r"(?s)\{%-?\s*comment\s*-?%\}(?:(?!\{%-?\s*comment\b).)*?\{%-?\s*endcomment\s*-?%\}", "", text)
    text = re.sub(rf"(?s)\{{\{{[<%]{inside}[%>]\}}\}}|\{{%{inside}%\}}|\{{\{{{inside}\}}\}}", "", text)  # Hugo, Liquid tags, Liquid values
    text = re.sub(r"\{:[^{}\n]*\}", "", text)  # kramdown attributes
    return re.sub(r"(?m)^(#{1,6}[^\n{]*)\{[#.][^{}\n]*\}[ \t]*$", r"\1", text)  # heading ids


def _html(text: str) -> str:
    """HTML inside Markdown → the Markdown it stands for; what is no tag ("a <b and c", "List<String>") stays text."""
    text = re.sub(r"<((?:https?|mailto):[^<>\s]+)>", r"\1", text)
    text = re.sub(r"(?is)<!--(?:(?!<!--).)*?-->|<!doctype\b[^<>]*>", "", text)
    if "<" in text:
        text = re.sub(_element("|".join(DROPPED_TAGS)), "", text)
        for names, mark in (("b|strong", "**"), ("i|em", "*"), ("code|kbd|tt", "`")):
            text = re.sub(_element(names), functools.partial(_emphasis, mark), text)
        text = re.sub(_element("a"), _anchor, text)
        known = HTML_TAGS | {name.lower() for name in re.findall(r"</([a-zA-Z][\w.:-]*)\s*>", text)}
        text = TAG.sub(functools.partial(_tag, known), text)
        for _ in range(3):  # quotes in quotes
            text = re.sub(_element("blockquote"), _quote, text)
        text = re.sub(rf"(?i)</?blockquote{REST}>", "\n\n", text)
    # "&copy=2" in an address is no ©: only a whole entity is one
    return re.sub(r"&#?\w{1,30};", lambda m: html.unescape(m[0]).translate(INVISIBLE), text)


def _element(names: str) -> str:
    """Pattern of an element of one of these names that holds no other of its own name; group 2 its attributes, 3 what it holds."""
    return rf"(?is)<({names})({REST})>((?:(?!<\1\b).)*?)</\1\s*>"


def _emphasis(mark: str, match) -> str:
    words = match[3].strip()
    return match[3].replace(words, mark + words + mark, 1) if words and "\n" not in words else match[3]


def _anchor(match) -> str:
    address = re.search(r"(?i)\bhref\s*=\s*[\"']?([^\"'\s]+)", match[2])
    return f"[{match[3]}]({address[1]})" if address and re.sub("<[^<>]*>", "", match[3]).strip() else match[3]


def _tag(known: set, match) -> str:
    """What a single tag stands for; one that is no HTML stays as it is, unless it is closed or has attributes (MDX)."""
    closing, name, rest = match[1], match[2].lower(), match[3]
    if name not in known and not (closing or re.match(r"\s+[\w:@-]+=[\"'{]", rest) or rest.rstrip().endswith("/")):
        return match[0]
    if name in ("li", "tr"):
        return "" if closing else "\n- " if name == "li" else "\n"
    if re.fullmatch("h[1-6]", name):
        return "\n\n" if closing else "\n\n" + "#" * max(2, int(name[1])) + " "
    if name in ("td", "th"):
        return " " if closing else ""
    return match[0] if name == "blockquote" else "\n" if name == "br" else "\n\n" if name in BLOCK_TAGS else ""


def _quote(match) -> str:
    lines = re.sub(r"\n\s*\n", "\n\n", match[3].strip()).split("\n")
    return "\n\n" + "\n".join(f"> {line.strip()}".rstrip() for line in lines) + "\n\n"


def _images(text: str) -> str:
    picture = rf"!\[(?:{GAP}[^\[\]]|\[[^\[\]\n]*\])*\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\[[^\[\]\n]*\])"
    text = re.sub(rf"\[\s*{picture}\s*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])?", "", text)  # a picture that is a link
    text = re.sub(picture, "", text)
    return re.sub(r"!\[\[[^\[\]\n]*\]\]", "", text)  # Obsidian embed


def _links(text: str, links: str) -> str:
    """Resolve reference links, drop the list of addresses, and keep words or words and address."""
    definition = r"(?m)^[ ]{0,3}\[(?!\^)([^\]\n]+)\]:[ \t]*\n?[ \t]*<?(\S+?)>?(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^)\n]*\)))?[ \t]*$"
    targets = {name.casefold(): url for name, url in re.findall(definition, text)}
    text = re.sub(definition, "", text)

    def resolve(match):
        words, name = match[1], (match[2] or match[1]).casefold()
        return f"[{words}]({targets[name]})" if name in targets else match[0]

    text = re.sub(rf"(?<![!\\])\[((?:{GAP}[^\[\]])+)\]\[([^\[\]\n]*)\]", resolve, text)
    text = re.sub(r"(?<![!\\\]])\[([^\[\]\n]+)\]()(?![(\[:])", resolve, text)
    text = re.sub(r"\[\[(?:[^\[\]|\n]*\|)?([^\[\]|\n]+)\]\]", r"\1", text)  # wiki links
    if links == "text":
        text = re.sub(rf"\[((?:\\.|{GAP}[^\[\]\\]|\[[^\[\]\\\n]*\])*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)", r"\1", text)
    return text
